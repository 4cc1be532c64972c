//! Broken files: each `broken/*.yaml` has a snapshot of what the author is told.

use std::fs;
use std::path::{Path, PathBuf};

#[expect(clippy::unwrap_used, reason = "a test without its files has failed")]
fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    files
}

#[test]
fn what_the_author_is_told() {
    let mut codes = std::collections::BTreeSet::new();
    for path in files() {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let source = fs::read_to_string(&path).unwrap();
        let (spec, findings) = module_spec::parse(&source);
        assert!(!findings.is_empty(), "{name} has no findings");
        assert_eq!(
            spec.is_none(),
            findings
                .iter()
                .any(domain::diagnostic::Diagnostic::is_error),
            "{name}"
        );
        codes.extend(findings.iter().map(|finding| finding.code.clone()));
        insta::assert_snapshot!(
            name.clone(),
            module_spec::render_text(&format!("{name}.yaml"), &source, &findings)
        );
    }
    // Every code is documented, and every documented code of this crate is shown by a broken file.
    let page = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/modules/diagnostics.md"),
    )
    .unwrap();
    let section = page
        .split("## Found while reading")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let documented: std::collections::BTreeSet<String> = section
        .lines()
        .filter_map(|line| {
            line.split_once("</a>`")?
                .1
                .split('`')
                .next()
                .map(ToOwned::to_owned)
        })
        .collect();
    // Too large to keep as a file; tests/hostile.rs has them.
    let elsewhere = [
        "file-too-large",
        "too-many-values",
        "nesting-too-deep",
        "list-too-long",
        "lambda-too-long",
    ];
    codes.extend(elsewhere.map(ToOwned::to_owned));
    assert_eq!(codes, documented);
}

/// The example of the page: what a program gets for a file.
#[test]
fn findings_as_data_are_as_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/modules/diagnostics.md");
    let page = fs::read_to_string(path).unwrap();
    let block = |kind: &str| {
        let behind = page.split(&format!("```{kind}\n")).nth(1).unwrap();
        behind.split("```").next().unwrap()
    };
    let (_, findings) = module_spec::parse(block("yaml"));
    let data = format!("{}\n", serde_json::to_string_pretty(&findings).unwrap());
    assert_eq!(block("json"), data);
}
