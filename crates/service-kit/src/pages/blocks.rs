//! Which blocks a template has, so that a fragment can be asked for by name.

use std::collections::{BTreeMap, BTreeSet};

/// Template name → names of its blocks, its parents' included.
#[derive(Debug, Default)]
pub(super) struct Blocks(BTreeMap<String, BTreeSet<String>>);

impl Blocks {
    /// Reads the tags of all templates. Tera knows them too, but does not tell.
    pub(super) fn find(sources: &BTreeMap<String, String>) -> Self {
        let mut all = BTreeMap::new();
        for name in sources.keys() {
            let mut blocks = BTreeSet::new();
            let mut next = Some(name.as_str());
            // Tera has refused circles by now; the bound only keeps this loop honest by itself.
            for _ in 0..sources.len() {
                let Some(source) = next.and_then(|name| sources.get(name)) else {
                    break;
                };
                blocks.extend(words_after(source, "block").map(str::to_owned));
                next = words_after(source, "extends")
                    .next()
                    .map(|word| word.trim_matches(['"', '\'']));
            }
            all.insert(name.clone(), blocks);
        }
        Self(all)
    }

    /// Whether `template` has `block`.
    pub(super) fn has(&self, template: &str, block: &str) -> bool {
        self.0
            .get(template)
            .is_some_and(|blocks| blocks.contains(block))
    }
}

/// The words that follow `{% tag` in a template.
fn words_after<'a>(source: &'a str, tag: &'a str) -> impl Iterator<Item = &'a str> {
    source.split("{%").skip(1).filter_map(move |rest| {
        let mut words = rest.trim_start_matches('-').split_whitespace();
        (words.next() == Some(tag)).then(|| words.next()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_parents_count() {
        let sources = BTreeMap::from([
            (
                "base.html".to_owned(),
                "{% block content %}{%- block nav -%}{% endblock %}{% endblock %}".to_owned(),
            ),
            (
                "page.html".to_owned(),
                "{% extends \"base.html\" %}{% block list %}{% endblock list %}".to_owned(),
            ),
        ]);
        let blocks = Blocks::find(&sources);
        for block in ["content", "nav", "list"] {
            assert!(blocks.has("page.html", block), "{block}");
        }
        assert!(!blocks.has("base.html", "list"));
        assert!(!blocks.has("page.html", "other"));
        assert!(!blocks.has("none.html", "content"));
    }
}
