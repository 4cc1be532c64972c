//! `gotrs module push`

use std::path::PathBuf;

use domain::diagnostic::Diagnostic;
use domain::name::{ModuleName, TenantSlug};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::PushArgs;
use super::files::{self, ModuleFile};
use crate::cli::Verdict;
use crate::cli::client::{Body, Client};
use crate::cli::error::{CliError, Refusal};
use crate::cli::output::{Output, Style, clean};

/// What a server says about a changed module.
#[derive(Deserialize)]
pub(super) struct Change {
    name: String,
    version: u32,
    kind: String,
    generation: u64,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    diagnostics: Vec<Diagnostic>,
    #[serde(default)]
    changes: Vec<Difference>,
    #[serde(default)]
    live: Option<Live>,
}

#[derive(Deserialize)]
struct Difference {
    kind: String,
    path: String,
    message: String,
}

/// What runtimes made of it.
#[derive(Deserialize)]
struct Live {
    ready: usize,
    acknowledged: usize,
    #[serde(default)]
    refused: Vec<RefusedBy>,
}

#[derive(Deserialize)]
struct RefusedBy {
    instance: String,
    #[serde(default)]
    diagnostics: Vec<Diagnostic>,
}

/// Uploads files one after the other; a bad one does not stop the others.
pub(super) async fn push(
    client: &Client,
    tenant: &TenantSlug,
    paths: &[PathBuf],
    options: &PushArgs,
    output: &mut Output,
) -> Result<Verdict, CliError> {
    let mut verdict = Verdict::Good;
    let mut results = Vec::new();
    for path in files::expand(paths)? {
        let file = ModuleFile::read(&path)?;
        let (one, result) = push_one(client, tenant, &file, options, output).await?;
        verdict = verdict.and(one);
        results.push(result);
    }
    output.json(&json!({"files": results}))?;
    Ok(verdict)
}

/// Uploads one file and writes how it went; also the answer, for programs.
pub(super) async fn push_one(
    client: &Client,
    tenant: &TenantSlug,
    file: &ModuleFile,
    options: &PushArgs,
    output: &mut Output,
) -> Result<(Verdict, Value), CliError> {
    let name = name_of(file)?;
    let mut query = if options.dry_run {
        Vec::new()
    } else {
        options.wait.query()
    };
    for (wanted, key) in [
        (options.dry_run, "dry_run"),
        (options.no_tests, "no_tests"),
        (options.allow_destructive, "allow_destructive"),
    ] {
        if wanted {
            query.push((key, "true"));
        }
    }
    let path = ["v1", "tenants", tenant.as_str(), "modules", name.as_str()];
    let body = Body::Yaml(file.source.clone());
    match client.call(Method::PUT, &path, &query, body).await {
        Ok(value) => {
            let change: Change = client.understand(value.clone())?;
            let rendered =
                control_plane::modules::render(&file.shown(), &file.source, &change.diagnostics);
            output.findings(&rendered)?;
            let text = change_text(&change, Some(file), output);
            output.text(&text)?;
            let answer = json!({"file": file.shown(), "ok": change.verdict() == Verdict::Good, "answer": value});
            Ok((change.verdict(), answer))
        }
        Err(CliError::Refused(refusal)) if speaks_of_file(&refusal) => {
            output.findings(&file.render(&refusal.errors))?;
            let heading = output.paint(&format!("{} was refused", file.shown()), Style::Bad);
            output.line(format!("{heading}: {}", clean(&refusal.to_string())))?;
            let answer = json!({"file": file.shown(), "ok": false, "error": refusal});
            Ok((Verdict::Bad, answer))
        }
        Err(error) => Err(error),
    }
}

/// Whether a refusal is about the content of the file; another (no such tenant, no permission) would meet the next file too.
fn speaks_of_file(refusal: &Refusal) -> bool {
    matches!(refusal.status, 409 | 413 | 422)
}

/// The name that the file says, or where it cannot be read the name of the file: then the server says what is wrong.
fn name_of(file: &ModuleFile) -> Result<ModuleName, CliError> {
    let stem = || file.path.file_stem()?.to_str()?.parse().ok();
    control_plane::modules::name_in(&file.source)
        .or_else(stem)
        .ok_or_else(|| {
            CliError::Usage(format!(
                "{}: neither the file nor its name says which module it is; `gotrs module check` shows what is wrong",
                file.shown()
            ))
        })
}

impl Change {
    pub(super) fn verdict(&self) -> Verdict {
        match &self.live {
            Some(live) if !live.refused.is_empty() => Verdict::Bad,
            Some(live) if live.acknowledged < live.ready => Verdict::Bad,
            _ => Verdict::Good,
        }
    }
}

/// How a change went, in words.
pub(super) fn change_text(change: &Change, file: Option<&ModuleFile>, output: &Output) -> String {
    let what = format!("{} version {}", change.name, change.version);
    let mut text = String::new();
    for difference in change
        .changes
        .iter()
        .filter(|difference| difference.kind != "cosmetic")
    {
        text.push_str(&format!(
            "  {}: {}\n",
            clean(&difference.path),
            clean(&difference.message)
        ));
    }
    let generation = output.paint(&format!("(generation {})", change.generation), Style::Dim);
    let headline = if change.dry_run {
        format!("{} is good; nothing was stored", change.name)
    } else if change.kind == "delete" {
        format!("{} is deleted {generation}", change.name)
    } else {
        format!("{what} is stored {generation}")
    };
    let style = match change.verdict() {
        Verdict::Good => Style::Good,
        Verdict::Bad => Style::Bad,
    };
    match &change.live {
        None => text.push_str(&format!("{headline}\n")),
        Some(live) => text.push_str(&format!(
            "{headline}, {}\n",
            output.paint(&live_words(live), style)
        )),
    }
    for refused in change.live.iter().flat_map(|live| &live.refused) {
        text.push_str(&format!("  refused by {}:\n", clean(&refused.instance)));
        match file {
            Some(file) => {
                let rendered = control_plane::modules::render(
                    &file.shown(),
                    &file.source,
                    &refused.diagnostics,
                );
                text.push_str(&rendered);
            }
            None => {
                for finding in &refused.diagnostics {
                    text.push_str(&format!(
                        "    {}: {}\n",
                        finding.line,
                        clean(&finding.message)
                    ));
                }
            }
        }
    }
    text
}

fn live_words(live: &Live) -> String {
    let runtimes = |count: usize| {
        if count == 1 {
            "1 runtime".to_owned()
        } else {
            format!("{count} runtimes")
        }
    };
    match (live.ready, live.acknowledged, live.refused.len()) {
        (0, ..) => "no runtime is there to load it yet".to_owned(),
        (ready, acknowledged, 0) if acknowledged >= ready => format!("live on {}", runtimes(ready)),
        (ready, acknowledged, 0) => {
            format!(
                "live on {acknowledged} of {}; the others have not answered yet",
                runtimes(ready)
            )
        }
        (ready, acknowledged, refused) => {
            format!(
                "refused by {refused} of {}, live on {acknowledged}; the version before stays there",
                runtimes(ready)
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Format;
    use crate::cli::output::tests::captured;

    fn change(extra: &Value) -> Change {
        let mut value = json!({"name": "laptop", "version": 2, "kind": "put", "generation": 7});
        for (key, more) in extra.as_object().unwrap() {
            value[key] = more.clone();
        }
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_became_of_an_upload_is_one_line() {
        let (output, ..) = captured(Format::Text);
        let texts: String = [
            json!({"live": {"ready": 1, "acknowledged": 1}}),
            json!({"live": {"ready": 3, "acknowledged": 3}}),
            json!({"live": {"ready": 2, "acknowledged": 1}}),
            json!({"live": {"ready": 0, "acknowledged": 0}}),
            json!({}),
            json!({"dry_run": true, "changes": [
                {"kind": "cosmetic", "path": "module.plural", "message": "\"a\" becomes \"b\""},
                {"kind": "additive", "path": "fields.colour", "message": "the field \"colour\" is new"},
            ]}),
            json!({"kind": "delete", "live": {"ready": 1, "acknowledged": 1}}),
        ]
        .into_iter()
        .map(|extra| change_text(&change(&extra), None, &output))
        .collect();
        insta::assert_snapshot!(texts, @r#"
        laptop version 2 is stored (generation 7), live on 1 runtime
        laptop version 2 is stored (generation 7), live on 3 runtimes
        laptop version 2 is stored (generation 7), live on 1 of 2 runtimes; the others have not answered yet
        laptop version 2 is stored (generation 7), no runtime is there to load it yet
        laptop version 2 is stored (generation 7)
          fields.colour: the field "colour" is new
        laptop is good; nothing was stored
        laptop is deleted (generation 7), live on 1 runtime
        "#);
    }

    #[test]
    fn a_refusal_by_a_runtime_is_bad_and_shown() {
        let (output, ..) = captured(Format::Text);
        let change = change(
            &json!({"live": {"ready": 2, "acknowledged": 1, "refused": [{
                "instance": "runtime-1",
                "diagnostics": [{"severity": "error", "code": "unknown-table", "message": "there is no table \"x\"",
                    "line": 1, "column": 9, "length": 1, "path": "module.table"}],
            }]}}),
        );
        assert_eq!(change.verdict(), Verdict::Bad);
        let file = ModuleFile {
            path: "laptop.yaml".into(),
            source: "module: x\n".into(),
        };
        insta::assert_snapshot!(change_text(&change, Some(&file), &output), @r#"
        laptop version 2 is stored (generation 7), refused by 1 of 2 runtimes, live on 1; the version before stays there
          refused by runtime-1:
        error[unknown-table]: there is no table "x"
         --> laptop.yaml:1:9
          |
        1 | module: x
          |         ^

        laptop.yaml: 1 error
        "#);
    }

    #[test]
    fn the_name_comes_from_the_file_or_else_from_its_name() {
        let file = |path: &str, source: &str| ModuleFile {
            path: path.into(),
            source: source.into(),
        };
        let good = "module: {name: phone, singular: P, plural: Ps, storage: managed}\nfields: [{name: a, type: string}]\n";
        assert_eq!(
            name_of(&file("laptop.yaml", good)).unwrap().as_str(),
            "phone"
        );
        assert_eq!(
            name_of(&file("laptop.yaml", "module: [")).unwrap().as_str(),
            "laptop"
        );
        assert_eq!(
            name_of(&file("Not A Name.yaml", "module: ["))
                .unwrap_err()
                .exit_code(),
            2
        );
    }
}
