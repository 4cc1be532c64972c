//! What runtime replicas have loaded, and what they refused.

use chrono::{DateTime, Utc};
use domain::diagnostic::Diagnostic;
use domain::digest::Sha256Digest;
use domain::id::{RequestId, TenantId};
use domain::name::ModuleName;
use domain::watch::{ModuleResult, Suspension};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::module::{read_digest, read_generation, write_generation};
use super::{DbError, DbResult};

/// The channel on which acknowledgements are told to all replicas of the control plane; the payload is the tenant's id.
pub const ACKNOWLEDGED: &str = "module_acknowledged";

/// A runtime that watches, or did a while ago.
#[derive(Debug, Clone)]
pub struct Replica {
    /// Its name.
    pub instance: String,
    /// The generation that it has brought itself to.
    pub generation: u64,
    /// When it was last heard of.
    pub last_seen: DateTime<Utc>,
}

/// The last word of a replica about a module.
#[derive(Debug, Clone)]
pub struct Word {
    /// Which replica.
    pub instance: String,
    /// Which content.
    pub sha256: Sha256Digest,
    /// Loaded, or refused.
    pub ok: bool,
    /// Why it was refused, or warnings.
    pub diagnostics: Vec<Diagnostic>,
    /// Its code does not run there.
    pub suspension: Option<Suspension>,
    /// The generation with which it came.
    pub generation: u64,
    /// When.
    pub at: DateTime<Utc>,
}

/// Notes that a replica watches through this connection. What it has loaded is known from its acknowledgements only.
pub async fn touch(
    db: &mut PgConnection,
    tenant: TenantId,
    instance: &str,
    watch: RequestId,
    now: DateTime<Utc>,
) -> DbResult<()> {
    sqlx::query!(
        "INSERT INTO runtime_replica (tenant_id, instance, generation, last_seen, watch_id) VALUES ($1, $2, 0, $3, $4)
         ON CONFLICT (tenant_id, instance)
             DO UPDATE SET last_seen = EXCLUDED.last_seen, watch_id = EXCLUDED.watch_id, gone_at = NULL",
        tenant.as_uuid(),
        instance,
        now,
        watch.as_uuid(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Notes that a replica's connection has ended, unless it has another one by now.
pub async fn leave(
    db: &mut PgConnection,
    tenant: TenantId,
    instance: &str,
    watch: RequestId,
    now: DateTime<Utc>,
) -> DbResult<()> {
    sqlx::query!(
        "UPDATE runtime_replica SET gone_at = $4 WHERE tenant_id = $1 AND instance = $2 AND watch_id = $3",
        tenant.as_uuid(),
        instance,
        watch.as_uuid(),
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Notes to which generation a replica has brought itself.
pub async fn set_generation(
    db: &mut PgConnection,
    tenant: TenantId,
    instance: &str,
    generation: u64,
    now: DateTime<Utc>,
) -> DbResult<()> {
    sqlx::query!(
        "INSERT INTO runtime_replica (tenant_id, instance, generation, last_seen) VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant_id, instance)
             DO UPDATE SET generation = EXCLUDED.generation, last_seen = EXCLUDED.last_seen, gone_at = NULL",
        tenant.as_uuid(),
        instance,
        write_generation(generation),
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets the replicas of a tenant that were heard of longest ago, beyond `most`, with their words: whatever runs there may give itself
/// any number of names.
pub async fn keep_newest(db: &mut PgConnection, tenant: TenantId, most: usize) -> DbResult<()> {
    sqlx::query!(
        "DELETE FROM runtime_replica WHERE tenant_id = $1 AND instance IN (
             SELECT instance FROM runtime_replica WHERE tenant_id = $1 ORDER BY last_seen DESC, instance OFFSET $2
         )",
        tenant.as_uuid(),
        i64::try_from(most).unwrap_or(i64::MAX),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Stores a replica's words, each replacing its former one about the same module. Words about what the tenant has never uploaded are left
/// out.
pub async fn put_words(
    db: &mut PgConnection,
    tenant: TenantId,
    instance: &str,
    generation: u64,
    results: &[ModuleResult],
    now: DateTime<Utc>,
) -> DbResult<()> {
    let names: Vec<String> = results
        .iter()
        .map(|result| result.name.to_string())
        .collect();
    let digests: Vec<Vec<u8>> = results
        .iter()
        .map(|result| result.sha256.as_bytes().to_vec())
        .collect();
    let oks: Vec<bool> = results.iter().map(|result| result.ok).collect();
    let diagnostics: Vec<serde_json::Value> = results
        .iter()
        .map(|result| serde_json::json!(result.diagnostics))
        .collect();
    // JSON's null where there is none.
    let suspensions: Vec<serde_json::Value> = results
        .iter()
        .map(|result| serde_json::json!(result.suspension))
        .collect();
    sqlx::query!(
        "INSERT INTO module_acknowledgement (tenant_id, instance, name, sha256, ok, diagnostics, suspension, generation, at)
         SELECT $1, $2, r.name, r.sha256, r.ok, r.diagnostics, NULLIF(r.suspension, 'null'), $3, $4
         FROM unnest($5::text[], $6::bytea[], $7::boolean[], $8::jsonb[], $9::jsonb[])
             AS r (name, sha256, ok, diagnostics, suspension)
         WHERE EXISTS (SELECT FROM module m WHERE m.tenant_id = $1 AND m.name = r.name)
         ON CONFLICT (tenant_id, instance, name) DO UPDATE SET sha256 = EXCLUDED.sha256, ok = EXCLUDED.ok,
             diagnostics = EXCLUDED.diagnostics, suspension = EXCLUDED.suspension, generation = EXCLUDED.generation,
             at = EXCLUDED.at",
        tenant.as_uuid(),
        instance,
        write_generation(generation),
        now,
        &names,
        &digests,
        &oks,
        &diagnostics,
        &suspensions,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Tells all replicas of the control plane, when the transaction commits, that a runtime has spoken.
pub async fn notify_acknowledged(db: &mut PgConnection, tenant: TenantId) -> DbResult<()> {
    sqlx::query!("SELECT pg_notify($1, $2)", ACKNOWLEDGED, tenant.to_string())
        .execute(db)
        .await?;
    Ok(())
}

/// The replicas that are there and were heard of since `since`, by name.
pub async fn list(
    db: &mut PgConnection,
    tenant: TenantId,
    since: DateTime<Utc>,
) -> DbResult<Vec<Replica>> {
    let rows = sqlx::query!(
        "SELECT instance, generation, last_seen FROM runtime_replica
         WHERE tenant_id = $1 AND last_seen >= $2 AND gone_at IS NULL ORDER BY instance",
        tenant.as_uuid(),
        since,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Replica {
                instance: row.instance,
                generation: read_generation(row.generation)?,
                last_seen: row.last_seen,
            })
        })
        .collect()
}

/// The last words of replicas about a module, by replica.
pub async fn list_words(
    db: &mut PgConnection,
    tenant: TenantId,
    name: &ModuleName,
) -> DbResult<Vec<Word>> {
    let rows = sqlx::query!(
        r#"SELECT instance, sha256, ok, diagnostics AS "diagnostics: Json<Vec<Diagnostic>>",
                  suspension AS "suspension: Json<Suspension>", generation, at
           FROM module_acknowledgement WHERE tenant_id = $1 AND name = $2 ORDER BY instance"#,
        tenant.as_uuid(),
        name.as_str(),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let sha256 = read_digest(&row.sha256).ok_or_else(|| {
                DbError::inconsistent("module_acknowledgement", "sha256", &row.instance)(
                    anyhow::anyhow!("a digest of another length"),
                )
            })?;
            Ok(Word {
                sha256,
                ok: row.ok,
                diagnostics: row.diagnostics.0,
                suspension: row.suspension.map(|suspension| suspension.0),
                generation: read_generation(row.generation)?,
                at: row.at,
                instance: row.instance,
            })
        })
        .collect()
}

/// Modules whose code does not run in a replica of [`list`], each with the suspension that lasts longest.
pub async fn list_suspended(
    db: &mut PgConnection,
    tenant: TenantId,
    since: DateTime<Utc>,
) -> DbResult<Vec<(String, Suspension)>> {
    let rows = sqlx::query!(
        r#"SELECT a.name, a.suspension AS "suspension!: Json<Suspension>"
           FROM module_acknowledgement a
           JOIN runtime_replica r ON r.tenant_id = a.tenant_id AND r.instance = a.instance
           WHERE a.tenant_id = $1 AND r.last_seen >= $2 AND r.gone_at IS NULL AND a.suspension IS NOT NULL
           ORDER BY a.name, (a.suspension ->> 'until')::timestamptz"#,
        tenant.as_uuid(),
        since,
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.name, row.suspension.0))
        .collect())
}

/// The generation that every replica of [`list`] has reached; `None` when there is none.
pub async fn loaded_generation(
    db: &mut PgConnection,
    tenant: TenantId,
    since: DateTime<Utc>,
) -> DbResult<Option<u64>> {
    let lowest = sqlx::query_scalar!(
        "SELECT min(generation) FROM runtime_replica
         WHERE tenant_id = $1 AND last_seen >= $2 AND gone_at IS NULL",
        tenant.as_uuid(),
        since,
    )
    .fetch_one(db)
    .await?;
    lowest.map(read_generation).transpose()
}

/// Forgets replicas, of all tenants, that were last heard of before `before`; says how many.
pub async fn forget(db: &mut PgConnection, before: DateTime<Utc>) -> DbResult<u64> {
    let done = sqlx::query!("DELETE FROM runtime_replica WHERE last_seen < $1", before)
        .execute(db)
        .await?;
    Ok(done.rows_affected())
}
