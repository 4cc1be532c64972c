//! What the lambda role may see of a tenant's schema.

use std::collections::BTreeMap;

/// Relations that an author's SQL may read, by name, with their columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readable {
    schema: String,
    relations: BTreeMap<String, Relation>,
}

/// One table or view.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relation {
    /// Columns that may be read, in their order.
    pub columns: Vec<String>,
    /// Whether it has others that may not be read: then `*` and whole rows are refused, as the server would.
    pub has_hidden: bool,
}

impl Readable {
    /// Nothing yet, of the schema of this name. Statements need not write the name; another one is refused.
    pub fn of_schema(schema: impl Into<String>) -> Self {
        Self {
            schema: schema.into(),
            relations: BTreeMap::new(),
        }
    }

    /// With one more table or view.
    #[must_use]
    pub fn with(mut self, name: &str, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        self.insert(
            name,
            Relation {
                columns,
                has_hidden: false,
            },
        );
        self
    }

    /// Adds a table or view.
    pub fn insert(&mut self, name: impl Into<String>, relation: Relation) {
        self.relations.insert(name.into(), relation);
    }

    /// The table or view of this name.
    pub fn relation(&self, name: &str) -> Option<&Relation> {
        self.relations.get(name)
    }

    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.relations.keys().map(String::as_str)
    }
}
