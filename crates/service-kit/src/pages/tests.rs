use super::*;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/src/pages/test-templates"]
struct None;

fn pages() -> Pages {
    Pages::new::<None>().unwrap_or_else(|error| panic!("{}", Chain(&error)))
}

#[test]
fn all_templates_compile() {
    pages();
}
