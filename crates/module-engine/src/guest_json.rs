//! JSON that the guest wrote.
//!
//! JavaScript's texts may hold halves of surrogate pairs, and `JSON.stringify` writes them as escapes. No Rust text can hold
//! them: each becomes U+FFFD, as in any other decoding, so that one odd text does not cost a whole batch its answers.

use serde::de::DeserializeOwned;

const REPLACEMENT: &[u8] = br"\ufffd";
/// `\u` and four hexadecimal digits.
const ESCAPE_BYTES: usize = 6;

/// Reads what the guest wrote.
pub(crate) fn read<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    // Nearly always right as it is; only what is not is looked through.
    serde_json::from_slice(json).or_else(|error| match replace_lone_surrogates(json) {
        Some(mended) => serde_json::from_slice(&mended),
        None => Err(error),
    })
}

/// The same JSON without escaped halves of surrogate pairs; `None` when it has none.
fn replace_lone_surrogates(json: &[u8]) -> Option<Vec<u8>> {
    let mut mended = Vec::with_capacity(json.len());
    let mut replaced = false;
    let mut rest = json;
    while let Some(start) = rest.iter().position(|byte| *byte == b'\\') {
        let (before, escape) = rest.split_at(start);
        mended.extend_from_slice(before);
        let length = match code_unit(escape) {
            Some(0xd800..=0xdbff) => match escape.get(ESCAPE_BYTES..).and_then(code_unit) {
                Some(0xdc00..=0xdfff) => 2 * ESCAPE_BYTES,
                _ => 0,
            },
            Some(0xdc00..=0xdfff) => 0,
            Some(_) => ESCAPE_BYTES,
            None => escape.len().min(2),
        };
        let (kept, after) = escape.split_at(length);
        mended.extend_from_slice(kept);
        rest = after;
        if length == 0 {
            mended.extend_from_slice(REPLACEMENT);
            replaced = true;
            rest = rest.get(ESCAPE_BYTES..).unwrap_or_default();
        }
    }
    mended.extend_from_slice(rest);
    replaced.then_some(mended)
}

/// The code unit of an escape `\uXXXX` at the beginning.
fn code_unit(escape: &[u8]) -> Option<u16> {
    let digits = escape.get(..ESCAPE_BYTES)?.strip_prefix(br"\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_pairs_are_replaced() {
        for (json, expected) in [
            (r#""\ud800""#, "\u{fffd}"),
            (r#""\uDFFFa""#, "\u{fffd}a"),
            (
                r#""\ud800\ud83d\ude00\n\ude00""#,
                "\u{fffd}\u{1f600}\n\u{fffd}",
            ),
            (r#""\ud800\u0041""#, "\u{fffd}A"),
            (r#""\ud800\\ud800""#, "\u{fffd}\\ud800"),
        ] {
            assert_eq!(read::<String>(json.as_bytes()).unwrap(), expected, "{json}");
        }
    }

    #[test]
    fn what_is_whole_is_not_touched_and_what_is_broken_stays_an_error() {
        for json in [r#""\ud83d\ude00 \\ud800""#, r#""\\""#, r#""a""#] {
            assert_eq!(replace_lone_surrogates(json.as_bytes()), None, "{json}");
        }
        for json in [
            r#""\ud8"#,
            r#""\ud800"#,
            r#""\"#,
            r#""\uzzzz""#,
            "\"\\u+123\"",
        ] {
            assert!(read::<String>(json.as_bytes()).is_err(), "{json}");
        }
    }
}
