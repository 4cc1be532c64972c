//! The modules that every tenant has.

use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../modules"]
#[include = "*.yaml"]
#[exclude = "*/*"]
struct Files;

/// The texts of all stock modules, by file name.
pub fn sources() -> Vec<(String, String)> {
    Files::iter()
        .filter_map(|name| {
            let file = Files::get(&name)?;
            match String::from_utf8(file.data.into_owned()) {
                Ok(text) => Some((name.into_owned(), text)),
                Err(_) => {
                    tracing::error!(module.file = %name, "a stock module is not UTF-8");
                    None
                }
            }
        })
        .collect()
}
