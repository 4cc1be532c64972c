//! `computed_fields` and `hooks`.

use std::collections::HashSet;

use super::field::Otherwise;
use crate::keys;
use crate::reader::{RETURN_HELP, Reader};
use crate::spec::{ComputedField, Field, FieldName, Hook, Hooks};
use crate::text::{Text, title_case};

pub(super) fn computed_fields(
    document: &Reader<'_>,
    managed: bool,
    fields: &[Field],
) -> Vec<ComputedField> {
    let readers = document.mappings("computed_fields", &keys::COMPUTED_FIELD);
    let in_list = Otherwise::of(&readers, "show_in_list", managed);
    let in_form = Otherwise::of(&readers, "show_in_form", managed);
    let mut names: HashSet<FieldName> = fields.iter().map(|field| field.name.clone()).collect();
    let mut computed = Vec::new();
    for reader in &readers {
        let name: Option<FieldName> = reader.parsed("name", "bad-identifier");
        let _ = name
            .as_ref()
            .map(|name| reader.findings.declare(name.as_str()));
        let label = reader.text("label");
        let lambda = reader.lambda("lambda");
        if let Some(lambda) = &lambda
            && !lambda.source().contains("return")
        {
            let message = "this lambda never returns anything; the column will be empty";
            reader.warning("no-return", "lambda", message, Some(RETURN_HELP.to_owned()));
        }
        let show_in_list = in_list.unless_written(reader, "show_in_list");
        let show_in_form = in_form.unless_written(reader, "show_in_form");
        reader.integer("list_position");
        let Some(name) = name else { continue };
        if !names.insert(name.clone()) {
            let message = format!("there is another field \"{name}\"");
            reader.error(
                "duplicate-field",
                "name",
                message,
                Some("rename one of them".to_owned()),
            );
            continue;
        }
        let Some(lambda) = lambda else { continue };
        let label = label.unwrap_or_else(|| Text::new(&title_case(name.as_str())));
        let index = computed.len();
        computed.push(ComputedField {
            name,
            label,
            show_in_list,
            show_in_form,
            lambda,
            index,
        });
    }
    computed
}

pub(super) fn hooks(document: &Reader<'_>) -> Hooks {
    let Some(reader) = document.mapping("hooks", &keys::HOOKS) else {
        return Hooks::default();
    };
    let written = Hook::ALL
        .into_iter()
        .filter_map(|hook| Some((hook, reader.lambda(hook.as_str())?)));
    Hooks(written.collect())
}
