//! Files that are made from types: what people read and install can never differ from what the programs understand.

use std::path::Path;

use anyhow::{Context as _, bail};
use tenant_crd::manifest;

use crate::root;

/// First line of a generated file.
const HEADER: &str = "# Made by `cargo xtask codegen` from crates/tenant-crd. Do not edit.\n";

/// Writes all generated files, or only says which differ.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let root = root()?;
    let mut stale = Vec::new();
    for (path, content) in files()? {
        let full = root.join(path);
        if std::fs::read_to_string(&full).is_ok_and(|current| current == content) {
            continue;
        }
        if check {
            stale.push(path);
        } else {
            write(&full, &content)?;
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    bail!(
        "out of date; run `cargo xtask codegen`:\n{}",
        stale.join("\n")
    );
}

fn files() -> anyhow::Result<Vec<(&'static str, String)>> {
    let definitions = [
        ("charts/gotrs-cloud/crds/tenants.yaml", manifest::tenants()),
        (
            "charts/gotrs-cloud/crds/runtimechannels.yaml",
            manifest::runtime_channels(),
        ),
    ];
    definitions
        .into_iter()
        .map(|(path, definition)| {
            let text =
                serde_yaml::to_string(&definition).with_context(|| format!("writing {path}"))?;
            Ok((path, format!("{HEADER}{text}")))
        })
        .collect()
}

fn write(path: &Path, content: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("making the folder {}", folder.display()))?;
    }
    std::fs::write(path, content).with_context(|| format!("writing {}", path.display()))
}
