//! What the lambda role may read of the tenant's schema, for the gate in front of authors' SQL.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::identifier::SqlIdent;
use sql_gate::{Readable, Refusal, Relation};
use sqlx::{PgConnection, Row as _};

use crate::data::sql;

/// A name that is not known may be new; the catalogue is asked again, at most this often.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Reads the catalogue. The connection is the lambda role's, or the runtime role's in the same schema.
pub async fn read(connection: &mut PgConnection) -> sqlx::Result<Readable> {
    let rows = sql::readable().query().fetch_all(connection).await?;
    let schema: String = match rows.first() {
        Some(row) => row.try_get("schema")?,
        None => String::new(),
    };
    let mut readable = Readable::of_schema(schema);
    for row in rows {
        let name: String = row.try_get("name")?;
        let relation = Relation {
            columns: row.try_get("columns")?,
            has_hidden: row.try_get("has_hidden")?,
        };
        readable.insert(name, relation);
    }
    Ok(readable)
}

/// Remembers what was read. Belongs to one set of loaded modules: what loading them changed is seen at once.
#[derive(Debug, Default)]
pub struct ReadableTables {
    held: Mutex<Option<(Instant, Arc<Readable>)>>,
}

impl ReadableTables {
    /// Columns of a table that may be read, in their order; none when there is no such table.
    pub async fn columns(
        &self,
        table: &SqlIdent,
        connection: &mut PgConnection,
    ) -> sqlx::Result<Vec<String>> {
        let columns = |readable: &Readable| {
            let relation = readable.relation(table.as_str())?;
            Some(relation.columns.clone())
        };
        let held = self.held();
        if let Some((_, readable)) = &held
            && let Some(columns) = columns(readable)
        {
            return Ok(columns);
        }
        if held.is_some_and(|(since, _)| since.elapsed() < ASK_AGAIN_AFTER) {
            return Ok(Vec::new());
        }
        Ok(columns(&*self.ask(connection).await?).unwrap_or_default())
    }

    /// Does a check of the gate; when that meets a name that is not known, again with what the catalogue says now.
    pub async fn check<T>(
        &self,
        connection: &mut PgConnection,
        check: impl Fn(&Readable) -> Result<T, Refusal>,
    ) -> sqlx::Result<Result<T, Refusal>> {
        if let Some((since, readable)) = self.held() {
            let checked = check(&readable);
            let is_final = checked
                .as_ref()
                .err()
                .is_none_or(|refusal| !refusal.is_unknown_name());
            if is_final || since.elapsed() < ASK_AGAIN_AFTER {
                return Ok(checked);
            }
        }
        Ok(check(&*self.ask(connection).await?))
    }

    /// Forgets it all: what was known did not do, and is asked for anew.
    pub fn forget(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn ask(&self, connection: &mut PgConnection) -> sqlx::Result<Arc<Readable>> {
        let readable = Arc::new(read(connection).await?);
        let known = Some((Instant::now(), Arc::clone(&readable)));
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(readable)
    }

    fn held(&self) -> Option<(Instant, Arc<Readable>)> {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
