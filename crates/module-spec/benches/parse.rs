//! How long reading takes: `cargo bench -p module-spec`. `serde_yaml` is measured beside it where it comes to an end: it makes a
//! tree of values without places, checks nothing, and is what Rust programs read YAML with.

mod nasty;

use std::sync::LazyLock;

use divan::{Bencher, black_box};

static INPUTS: LazyLock<Vec<(&'static str, String)>> = LazyLock::new(nasty::inputs);

fn main() {
    divan::main();
}

fn names() -> impl Iterator<Item = &'static str> {
    INPUTS.iter().map(|(name, _)| *name)
}

#[expect(clippy::expect_used, reason = "the name comes from the same list")]
fn text(name: &str) -> &'static str {
    let found = INPUTS.iter().find(|(known, _)| *known == name);
    &found.expect("an input of this name").1
}

#[divan::bench(args = names(), sample_count = 10, sample_size = 1)]
fn module_spec_parse(bencher: Bencher<'_, '_>, name: &str) {
    let text = text(name);
    bencher.bench(|| module_spec::parse(black_box(text)));
}

/// Not over what it needs minutes for: deep nesting, see docs/adr/0002.
#[divan::bench(args = ["realistic", "plain items", "flow items", "many keys", "one long text", "escapes", "literal", "folded", "wide letters", "many fields", "options"], sample_count = 10, sample_size = 1)]
fn serde_yaml_value(bencher: Bencher<'_, '_>, name: &str) {
    let text = text(name);
    bencher.bench(|| serde_yaml::from_str::<serde_yaml::Value>(black_box(text)).is_ok());
}
