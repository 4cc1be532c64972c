//! What a new module is made of, and how it is understood from words.

use clap::ValueEnum;
use domain::name::ModuleName;
use module_spec::{Field, Text};

/// Longest label: more does not fit a menu.
const MAX_LABEL: usize = 100;
/// Most characters of a field's name; PostgreSQL has 63, and the name of an index takes some.
const MAX_FIELD: usize = 50;
/// Most fields to begin with.
const MAX_FIELDS: usize = 50;

/// Everything that is asked.
#[derive(Debug, Clone)]
pub(super) struct Answers {
    pub(super) name: ModuleName,
    pub(super) singular: Label,
    pub(super) plural: Label,
    pub(super) menu: Label,
    pub(super) portals: Vec<PortalAnswer>,
    /// At least one.
    pub(super) fields: Vec<FieldAnswer>,
    /// Where it will be, for the commands in its comments.
    pub(super) file: String,
}

/// A text that the pages show; one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label(String);

impl Label {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whose pages show a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PortalAnswer {
    /// Administrators
    Admin,
    /// Agents
    Agent,
    /// Customers
    Customer,
}

impl PortalAnswer {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Agent => "agent",
            Self::Customer => "customer",
        }
    }
}

/// What kind of value a field holds: those that need nothing but the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FieldKind {
    /// One line
    String,
    /// Several lines
    Text,
    /// A whole number
    Integer,
    /// A number
    Decimal,
    /// Yes or no
    Bool,
    /// A day
    Date,
    /// A day and a time
    Datetime,
    /// An e-mail address
    Email,
    /// A web address
    Url,
}

impl FieldKind {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Bool => "bool",
            Self::Date => "date",
            Self::Datetime => "datetime",
            Self::Email => "email",
            Self::Url => "url",
        }
    }

    /// Whether a search for words makes sense.
    pub(super) const fn is_text(self) -> bool {
        matches!(self, Self::String | Self::Text | Self::Email | Self::Url)
    }
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldAnswer {
    pub(super) name: String,
    pub(super) kind: FieldKind,
}

pub(super) fn parse_name(text: &str) -> Result<ModuleName, String> {
    text.parse().map_err(|error: domain::name::ParseNameError| {
        let proposal = proposal(text, ModuleName::MAX_LEN);
        match proposal.parse::<ModuleName>() {
            Ok(good) => format!("{error}; `{good}` would do"),
            Err(_) => format!("{error}; a good name is `laptop`"),
        }
    })
}

/// What a person may have meant: lower case, and underscores for what is not allowed.
fn proposal(text: &str, longest: usize) -> String {
    let mut name = String::new();
    for letter in text.chars().flat_map(char::to_lowercase) {
        match letter {
            'a'..='z' => name.push(letter),
            '0'..='9' if !name.is_empty() => name.push(letter),
            _ if !name.is_empty() && !name.ends_with('_') => name.push('_'),
            _ => {}
        }
    }
    let name: String = name.chars().take(longest).collect();
    name.trim_end_matches('_').to_owned()
}

pub(super) fn parse_label(text: &str) -> Result<Label, String> {
    let text = text.trim();
    let breaks = |letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}');
    if text.is_empty() {
        Err("write at least one character".to_owned())
    } else if text.chars().count() > MAX_LABEL {
        Err(format!("write at most {MAX_LABEL} characters"))
    } else if text.contains(breaks) {
        Err("write one line, without control characters".to_owned())
    } else if text.starts_with('@') {
        Err("@ at the beginning makes it a key for translations; write the text itself, and the key into the file".to_owned())
    } else {
        Ok(Label(text.to_owned()))
    }
}

pub(super) fn parse_portals(text: &str) -> Result<Vec<PortalAnswer>, String> {
    parts(text)
        .map(|word| {
            PortalAnswer::from_str(word, false)
                .map_err(|_unknown| format!("\"{word}\" is none of admin, agent, customer"))
        })
        .collect::<Result<Vec<_>, _>>()
        .and_then(at_least_one)
}

pub(super) fn parse_fields(text: &str) -> Result<Vec<FieldAnswer>, String> {
    let fields = parts(text)
        .map(parse_field)
        .collect::<Result<Vec<_>, _>>()
        .and_then(at_least_one)?;
    if fields.len() > MAX_FIELDS {
        return Err(format!("begin with at most {MAX_FIELDS} fields"));
    }
    Ok(fields)
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

fn at_least_one<T>(found: Vec<T>) -> Result<Vec<T>, String> {
    if found.is_empty() {
        Err("name at least one".to_owned())
    } else {
        Ok(found)
    }
}

pub(super) fn parse_field(text: &str) -> Result<FieldAnswer, String> {
    let (name, kind) = text.split_once(':').unwrap_or((text, "string"));
    let (name, kind) = (name.trim(), kind.trim());
    let good = name.starts_with(|letter: char| letter.is_ascii_lowercase())
        && name
            .chars()
            .all(|letter| matches!(letter, 'a'..='z' | '0'..='9' | '_'))
        && name.len() <= MAX_FIELD;
    if !good {
        let example = match proposal(name, MAX_FIELD) {
            empty if empty.is_empty() => "serial".to_owned(),
            proposal => proposal,
        };
        return Err(format!(
            "the name of a field is lower-case letters, digits and underscores, starts with a letter and has at most {MAX_FIELD} characters; `{example}` would do"
        ));
    }
    if Field::AUDIT_COLUMNS.contains(&name) {
        return Err(format!(
            "every record has `{name}` without asking for it; name another field"
        ));
    }
    let kind = FieldKind::from_str(kind, false).map_err(|_unknown| {
        let kinds: Vec<&str> = FieldKind::value_variants()
            .iter()
            .map(|kind| kind.word())
            .collect();
        format!("\"{kind}\" is none of the types {}", kinds.join(", "))
    })?;
    Ok(FieldAnswer {
        name: name.to_owned(),
        kind,
    })
}

/// The name as a label, made as the format makes it where there is none.
pub(super) fn title(name: &ModuleName) -> String {
    // A translation key without a fallback is shown in title case.
    Text::new(&format!("@{name}")).display().to_owned()
}

/// The usual English plural; a person can say another.
pub(super) fn plural(singular: &str) -> String {
    let ends = |endings: &[&str]| endings.iter().any(|ending| singular.ends_with(ending));
    if ends(&["s", "x", "z", "ch", "sh"]) {
        return format!("{singular}es");
    }
    match singular.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{singular}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_are_refused_with_one_that_would_do() {
        for (text, would_do) in [
            ("Lap Top", "`lap_top`"),
            ("2nd", "`nd`"),
            ("", "`laptop`"),
            ("../etc/passwd", "`etc_passwd`"),
            ("💻", "`laptop`"),
            ("Größe", "`gr_e`"),
            ("laptop.yaml", "`laptop_yaml`"),
        ] {
            let help = parse_name(text).unwrap_err();
            assert!(help.contains(would_do), "{text}: {help}");
        }
        let help = parse_name(&"x".repeat(51)).unwrap_err();
        assert!(help.contains(&"x".repeat(50)), "{help}");
    }

    #[test]
    fn fields_and_portals_are_understood() {
        let fields = parse_fields(" serial , price:decimal,, bought_on : date ").unwrap();
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|field| (field.name.as_str(), field.kind.word()))
            .collect();
        assert_eq!(
            fields,
            [
                ("serial", "string"),
                ("price", "decimal"),
                ("bought_on", "date")
            ]
        );
        for (text, help) in [
            ("", "at least one"),
            ("Serial No", "`serial_no`"),
            ("_x", "`x`"),
            ("a:select", "integer, decimal"),
            ("a:", "integer, decimal"),
            ("id:integer", "every record has `id`"),
        ] {
            let said = parse_fields(text).unwrap_err();
            assert!(said.contains(help), "{text}: {said}");
        }
        assert_eq!(
            parse_portals("agent, admin").unwrap(),
            [PortalAnswer::Agent, PortalAnswer::Admin]
        );
        assert!(parse_portals("boss").unwrap_err().contains("boss"));
    }

    #[test]
    fn every_kind_is_written_as_it_is_read() {
        for kind in FieldKind::value_variants() {
            assert_eq!(FieldKind::from_str(kind.word(), false).as_ref(), Ok(kind));
        }
        for portal in PortalAnswer::value_variants() {
            assert_eq!(
                PortalAnswer::from_str(portal.word(), false).as_ref(),
                Ok(portal)
            );
        }
    }

    #[test]
    fn labels_are_one_line() {
        assert_eq!(parse_label("  Big laptop ").unwrap().as_str(), "Big laptop");
        for text in [
            "",
            "  ",
            "a\nb",
            "a\u{2028}b",
            "\u{1b}[2J",
            "@admin.x",
            &"x".repeat(101),
        ] {
            assert!(parse_label(text).is_err(), "{text:?}");
        }
        for (singular, expected) in [
            ("Laptop", "Laptops"),
            ("Box", "Boxes"),
            ("Battery", "Batteries"),
            ("Key", "Keys"),
        ] {
            assert_eq!(plural(singular), expected);
        }
        assert_eq!(title(&"big_laptop".parse().unwrap()), "Big Laptop");
    }
}
