//! From text to [`ModuleSpec`].

use domain::diagnostic::Diagnostic;

use crate::findings::Findings;
use crate::keys;
use crate::lambda::Lambda;
use crate::reader::Reader;
use crate::spec::ModuleSpec;
use crate::{validate, yaml};

/// Largest file in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;
/// Deepest nesting of lists and mappings.
pub const MAX_NESTING: usize = 64;

/// Reads a module. There is a spec exactly when no finding is an error; findings are in the order of the file.
pub fn parse(source: &str) -> (Option<ModuleSpec>, Vec<Diagnostic>) {
    let parsed = parse_all(source);
    (parsed.spec, parsed.findings)
}

/// Everything that can be said about a file.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The module, when no finding is an error.
    pub spec: Option<ModuleSpec>,
    /// All findings, in the order of the file.
    pub findings: Vec<Diagnostic>,
    /// Every lambda that could be read, also of a file with errors, so that its JavaScript is checked in the same round.
    /// For a good file the same as [`ModuleSpec::lambdas`], perhaps in another order. Empty when the text is not YAML.
    pub lambdas: Vec<Lambda>,
}

/// Reads a module like [`parse`], and keeps the lambdas of a broken one.
pub fn parse_all(source: &str) -> Parsed {
    let findings = Findings::default();
    let spec = read(source, &findings).filter(|_| !findings.has_errors());
    let (findings, lambdas) = findings.into_parts(source);
    Parsed {
        spec,
        findings,
        lambdas,
    }
}

fn read(source: &str, findings: &Findings) -> Option<ModuleSpec> {
    let root = yaml::read(source, findings)?;
    let document = Reader::open(source, findings, &root, String::new(), &keys::DOCUMENT)?;
    validate::module(&document)
}
