//! What is observed of tenants: steps and conditions. Written by the reconcile job only, and only when different.

use chrono::{DateTime, Utc};
use domain::diagnostic::Diagnostic;
use domain::id::TenantId;
use domain::tenant::{
    Condition, ConditionStatus, ConditionType, ProvisionStep, StepState, StepStatus, TenantPhase,
};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::{DbError, DbResult};
use crate::status::Finding;

/// A tenant's steps in their order; all waiting where nothing was observed.
pub async fn list_steps(db: &mut PgConnection, tenant: TenantId) -> DbResult<Vec<StepStatus>> {
    let rows = sqlx::query!(
        "SELECT step, state, at, reason, message FROM tenant_step WHERE tenant_id = $1",
        tenant.as_uuid(),
    )
    .fetch_all(db)
    .await?;
    let mut steps = Vec::with_capacity(ProvisionStep::ALL.len());
    for step in ProvisionStep::ALL {
        let state = match rows.iter().find(|row| row.step == step.as_str()) {
            None => StepState::Waiting,
            Some(row) => match (row.state.as_str(), row.at, &row.reason, &row.message) {
                ("waiting", ..) => StepState::Waiting,
                ("running", ..) => StepState::Running,
                ("done", Some(at), ..) => StepState::Done { at },
                ("failed", Some(at), Some(reason), Some(message)) => StepState::Failed {
                    reason: reason.clone(),
                    message: message.clone(),
                    at,
                },
                (other, ..) => {
                    return Err(DbError::inconsistent("tenant_step", "state", tenant)(
                        anyhow::anyhow!("unknown or incomplete state {other:?}"),
                    ));
                }
            },
        };
        steps.push(StepStatus { step, state });
    }
    Ok(steps)
}

/// Writes one step.
pub async fn set_step(
    db: &mut PgConnection,
    tenant: TenantId,
    status: &StepStatus,
) -> DbResult<()> {
    let (state, at, reason, message) = match &status.state {
        StepState::Waiting => ("waiting", None, None, None),
        StepState::Running => ("running", None, None, None),
        StepState::Done { at } => ("done", Some(*at), None, None),
        StepState::Failed {
            reason,
            message,
            at,
        } => ("failed", Some(*at), Some(reason), Some(message)),
    };
    sqlx::query!(
        "INSERT INTO tenant_step (tenant_id, step, state, at, reason, message) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (tenant_id, step) DO UPDATE SET state = $3, at = $4, reason = $5, message = $6",
        tenant.as_uuid(),
        status.step.as_str(),
        state,
        at,
        reason,
        message,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A tenant's conditions, `Ready` last.
pub async fn list_conditions(db: &mut PgConnection, tenant: TenantId) -> DbResult<Vec<Condition>> {
    let rows = sqlx::query!(
        "SELECT kind, status, reason, message, observed_generation, last_transition_time
         FROM tenant_condition WHERE tenant_id = $1",
        tenant.as_uuid(),
    )
    .fetch_all(db)
    .await?;
    let mut conditions = rows
        .into_iter()
        .map(|row| {
            Ok(Condition {
                kind: parse_kind(&row.kind).ok_or_else(|| {
                    DbError::inconsistent("tenant_condition", "kind", tenant)(anyhow::anyhow!(
                        "unknown kind {:?}",
                        row.kind
                    ))
                })?,
                status: match row.status.as_str() {
                    "True" => ConditionStatus::True,
                    "False" => ConditionStatus::False,
                    _ => ConditionStatus::Unknown,
                },
                reason: row.reason,
                message: row.message,
                observed_generation: row.observed_generation,
                last_transition_time: row.last_transition_time,
            })
        })
        .collect::<DbResult<Vec<_>>>()?;
    conditions.sort_by_key(|condition| condition.kind);
    Ok(conditions)
}

/// Writes one condition; the time of its transition moves only when its status does.
pub async fn set_condition(
    db: &mut PgConnection,
    tenant: TenantId,
    finding: &Finding,
    observed_generation: i64,
    now: DateTime<Utc>,
) -> DbResult<()> {
    sqlx::query!(
        "INSERT INTO tenant_condition (tenant_id, kind, status, reason, message, observed_generation, last_transition_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (tenant_id, kind) DO UPDATE SET status = $3, reason = $4, message = $5, observed_generation = $6,
             last_transition_time = CASE WHEN tenant_condition.status = $3
                 THEN tenant_condition.last_transition_time ELSE $7 END",
        tenant.as_uuid(),
        kind_as_str(finding.kind),
        status_as_str(finding.status),
        finding.reason,
        finding.message,
        observed_generation,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes what is observed of the tenant as a whole.
pub async fn set_observed(
    db: &mut PgConnection,
    tenant: TenantId,
    observed: &ObservedRow,
    now: DateTime<Utc>,
) -> DbResult<()> {
    sqlx::query!(
        "UPDATE tenant SET phase = $2, observed_generation = $3, ready_replicas = $4, updated_at = $5,
             activated_at = CASE WHEN $2 = 'Active' THEN coalesce(activated_at, $5) ELSE activated_at END
         WHERE id = $1",
        tenant.as_uuid(),
        observed.phase.as_str(),
        observed.observed_generation,
        observed.ready_replicas,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A tenant's modules that a runtime which is there refused in their current version, with what the first one said.
pub async fn list_refused_modules(
    db: &mut PgConnection,
    tenant: TenantId,
) -> DbResult<Vec<(String, Vec<Diagnostic>)>> {
    let rows = sqlx::query!(
        r#"SELECT DISTINCT ON (a.name) a.name, a.diagnostics AS "diagnostics: Json<Vec<Diagnostic>>"
         FROM module_acknowledgement a
         JOIN runtime_replica r ON r.tenant_id = a.tenant_id AND r.instance = a.instance AND r.gone_at IS NULL
         JOIN module m ON m.tenant_id = a.tenant_id AND m.name = a.name
         JOIN module_version v ON v.tenant_id = m.tenant_id AND v.name = m.name AND v.version = m.current_version
             AND v.sha256 = a.sha256
         WHERE a.tenant_id = $1 AND NOT a.ok
         ORDER BY a.name, a.instance"#,
        tenant.as_uuid(),
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.name, row.diagnostics.0))
        .collect())
}

/// What [`set_observed`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObservedRow {
    /// Where the tenant is in its life.
    pub phase: TenantPhase,
    /// The generation that was observed.
    pub observed_generation: i64,
    /// Runtimes that answer.
    pub ready_replicas: i32,
}

const KINDS: [(ConditionType, &str); 6] = [
    (ConditionType::DatabaseReady, "DatabaseReady"),
    (ConditionType::SchemaMigrated, "SchemaMigrated"),
    (ConditionType::RuntimeAvailable, "RuntimeAvailable"),
    (ConditionType::ModulesLoaded, "ModulesLoaded"),
    (ConditionType::Routed, "Routed"),
    (ConditionType::Ready, "Ready"),
];

fn parse_kind(text: &str) -> Option<ConditionType> {
    KINDS
        .into_iter()
        .find(|(_, name)| *name == text)
        .map(|(kind, _)| kind)
}

fn kind_as_str(kind: ConditionType) -> &'static str {
    KINDS
        .into_iter()
        .find(|(known, _)| *known == kind)
        .map_or("", |(_, name)| name)
}

const fn status_as_str(status: ConditionStatus) -> &'static str {
    match status {
        ConditionStatus::True => "True",
        ConditionStatus::False => "False",
        ConditionStatus::Unknown => "Unknown",
    }
}
