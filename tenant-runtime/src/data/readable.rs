//! Which columns of a table lambdas may read, so that `db.find` without `columns` does not ask the catalogue each time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::identifier::SqlIdent;

/// Columns by table. Only tables with readable columns are kept, so it cannot grow beyond the schema.
#[derive(Debug, Default)]
pub struct ReadableColumns {
    tables: Mutex<BTreeMap<SqlIdent, Arc<[SqlIdent]>>>,
}

impl ReadableColumns {
    /// What is known of a table.
    pub fn get(&self, table: &SqlIdent) -> Option<Arc<[SqlIdent]>> {
        self.tables().get(table).cloned()
    }

    /// Keeps what the catalogue said.
    pub fn put(&self, table: SqlIdent, columns: Arc<[SqlIdent]>) {
        self.tables().insert(table, columns);
    }

    /// Forgets a table: what was known of it did not do.
    pub fn forget(&self, table: &SqlIdent) {
        self.tables().remove(table);
    }

    /// Nothing panics while it is held; should it ever, the map is still whole.
    fn tables(&self) -> MutexGuard<'_, BTreeMap<SqlIdent, Arc<[SqlIdent]>>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
