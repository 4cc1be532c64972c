//! Properties over generated modules of the whole format.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

mod changes;
mod round_trip;
mod strategy;

use domain::diagnostic::Diagnostic;
use module_spec::{ModuleSpec, parse, render_text};

/// The module that a valid file makes; anything worse than a warning fails the test.
fn good(file: &str) -> ModuleSpec {
    let (spec, findings) = parse(file);
    assert!(
        !findings.iter().any(Diagnostic::is_error),
        "{}\n{file}",
        render_text("generated.yaml", file, &findings)
    );
    spec.unwrap_or_else(|| panic!("no module and no error"))
}

/// The document as JSON, which is YAML once what only JSON allows is escaped.
fn file(document: &serde_json::Value) -> String {
    let escape = |letter: char| match letter {
        '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
            format!("\\u{:04x}", u32::from(letter))
        }
        letter => letter.to_string(),
    };
    document.to_string().chars().map(escape).collect()
}
