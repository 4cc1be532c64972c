//! Modules of tenants: which version counts now, and all versions that ever did.

use chrono::{DateTime, Utc};
use domain::diagnostic::Diagnostic;
use domain::digest::Sha256Digest;
use domain::id::{AccountId, ModuleVersionId, TenantId};
use domain::name::ModuleName;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::{DbError, DbResult};

/// The channel on which new generations are told to all replicas; the payload is `<tenant id> <generation>`.
pub const GENERATION_CHANGED: &str = "module_generation";

/// One version of a module.
#[derive(Debug, Clone)]
pub struct ModuleVersion {
    /// Its id.
    pub id: ModuleVersionId,
    /// Of which module.
    pub name: ModuleName,
    /// Counts from 1 per module.
    pub version: u32,
    /// What made it.
    pub kind: VersionKind,
    /// Warnings of the check.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether the module's own tests were not run.
    pub tests_skipped: bool,
    /// The tenant's module generation that it made.
    pub generation: u64,
    /// Who made it.
    pub created_by: AccountId,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// What made a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionKind {
    /// An upload.
    Put(Content),
    /// The content of an earlier version was brought back.
    Rollback {
        /// Which.
        restored_version: u32,
        /// What it holds.
        content: Content,
    },
    /// The module was removed.
    Delete,
}

/// The YAML of a version, as it lies in the blob store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Its digest, which is its name.
    pub sha256: Sha256Digest,
    /// Its size in bytes.
    pub size: u32,
}

impl VersionKind {
    /// As it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Put(_) => "put",
            Self::Rollback { .. } => "rollback",
            Self::Delete => "delete",
        }
    }

    /// The YAML, unless the version is a deletion.
    pub const fn content(self) -> Option<Content> {
        match self {
            Self::Put(content) | Self::Rollback { content, .. } => Some(content),
            Self::Delete => None,
        }
    }

    /// Which version a rollback brought back.
    pub const fn restored_version(self) -> Option<u32> {
        match self {
            Self::Rollback {
                restored_version, ..
            } => Some(restored_version),
            Self::Put(_) | Self::Delete => None,
        }
    }
}

struct Row {
    id: Uuid,
    name: String,
    version: i32,
    kind: String,
    sha256: Option<Vec<u8>>,
    size: Option<i32>,
    restored_version: Option<i32>,
    diagnostics: Json<Vec<Diagnostic>>,
    tests_skipped: bool,
    generation: i64,
    created_by: Uuid,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for ModuleVersion {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let id = row.id;
        let content = match (row.sha256, row.size) {
            (Some(digest), Some(size)) => Some(Content {
                sha256: read_digest(&digest)
                    .ok_or_else(|| wrong(id, "sha256", "a digest of another length"))?,
                size: count(id, "size", size)?,
            }),
            _ => None,
        };
        let restored = match row.restored_version {
            Some(version) => Some(count(id, "restored_version", version)?),
            None => None,
        };
        let kind = match (row.kind.as_str(), content, restored) {
            ("put", Some(content), None) => VersionKind::Put(content),
            ("rollback", Some(content), Some(restored_version)) => VersionKind::Rollback {
                restored_version,
                content,
            },
            ("delete", None, None) => VersionKind::Delete,
            _ => return Err(wrong(id, "kind", "a kind that does not fit its content")),
        };
        Ok(Self {
            id: ModuleVersionId::from_uuid(id),
            name: row
                .name
                .parse()
                .map_err(DbError::inconsistent("module_version", "name", id))?,
            version: count(id, "version", row.version)?,
            kind,
            diagnostics: row.diagnostics.0,
            tests_skipped: row.tests_skipped,
            generation: read_generation(row.generation)?,
            created_by: AccountId::from_uuid(row.created_by),
            created_at: row.created_at,
        })
    }
}

fn wrong(id: Uuid, column: &'static str, what: &'static str) -> DbError {
    DbError::inconsistent("module_version", column, id)(anyhow::anyhow!(what))
}

fn count(id: Uuid, column: &'static str, value: i32) -> DbResult<u32> {
    u32::try_from(value).map_err(DbError::inconsistent("module_version", column, id))
}

/// A digest of a `bytea` column.
pub(super) fn read_digest(bytes: &[u8]) -> Option<Sha256Digest> {
    hex::encode(bytes).parse().ok()
}

/// A generation of a `bigint` column.
pub(super) fn read_generation(value: i64) -> DbResult<u64> {
    u64::try_from(value).map_err(DbError::inconsistent("module_version", "generation", value))
}

/// A generation for a `bigint` column; one that is larger than any is as good as the largest.
pub(super) fn write_generation(generation: u64) -> i64 {
    i64::try_from(generation).unwrap_or(i64::MAX)
}

/// Makes the tenant's next generation. Its row stays locked until the transaction ends, so changes of one
/// tenant come one after the other.
pub async fn next_generation(db: &mut PgConnection, tenant: TenantId) -> DbResult<u64> {
    let generation = sqlx::query_scalar!(
        "INSERT INTO tenant_module_generation AS g (tenant_id, generation) VALUES ($1, 1)
         ON CONFLICT (tenant_id) DO UPDATE SET generation = g.generation + 1
         RETURNING generation",
        tenant.as_uuid(),
    )
    .fetch_one(db)
    .await?;
    read_generation(generation)
}

/// The tenant's generation; 0 when it never had a module.
pub async fn generation(db: &mut PgConnection, tenant: TenantId) -> DbResult<u64> {
    let generation = sqlx::query_scalar!(
        "SELECT generation FROM tenant_module_generation WHERE tenant_id = $1",
        tenant.as_uuid(),
    )
    .fetch_optional(db)
    .await?;
    generation.map_or(Ok(0), read_generation)
}

/// The generations of those among `tenants` that have one.
pub async fn generations(
    db: &mut PgConnection,
    tenants: &[TenantId],
) -> DbResult<Vec<(TenantId, u64)>> {
    let ids: Vec<Uuid> = tenants.iter().map(|tenant| tenant.as_uuid()).collect();
    let rows = sqlx::query!(
        "SELECT tenant_id, generation FROM tenant_module_generation WHERE tenant_id = ANY($1)",
        &ids,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok((
                TenantId::from_uuid(row.tenant_id),
                read_generation(row.generation)?,
            ))
        })
        .collect()
}

/// Adds a version, makes it the current one, and tells all replicas of the new generation when the transaction commits.
pub async fn insert(
    db: &mut PgConnection,
    tenant: TenantId,
    version: &ModuleVersion,
) -> DbResult<()> {
    let content = version.kind.content();
    let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    sqlx::query!(
        "INSERT INTO module_version (id, tenant_id, name, version, kind, sha256, size, restored_version,
             diagnostics, tests_skipped, generation, created_by, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        version.id.as_uuid(),
        tenant.as_uuid(),
        version.name.as_str(),
        number(version.version),
        version.kind.as_str(),
        content.as_ref().map(|content| content.sha256.as_bytes().as_slice()),
        content.map(|content| number(content.size)),
        version.kind.restored_version().map(number),
        Json(&version.diagnostics) as _,
        version.tests_skipped,
        write_generation(version.generation),
        version.created_by.as_uuid(),
        version.created_at,
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "INSERT INTO module (tenant_id, name, current_version) VALUES ($1, $2, $3)
         ON CONFLICT (tenant_id, name) DO UPDATE SET current_version = EXCLUDED.current_version",
        tenant.as_uuid(),
        version.name.as_str(),
        number(version.version),
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "SELECT pg_notify($1, $2)",
        GENERATION_CHANGED,
        format!("{tenant} {}", version.generation),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The current version of a module, which may be its deletion.
pub async fn find_current(
    db: &mut PgConnection,
    tenant: TenantId,
    name: &ModuleName,
) -> DbResult<Option<ModuleVersion>> {
    sqlx::query_as!(
        Row,
        r#"SELECT v.id, v.name, version, kind, sha256, size, restored_version,
               diagnostics AS "diagnostics: _", tests_skipped, generation, created_by, created_at
           FROM module m JOIN module_version v
             ON v.tenant_id = m.tenant_id AND v.name = m.name AND v.version = m.current_version
           WHERE m.tenant_id = $1 AND m.name = $2"#,
        tenant.as_uuid(),
        name.as_str(),
    )
    .fetch_optional(db)
    .await?
    .map(ModuleVersion::try_from)
    .transpose()
}

/// One version of a module.
pub async fn find_version(
    db: &mut PgConnection,
    tenant: TenantId,
    name: &ModuleName,
    version: u32,
) -> DbResult<Option<ModuleVersion>> {
    sqlx::query_as!(
        Row,
        r#"SELECT id, name, version, kind, sha256, size, restored_version,
               diagnostics AS "diagnostics: _", tests_skipped, generation, created_by, created_at
           FROM module_version WHERE tenant_id = $1 AND name = $2 AND version = $3"#,
        tenant.as_uuid(),
        name.as_str(),
        i32::try_from(version).unwrap_or(i32::MAX),
    )
    .fetch_optional(db)
    .await?
    .map(ModuleVersion::try_from)
    .transpose()
}

/// The newest version of a module that has content, be it deleted since or not: what its managed table was made from.
pub async fn find_last_content(
    db: &mut PgConnection,
    tenant: TenantId,
    name: &ModuleName,
) -> DbResult<Option<Content>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, name, version, kind, sha256, size, restored_version,
               diagnostics AS "diagnostics: _", tests_skipped, generation, created_by, created_at
           FROM module_version WHERE tenant_id = $1 AND name = $2 AND sha256 IS NOT NULL
           ORDER BY version DESC LIMIT 1"#,
        tenant.as_uuid(),
        name.as_str(),
    )
    .fetch_optional(db)
    .await?;
    let version = row.map(ModuleVersion::try_from).transpose()?;
    Ok(version.and_then(|version| version.kind.content()))
}

/// A module's versions below `before`, newest first.
pub async fn list_versions(
    db: &mut PgConnection,
    tenant: TenantId,
    name: &ModuleName,
    before: u32,
    limit: i64,
) -> DbResult<Vec<ModuleVersion>> {
    sqlx::query_as!(
        Row,
        r#"SELECT id, name, version, kind, sha256, size, restored_version,
               diagnostics AS "diagnostics: _", tests_skipped, generation, created_by, created_at
           FROM module_version WHERE tenant_id = $1 AND name = $2 AND version < $3
           ORDER BY version DESC LIMIT $4"#,
        tenant.as_uuid(),
        name.as_str(),
        i32::try_from(before).unwrap_or(i32::MAX),
        limit,
    )
    .fetch_all(db)
    .await?
    .into_iter()
    .map(ModuleVersion::try_from)
    .collect()
}

/// The current versions of the tenant's live modules with names after `after`, in the order of their names.
pub async fn list_live(
    db: &mut PgConnection,
    tenant: TenantId,
    after: &str,
    limit: i64,
) -> DbResult<Vec<ModuleVersion>> {
    sqlx::query_as!(
        Row,
        r#"SELECT v.id, v.name, version, kind, sha256, size, restored_version,
               diagnostics AS "diagnostics: _", tests_skipped, generation, created_by, created_at
           FROM module m JOIN module_version v
             ON v.tenant_id = m.tenant_id AND v.name = m.name AND v.version = m.current_version
           WHERE m.tenant_id = $1 AND m.name COLLATE "C" > $2 AND v.kind <> 'delete'
           ORDER BY m.name COLLATE "C" LIMIT $3"#,
        tenant.as_uuid(),
        after,
        limit,
    )
    .fetch_all(db)
    .await?
    .into_iter()
    .map(ModuleVersion::try_from)
    .collect()
}

/// The current versions, deletions too, that were made after `generation`, in the order of their making. What was
/// replaced again since is not in it: only the present state is worth telling.
pub async fn list_changed(
    db: &mut PgConnection,
    tenant: TenantId,
    generation: u64,
    limit: i64,
) -> DbResult<Vec<ModuleVersion>> {
    sqlx::query_as!(
        Row,
        r#"SELECT v.id, v.name, version, kind, sha256, size, restored_version,
               diagnostics AS "diagnostics: _", tests_skipped, generation, created_by, created_at
           FROM module m JOIN module_version v
             ON v.tenant_id = m.tenant_id AND v.name = m.name AND v.version = m.current_version
           WHERE m.tenant_id = $1 AND v.generation > $2
           ORDER BY v.generation LIMIT $3"#,
        tenant.as_uuid(),
        write_generation(generation),
        limit,
    )
    .fetch_all(db)
    .await?
    .into_iter()
    .map(ModuleVersion::try_from)
    .collect()
}

/// How many live modules the tenant has.
pub async fn count_live(db: &mut PgConnection, tenant: TenantId) -> DbResult<i64> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!"
           FROM module m JOIN module_version v
             ON v.tenant_id = m.tenant_id AND v.name = m.name AND v.version = m.current_version
           WHERE m.tenant_id = $1 AND v.kind <> 'delete'"#,
        tenant.as_uuid(),
    )
    .fetch_one(db)
    .await?;
    Ok(count)
}

/// When the version that made `generation` was made.
pub async fn generation_made_at(
    db: &mut PgConnection,
    tenant: TenantId,
    generation: u64,
) -> DbResult<Option<DateTime<Utc>>> {
    let at = sqlx::query_scalar!(
        "SELECT created_at FROM module_version WHERE tenant_id = $1 AND generation = $2",
        tenant.as_uuid(),
        write_generation(generation),
    )
    .fetch_optional(db)
    .await?;
    Ok(at)
}
