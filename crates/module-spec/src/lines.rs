//! Lines of a file as YAML and editors count them.

/// The lines of `source`, ended by LF, CR LF or CR alone, without their ends. There is always at least one.
pub(crate) fn lines(source: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(source);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_end_counts_once() {
        let of = |source| lines(source).collect::<Vec<_>>();
        assert_eq!(of(""), [""]);
        assert_eq!(of("a\nb"), ["a", "b"]);
        assert_eq!(of("a\r\nb\rc\n\nd\n"), ["a", "b", "c", "", "d", ""]);
    }
}
