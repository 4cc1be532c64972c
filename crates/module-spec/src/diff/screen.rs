//! Changes of what the list and the form look like.

use super::{ChangeKind, Changes, LOOK, OFFER, Pairs};
use crate::spec::{Filter, FormSection, ListColumn, ModuleSpec, SectionEntry, Sort};

impl Changes {
    pub(super) fn of_screen(&mut self, old: &ModuleSpec, new: &ModuleSpec, pairs: &Pairs<'_>) {
        let sorts = (old.default_sort.as_ref(), new.default_sort.as_ref());
        self.sort("module.default_sort", (old, sorts.0), (new, sorts.1));
        // What is new or gone is said where it is; here is the order of what stays.
        let before = old.list_columns.iter();
        let before: Vec<&str> = before
            .filter_map(|column| old_column(pairs, *column))
            .collect();
        let after = new.list_columns.iter();
        let after: Vec<&str> = after
            .filter_map(|column| new_column(pairs, *column))
            .collect();
        if before != after {
            self.cosmetic("ui.list_columns", "the list has its columns in another way");
        }
        if sections(&old.form_sections, |entry| {
            old_column(pairs, entry.column())
        }) != sections(&new.form_sections, |entry| {
            new_column(pairs, entry.column())
        }) {
            self.cosmetic("ui.form_sections", "the form has its fields in another way");
        }
        if old.row_actions != new.row_actions {
            self.cosmetic("ui.actions", "a line of the list offers other actions");
        }
        self.of_filters(old, new, pairs);
    }

    /// What a list is sorted by.
    pub(super) fn sort(
        &mut self,
        path: &str,
        (old, before): (&ModuleSpec, Option<&Sort>),
        (new, after): (&ModuleSpec, Option<&Sort>),
    ) {
        // The column counts, the name is shown: another name alone is said at the field.
        if before != after {
            let shown = |spec: &ModuleSpec, sort: &Sort| {
                format!("{} {}", spec.sorted_by(sort), sort.order.as_str())
            };
            let before = before.map(|sort| shown(old, sort));
            self.option(path, LOOK, before, after.map(|sort| shown(new, sort)));
        }
    }

    /// Those of the file; what `filterable` makes is said at the field.
    fn of_filters(&mut self, old: &ModuleSpec, new: &ModuleSpec, pairs: &Pairs<'_>) {
        let of_file = |filter: &&Filter| filter.index.is_some();
        let before: Vec<(&str, &Filter)> = old
            .filters
            .iter()
            .filter(of_file)
            .map(|filter| {
                let name = pairs.new_name(filter.field_index);
                (name.unwrap_or(filter.field.as_str()), filter)
            })
            .collect();
        let after: Vec<(&str, &Filter)> = new
            .filters
            .iter()
            .filter(of_file)
            .map(|filter| (filter.field.as_str(), filter))
            .collect();
        let mut names: Vec<&str> = before.iter().chain(&after).map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let path = format!("filters.{name}");
            let of = |filters: &[(&str, &Filter)]| -> Vec<String> {
                let same = filters.iter().filter(|(other, _)| *other == name);
                same.map(|(_, filter)| said(filter)).collect()
            };
            let (before, after) = (of(&before), of(&after));
            match before.len().cmp(&after.len()) {
                std::cmp::Ordering::Less => {
                    self.push(OFFER.new, &path, format!("the filter by \"{name}\" is new"));
                }
                std::cmp::Ordering::Greater => {
                    self.push(
                        OFFER.gone,
                        &path,
                        format!("the filter by \"{name}\" is gone"),
                    );
                }
                std::cmp::Ordering::Equal if before != after => {
                    self.cosmetic(&path, "it is entered in another way");
                }
                std::cmp::Ordering::Equal => {}
            }
        }
        let order = |filters: &[(&str, &Filter)], others: &[(&str, &Filter)]| -> Vec<String> {
            let in_both = |name: &str| others.iter().any(|(other, _)| *other == name);
            let kept = filters.iter().filter(|(name, _)| in_both(name));
            kept.map(|(name, _)| (*name).to_owned()).collect()
        };
        let orders = (order(&before, &after), order(&after, &before));
        if orders.0.len() == orders.1.len() && orders.0 != orders.1 {
            self.push(
                ChangeKind::Cosmetic,
                "filters",
                "the filters are in another order",
            );
        }
    }
}

/// What a filter says apart from its field.
fn said(filter: &Filter) -> String {
    format!("{:?} {:?} {:?}", filter.kind, filter.label, filter.source)
}

fn old_column<'s>(pairs: &Pairs<'s>, column: ListColumn) -> Option<&'s str> {
    match column {
        ListColumn::Field(at) => pairs.new_name(at),
        ListColumn::Computed(at) => pairs.computed(pairs.old, at),
    }
}

fn new_column<'s>(pairs: &Pairs<'s>, column: ListColumn) -> Option<&'s str> {
    match column {
        ListColumn::Field(at) => pairs.kept_name(at),
        ListColumn::Computed(at) => pairs.computed(pairs.new, at),
    }
}

/// Heading, description and what stays of the fields, part by part; a part that only has what is new or gone does not count.
fn sections<'s>(
    sections: &[FormSection],
    name: impl Fn(SectionEntry) -> Option<&'s str>,
) -> Vec<(String, Vec<&'s str>)> {
    let said = |section: &FormSection| {
        let heading = format!("{:?} {:?}", section.title, section.description);
        let names: Vec<&str> = section
            .entries
            .iter()
            .filter_map(|entry| name(*entry))
            .collect();
        (heading, names)
    };
    let counts = |section: &&FormSection| {
        section.entries.is_empty() || section.entries.iter().any(|entry| name(*entry).is_some())
    };
    sections.iter().filter(counts).map(said).collect()
}
