//! What an operator writes down about a tenant for its next start, so that it need not look at everything again.
//!
//! The content is the operator's business. What is said here is whether roles and schema are still those that the note speaks of:
//! each has a stamp, which changes when a role, its settings, its memberships or the schema is changed by anybody, and
//! when a table comes or goes. Stamps of all tenants are one query.

use domain::id::TenantId;
use sqlx::PgConnection;
use sqlx::types::Uuid;

use crate::connection::{DatabaseError, Doing as _, TenantDatabase, limited};
use crate::names::TenantNames;

/// A note, as the next operator finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// About whom.
    pub tenant: TenantId,
    /// What was written.
    pub content: String,
    /// The stamp as it is now.
    pub stamp: String,
}

/// Why notes could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// The database refused or failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// The stamp of the schema `s.name`. Rows of the catalogue are never changed in place: each change gives a row another `xmin`. What
/// depends on the roles is counted by an index; looking at each table of each tenant would take too long.
macro_rules! stamp {
    () => {
        "concat_ws(' ',
            (SELECT concat_ws(':', n.oid, n.xmin) FROM pg_namespace n WHERE n.nspname = s.name),
            (SELECT string_agg(concat_ws(':', r.oid, r.xmin,
                        (SELECT string_agg(m.roleid || '/' || m.xmin::text, ',' ORDER BY m.roleid)
                         FROM pg_auth_members m WHERE m.member = r.oid),
                        (SELECT string_agg(d.xmin::text, ',' ORDER BY d.setdatabase)
                         FROM pg_db_role_setting d WHERE d.setrole = r.oid),
                        (SELECT count(*) FROM pg_shdepend p
                         WHERE p.refclassid = 'pg_authid'::regclass AND p.refobjid = r.oid)), ' ' ORDER BY r.rolname)
             FROM pg_authid r WHERE r.rolname IN (s.name || '_lambda', s.name || '_owner', s.name || '_runtime')))"
    };
}

/// The stamp of a tenant's roles and schema.
pub(crate) async fn stamp_of(
    connection: &mut PgConnection,
    names: &TenantNames,
) -> Result<String, DatabaseError> {
    sqlx::query_scalar(concat!(
        "SELECT ",
        stamp!(),
        " FROM (SELECT $1::text AS name) s"
    ))
    .bind(names.schema.as_str())
    .fetch_one(connection)
    .await
    .doing("reading a tenant's stamp")
}

impl TenantDatabase {
    /// The stamp of a tenant's roles and schema.
    pub async fn stamp(&self, tenant: TenantId) -> Result<String, NoteError> {
        limited(async {
            let mut connection = self.pool().acquire().await.doing("connecting")?;
            Ok(stamp_of(&mut connection, &TenantNames::of(tenant)).await?)
        })
        .await
    }

    /// Writes a note, in place of the one that was there.
    pub async fn keep_note(&self, tenant: TenantId, content: &str) -> Result<(), NoteError> {
        limited(async {
            let mut transaction = self.begin(tenant).await?;
            sqlx::query(
                "INSERT INTO gotrs_operator.note (tenant, content) VALUES ($1, $2)
                 ON CONFLICT (tenant) DO UPDATE SET content = excluded.content",
            )
            .bind(tenant.as_uuid())
            .bind(content)
            .execute(&mut *transaction)
            .await
            .doing("writing a note")?;
            transaction.commit().await.doing("committing")?;
            Ok(())
        })
        .await
    }

    /// Throws a note away; none is fine.
    pub async fn forget_note(&self, tenant: TenantId) -> Result<(), NoteError> {
        limited(async {
            let mut transaction = self.begin(tenant).await?;
            sqlx::query("DELETE FROM gotrs_operator.note WHERE tenant = $1")
                .bind(tenant.as_uuid())
                .execute(&mut *transaction)
                .await
                .doing("throwing a note away")?;
            transaction.commit().await.doing("committing")?;
            Ok(())
        })
        .await
    }

    /// All notes. For whoever has taken over (see [`TenantDatabase::take_over`]), as everything about notes.
    pub async fn notes(&self) -> Result<Vec<Note>, NoteError> {
        limited(async {
            let rows: Vec<(Uuid, String, String)> = sqlx::query_as(concat!(
                "SELECT s.tenant, s.content, ",
                stamp!(),
                " FROM (SELECT tenant, content, 't_' || replace(tenant::text, '-', '') AS name
                        FROM gotrs_operator.note) s"
            ))
            .fetch_all(self.pool())
            .await
            .doing("reading the notes")?;
            Ok(rows
                .into_iter()
                .map(|(tenant, content, stamp)| Note {
                    tenant: TenantId::from_uuid(tenant),
                    content,
                    stamp,
                })
                .collect())
        })
        .await
    }
}

/// Stands for everything in this crate that decides how a tenant's database is made: another version of the program finds the notes of
/// this one, and must not take its word.
pub const SOURCE_DIGEST: &str = env!("TENANT_DATABASE_SOURCE_DIGEST");
