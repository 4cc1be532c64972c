//! Every metric is explained where its process starts, and listed in docs/metrics.md with its kind and labels; nothing else is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

const PAGE: &str = "docs/metrics.md";
const KINDS: [&str; 3] = ["counter", "gauge", "histogram"];

/// One metric as the code or the page has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Metric {
    kind: String,
    labels: BTreeSet<String>,
}

/// What a source says about metrics.
#[derive(Debug, Default)]
struct Said {
    used: BTreeMap<String, Metric>,
    explained: BTreeMap<String, String>,
    /// Given by name to whoever counts, which explains them too.
    lent: BTreeSet<String>,
}

/// Compares code and page; all findings at once.
pub(super) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-co", "--exclude-standard", "*.rs"])
        .current_dir(root)
        .output()?;
    let mut said = Said::default();
    for file in String::from_utf8(output.stdout)?.lines() {
        let is_code = file.contains("/src/")
            && !file.contains("xtask/")
            && !file.contains("/tests/")
            && !file.ends_with("/tests.rs");
        // Removed and not yet committed.
        let Some(text) = is_code
            .then(|| std::fs::read_to_string(root.join(file)).ok())
            .flatten()
        else {
            continue;
        };
        let code = text
            .split("#[cfg(test)]\nmod tests")
            .next()
            .unwrap_or_default();
        said.read(code);
    }
    let page =
        std::fs::read_to_string(root.join(PAGE)).with_context(|| format!("reading {PAGE}"))?;
    Ok(compare(&said, &listed(&page)))
}

impl Said {
    fn read(&mut self, code: &str) {
        for kind in KINDS {
            for arguments in calls(code, &format!("{kind}!(")) {
                let Some(name) = first_text(arguments) else {
                    continue;
                };
                let labels = labels(arguments);
                self.used
                    .entry(name.to_owned())
                    .and_modify(|metric| metric.labels.extend(labels.iter().cloned()))
                    .or_insert_with(|| Metric {
                        kind: kind.to_owned(),
                        labels: labels.clone(),
                    });
            }
            for arguments in calls(code, &format!("describe_{kind}!(")) {
                if let Some(name) = first_text(arguments) {
                    self.explained.insert(name.to_owned(), kind.to_owned());
                }
            }
        }
        for rest in code.split("metric: \"").skip(1) {
            self.lent.extend(rest.split('"').next().map(str::to_owned));
        }
    }
}

/// The arguments of every call of `macro_name`, which is not the end of a longer name.
fn calls<'a>(code: &'a str, macro_name: &'a str) -> impl Iterator<Item = &'a str> {
    code.match_indices(macro_name).filter_map(move |(at, _)| {
        let before = code.get(..at)?.chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            return None;
        }
        let rest = code.get(at + macro_name.len()..)?;
        let (mut depth, mut in_text, mut escaped) = (1_usize, false, false);
        let end = rest.char_indices().find_map(|(index, c)| {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = in_text,
                '"' => in_text = !in_text,
                '(' if !in_text => depth += 1,
                ')' if !in_text => depth -= 1,
                _ => {}
            }
            (depth == 0).then_some(index)
        })?;
        rest.get(..end)
    })
}

/// The text that arguments begin with.
fn first_text(arguments: &str) -> Option<&str> {
    arguments.trim_start().strip_prefix('"')?.split('"').next()
}

/// Texts before an arrow.
fn labels(arguments: &str) -> BTreeSet<String> {
    let pieces: Vec<&str> = arguments.split('"').collect();
    pieces
        .windows(2)
        .skip(1)
        .step_by(2)
        .filter_map(|pair| match pair {
            [label, after] if after.trim_start().starts_with("=>") => Some((*label).to_owned()),
            _ => None,
        })
        .collect()
}

/// The rows of the page's tables: name, kind, labels (in backticks, each with its values behind it) and meaning.
fn listed(page: &str) -> BTreeMap<String, Metric> {
    page.lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            let name = cells.next()?.strip_suffix('`')?;
            let (kind, labels) = (cells.next()?, cells.next()?);
            let labels = labels.split('`').skip(1).step_by(2);
            let metric = Metric {
                kind: kind.to_owned(),
                labels: labels.map(str::to_owned).collect(),
            };
            Some((name.to_owned(), metric))
        })
        .collect()
}

fn compare(said: &Said, listed: &BTreeMap<String, Metric>) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, metric) in &said.used {
        if said.explained.get(name) != Some(&metric.kind) {
            findings.push(format!(
                "{name}: explain it with describe_{}! where its process starts",
                metric.kind
            ));
        }
        match listed.get(name) {
            None => findings.push(format!("{name}: list it in {PAGE}")),
            Some(there) if there != metric => findings.push(format!(
                "{name}: {PAGE} has it as {} with labels {:?}, the code as {} with {:?}",
                there.kind, there.labels, metric.kind, metric.labels
            )),
            Some(_) => {}
        }
    }
    let known = |name: &String| said.used.contains_key(name) || said.lent.contains(name);
    for name in said.lent.iter().filter(|name| !listed.contains_key(*name)) {
        findings.push(format!("{name}: list it in {PAGE}"));
    }
    for name in listed.keys().filter(|name| !known(name)) {
        findings.push(format!("{name}: {PAGE} lists it and no code counts it"));
    }
    for name in said.explained.keys().filter(|name| !known(name)) {
        findings.push(format!("{name}: it is explained and no code counts it"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "| metric | kind | labels | meaning |\n| --- | --- | --- | --- |\n\
        | `a_total` | counter | `outcome`: ok, error | of `a` |\n| `b` | gauge | none | b |\n| `lent_total` | counter | `outcome`: ok | c |\n";

    fn said(code: &str) -> Said {
        let mut said = Said::default();
        said.read(code);
        said
    }

    #[test]
    fn what_is_counted_explained_and_listed_is_found_in_any_form() {
        let code = r#"
            metrics::counter!("a_total", "outcome" => word("x)"), ).increment(1);
            ::metrics::gauge!("b").set(1);
            metrics::describe_counter!(
                "a_total",
                "of a (all), by \"outcome\" => nothing"
            );
            describe_gauge!("b", "b");
            let exports = Settings { metric: "lent_total" };
            metrics::counter!(metric, "outcome" => "ok").increment(1);
        "#;
        assert_eq!(compare(&said(code), &listed(PAGE)), [""; 0]);
    }

    #[test]
    fn each_difference_is_a_finding() {
        let code = r#"
            counter!("a_total", "outcome" => "ok", "tenant" => id);
            histogram!("new_seconds").record(1.0);
            describe_counter!("a_total", "of a");
            describe_gauge!("gone", "of nothing");
        "#;
        let findings = compare(&said(code), &listed(PAGE)).join("\n");
        for expected in [
            r#"a_total: docs/metrics.md has it as counter with labels {"outcome"}, the code as counter with {"outcome", "tenant"}"#,
            "new_seconds: explain it with describe_histogram!",
            "new_seconds: list it",
            "b: docs/metrics.md lists it and no code counts it",
            "lent_total: docs/metrics.md lists it",
            "gone: it is explained and no code counts it",
        ] {
            assert!(findings.contains(expected), "{expected} not in\n{findings}");
        }
    }
}
