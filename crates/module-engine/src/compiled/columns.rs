//! Which computed fields must run, and which columns they need.

use std::collections::BTreeSet;

use module_spec::{ComputedField, ModuleSpec};

use crate::reads::Reads;

/// Columns that a call needs in its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Columns {
    /// Every field of the record: a lambda uses `item` as a whole.
    All,
    /// These, in alphabetical order; `<field>_display` among them where a lambda reads that.
    Named(Vec<String>),
}

/// The wanted fields and the computed fields above them that they read, in the order of the file; each with whether one of the
/// others reads it.
pub(super) fn to_run<'a>(
    spec: &'a ModuleSpec,
    reads: &[Reads],
    wanted: &[&str],
) -> Vec<(&'a ComputedField, bool)> {
    closure(spec, reads, wanted).0
}

pub(super) fn needed(spec: &ModuleSpec, reads: &[Reads], wanted: &[&str]) -> Columns {
    let (fields, reads) = closure(spec, reads, wanted);
    match reads {
        Reads::All => Columns::All,
        Reads::Named(names) => {
            // A computed field above is not a column, unless a column has the same name for those that stand higher.
            let computed: BTreeSet<&str> = fields
                .iter()
                .map(|(field, _)| field.name().as_str())
                .collect();
            Columns::Named(
                names
                    .into_iter()
                    .filter(|name| !computed.contains(name.as_str()) || spec.field(name).is_some())
                    .collect(),
            )
        }
    }
}

/// Goes from the last computed field to the first, taking what is wanted or read by what is taken already.
fn closure<'a>(
    spec: &'a ModuleSpec,
    reads: &[Reads],
    wanted: &[&str],
) -> (Vec<(&'a ComputedField, bool)>, Reads) {
    let mut read = Reads::Named(BTreeSet::new());
    let mut fields = Vec::new();
    for (field, own) in spec.computed_fields().iter().zip(reads).rev() {
        let name = field.name().as_str();
        let is_read = read.contains(name);
        if wanted.contains(&name) || is_read {
            read = read.union(own);
            fields.push((field, is_read));
        }
    }
    fields.reverse();
    (fields, read)
}
