//! What of JavaScript there is: `conformance.txt`, line by line, each in a sandbox of its own.
//!
//! test262 itself is in no registry that tests may fetch from; this is our own list of what ECMAScript 2023 has.

use std::fmt::Write as _;

use domain::limits::LambdaLimits;
use module_engine::call::{Call, Item, Outcome};
use module_engine::dry_run::DryRunHost;
use module_spec::ModuleSpec;
use serde_json::json;

use crate::support::{ENGINE, module};

struct Line {
    feature: &'static str,
    text: &'static str,
}

impl Line {
    fn is_refused(&self) -> bool {
        self.text.starts_with("! ")
    }

    fn lambda(&self) -> String {
        match self
            .text
            .strip_prefix(": ")
            .or_else(|| self.text.strip_prefix("! "))
        {
            Some(body) => body.to_owned(),
            None => format!("return (\n{}\n)", self.text),
        }
    }
}

fn lines() -> Vec<Line> {
    let (_, list) = include_str!("conformance.txt").split_once("\n# ").unwrap();
    list.split("\n# ")
        .flat_map(|part| {
            let (feature, lines) = part.split_once('\n').unwrap();
            let lines = lines.lines().filter(|line| !line.is_empty());
            lines.map(move |text| Line { feature, text })
        })
        .collect()
}

/// One computed field per lambda, as `f0`, `f1` and so on.
fn yaml<'a>(lambdas: impl Iterator<Item = &'a Line>) -> String {
    let mut yaml =
        "module: {name: language, storage: managed}\nfields:\n- {name: n, type: integer}\ncomputed_fields:\n".to_owned();
    for (number, line) in lambdas.enumerate() {
        // JSON texts are YAML texts.
        writeln!(
            yaml,
            "- {{name: f{number}, lambda: {}}}",
            json!(line.lambda())
        )
        .unwrap();
    }
    yaml
}

fn spec(yaml: &str) -> ModuleSpec {
    let (spec, findings) = module_spec::parse(yaml);
    spec.unwrap_or_else(|| panic!("{findings:#?}"))
}

#[test]
fn the_language_is_ecmascript_2023() {
    let lines = lines();
    let kept: Vec<&Line> = lines.iter().filter(|line| !line.is_refused()).collect();
    assert!(kept.len() >= 250, "{} assertions", kept.len());
    let host = DryRunHost::new();
    let module = module(&yaml(kept.iter().copied()));
    let item = Item::new();
    let wrong: Vec<String> = kept
        .iter()
        .zip(module.spec().computed_fields())
        .filter_map(|(line, field)| {
            let call = Call::Lambda {
                lambda: field.lambda(),
                item: &item,
            };
            let end = match module.invoke(call, &host, LambdaLimits::DEFAULT) {
                Ok(Outcome::Value(value)) if value.raw() == &json!(true) => return None,
                other => format!("{other:?}"),
            };
            let end: String = end.chars().take(160).collect();
            Some(format!("{}: {}\n    {end}", line.feature, line.text))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn what_is_no_javascript_is_refused() {
    let lines = lines();
    let refused: Vec<&Line> = lines.iter().filter(|line| line.is_refused()).collect();
    assert!(refused.len() >= 30, "{} assertions", refused.len());
    let spec = spec(&yaml(refused.iter().copied()));
    let found =
        module_engine::compiled::CompiledModule::compile(&ENGINE, std::sync::Arc::new(spec))
            .expect_err("none of them compiles");
    let wrong: Vec<&str> = refused
        .iter()
        .enumerate()
        .filter(|(number, _)| {
            let path = format!("computed_fields[{number}].lambda");
            !found
                .iter()
                .any(|finding| finding.path == path && finding.message.contains("SyntaxError"))
        })
        .map(|(_, line)| line.text)
        .collect();
    assert!(wrong.is_empty(), "accepted:\n{}", wrong.join("\n"));
}

/// Each edition has its features, and what is missing is told to those who write lambdas.
#[test]
fn the_guide_names_what_is_left_out_and_different() {
    let lines = lines();
    let guide = include_str!("../../../../docs/modules/lambdas.md");
    for kind in ["Left out: ", "Different: "] {
        let here: std::collections::BTreeSet<&str> = lines
            .iter()
            .filter_map(|line| line.feature.strip_prefix(kind))
            .collect();
        let label = format!("| {} | ", kind.trim_end_matches(": ").to_lowercase());
        let there = guide
            .lines()
            .filter_map(|line| line.strip_prefix(&label)?.split(" | ").next())
            .collect();
        assert_eq!(here, there, "{kind}");
    }
    for year in 2015..=2023 {
        let edition = format!("ES{year}");
        assert!(
            lines.iter().any(|line| line.feature.starts_with(&edition)),
            "{edition}"
        );
    }
}
