//! What templates can call besides Tera's own filters.

#![expect(
    clippy::needless_pass_by_value,
    reason = "the signatures that Tera asks for"
)]

use chrono::{DateTime, SecondsFormat, Utc};
use tera::{Kwargs, State, Tera, TeraResult, Value};

use super::assets;

pub(super) fn register(tera: &mut Tera) {
    tera.register_function("asset", asset);
    tera.register_function("icon_shape", icon_shape);
    tera.register_filter("attribute", attribute);
    tera.register_filter("ago", ago);
    tera.register_filter("exact_time", exact_time);
    tera.register_filter("grouped", grouped);
    tera.register_filter("initials", initials);
    tera.register_filter("urlencode", urlencode);
}

/// `asset(name="app.css")` → `/assets/app-1f2e3d4c.css`.
fn asset(kwargs: Kwargs, _: &State<'_>) -> TeraResult<String> {
    let name = kwargs.must_get::<&str>("name")?;
    assets::asset_path(name)
        .map(str::to_owned)
        .ok_or_else(|| tera::Error::message(format!("there is no asset {name}")))
}

/// The shapes inside an icon's `<svg>`, from Lucide. A name that does not exist is `fallback`, if there is one.
fn icon_shape(kwargs: Kwargs, _: &State<'_>) -> TeraResult<Value> {
    let name = kwargs.must_get::<&str>("name")?;
    let fallback = kwargs.get::<&str>("fallback")?.unwrap_or_default();
    assets::icon(name)
        .or_else(|| assets::icon(fallback))
        .map(Value::safe_string)
        .ok_or_else(|| tera::Error::message(format!("there is no icon {name}")))
}

/// `hx_get` → `hx-get`: argument names of components cannot have hyphens.
fn attribute(name: &str, _: Kwargs, _: &State<'_>) -> String {
    name.replace('_', "-")
}

fn parse_time(text: &str) -> TeraResult<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .map_err(|_not_a_time| tera::Error::message(format!("{text:?} is not an RFC 3339 time")))
}

/// `at | ago(now=request.now)` → `3 minutes ago`; a date beyond a week.
fn ago(at: &str, kwargs: Kwargs, _: &State<'_>) -> TeraResult<String> {
    let at = parse_time(at)?;
    let now = parse_time(kwargs.must_get::<&str>("now")?)?;
    Ok(relative(at, now))
}

fn relative(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let seconds = now.signed_duration_since(at).num_seconds();
    let (amount, unit) = match seconds.abs() {
        0..45 => return "just now".to_owned(),
        45..3_600 => ((seconds.abs() + 30) / 60, "minute"),
        3_600..86_400 => ((seconds.abs() + 1_800) / 3_600, "hour"),
        86_400..604_800 => ((seconds.abs() + 43_200) / 86_400, "day"),
        _ => return at.format("%-d %b %Y").to_string(),
    };
    let plural = if amount == 1 { "" } else { "s" };
    if seconds >= 0 {
        format!("{amount} {unit}{plural} ago")
    } else {
        format!("in {amount} {unit}{plural}")
    }
}

/// `2026-03-01 14:05:09 UTC`.
fn exact_time(at: &str, _: Kwargs, _: &State<'_>) -> TeraResult<String> {
    let text = parse_time(at)?.to_rfc3339_opts(SecondsFormat::Secs, true);
    Ok(text.replace('T', " ").replace('Z', " UTC"))
}

/// `1234567` → `1 234 567`, with narrow spaces that do not break.
fn grouped(number: i64, _: Kwargs, _: &State<'_>) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    if number < 0 {
        text.push('\u{2212}');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// `Ada Lovelace` → `AL`, for avatars.
fn initials(name: &str, _: Kwargs, _: &State<'_>) -> String {
    let mut words = name
        .split(|c: char| !c.is_alphanumeric())
        .filter_map(|word| word.chars().next());
    let first = words.next();
    let last = words.next();
    first
        .into_iter()
        .chain(last)
        .flat_map(char::to_uppercase)
        .collect()
}

/// Text as part of a path or as a value in a query.
fn urlencode(text: &str, _: Kwargs, _: &State<'_>) -> String {
    percent_encode(text)
}

/// Percent-encoding of everything that is not unreserved: text as part of a path or as a value in a query.
pub fn percent_encode(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => {
                encoded.push('%');
                encoded.push(char::from(HEX[usize::from(byte >> 4)]));
                encoded.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn eval(expression: &str) -> String {
        let mut tera = Tera::default();
        register(&mut tera);
        tera.add_raw_template("t.txt", expression).unwrap();
        tera.render("t.txt", &tera::Context::new()).unwrap()
    }

    #[test]
    fn times_are_words_up_to_a_week() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        for (seconds, words) in [
            (0, "just now"),
            (44, "just now"),
            (-30, "just now"),
            (60, "1 minute ago"),
            (-150, "in 3 minutes"),
            (3_600, "1 hour ago"),
            (86_400 * 2, "2 days ago"),
            (86_400 * 30, "4 Sep 2024"),
        ] {
            assert_eq!(relative(now - TimeDelta::seconds(seconds), now), words);
        }
    }

    #[test]
    fn filters_say_what_they_should() {
        for (expression, text) in [
            ("{{ 1234567 | grouped }}", "1\u{202f}234\u{202f}567"),
            ("{{ -1000 | grouped }}", "\u{2212}1\u{202f}000"),
            ("{{ 999 | grouped }}", "999"),
            ("{{ 'ada de lovelace' | initials }}", "AD"),
            ("{{ 'a@b.c' | initials }}", "AB"),
            ("{{ '' | initials }}", ""),
            ("{{ 'a b/ü' | urlencode }}", "a%20b%2F%C3%BC"),
            ("{{ 'hx_get' | attribute }}", "hx-get"),
            (
                "{{ '2026-03-01T14:05:09.123Z' | exact_time }}",
                "2026-03-01 14:05:09 UTC",
            ),
        ] {
            assert_eq!(eval(expression), text, "{expression}");
        }
    }
}
