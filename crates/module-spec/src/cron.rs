//! Cron expressions: five fields (minute, hour, day of the month, month, day of the week) as in POSIX, with steps and names.

use std::fmt;
use std::str::FromStr;

/// When a schedule is due, in its time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    written: String,
    /// One bit for each value, by field.
    sets: [u64; 5],
    /// Whether day of the month and day of the week are restricted: then either of them is enough.
    restricted: (bool, bool),
}

/// What is wrong with a cron expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseCronError(String);

impl fmt::Display for ParseCronError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseCronError {}

const MONTHS: &[&str] = &[
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// Days of each month, February in a leap year.
const LENGTHS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

struct Part {
    what: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const PARTS: [Part; 5] = [
    Part {
        what: "minute",
        min: 0,
        max: 59,
        names: &[],
    },
    Part {
        what: "hour",
        min: 0,
        max: 23,
        names: &[],
    },
    Part {
        what: "day of the month",
        min: 1,
        max: 31,
        names: &[],
    },
    Part {
        what: "month",
        min: 1,
        max: 12,
        names: MONTHS,
    },
    Part {
        what: "day of the week",
        min: 0,
        max: 7,
        names: DAYS,
    },
];

impl Cron {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether it is due at this minute; `weekday` is 0 for Sunday. When both days are restricted, one of them is enough.
    pub fn matches(&self, minute: u32, hour: u32, day: u32, month: u32, weekday: u32) -> bool {
        let [minutes, hours, days, months, weekdays] = self.sets;
        let by_date = has(days, day);
        let by_weekday = has(weekdays, weekday);
        let by_day = if self.restricted == (true, true) {
            by_date || by_weekday
        } else {
            by_date && by_weekday
        };
        has(minutes, minute) && has(hours, hour) && has(months, month) && by_day
    }

    /// Whether there is any day on which it is due: the 30th of February is none.
    fn is_ever_due(&self) -> bool {
        let [_, _, days, months, _] = self.sets;
        self.restricted.1
            || (1..)
                .zip(LENGTHS)
                .any(|(month, length)| has(months, month) && (1..=length).any(|day| has(days, day)))
    }
}

const fn has(set: u64, value: u32) -> bool {
    match 1_u64.checked_shl(value) {
        Some(bit) => set & bit != 0,
        None => false,
    }
}

impl FromStr for Cron {
    type Err = ParseCronError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words: Vec<&str> = text.split_ascii_whitespace().take(7).collect();
        let [minute, hour, day, month, weekday] = words.as_slice() else {
            let message = format!(
                "five fields are needed (minute, hour, day of the month, month, day of the week), not {}",
                words.len()
            );
            return Err(ParseCronError(message));
        };
        let [minutes, hours, days, months, weekdays] = &PARTS;
        let mut sets = [
            read(minute, minutes)?,
            read(hour, hours)?,
            read(day, days)?,
            read(month, months)?,
            read(weekday, weekdays)?,
        ];
        // Sunday is 0 and 7.
        if let Some(weekdays) = sets.last_mut()
            && has(*weekdays, 7)
        {
            *weekdays |= 1;
        }
        let cron = Self {
            written: words.join(" "),
            sets,
            restricted: (!day.starts_with('*'), !weekday.starts_with('*')),
        };
        if cron.is_ever_due() {
            Ok(cron)
        } else {
            Err(ParseCronError(
                "there is no such day in these months".to_owned(),
            ))
        }
    }
}

fn read(text: &str, part: &Part) -> Result<u64, ParseCronError> {
    let mut set = 0;
    for piece in text.split(',') {
        set |= read_piece(piece, part).ok_or_else(|| {
            let Part { what, min, max, .. } = part;
            let shown: String = text.chars().take(40).collect();
            ParseCronError(format!(
                "\"{shown}\" is no {what}: numbers from {min} to {max}, ranges (1-5), lists (1,3), steps (*/2)"
            ))
        })?;
    }
    Ok(set)
}

fn read_piece(piece: &str, part: &Part) -> Option<u64> {
    let (range, step) = match piece.split_once('/') {
        Some((range, step)) => (range, Some(number(step)?)),
        None => (piece, None),
    };
    let (from, to) = if range == "*" {
        (part.min, part.max)
    } else {
        match range.split_once('-') {
            Some((from, to)) => (value(from, part)?, value(to, part)?),
            // A step over one value means nothing.
            None if step.is_some() => return None,
            None => (value(range, part)?, value(range, part)?),
        }
    };
    let step = usize::try_from(step.unwrap_or(1))
        .ok()
        .filter(|step| *step > 0)?;
    if from > to {
        return None;
    }
    (from..=to)
        .step_by(step)
        .try_fold(0_u64, |set, value| Some(set | 1_u64.checked_shl(value)?))
}

fn value(text: &str, part: &Part) -> Option<u32> {
    let named = part
        .names
        .iter()
        .position(|name| text.eq_ignore_ascii_case(name));
    let value = match named {
        Some(at) => u32::try_from(at).ok()?.checked_add(part.min)?,
        None => number(text)?,
    };
    (part.min..=part.max).contains(&value).then_some(value)
}

fn number(text: &str) -> Option<u32> {
    let good = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    good.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_mean_what_cron_says() {
        for (text, at, expected) in [
            ("*/15 6-8 * * mon-fri", (30, 7, 3, 5, 1), true),
            ("*/15 6-8 * * mon-fri", (31, 7, 3, 5, 1), false),
            ("*/15 6-8 * * mon-fri", (30, 7, 3, 5, 6), false),
            ("0 0 1 * 5", (0, 0, 1, 1, 3), true),
            ("0 0 1 * 5", (0, 0, 2, 1, 5), true),
            ("0 0 1 * 5", (0, 0, 2, 1, 4), false),
            ("0 0 * * 7", (0, 0, 9, 1, 0), true),
            ("5,10 0 29 FEB *", (10, 0, 29, 2, 2), true),
        ] {
            let cron: Cron = text.parse().unwrap();
            let (minute, hour, day, month, weekday) = at;
            assert_eq!(
                cron.matches(minute, hour, day, month, weekday),
                expected,
                "{text} {at:?}"
            );
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "*/0 * * * *",
            "5/2 * * * *",
            "5-1 * * * *",
            "a * * * *",
            "1, * * * *",
            "-1 * * * *",
            "0 0 30 2 *",
            "0 0 31 4,6 *",
            "@daily",
        ] {
            assert!(text.parse::<Cron>().is_err(), "{text}");
        }
    }
}
