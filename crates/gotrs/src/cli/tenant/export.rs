//! `gotrs tenant export` and `gotrs tenant exports`

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use domain::name::TenantSlug;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cli::client::{Body, Client, Download};
use crate::cli::error::CliError;
use crate::cli::output::table::Table;
use crate::cli::output::{Output, clean};
use crate::cli::{RemoteArgs, Verdict};

/// How often an export that is under way is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// `gotrs tenant export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The tenant's slug
    tenant: TenantSlug,
    /// Wait until it is there
    #[arg(long)]
    wait: bool,
    /// Wait until it is there and write it to this file, which must not be there yet
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Longest wait
    #[arg(long, value_name = "SECONDS", default_value = "3600")]
    timeout: u64,
    /// Which server, and how results are shown
    #[command(flatten)]
    pub(super) remote: RemoteArgs,
}

/// An export as the API shows it, as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
struct Export {
    id: String,
    kind: String,
    state: String,
    requested_at: String,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    sha256: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    expires_at: Option<String>,
}

#[derive(Deserialize)]
struct Exported {
    last_export: Value,
}

/// What is printed for programs.
#[derive(Serialize)]
struct Told<'a> {
    export: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a Path>,
}

/// Asks for an export, or takes up the one that is under way.
pub(super) async fn run(args: ExportArgs, output: &mut Output) -> Result<Verdict, CliError> {
    if let Some(path) = args.file.as_ref().filter(|path| path.exists()) {
        // Said before anything is begun.
        return Err(CliError::Exists { path: path.clone() });
    }
    let client = args.remote.server.client()?;
    let slug = args.tenant.as_str();
    let path = ["v1", "tenants", slug, "export"];
    let answer = client.call(Method::POST, &path, &[], Body::None).await?;
    let tenant: Exported = client.understand(answer)?;
    let mut value = tenant.last_export;
    let mut export: Export = client.understand(value.clone())?;
    if args.wait || args.file.is_some() {
        output.note(format!("export {} was asked for", export.id));
        let until = Instant::now() + Duration::from_secs(args.timeout);
        while is_under_way(&export) {
            if Instant::now() >= until {
                output.json(&Told {
                    export: &value,
                    file: None,
                })?;
                output.line(format!(
                    "Export {} is not there after {} seconds. It goes on: see `gotrs tenant exports {slug}`.",
                    export.id, args.timeout
                ))?;
                return Ok(Verdict::Bad);
            }
            tokio::time::sleep(LOOK).await;
            let path = ["v1", "tenants", slug, "exports", export.id.as_str()];
            value = client.get(&path).await?;
            export = client.understand(value.clone())?;
        }
    }
    let is_wrong = export.state == "failed";
    let mut file = None;
    if let Some(path) = args.file.as_deref().filter(|_| !is_wrong) {
        download(&client, slug, &export, path).await?;
        file = Some(path);
    }
    output.json(&Told {
        export: &value,
        file,
    })?;
    output.text(&told(slug, &export, file))?;
    Ok(if is_wrong {
        Verdict::Bad
    } else {
        Verdict::Good
    })
}

fn is_under_way(export: &Export) -> bool {
    matches!(export.state.as_str(), "requested" | "running")
}

async fn download(
    client: &Client,
    slug: &str,
    export: &Export,
    path: &Path,
) -> Result<(), CliError> {
    #[derive(Deserialize)]
    struct Link {
        url: String,
    }
    let route = ["v1", "tenants", slug, "exports", &export.id, "download"];
    let link: Link = client.get(&route).await?;
    let expected = Download {
        url: &link.url,
        size: export.size,
        sha256: export.sha256.as_deref(),
    };
    client.download(expected, path).await
}

fn told(slug: &str, export: &Export, file: Option<&Path>) -> String {
    let (id, slug) = (clean(&export.id), clean(slug));
    match (export.state.as_str(), file) {
        ("failed", _) => format!(
            "Export {id} of {slug} failed: {}\n",
            clean(export.reason.as_deref().unwrap_or("no reason was given"))
        ),
        (_, Some(path)) => format!(
            "Export {id} of {slug}: {} bytes written to {}\n",
            export.size.unwrap_or_default(),
            path.display()
        ),
        ("ready", None) => format!(
            "Export {id} of {slug} is ready: {} bytes{}\n",
            export.size.unwrap_or_default(),
            export
                .sha256
                .as_ref()
                .map(|digest| format!(", SHA-256 {}", clean(digest)))
                .unwrap_or_default()
        ),
        (state, None) => format!(
            "Export {id} of {slug} is {}. See `gotrs tenant exports {slug}`; --wait waits for it.\n",
            clean(state)
        ),
    }
}

/// The exports of a tenant, newest first.
pub(super) async fn list(
    tenant: &TenantSlug,
    client: &Client,
    output: &mut Output,
) -> Result<Verdict, CliError> {
    let path = ["v1", "tenants", tenant.as_str(), "exports"];
    let items = client.get_all(&path).await?;
    let exports = items
        .iter()
        .map(|item| client.understand(item.clone()))
        .collect::<Result<Vec<Export>, _>>()?;
    output.json(&json!({"items": items}))?;
    output.text(&table(&exports))?;
    Ok(Verdict::Good)
}

fn table(exports: &[Export]) -> String {
    if exports.is_empty() {
        return "No export was made yet.\n".to_owned();
    }
    let mut table = Table::new(&["ID", "KIND", "STATE", "REQUESTED", "SIZE", "KEPT UNTIL"]);
    for export in exports {
        let kept = export
            .expires_at
            .clone()
            .filter(|_| export.state == "ready");
        table.row(&[
            export.id.clone(),
            export.kind.clone(),
            match &export.reason {
                Some(reason) => format!("{}: {reason}", export.state),
                None => export.state.clone(),
            },
            export.requested_at.clone(),
            export.size.map(|size| size.to_string()).unwrap_or_default(),
            kept.unwrap_or_default(),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn export(state: &str) -> Export {
        Export {
            id: "0198c0de-0000-7000-8000-00000000002a".to_owned(),
            kind: "on_request".to_owned(),
            state: state.to_owned(),
            requested_at: "2026-11-25T12:00:00Z".to_owned(),
            size: (state == "ready").then_some(3_456),
            sha256: (state == "ready").then(|| "e3b0c442".to_owned()),
            reason: (state == "failed").then(|| "no room".to_owned()),
            expires_at: (state == "ready").then(|| "2026-12-25T12:00:00Z".to_owned()),
        }
    }

    #[test]
    fn how_it_ended_is_said_in_a_line() {
        insta::assert_snapshot!(
            [
                told("acme", &export("requested"), None),
                told("acme", &export("ready"), None),
                told("acme", &export("ready"), Some(Path::new("acme.tar.zst"))),
                told("acme", &export("failed"), None),
            ]
            .concat(),
            @r"
        Export 0198c0de-0000-7000-8000-00000000002a of acme is requested. See `gotrs tenant exports acme`; --wait waits for it.
        Export 0198c0de-0000-7000-8000-00000000002a of acme is ready: 3456 bytes, SHA-256 e3b0c442
        Export 0198c0de-0000-7000-8000-00000000002a of acme: 3456 bytes written to acme.tar.zst
        Export 0198c0de-0000-7000-8000-00000000002a of acme failed: no room
        "
        );
    }

    #[test]
    fn exports_are_a_table() {
        let rows = [export("running"), export("ready"), export("failed")];
        insta::assert_snapshot!(table(&rows), @r"
        ID                                    KIND        STATE            REQUESTED             SIZE  KEPT UNTIL
        0198c0de-0000-7000-8000-00000000002a  on_request  running          2026-11-25T12:00:00Z
        0198c0de-0000-7000-8000-00000000002a  on_request  ready            2026-11-25T12:00:00Z  3456  2026-12-25T12:00:00Z
        0198c0de-0000-7000-8000-00000000002a  on_request  failed: no room  2026-11-25T12:00:00Z
        ");
        assert_eq!(table(&[]), "No export was made yet.\n");
    }
}
