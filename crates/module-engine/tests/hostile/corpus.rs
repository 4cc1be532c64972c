//! Reads `corpus/*.js`. A case begins with `//# name => end`, may go on with `//+ option number`, and the rest is its lambda.

use std::fmt;

use serde_json::Value;

pub(crate) struct Case {
    pub(crate) name: String,
    /// How it may end: one way, unless it depends on the machine.
    pub(crate) ends: Vec<End>,
    pub(crate) options: Options,
    pub(crate) lambda: String,
}

/// How an invocation may end.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// By this limit.
    Limit(String),
    /// By an error that begins so.
    Throws(String),
    /// Not at all: the module is refused with a finding that says this.
    Refused(String),
    /// With this value: what was tried leads nowhere.
    Gives(Value),
    /// The sandbox broke: never right.
    Untyped(String),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(limit) => f.write_str(limit),
            Self::Throws(text) => write!(f, "throws {text}"),
            Self::Refused(text) => write!(f, "refused {text}"),
            Self::Gives(value) => write!(f, "gives {value}"),
            Self::Untyped(error) => write!(f, "broke {error}"),
        }
    }
}

/// What a case changes about its host and limits.
#[derive(Default)]
pub(crate) struct Options {
    /// Milliseconds that each query takes.
    pub(crate) slow: Option<u32>,
    pub(crate) queries: Option<u32>,
    pub(crate) rows_limit: Option<u32>,
    pub(crate) bytes: Option<u32>,
    pub(crate) memory: Option<u32>,
    /// Rows of each answer.
    pub(crate) answer: Option<u32>,
    /// Bytes of each row of an answer.
    pub(crate) width: Option<u32>,
    /// Run as a computed field of that many rows.
    pub(crate) rows: Option<u32>,
}

/// All cases, in the order of the files.
pub(crate) fn cases() -> Vec<Case> {
    let mut files: Vec<_> = std::fs::read_dir(crate::CORPUS)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .flat_map(|file| {
            let category = file.file_stem().unwrap().to_string_lossy();
            let text = std::fs::read_to_string(file).unwrap();
            text.split("\n//# ")
                .skip(1)
                .map(|case| read_case(&category, case))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn read_case(category: &str, text: &str) -> Case {
    let (head, mut rest) = text.split_once('\n').unwrap();
    let (name, ends) = head.rsplit_once(" => ").unwrap();
    let mut options = Options::default();
    while let Some(line) = rest.strip_prefix("//+ ") {
        let (option, after) = line.split_once('\n').unwrap();
        let (key, number) = option.split_once(' ').unwrap();
        let number = Some(number.parse().unwrap());
        match key {
            "slow" => options.slow = number,
            "queries" => options.queries = number,
            "rows-limit" => options.rows_limit = number,
            "bytes" => options.bytes = number,
            "memory" => options.memory = number,
            "answer" => options.answer = number,
            "width" => options.width = number,
            "rows" => options.rows = number,
            other => panic!("{category}: {name}: no option {other}"),
        }
        rest = after;
    }
    Case {
        name: format!("{category}: {name}"),
        ends: vec![read_end(ends)],
        options,
        lambda: rest.trim_end().to_owned(),
    }
}

/// An end as the corpus writes it.
pub(crate) fn read_end(text: &str) -> End {
    if text == "throws" {
        return End::Throws(String::new());
    }
    match text.split_once(' ') {
        Some(("throws", start)) => End::Throws(start.to_owned()),
        Some(("refused", part)) => End::Refused(part.to_owned()),
        Some(("gives", json)) => {
            End::Gives(serde_json::from_str(json).unwrap_or_else(|error| panic!("{text}: {error}")))
        }
        _ => {
            assert!(
                [
                    "wall",
                    "cpu",
                    "memory",
                    "stack",
                    "queries",
                    "rows",
                    "bytes",
                    "log-lines",
                    "result-bytes",
                    "nesting"
                ]
                .contains(&text),
                "no such end: {text}"
            );
            End::Limit(text.to_owned())
        }
    }
}
