//! Builds the sandbox's guest: QuickJS for wasm32, initialised once, compiled ahead of time.
//!
//! The result lies in `crates/module-engine/guest/` (not committed) and is made again when something that it is made of changes:
//! sources, versions, settings. The compiler is built in a target folder of its own, so that it is part of no shipped program.
//!
//! On a machine that lacks a tool for it, that is recorded instead: `module-engine` is then built without the guest, and lambdas run
//! in worker processes (`lambda-worker`). QuickJS never runs inside of a server.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::root;

/// The target of the guest.
const WASM: &str = "wasm32-unknown-unknown";
/// Where the artefact goes, below the root.
const FOLDER: &str = "crates/module-engine/guest";
const ARTEFACT: &str = "lambda-guest.cwasm";
const RECORD: &str = "lambda-guest.toml";

/// What the artefact is made of, beside the versions of crates.
const SOURCES: &[&str] = &[
    "crates/lambda-guest",
    "crates/module-engine/src/bin/compile-guest.rs",
    "crates/module-engine/src/wasm/config.rs",
    "crates/xtask/src/guest.rs",
    "rust-toolchain.toml",
];

/// Crates whose versions, with all that they depend on, make a difference.
const CRATES: &[&str] = &["lambda-guest", "wasmtime", "wasmtime-wizer"];

/// What is known about an artefact.
#[derive(Serialize, Deserialize)]
struct Record {
    /// Digest of everything that it was made of.
    inputs: String,
    /// Digest of the artefact; `module-engine/build.rs` compares it.
    sha256: String,
    /// The processor and system that it runs on.
    target: String,
}

/// What is known of a machine that cannot make an artefact.
#[derive(Serialize, Deserialize)]
struct Missing {
    /// Why; `module-engine/build.rs` passes it on to the program, which says it at start.
    missing: String,
}

/// What this machine has for it.
struct Tools {
    target: &'static str,
    clang: &'static str,
    llvm_ar: &'static str,
}

/// Makes the artefact unless it is there and up to date. Without the tools for it, that is an error only when it is required.
pub(crate) fn run(force: bool, required: bool) -> anyhow::Result<()> {
    let root = root()?;
    let folder = root.join(FOLDER);
    match tools() {
        Ok(tools) => build(&root, &folder, &tools, force),
        Err(missing) if required => Err(missing),
        Err(missing) => record_missing(&folder, &missing.to_string()),
    }
}

fn tools() -> anyhow::Result<Tools> {
    let tools = Tools {
        target: target()?,
        clang: tool("clang")?,
        llvm_ar: tool("llvm-ar")?,
    };
    ensure!(
        has_wasm_target(),
        "Rust has no target {WASM} here: rustup target add {WASM} (make does it)"
    );
    Ok(tools)
}

/// Lets the build go on without a guest, and says so.
#[expect(clippy::print_stdout, reason = "it is for whoever builds")]
fn record_missing(folder: &Path, reason: &str) -> anyhow::Result<()> {
    println!(
        "No WebAssembly guest: {reason}\n\
         Lambdas will run in worker processes instead: build them too (cargo build -p lambda-worker; make build does)."
    );
    let record = toml::to_string(&Missing {
        // It ends up in one line of a build script's output.
        missing: reason.replace(['\n', '"', '\\'], " "),
    })?;
    let file = folder.join(RECORD);
    // Written anew it would have everything built again.
    if std::fs::read_to_string(&file).is_ok_and(|found| found == record) {
        return Ok(());
    }
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    std::fs::write(&file, record).with_context(|| format!("writing {}", file.display()))
}

fn build(root: &Path, folder: &Path, tools: &Tools, force: bool) -> anyhow::Result<()> {
    let Tools {
        target,
        clang,
        llvm_ar,
    } = *tools;
    let inputs = inputs(root, target)?;
    if !force && is_current(folder, &inputs) {
        return Ok(());
    }
    let build = root.join("target/guest");
    let cargo = |command: &str| {
        let mut cargo = Command::new("cargo");
        cargo
            .current_dir(root)
            .arg(command)
            .arg("--target-dir")
            .arg(&build);
        cargo
    };
    crate::run(
        // The crate is a plain library: only here it becomes a module of its own.
        cargo("rustc")
            .args([
                "-p",
                "lambda-guest",
                "--lib",
                "--crate-type",
                "cdylib",
                "--profile",
                "guest",
                "--target",
                WASM,
            ])
            .env("CC_wasm32_unknown_unknown", clang)
            .env("AR_wasm32_unknown_unknown", llvm_ar),
    )
    .context("compiling QuickJS for WebAssembly")?;
    crate::run(cargo("build").args([
        "-p",
        "module-engine",
        "--profile",
        "guest-compiler",
        "--no-default-features",
        "--features",
        "compile-guest",
        "--bin",
        "compile-guest",
    ]))
    .context("building the ahead-of-time compiler")?;
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    // Under another name first: who builds meanwhile sees the old artefact or the new one.
    let fresh = folder.join("lambda-guest.new");
    crate::run(
        Command::new(build.join("guest-compiler/compile-guest"))
            .arg(build.join("wasm32-unknown-unknown/guest/lambda_guest.wasm"))
            .arg(folder.join("lambda-guest.wasm"))
            .arg(&fresh)
            .arg(target),
    )
    .context("compiling the guest ahead of time")?;
    let artefact = std::fs::read(&fresh).with_context(|| format!("reading {}", fresh.display()))?;
    let record = Record {
        inputs,
        sha256: sha256(&artefact),
        target: target.to_owned(),
    };
    std::fs::rename(&fresh, folder.join(ARTEFACT))?;
    std::fs::write(folder.join(RECORD), toml::to_string(&record)?)?;
    Ok(())
}

fn is_current(folder: &Path, inputs: &str) -> bool {
    let Ok(text) = std::fs::read_to_string(folder.join(RECORD)) else {
        return false;
    };
    let Ok(artefact) = std::fs::read(folder.join(ARTEFACT)) else {
        return false;
    };
    toml::from_str::<Record>(&text)
        .is_ok_and(|record| record.inputs == inputs && record.sha256 == sha256(&artefact))
}

/// The oldest processor of the kind that this runs on: an artefact for the builder's own processor might refuse another.
fn target() -> anyhow::Result<&'static str> {
    match (std::env::consts::ARCH, std::env::consts::OS) {
        ("x86_64", "linux") => Ok("x86_64-unknown-linux-gnu"),
        ("aarch64", "linux") => Ok("aarch64-unknown-linux-gnu"),
        (processor, system) => bail!(
            "the sandbox is built for Linux on x86-64 and arm64, not for {system} on {processor}"
        ),
    }
}

fn has_wasm_target() -> bool {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", WASM])
        .output();
    output.is_ok_and(|output| {
        output.status.success()
            && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir()
    })
}

fn tool(name: &'static str) -> anyhow::Result<&'static str> {
    let found = Command::new(name)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    ensure!(
        found.is_ok_and(|status| status.success()),
        "{name} is not installed: apt-get install clang llvm lld (make does it)"
    );
    Ok(name)
}

/// One digest over everything that the artefact is made of.
fn inputs(root: &Path, target: &str) -> anyhow::Result<String> {
    let mut digest = Sha256::new();
    digest.update(target);
    let mut files = Vec::new();
    for source in SOURCES {
        collect(&root.join(source), &mut files)?;
    }
    files.sort();
    for file in files {
        let content =
            std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        let name = file
            .strip_prefix(root)
            .unwrap_or(&file)
            .to_string_lossy()
            .into_owned();
        digest.update(format!("\n{name} {}\n", content.len()));
        digest.update(&content);
    }
    let manifest: toml::Table = read_toml(&root.join("Cargo.toml"))?;
    for section in [
        manifest
            .get("profile")
            .and_then(|profile| profile.get("guest")),
        dependency(&manifest, "rquickjs"),
        dependency(&manifest, "wasmtime"),
    ] {
        digest.update(format!(
            "\n{}",
            section.context("Cargo.toml has lost a section that the guest needs")?
        ));
    }
    for package in locked(root)? {
        digest.update(format!("\n{package}"));
    }
    Ok(hex::encode(digest.finalize()))
}

fn dependency<'a>(manifest: &'a toml::Table, name: &str) -> Option<&'a toml::Value> {
    manifest.get("workspace")?.get("dependencies")?.get(name)
}

/// Name, version and digest of all crates below [`CRATES`], from Cargo.lock.
fn locked(root: &Path) -> anyhow::Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
        checksum: Option<String>,
        #[serde(default)]
        dependencies: Vec<String>,
    }
    let lock: Lock = read_toml(&root.join("Cargo.lock"))?;
    let mut by_name: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
    for package in &lock.package {
        by_name.entry(&package.name).or_default().push(package);
    }
    let mut found = BTreeSet::new();
    let mut waiting: Vec<&str> = CRATES.to_vec();
    while let Some(reference) = waiting.pop() {
        // `name`, or `name version` where there are several.
        let (name, version) = reference
            .split_once(' ')
            .map_or((reference, None), |(name, version)| (name, Some(version)));
        let packages = by_name
            .get(name)
            .with_context(|| format!("{name} is not in Cargo.lock"))?;
        for package in packages
            .iter()
            .filter(|package| version.is_none_or(|version| version == package.version))
        {
            let checksum = package.checksum.as_deref().unwrap_or("ours");
            if found.insert(format!("{} {} {checksum}", package.name, package.version)) {
                waiting.extend(package.dependencies.iter().map(String::as_str));
            }
        }
    }
    Ok(found)
}

fn read_toml<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("understanding {}", path.display()))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path).with_context(|| format!("reading {}", path.display()))? {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
