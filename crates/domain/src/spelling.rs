//! What somebody may have meant who wrote something else.

/// The name nearest to `word`, if it is near enough to be meant.
pub fn nearest<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let length = word.chars().count();
    if length > 64 {
        return None;
    }
    let most = length.checked_div(3).unwrap_or(0).max(1);
    names
        .into_iter()
        .map(|name| (distance(word, name), name))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Changes of one letter (insert, delete, replace, swap of neighbours) between two words, ignoring case.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.to_lowercase().chars().collect();
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, from) in left.iter().enumerate() {
        let mut current = vec![row.saturating_add(1)];
        for (column, to) in right.iter().enumerate() {
            let get = |line: &[usize], at: usize| line.get(at).copied().unwrap_or(usize::MAX);
            let replaced = get(&above, column).saturating_add(usize::from(from != to));
            let deleted = get(&above, column.saturating_add(1)).saturating_add(1);
            let inserted = get(&current, column).saturating_add(1);
            let mut best = replaced.min(deleted).min(inserted);
            let neighbours = (row.checked_sub(1), column.checked_sub(1));
            if let (Some(previous_row), Some(previous_column)) = neighbours
                && left.get(previous_row) == Some(to)
                && right.get(previous_column) == Some(from)
            {
                best = best.min(get(&before, previous_column).saturating_add(1));
            }
            current.push(best);
        }
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_one_that_could_be_meant() {
        let names = ["name", "label", "searchable", "sortable", "default_sort"];
        for (word, expected) in [
            ("lable", Some("label")),
            ("Name", Some("name")),
            ("searchble", Some("searchable")),
            ("defaultsort", Some("default_sort")),
            ("zzz", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, names), expected, "{word}");
        }
    }
}
