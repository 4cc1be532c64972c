//! The templates of this program.

use rust_embed::RustEmbed;

/// `templates/`, beside those of the service kit.
#[derive(Debug, RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/templates"]
#[include = "*.html"]
pub struct Templates;
