//! `gotrs module list`, `versions`, `rollback`, `delete` and `status`.

use domain::diagnostic::Diagnostic;
use domain::name::{ModuleName, TenantSlug};
use domain::watch::Suspension;
use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::WaitArgs;
use super::push::{Change, change_text};
use crate::cli::Verdict;
use crate::cli::client::{Body, Client};
use crate::cli::error::CliError;
use crate::cli::output::table::Table;
use crate::cli::output::{Output, clean};

#[expect(clippy::struct_field_names, reason = "the names of the API's answer")]
#[derive(Deserialize)]
struct Version {
    name: String,
    version: u32,
    kind: String,
    #[serde(default)]
    sha256: Option<String>,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    restored_version: Option<u32>,
    generation: u64,
    created_at: String,
    #[serde(default)]
    tests_skipped: bool,
    #[serde(default)]
    diagnostics: Vec<Diagnostic>,
    #[serde(default)]
    suspension: Option<Suspension>,
}

#[derive(Deserialize)]
struct Status {
    name: String,
    version: Option<u32>,
    replicas: Vec<Replica>,
}

#[derive(Deserialize)]
struct Replica {
    instance: String,
    state: String,
    generation: u64,
    acknowledged_at: Option<String>,
    #[serde(default)]
    diagnostics: Vec<Diagnostic>,
    #[serde(default)]
    suspension: Option<Suspension>,
}

fn all<T: DeserializeOwned>(client: &Client, items: &[Value]) -> Result<Vec<T>, CliError> {
    items
        .iter()
        .map(|item| client.understand(item.clone()))
        .collect()
}

/// `gotrs module list`
pub(super) async fn list(
    client: &Client,
    tenant: &TenantSlug,
    output: &mut Output,
) -> Result<Verdict, CliError> {
    let items = client
        .get_all(&["v1", "tenants", tenant.as_str(), "modules"])
        .await?;
    output.text(&list_text(&all(client, &items)?))?;
    output.json(&json!({"items": items}))?;
    Ok(Verdict::Good)
}

fn list_text(modules: &[Version]) -> String {
    if modules.is_empty() {
        return "No modules of your own yet; the stock modules are always there. Upload one: gotrs module push TENANT FILE\n"
            .to_owned();
    }
    let mut table = Table::new(&[
        "NAME",
        "VERSION",
        "GENERATION",
        "SIZE",
        "CHANGED",
        "SHA-256",
        "NOTES",
    ]);
    for module in modules {
        table.row(&[
            module.name.clone(),
            module.version.to_string(),
            module.generation.to_string(),
            module.size.map(bytes).unwrap_or_default(),
            moment(&module.created_at),
            short(module.sha256.as_deref()),
            notes(module),
        ]);
    }
    table.render()
}

/// `gotrs module versions`
pub(super) async fn versions(
    client: &Client,
    tenant: &TenantSlug,
    name: &ModuleName,
    output: &mut Output,
) -> Result<Verdict, CliError> {
    let path = [
        "v1",
        "tenants",
        tenant.as_str(),
        "modules",
        name.as_str(),
        "versions",
    ];
    let items = client.get_all(&path).await?;
    output.text(&versions_text(&all(client, &items)?))?;
    output.json(&json!({"items": items}))?;
    Ok(Verdict::Good)
}

fn versions_text(versions: &[Version]) -> String {
    let mut table = Table::new(&[
        "VERSION",
        "WHAT",
        "GENERATION",
        "SIZE",
        "MADE",
        "SHA-256",
        "NOTES",
    ]);
    for version in versions {
        let what = match (version.kind.as_str(), version.restored_version) {
            ("rollback", Some(restored)) => format!("rollback to {restored}"),
            ("put", _) => "upload".to_owned(),
            (kind, _) => kind.to_owned(),
        };
        table.row(&[
            version.version.to_string(),
            what,
            version.generation.to_string(),
            version.size.map(bytes).unwrap_or_default(),
            moment(&version.created_at),
            short(version.sha256.as_deref()),
            notes(version),
        ]);
    }
    table.render()
}

fn notes(version: &Version) -> String {
    let mut notes = Vec::new();
    if version.suspension.is_some() {
        notes.push("suspended: see gotrs module status".to_owned());
    }
    match version.diagnostics.len() {
        0 => {}
        1 => notes.push("1 warning".to_owned()),
        count => notes.push(format!("{count} warnings")),
    }
    if version.tests_skipped {
        notes.push("tests not run".to_owned());
    }
    notes.join(", ")
}

fn bytes(size: u64) -> String {
    if size < 1024 {
        format!("{size} B")
    } else {
        format!("{} KiB", size.div_ceil(1024))
    }
}

/// `2026-01-02T03:04:05.678Z` as `2026-01-02 03:04:05`.
fn moment(text: &str) -> String {
    text.chars()
        .take(19)
        .map(|c| if c == 'T' { ' ' } else { c })
        .collect()
}

fn short(digest: Option<&str>) -> String {
    digest.unwrap_or_default().chars().take(12).collect()
}

/// `gotrs module rollback`
pub(super) async fn roll_back(
    client: &Client,
    tenant: &TenantSlug,
    name: &ModuleName,
    version: u32,
    wait: &WaitArgs,
    output: &mut Output,
) -> Result<Verdict, CliError> {
    let path = [
        "v1",
        "tenants",
        tenant.as_str(),
        "modules",
        name.as_str(),
        "rollback",
    ];
    let body = Body::Json(json!({"version": version}));
    let value = client
        .call(Method::POST, &path, &wait.query(), body)
        .await?;
    changed(client, value, output)
}

/// `gotrs module delete`
pub(super) async fn delete(
    client: &Client,
    tenant: &TenantSlug,
    name: &ModuleName,
    wait: &WaitArgs,
    output: &mut Output,
) -> Result<Verdict, CliError> {
    let path = ["v1", "tenants", tenant.as_str(), "modules", name.as_str()];
    let value = client
        .call(Method::DELETE, &path, &wait.query(), Body::None)
        .await?;
    changed(client, value, output)
}

fn changed(client: &Client, value: Value, output: &mut Output) -> Result<Verdict, CliError> {
    output.json(&value)?;
    let change: Change = client.understand(value)?;
    let text = change_text(&change, None, output);
    output.text(&text)?;
    Ok(change.verdict())
}

/// `gotrs module status`
pub(super) async fn status(
    client: &Client,
    tenant: &TenantSlug,
    name: &ModuleName,
    output: &mut Output,
) -> Result<Verdict, CliError> {
    let path = [
        "v1",
        "tenants",
        tenant.as_str(),
        "modules",
        name.as_str(),
        "status",
    ];
    let value: Value = client.get(&path).await?;
    output.json(&value)?;
    let status: Status = client.understand(value)?;
    output.text(&status_text(&status))?;
    let is_bad = status
        .replicas
        .iter()
        .any(|replica| matches!(replica.state.as_str(), "refused" | "suspended"));
    Ok(if is_bad { Verdict::Bad } else { Verdict::Good })
}

fn status_text(status: &Status) -> String {
    let mut text = match status.version {
        Some(version) => format!("{} version {version}\n", clean(&status.name)),
        None => format!("{} is deleted\n", clean(&status.name)),
    };
    if status.replicas.is_empty() {
        text.push_str("No runtime is there to load it yet.\n");
        return text;
    }
    let mut table = Table::new(&["RUNTIME", "STATE", "GENERATION", "SAID AT"]);
    for replica in &status.replicas {
        table.row(&[
            replica.instance.clone(),
            replica.state.clone(),
            replica.generation.to_string(),
            replica
                .acknowledged_at
                .as_deref()
                .map(moment)
                .unwrap_or_default(),
        ]);
    }
    text.push_str(&table.render());
    for replica in &status.replicas {
        if let Some(suspension) = &replica.suspension {
            text.push_str(&format!(
                "{}: suspended until {}: {}\n",
                clean(&replica.instance),
                suspension.until.format("%Y-%m-%d %H:%M:%S UTC"),
                clean(&suspension.reason)
            ));
        }
        for finding in &replica.diagnostics {
            text.push_str(&format!(
                "{}: line {}, column {}: {} [{}]\n",
                clean(&replica.instance),
                finding.line,
                finding.column,
                clean(&finding.message),
                clean(&finding.code)
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(extra: &Value) -> Version {
        let mut value = json!({
            "name": "laptop", "version": 1, "kind": "put", "size": 612, "generation": 3,
            "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "created_at": "2026-01-02T03:04:05.678901Z",
        });
        for (key, more) in extra.as_object().unwrap() {
            value[key] = more.clone();
        }
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn versions_are_a_table_of_what_happened() {
        let versions = [
            version(
                &json!({"version": 3, "kind": "delete", "sha256": null, "size": null, "generation": 9}),
            ),
            version(
                &json!({"version": 2, "kind": "rollback", "restored_version": 1, "generation": 8}),
            ),
            version(
                &json!({"tests_skipped": true, "size": 2049, "diagnostics": [
                {"severity": "warning", "code": "unknown-key", "message": "m", "line": 1, "column": 1, "length": 1}]}),
            ),
            version(
                &json!({"suspension": {"reason": "its code hit limits", "until": "2026-01-02T03:14:05Z"}}),
            ),
        ];
        insta::assert_snapshot!(versions_text(&versions[..3]), @"
        VERSION  WHAT           GENERATION  SIZE   MADE                 SHA-256       NOTES
        3        delete         9                  2026-01-02 03:04:05
        2        rollback to 1  8           612 B  2026-01-02 03:04:05  e3b0c44298fc
        1        upload         3           3 KiB  2026-01-02 03:04:05  e3b0c44298fc  1 warning, tests not run
        ");
        insta::assert_snapshot!(list_text(&versions[2..]), @"
        NAME    VERSION  GENERATION  SIZE   CHANGED              SHA-256       NOTES
        laptop  1        3           3 KiB  2026-01-02 03:04:05  e3b0c44298fc  1 warning, tests not run
        laptop  1        3           612 B  2026-01-02 03:04:05  e3b0c44298fc  suspended: see gotrs module status
        ");
        assert!(list_text(&[]).contains("gotrs module push"));
    }

    #[test]
    fn statuses_name_each_runtime_and_its_reasons() {
        let status: Status = serde_json::from_value(json!({
            "name": "laptop", "version": 2, "sha256": null, "generation": 7,
            "replicas": [
                {"instance": "runtime-1", "state": "loaded", "generation": 7, "acknowledged_at": "2026-01-02T03:04:05Z"},
                {"instance": "runtime-2", "state": "refused", "generation": 7, "acknowledged_at": null, "diagnostics": [
                    {"severity": "error", "code": "unknown-table", "message": "no table", "line": 3, "column": 9, "length": 1}]},
                {"instance": "runtime-3", "state": "suspended", "generation": 7, "acknowledged_at": null,
                    "suspension": {"reason": "its code hit limits", "until": "2026-01-02T03:14:05Z"}},
            ],
        }))
        .unwrap();
        insta::assert_snapshot!(status_text(&status), @"
        laptop version 2
        RUNTIME    STATE      GENERATION  SAID AT
        runtime-1  loaded     7           2026-01-02 03:04:05
        runtime-2  refused    7
        runtime-3  suspended  7
        runtime-2: line 3, column 9: no table [unknown-table]
        runtime-3: suspended until 2026-01-02 03:14:05 UTC: its code hit limits
        ");
    }
}
