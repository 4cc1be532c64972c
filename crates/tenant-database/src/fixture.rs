//! The schema of Znuny 6.5 as data (`fixtures/*.tsv`), to compare a tenant's schema with.

/// A column as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column<'a> {
    pub(crate) table: &'a str,
    pub(crate) position: &'a str,
    pub(crate) name: &'a str,
    /// Type, nullability and default, as in the file.
    pub(crate) definition: String,
}

/// All columns, table by table, in their order.
pub(crate) fn columns() -> impl Iterator<Item = Column<'static>> {
    rows(include_str!("../fixtures/znuny65.columns.tsv")).map(|row| Column {
        table: field(&row, 0),
        position: field(&row, 1),
        name: field(&row, 2),
        definition: row
            .get(3..)
            .unwrap_or_default()
            .join(" ")
            .trim_end()
            .to_owned(),
    })
}

/// Table, name, kind and definition of all constraints.
pub(crate) fn constraints() -> impl Iterator<Item = (&'static str, &'static str, String)> {
    rows(include_str!("../fixtures/znuny65.constraints.tsv")).map(|row| {
        let definition = row.get(2..).unwrap_or_default().join(" ");
        (field(&row, 0), field(&row, 1), definition)
    })
}

/// Table, name and definition of all indexes; the definition speaks of schema `public`.
pub(crate) fn indexes() -> impl Iterator<Item = (&'static str, &'static str, String)> {
    rows(include_str!("../fixtures/znuny65.indexes.tsv"))
        .map(|row| (field(&row, 0), field(&row, 1), field(&row, 2).to_owned()))
}

fn rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().map(|line| line.split('\t').collect())
}

fn field<'a>(row: &[&'a str], at: usize) -> &'a str {
    row.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_complete() {
        assert_eq!(columns().count(), 1026);
        assert_eq!(constraints().count(), 427);
        assert_eq!(indexes().count(), 285);
        let first = columns().next().unwrap();
        assert_eq!(
            (first.table, first.position, first.name),
            ("acl", "1", "id")
        );
        assert_eq!(
            first.definition,
            "integer not null nextval('acl_id_seq'::regclass)"
        );
    }
}
