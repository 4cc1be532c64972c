//! A module file: read, and everything that an editor asks about it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use module_spec::lsp::{self, Position};

// Three bytes say where the editor's cursor is (line, and column with its high byte first), the rest is the file.
fuzz_target!(|input: &[u8]| {
    let [line, high, low, source @ ..] = input else {
        return;
    };
    let Ok(source) = std::str::from_utf8(source) else {
        return;
    };
    let (spec, findings) = module_spec::parse(source);
    let has_error = findings
        .iter()
        .any(domain::diagnostic::Diagnostic::is_error);
    assert_eq!(spec.is_none(), has_error);
    let lines = source.split(['\n', '\r']).count() + 1;
    for finding in &findings {
        assert!(finding.line as usize <= lines, "{finding:?}");
        assert!(
            finding.line == 0 || finding.column > 0 && finding.length > 0,
            "{finding:?}"
        );
    }
    let _ = module_spec::render_text("module.yaml", source, &findings);
    let _ = lsp::diagnostics(source, &findings, Some("https://docs.example"));
    let position = Position {
        line: (*line).into(),
        character: u16::from_be_bytes([*high, *low]).into(),
    };
    let _ = lsp::complete(source, position);
    let _ = lsp::hover(source, position, Some("https://docs.example"));
    if let Some(spec) = spec {
        // A file is no change of itself.
        assert!(module_spec::diff(&spec, &spec).is_empty());
    }
});
