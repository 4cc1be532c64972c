//! Finds the compiled guest. Refuses to build with another than `cargo xtask guest` made, or without one unless that says that there
//! can be none on this machine.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

fn main() {
    println!("cargo::rerun-if-changed=guest");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(lambda_guest)");
    if cfg!(not(feature = "wall")) {
        // The program that compiles the guest comes before the guest and embeds none; the fuzzer plays it.
        return;
    }
    match artefact() {
        Ok(Artefact::Guest(path)) => {
            println!("cargo::rustc-cfg=lambda_guest");
            println!("cargo::rustc-env=LAMBDA_GUEST_ARTEFACT={}", path.display());
        }
        Ok(Artefact::Missing(reason)) => {
            println!("cargo::rustc-env=LAMBDA_GUEST_MISSING={reason}");
            println!(
                "cargo::warning=no WebAssembly guest ({reason}): lambdas will run in worker processes, which need the program lambda-worker"
            );
        }
        Err(problem) => {
            println!(
                "cargo::error={problem}: run `cargo xtask guest` (`make build` does), which needs clang and llvm"
            );
        }
    }
}

/// What `cargo xtask guest` left here.
enum Artefact {
    /// The compiled guest.
    Guest(PathBuf),
    /// Its word that there is none, and why.
    Missing(String),
}

fn artefact() -> Result<Artefact, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("guest");
    let path = folder.join("lambda-guest.cwasm");
    let record = std::fs::read_to_string(folder.join("lambda-guest.toml"))
        .map_err(|error| format!("the sandbox is not built yet ({error})"))?;
    if let Some(reason) = record
        .lines()
        .find_map(|line| line.strip_prefix("missing = \"")?.strip_suffix('"'))
    {
        return Ok(Artefact::Missing(reason.to_owned()));
    }
    let artefact =
        std::fs::read(&path).map_err(|error| format!("the sandbox is not built yet ({error})"))?;
    let digest = hex::encode(Sha256::digest(&artefact));
    // It is native code: nothing but what our own build wrote may be loaded.
    if !record
        .lines()
        .any(|line| line == format!("sha256 = \"{digest}\""))
    {
        return Err("the sandbox is not the one that was built here".to_owned());
    }
    Ok(Artefact::Guest(path))
}
