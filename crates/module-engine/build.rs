//! Finds the compiled guest and refuses to build without it.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=guest");
    println!("cargo::rerun-if-changed=build.rs");
    let manifest = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let mut artefact = Path::new(&manifest).join("guest/lambda-guest.cwasm");
    if std::env::var_os("CARGO_FEATURE_COMPILE_GUEST").is_some() {
        // The program that compiles the guest comes before the guest, and runs none.
        artefact = Path::new(&std::env::var("OUT_DIR").unwrap_or_default()).join("no-guest");
        if let Err(error) = std::fs::write(&artefact, b"") {
            println!("cargo::error=writing {}: {error}", artefact.display());
        }
    } else if !artefact.exists() {
        println!(
            "cargo::error=the sandbox is not built yet: run `cargo xtask guest` (`make build` does), which needs clang, llvm and lld"
        );
    }
    println!(
        "cargo::rustc-env=LAMBDA_GUEST_ARTEFACT={}",
        artefact.display()
    );
}
