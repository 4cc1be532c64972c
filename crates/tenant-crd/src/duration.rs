//! Durations as Kubernetes writes them: `30m`, `168h`, `1h30m`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Whole hours, minutes and seconds, in this order, each at most once.
///
/// A subset of what Go's `time.ParseDuration` reads, so that CEL's `duration()` reads it too. Numbers have at most six
/// digits: nothing overflows, whatever stands in a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u64);

/// A text that is no such duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration: write hours, minutes and seconds such as 168h, 30m or 1h30m")]
pub struct ParseSpanError(String);

impl Span {
    /// Most digits of one number.
    const DIGITS: usize = 6;
    const UNITS: [(char, u64); 3] = [('h', 3600), ('m', 60), ('s', 1)];

    /// So many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds)
    }

    /// So many hours.
    pub const fn from_hours(hours: u32) -> Self {
        Self(hours as u64 * 3600)
    }

    /// For clocks and timers.
    pub const fn as_duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl FromStr for Span {
    type Err = ParseSpanError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseSpanError(text.chars().take(40).collect());
        let mut rest = text;
        let mut seconds = 0;
        for (unit, factor) in Self::UNITS {
            let Some((number, after)) = rest.split_once(unit) else {
                continue;
            };
            if number.is_empty()
                || number.len() > Self::DIGITS
                || !number.bytes().all(|byte| byte.is_ascii_digit())
            {
                return Err(wrong());
            }
            let number: u64 = number.parse().map_err(|_not_a_number| wrong())?;
            seconds += number * factor;
            rest = after;
        }
        if text.is_empty() || !rest.is_empty() {
            return Err(wrong());
        }
        Ok(Self(seconds))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, factor) in Self::UNITS {
            if rest >= factor {
                write!(f, "{}{unit}", rest / factor)?;
                rest %= factor;
            }
        }
        Ok(())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 2,
            "maxLength": 21,
            "pattern": "^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_kubernetes_people_write_is_read() {
        for (text, seconds) in [
            ("168h", 604_800),
            ("30m", 1_800),
            ("1h30m", 5_400),
            ("0s", 0),
            ("90m", 5_400),
            ("1h1s", 3_601),
            ("999999h", 3_599_996_400),
        ] {
            assert_eq!(text.parse(), Ok(Span::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_an_example() {
        for text in [
            "", "h", "7d", "1.5h", "-1h", "30", "30m1h", "1h1h", " 1h", "1000000h", "1h ", "+1h",
            "١h",
        ] {
            let error = text.parse::<Span>().unwrap_err().to_string();
            assert!(error.contains("such as 168h"), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(seconds in 0_u64..3_000_000_000) {
            let span = Span::from_secs(seconds);
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }

        #[test]
        fn nothing_panics(text in "[0-9hms.d-]{0,30}") {
            let _ = text.parse::<Span>();
        }
    }
}
