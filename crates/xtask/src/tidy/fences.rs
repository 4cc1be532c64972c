//! The fences of `deny.toml`, checked without cargo-deny: which crates must not be in the tree, and which only certain
//! others may use.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

#[derive(Deserialize)]
struct Deny {
    graph: Graph,
    bans: Bans,
}

#[derive(Deserialize)]
struct Graph {
    targets: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
    features: Vec<FeatureBan>,
}

#[derive(Deserialize)]
struct Ban {
    name: String,
    /// Only `<major[.minor]` is used in this repository.
    version: Option<String>,
    #[serde(default)]
    wrappers: Vec<String>,
}

#[derive(Deserialize)]
struct FeatureBan {
    name: String,
    deny: Vec<String>,
}

/// One crate of the tree, as `cargo tree` prints it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    version: String,
    features: Vec<String>,
}

/// All findings against the tree of each target, dev-dependencies and features as they are really built.
pub(super) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join("deny.toml")).context("reading deny.toml")?;
    let deny: Deny = toml::from_str(&text).context("reading deny.toml")?;
    let mut findings = Vec::new();
    for target in &deny.graph.targets {
        for package in tree(root, target, &[])? {
            for ban in deny.bans.deny.iter().filter(|ban| ban.applies_to(&package)) {
                let spec = format!("{}@{}", package.name, package.version);
                for user in tree(root, target, &["--invert", &spec, "--depth", "1"])? {
                    if user.name != package.name && !ban.wrappers.contains(&user.name) {
                        findings.push(format!("{}: may not use {spec}", user.name));
                    }
                }
            }
            for ban in deny
                .bans
                .features
                .iter()
                .filter(|ban| ban.name == package.name)
            {
                for feature in package
                    .features
                    .iter()
                    .filter(|feature| ban.deny.contains(feature))
                {
                    findings.push(format!(
                        "{}: feature {feature} is banned by deny.toml",
                        package.name
                    ));
                }
            }
        }
    }
    Ok(findings)
}

fn tree(root: &Path, target: &str, arguments: &[&str]) -> anyhow::Result<BTreeSet<Package>> {
    let output = Command::new("cargo")
        .args([
            "tree",
            "--workspace",
            "--locked",
            "--edges",
            "normal,build,dev",
            "--prefix",
            "none",
        ])
        .args(["--format", "{p}|{f}", "--target", target])
        .args(arguments)
        .current_dir(root)
        .output()
        .context("starting cargo tree")?;
    ensure!(
        output.status.success(),
        "cargo tree: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).context("reading cargo tree")?;
    Ok(text.lines().filter_map(parse_line).collect())
}

/// `name v1.2.3 (path)|feature,feature`, followed by `(*)` where it was printed before.
fn parse_line(line: &str) -> Option<Package> {
    let (package, features) = line.split_once('|')?;
    let mut words = package.split(' ');
    let name = words.next()?.to_owned();
    let version = words.next()?.strip_prefix('v')?.to_owned();
    let features = features
        .trim_end_matches(" (*)")
        .split(',')
        .map(str::to_owned)
        .collect();
    Some(Package {
        name,
        version,
        features,
    })
}

impl Ban {
    fn applies_to(&self, package: &Package) -> bool {
        self.name == package.name
            && self
                .version
                .as_deref()
                .is_none_or(|range| match range.strip_prefix('<') {
                    Some(limit) => numbers(&package.version) < numbers(limit),
                    None => package.version == range,
                })
    }
}

fn numbers(version: &str) -> Vec<u64> {
    version
        .split(['.', '-', '+'])
        .map_while(|part| part.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_below_the_limit_is_banned() {
        let ban = Ban {
            name: "http".to_owned(),
            version: Some("<1".to_owned()),
            wrappers: Vec::new(),
        };
        for (version, banned) in [("0.2.12", true), ("1.5.0", false)] {
            let package = parse_line(&format!("http v{version}|default,std (*)")).unwrap();
            assert_eq!(package.features, ["default", "std"]);
            assert_eq!(ban.applies_to(&package), banned, "{version}");
        }
    }
}
