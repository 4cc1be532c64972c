//! Lines of a file as YAML and editors count them.

use std::collections::{BTreeMap, BTreeSet};

use domain::diagnostic::Diagnostic;

/// The lines of `source`, ended by LF, CR LF or CR alone, without their ends. There is always at least one. A byte order mark
/// is part of none: no editor counts it as a column.
pub(crate) fn lines(source: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(source.strip_prefix('\u{feff}').unwrap_or(source));
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\n', '\r']) else {
            rest = None;
            return Some(text);
        };
        let (line, behind) = text.split_at_checked(end)?;
        let behind = behind
            .strip_prefix("\r\n")
            .or_else(|| behind.strip_prefix(['\n', '\r']));
        rest = Some(behind.unwrap_or(""));
        Some(line)
    })
}

/// The lines that findings are about, by number from 1. A file may have a million others.
pub(crate) struct NamedLines<'s>(BTreeMap<u32, &'s str>);

impl<'s> NamedLines<'s> {
    pub(crate) fn of(source: &'s str, findings: &[Diagnostic]) -> Self {
        let wanted: BTreeSet<u32> = findings.iter().map(|finding| finding.line).collect();
        let last = wanted.last().copied().unwrap_or(0);
        let numbered = (1..=last).zip(lines(source));
        Self(
            numbered
                .filter(|(number, _)| wanted.contains(number))
                .collect(),
        )
    }

    pub(crate) fn get(&self, number: u32) -> Option<&'s str> {
        self.0.get(&number).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_end_counts_once() {
        let of = |source| lines(source).collect::<Vec<_>>();
        assert_eq!(of(""), [""]);
        assert_eq!(of("\u{feff}a\nb"), ["a", "b"]);
        assert_eq!(of("a\r\nb\rc\n\nd\n"), ["a", "b", "c", "", "d", ""]);
    }
}
