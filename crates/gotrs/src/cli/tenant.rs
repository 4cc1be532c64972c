//! `gotrs tenant`

mod export;
mod import;

use clap::Subcommand;
use domain::name::TenantSlug;
use serde::Deserialize;
use serde_json::Value;

use super::error::CliError;
use super::output::table::Table;
use super::output::{Format, Output, Style, clean};
use super::{RemoteArgs, Verdict};

/// `gotrs tenant`
#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// List your tenants
    List {
        /// Which server, and how results are shown
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Show one tenant: where it is in its life, and what is the matter if something is
    Show {
        /// The tenant's slug
        tenant: TenantSlug,
        /// Which server, and how results are shown
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Make an export of all data of a tenant, and download it
    Export(export::ExportArgs),
    /// List the exports of a tenant
    Exports {
        /// The tenant's slug
        tenant: TenantSlug,
        /// Which server, and how results are shown
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Make a tenant's schema of an export, directly in a database
    Import(import::ImportArgs),
}

#[derive(Deserialize)]
struct Tenant {
    slug: String,
    organization: String,
    phase: String,
    plan: String,
    url: String,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    ready_replicas: i64,
    #[serde(default)]
    suspended_reason: Option<String>,
    #[serde(default)]
    delete_after: Option<String>,
    #[serde(default)]
    conditions: Vec<Condition>,
    #[serde(default)]
    modules: Option<Modules>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: String,
    message: String,
}

#[derive(Deserialize)]
struct Modules {
    desired_generation: u64,
    loaded_generation: Option<u64>,
}

impl TenantCommand {
    pub(super) const fn format(&self) -> Format {
        match self {
            Self::List { remote } | Self::Show { remote, .. } | Self::Exports { remote, .. } => {
                remote.output.output
            }
            Self::Export(args) => args.remote.output.output,
            Self::Import(args) => args.output.output,
        }
    }
}

/// Does it.
pub async fn run(command: TenantCommand, output: &mut Output) -> Result<Verdict, CliError> {
    match command {
        TenantCommand::List { remote } => {
            let client = remote.server.client()?;
            let items = client.get_all(&["v1", "tenants"]).await?;
            let tenants = items
                .iter()
                .map(|item| client.understand(item.clone()))
                .collect::<Result<Vec<Tenant>, _>>()?;
            output.json(&serde_json::json!({"items": items}))?;
            output.text(&list(&tenants))?;
        }
        TenantCommand::Show { tenant, remote } => {
            let client = remote.server.client()?;
            let value: Value = client.get(&["v1", "tenants", tenant.as_str()]).await?;
            output.json(&value)?;
            let tenant: Tenant = client.understand(value)?;
            let text = show(&tenant, output);
            output.text(&text)?;
        }
        TenantCommand::Export(args) => return export::run(args, output).await,
        TenantCommand::Exports { tenant, remote } => {
            return export::list(&tenant, &remote.server.client()?, output).await;
        }
        TenantCommand::Import(args) => return import::run(args, output).await,
    }
    Ok(Verdict::Good)
}

fn list(tenants: &[Tenant]) -> String {
    if tenants.is_empty() {
        return "You have no tenants yet. Sign up for one in the console.\n".to_owned();
    }
    let mut table = Table::new(&["SLUG", "PHASE", "PLAN", "ORGANIZATION", "URL"]);
    for tenant in tenants {
        table.row(&[
            tenant.slug.clone(),
            tenant.phase.clone(),
            tenant.plan.clone(),
            tenant.organization.clone(),
            tenant.url.clone(),
        ]);
    }
    table.render()
}

fn show(tenant: &Tenant, output: &Output) -> String {
    let mut phase = tenant.phase.clone();
    if let Some(reason) = &tenant.suspended_reason {
        phase.push_str(&format!(" (by {})", clean(reason)));
    }
    if let Some(until) = &tenant.delete_after {
        phase.push_str(&format!(" (can be brought back until {})", clean(until)));
    }
    let mut lines = vec![
        ("Slug", tenant.slug.clone()),
        ("Organization", tenant.organization.clone()),
        ("Phase", phase),
        ("Plan", tenant.plan.clone()),
        ("URL", tenant.url.clone()),
        ("Hosts", tenant.hosts.join(", ")),
        ("Runtimes", tenant.ready_replicas.to_string()),
    ];
    if let Some(modules) = &tenant.modules {
        let loaded = match modules.loaded_generation {
            Some(loaded) if loaded >= modules.desired_generation => "all loaded".to_owned(),
            Some(loaded) => format!("loaded up to {loaded}"),
            None => "no runtime watches".to_owned(),
        };
        lines.push((
            "Modules",
            format!("generation {}, {loaded}", modules.desired_generation),
        ));
    }
    let mut text = String::new();
    for (name, value) in lines {
        text.push_str(&format!("{name:<14}{}\n", clean(&value)));
    }
    if !tenant.conditions.is_empty() {
        let mut table = Table::new(&["CONDITION", "STATUS", "REASON", "MESSAGE"]);
        for condition in &tenant.conditions {
            table.row(&[
                condition.kind.clone(),
                condition.status.clone(),
                condition.reason.clone(),
                condition.message.clone(),
            ]);
        }
        let table = table.render();
        let (headings, rows) = table.split_once('\n').unwrap_or((&table, ""));
        text.push_str(&format!(
            "\n{}\n{rows}",
            output.paint(headings, Style::Strong)
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::output::tests::captured;

    fn tenant(extra: &Value) -> Tenant {
        let mut value = json!({
            "slug": "acme", "organization": "Acme", "phase": "Active", "plan": "free",
            "url": "http://acme.localhost:8080", "hosts": ["acme.localhost"], "ready_replicas": 1,
        });
        for (key, more) in extra.as_object().unwrap() {
            value[key] = more.clone();
        }
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn tenants_are_a_table() {
        let long =
            tenant(&json!({"slug": "a-longer-slug", "organization": "日本", "plan": "business"}));
        insta::assert_snapshot!(list(&[tenant(&json!({})), long]), @"
        SLUG           PHASE   PLAN      ORGANIZATION  URL
        acme           Active  free      Acme          http://acme.localhost:8080
        a-longer-slug  Active  business  日本          http://acme.localhost:8080
        ");
        assert!(list(&[]).contains("no tenants yet"));
    }

    #[test]
    fn one_tenant_is_shown_with_what_is_the_matter() {
        let (output, ..) = captured(Format::Text);
        let tenant = tenant(&json!({
            "phase": "Suspended", "suspended_reason": "owner", "ready_replicas": 0,
            "modules": {"desired_generation": 7, "loaded_generation": 5},
            "conditions": [
                {"type": "RuntimeAvailable", "status": "False", "reason": "Suspended", "message": "No runtime runs."},
            ],
        }));
        insta::assert_snapshot!(show(&tenant, &output), @"
        Slug          acme
        Organization  Acme
        Phase         Suspended (by owner)
        Plan          free
        URL           http://acme.localhost:8080
        Hosts         acme.localhost
        Runtimes      0
        Modules       generation 7, loaded up to 5

        CONDITION         STATUS  REASON     MESSAGE
        RuntimeAvailable  False   Suspended  No runtime runs.
        ");
    }
}
