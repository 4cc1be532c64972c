//! Finds the compiled guest and refuses to build without it, or with another than `cargo xtask guest` made.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

fn main() {
    println!("cargo::rerun-if-changed=guest");
    println!("cargo::rerun-if-changed=build.rs");
    match artefact() {
        Ok(path) => println!("cargo::rustc-env=LAMBDA_GUEST_ARTEFACT={}", path.display()),
        Err(problem) => {
            println!(
                "cargo::error={problem}: run `cargo xtask guest` (`make build` does), which needs clang and llvm"
            );
        }
    }
}

fn artefact() -> Result<PathBuf, String> {
    if cfg!(not(feature = "wall")) {
        // The program that compiles the guest comes before the guest and embeds none; the fuzzer plays it.
        return Ok(PathBuf::new());
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("guest");
    let path = folder.join("lambda-guest.cwasm");
    let artefact =
        std::fs::read(&path).map_err(|error| format!("the sandbox is not built yet ({error})"))?;
    let record = std::fs::read_to_string(folder.join("lambda-guest.toml"))
        .map_err(|error| format!("the sandbox has no record of how it was built ({error})"))?;
    let digest = hex::encode(Sha256::digest(&artefact));
    // It is native code: nothing but what our own build wrote may be loaded.
    if !record
        .lines()
        .any(|line| line == format!("sha256 = \"{digest}\""))
    {
        return Err("the sandbox is not the one that was built here".to_owned());
    }
    Ok(path)
}
