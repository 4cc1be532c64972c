//! From text to [`ModuleSpec`].

use domain::diagnostic::Diagnostic;

use crate::findings::Findings;
use crate::keys;
use crate::reader::Reader;
use crate::spec::ModuleSpec;
use crate::{validate, yaml};

/// Largest file in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;
/// Deepest nesting of lists and mappings.
pub const MAX_NESTING: usize = 64;

/// Reads a module. There is a spec exactly when no finding is an error; findings are in the order of the file.
pub fn parse(source: &str) -> (Option<ModuleSpec>, Vec<Diagnostic>) {
    let findings = Findings::default();
    let spec = read(source, &findings).filter(|_| !findings.has_errors());
    (spec, findings.into_sorted())
}

fn read(source: &str, findings: &Findings) -> Option<ModuleSpec> {
    let root = yaml::read(source, findings)?;
    let document = Reader::open(source, findings, &root, String::new(), &keys::DOCUMENT)?;
    validate::module(&document)
}
