//! The documentation says what the program does.

use std::collections::BTreeSet;
use std::path::Path;

/// Every code of a problem that the source can answer with is in docs/api-errors.md.
#[test]
fn every_error_code_is_documented() {
    let mut codes = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    collect(&root.join("src/service"), &mut codes);
    collect(&root.join("src/http"), &mut codes);
    collect(&root.join("../crates/service-kit/src"), &mut codes);
    for known in [
        "slug_taken",
        "csrf",
        "rate_limited",
        "idempotency_in_progress",
    ] {
        assert!(
            codes.contains(known),
            "the source could not be read: {codes:?}"
        );
    }
    let docs = std::fs::read_to_string(root.join("../docs/api-errors.md")).unwrap();
    let missing: Vec<_> = codes
        .iter()
        .filter(|code| !docs.contains(&format!("`{code}`")))
        .collect();
    assert!(missing.is_empty(), "not in docs/api-errors.md: {missing:?}");
}

fn collect(folder: &Path, codes: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, codes);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = std::fs::read_to_string(&path).unwrap();
            // Code that is only for tests answers nobody.
            let source = source.split("#[cfg(test)]").next().unwrap();
            for start in ["Problem::new(", "Self::new(", "conflict("] {
                for call in source.split(start).skip(1) {
                    codes.extend(code_of(call));
                }
            }
        }
    }
}

/// The first text among the arguments, if it looks like a code.
fn code_of(call: &str) -> Option<String> {
    let arguments = call.split(';').next()?;
    let text = arguments.split('"').nth(1)?;
    let before = arguments.split('"').next()?;
    let is_plain = before
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "_:, \n".contains(c));
    let is_code = !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    (is_plain && is_code).then(|| text.to_owned())
}
