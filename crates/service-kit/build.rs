//! Says in words that the page assets are missing, instead of a folder that a macro cannot find.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=assets/dist/inputs.sha256");
    println!("cargo::rerun-if-changed=templates");
    let pages = std::env::var_os("CARGO_FEATURE_PAGES").is_some();
    if pages && !Path::new("assets/dist/manifest.json").exists() {
        println!(
            "cargo::error=the page assets are missing: run `cargo xtask assets` (needs Node.js; `make` does both)"
        );
    }
}
