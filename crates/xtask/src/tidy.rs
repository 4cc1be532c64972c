//! House rules that a compiler does not check.

mod fences;
mod metrics;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::root;

/// Who may depend on whom, in code that ships. `test-kit` may be anyone's dev-dependency, and what a crate may use it may
/// also use in its tests. Nothing else is allowed; a new arrow is its own commit and changes this table.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("lambda-guest", &[]),
    ("lambda-protocol", &[]),
    // The only program that QuickJS is linked into: nobody may depend on it, or on the guest.
    ("lambda-worker", &["lambda-guest", "lambda-protocol"]),
    ("service-kit", &[]),
    ("module-spec", &["domain"]),
    ("blob-store", &["domain", "service-kit"]),
    ("tenant-crd", &["domain"]),
    ("tenant-database", &["domain"]),
    (
        "tenant-export",
        &["blob-store", "domain", "service-kit", "tenant-database"],
    ),
    ("lambda-coverage", &["module-spec"]),
    (
        "module-engine",
        &["module-spec", "domain", "lambda-protocol"],
    ),
    ("sql-gate", &["domain"]),
    (
        "control-plane",
        &[
            "domain",
            "module-spec",
            "module-engine",
            "blob-store",
            "tenant-crd",
            "service-kit",
        ],
    ),
    (
        "tenant-runtime",
        &[
            "domain",
            "module-spec",
            "module-engine",
            "sql-gate",
            "service-kit",
        ],
    ),
    (
        "operator",
        &[
            "domain",
            "blob-store",
            "tenant-crd",
            "tenant-database",
            "tenant-export",
            "service-kit",
        ],
    ),
    (
        "gotrs",
        &[
            "blob-store",
            "control-plane",
            "tenant-runtime",
            "tenant-database",
            "tenant-export",
            "module-spec",
            "module-engine",
            "lambda-coverage",
            "service-kit",
            "domain",
        ],
    ),
    ("xtask", &["tenant-crd", "module-spec"]),
    ("test-kit", &["domain", "service-kit"]),
    ("e2e", &["test-kit", "domain"]),
];

/// Whether tests of `package` may use `name` where its code may not.
fn for_tests(package: &str, name: &str) -> bool {
    // The walls around tenant code are tested on schemas and roles as the platform makes them.
    match package {
        "tenant-runtime" => matches!(name, "test-kit" | "tenant-database"),
        // The engine's own tests run against the worker too.
        "lambda-worker" => matches!(name, "module-engine" | "module-spec" | "domain"),
        _ => name == "test-kit",
    }
}

/// Files outside of a package that are a part of it, by `#[path]`.
const BORROWED: &[(&str, &str)] = &[
    // The engine's own tests, against the worker.
    ("lambda-worker", "crates/module-engine/tests"),
];

/// A file longer than this (tests not counted) is split.
const MAX_LINES: usize = 800;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// The name that the package knows it by, if another one.
    rename: Option<String>,
    kind: Option<String>,
    path: Option<PathBuf>,
}

/// Checks everything and reports all findings at once.
pub(crate) fn run() -> anyhow::Result<()> {
    let root = root()?;
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(&root)
        .output()
        .context("starting cargo metadata")?;
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("reading cargo metadata")?;
    let mut findings = Vec::new();
    for package in &metadata.packages {
        check_arrows(package, &mut findings);
        check_manifest(package, &mut findings)?;
    }
    let sources = sources(&root)?;
    for package in &metadata.packages {
        check_unused(&root, package, &sources, &mut findings)?;
    }
    check_files(&root, &mut findings)?;
    check_fuzz_lock(&root, &mut findings)?;
    findings.extend(fences::check(&root)?);
    findings.extend(metrics::check(&root)?);
    if findings.is_empty() {
        return Ok(());
    }
    bail!("{} finding(s):\n{}", findings.len(), findings.join("\n"));
}

fn check_arrows(package: &Package, findings: &mut Vec<String>) {
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == package.name) else {
        findings.push(format!(
            "{}: not in the table of xtask/src/tidy.rs",
            package.name
        ));
        return;
    };
    for dependency in &package.dependencies {
        let dev = dependency.kind.as_deref() == Some("dev");
        let name = dependency.name.as_str();
        if dependency.path.is_some()
            && !allowed.contains(&name)
            && !(dev && for_tests(&package.name, name))
        {
            findings.push(format!("{}: may not depend on {name}", package.name));
        }
    }
}

fn check_manifest(package: &Package, findings: &mut Vec<String>) -> anyhow::Result<()> {
    let folder = package.manifest_path.parent().and_then(Path::file_name);
    if folder.is_none_or(|folder| folder != package.name.as_str()) {
        findings.push(format!("{}: its folder has another name", package.name));
    }
    if package.version != "0.0.0" {
        findings.push(format!("{}: version is not 0.0.0", package.name));
    }
    let text = std::fs::read_to_string(&package.manifest_path)?;
    let manifest: toml::Table = text
        .parse()
        .with_context(|| format!("reading {}", package.manifest_path.display()))?;
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let Some(table) = manifest.get(section).and_then(toml::Value::as_table) else {
            continue;
        };
        for (name, value) in table {
            if value.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                findings.push(format!(
                    "{}: the version of {name} belongs into the workspace's table",
                    package.name
                ));
            }
        }
    }
    Ok(())
}

/// Words of each Rust file, by its path below the root.
fn sources(root: &Path) -> anyhow::Result<Vec<(PathBuf, BTreeSet<String>)>> {
    let output = Command::new("git")
        .args(["ls-files", "-co", "--exclude-standard", "*.rs"])
        .current_dir(root)
        .output()?;
    let mut sources = Vec::new();
    for file in String::from_utf8(output.stdout)?.lines() {
        // Removed and not yet committed.
        let Ok(text) = std::fs::read_to_string(root.join(file)) else {
            continue;
        };
        sources.push((PathBuf::from(file), words(&text)));
    }
    Ok(sources)
}

fn words(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .map(str::to_owned)
        .collect()
}

/// A dependency that no file of its package names costs time in every build and says something untrue about the package.
fn check_unused(
    root: &Path,
    package: &Package,
    sources: &[(PathBuf, BTreeSet<String>)],
    findings: &mut Vec<String>,
) -> anyhow::Result<()> {
    let folder = package
        .manifest_path
        .parent()
        .and_then(|folder| folder.strip_prefix(root).ok())
        .with_context(|| format!("{} is outside of the workspace", package.name))?;
    let own: Vec<&BTreeSet<String>> = sources
        .iter()
        .filter(|(file, _)| {
            file.starts_with(folder)
                || BORROWED
                    .iter()
                    .any(|(name, from)| *name == package.name && file.starts_with(from))
        })
        .map(|(_, words)| words)
        .collect();
    let names: BTreeSet<&str> = package
        .dependencies
        .iter()
        .map(|dependency| dependency.rename.as_deref().unwrap_or(&dependency.name))
        .collect();
    findings.extend(unused(&names, &own).into_iter().map(|name| {
        format!(
            "{}: nothing names {name}; take it out of its Cargo.toml",
            package.name
        )
    }));
    Ok(())
}

fn unused<'a>(names: &BTreeSet<&'a str>, own: &[&BTreeSet<String>]) -> Vec<&'a str> {
    let is_named = |name: &str| {
        let name = name.replace('-', "_");
        own.iter().any(|words| words.contains(&name))
    };
    names
        .iter()
        .copied()
        .filter(|name| !is_named(name))
        .collect()
}

/// What is fuzzed is what ships: crates that are in both lock files are there in the same versions.
fn check_fuzz_lock(root: &Path, findings: &mut Vec<String>) -> anyhow::Result<()> {
    let ours = locked(&root.join("Cargo.lock"))?;
    for (name, version) in locked(&root.join("fuzz/Cargo.lock"))? {
        let is_shared = ours.iter().any(|(ours, _)| *ours == name);
        if is_shared && !ours.contains(&(name.clone(), version.clone())) {
            findings.push(format!(
                "fuzz/Cargo.lock: {name} {version} is not in Cargo.lock; copy that over it and run `cargo metadata` in fuzz/"
            ));
        }
    }
    Ok(())
}

/// Names and versions in a lock file.
fn locked(path: &Path) -> anyhow::Result<BTreeSet<(String, String)>> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<LockedPackage>,
    }
    #[derive(Deserialize)]
    struct LockedPackage {
        name: String,
        version: String,
    }
    let text =
        std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let lock: Lock =
        toml::from_str(&text).with_context(|| format!("understanding {}", path.display()))?;
    let packages = lock.package.into_iter();
    Ok(packages
        .map(|package| (package.name, package.version))
        .collect())
}

fn check_files(root: &Path, findings: &mut Vec<String>) -> anyhow::Result<()> {
    let output = Command::new("git")
        .args(["ls-files", "-co", "--exclude-standard"])
        .current_dir(root)
        .output()?;
    let files: BTreeSet<String> = String::from_utf8(output.stdout)?
        .lines()
        .map(str::to_owned)
        .collect();
    for file in &files {
        let path = root.join(file);
        if path.extension().is_none_or(|extension| extension != "rs") || !path.exists() {
            continue;
        }
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {file}"))?;
        let is_test =
            file.contains("/tests/") || file.ends_with("/tests.rs") || file.starts_with("e2e/");
        let lines = text
            .lines()
            .take_while(|line| line.trim() != "#[cfg(test)]")
            .count();
        if lines > MAX_LINES && !is_test {
            findings.push(format!(
                "{file}: {lines} lines; split it (at most {MAX_LINES} without tests)"
            ));
        }
        if file.ends_with("/mod.rs") && !is_test {
            findings.push(format!("{file}: use foo.rs beside foo/, not mod.rs"));
        }
        if text.contains(concat!("#[ig", "nore")) {
            findings.push(format!("{file}: no ignored tests"));
        }
        for word in [
            concat!("TO", "DO"),
            concat!("FIX", "ME"),
            concat!("X", "XX"),
        ] {
            if let Some((number, _)) = (1..)
                .zip(text.lines())
                .find(|(_, line)| line.contains(&format!("// {word}")))
            {
                findings.push(format!(
                    "{file}:{number}: finish it or file an issue instead of {word}"
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_that_no_file_names_is_found() {
        let files = [
            words("use tower_http::trace;"),
            words("//! See arc-swap.\nlet regexes = hyper::body();"),
        ];
        let names = BTreeSet::from(["tower-http", "hyper", "regex", "arc-swap"]);
        let found = unused(&names, &files.iter().collect::<Vec<_>>());
        assert_eq!(found, ["arc-swap", "regex"]);
    }
}
