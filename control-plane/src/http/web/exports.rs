//! Exports of a tenant: a card on its page, which follows them while one is under way, and what is left of tenants that are gone.

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use domain::id::ExportId;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use service_kit::Problem;
use service_kit::extract::Path;
use service_kit::pages::{Page, RequestContext};

use super::tenants::TenantPage;
use crate::app::AppState;
use crate::db::export::{ExportKind, ExportState};
use crate::http::extract::{Authorized, Caller, ExportTenants, ReadTenants, TenantAccess};
use crate::service::exports::{self, ExportView};
use crate::service::tenants::{self, TenantView};

/// Exports that the card shows; all others are in the API.
const SHOWN: i64 = 10;

/// The part of the path that names an export.
#[derive(Debug, Deserialize)]
pub(super) struct ExportPath {
    id: ExportId,
}

/// The card, also as a fragment of its own.
#[derive(Debug, Serialize)]
pub(super) struct ExportsPage {
    pub(super) tenant: TenantView,
    pub(super) exports: ExportsCard,
}

impl Page for ExportsPage {
    const TEMPLATE: &'static str = "pages/exports.html";
}

/// What the card shows.
#[derive(Debug, Default, Serialize)]
pub(super) struct ExportsCard {
    rows: Vec<ExportRow>,
    /// One is under way: the card looks again by itself.
    is_busy: bool,
    /// There is something to export.
    is_possible: bool,
    /// Why nothing was begun.
    pub(super) refusal: Option<String>,
    days: i64,
}

/// One export.
#[derive(Debug, Serialize)]
pub(super) struct ExportRow {
    /// Colour, icon and word of its state.
    tone: &'static str,
    icon: &'static str,
    word: &'static str,
    is_ready: bool,
    is_final: bool,
    /// Its size for people, such as `3.4 MB`.
    readable_size: Option<String>,
    #[serde(flatten)]
    export: ExportView,
}

impl From<ExportView> for ExportRow {
    fn from(export: ExportView) -> Self {
        let (tone, icon, word) = match export.state {
            ExportState::Requested => ("", "clock", "Waiting"),
            ExportState::Running => ("info", "loader", "Being made"),
            ExportState::Ready => ("positive", "circle-check", "Ready"),
            ExportState::Failed => ("critical", "circle-x", "Failed"),
            ExportState::Expired => ("", "archive", "Expired"),
            ExportState::Absent => ("caution", "circle-help", "Removed"),
        };
        Self {
            tone,
            icon,
            word,
            is_ready: export.state == ExportState::Ready,
            is_final: export.kind == ExportKind::Final,
            readable_size: export.size.map(in_units),
            export,
        }
    }
}

/// A size for people, in powers of ten as file managers show it.
fn in_units(bytes: i64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1_000 {
        return format!("{bytes} bytes");
    }
    // Tenths of the unit, so that no floating point is needed.
    let mut tenths = bytes / 100;
    let mut units = UNITS.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    for larger in units {
        if tenths < 10_000 {
            break;
        }
        tenths /= 1_000;
        unit = larger;
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

impl ExportsCard {
    pub(super) fn new(tenant: &TenantView, exports: Vec<ExportView>, days: i64) -> Self {
        use domain::tenant::TenantPhase as Phase;
        Self {
            is_busy: exports.iter().any(|export| export.state.is_under_way()),
            is_possible: match tenant.phase {
                Phase::Active | Phase::Provisioning | Phase::Suspended => true,
                // Until its grace period is over.
                Phase::Deleting => tenant.delete_after.is_some(),
                Phase::Pending => false,
            },
            rows: exports.into_iter().map(ExportRow::from).collect(),
            refusal: None,
            days,
        }
    }

    pub(super) async fn of(state: &AppState, tenant: &TenantView) -> Result<Self, Problem> {
        let exports = exports::list(state, tenant.id, None, SHOWN).await?;
        Ok(Self::new(
            tenant,
            exports,
            state.settings.exports.kept.num_days(),
        ))
    }
}

/// `GET /tenants/{slug}/exports`: the fragment that is asked for while one is under way, and a page without scripts.
pub(super) async fn card(
    State(state): State<AppState>,
    access: TenantAccess<ReadTenants>,
    request: RequestContext,
) -> Result<Response, Problem> {
    let tenant = tenants::show(&state, access.tenant).await?;
    let exports = ExportsCard::of(&state, &tenant).await?;
    let page = ExportsPage { tenant, exports };
    Ok(state.pages.render(&page, &request))
}

/// `POST /tenants/{slug}/exports`
pub(super) async fn create(
    State(state): State<AppState>,
    access: TenantAccess<ExportTenants>,
    request: RequestContext,
) -> Result<Response, Problem> {
    let slug = access.tenant.slug.clone();
    let problem = match exports::request(&state, &access.caller, access.tenant.id).await {
        Ok(_tenant) => {
            return Ok(Redirect::to(&format!("/tenants/{slug}#exports")).into_response());
        }
        Err(error) => Problem::from(error),
    };
    let refusal = match problem.status {
        StatusCode::TOO_MANY_REQUESTS => {
            "Enough exports were made within the last hour. Try again later.".to_owned()
        }
        StatusCode::CONFLICT => problem.detail.clone().unwrap_or_default(),
        _ => return Err(problem),
    };
    let tenant = tenants::show(&state, access.tenant).await?;
    let mut exports = ExportsCard::of(&state, &tenant).await?;
    exports.refusal = Some(refusal);
    let page = TenantPage::new(tenant, exports);
    Ok((problem.status, state.pages.render(&page, &request)).into_response())
}

/// `GET /tenants/{slug}/exports/{id}/download`: a browser goes on to the object store, which gets no cookie of ours.
pub(super) async fn download(
    State(state): State<AppState>,
    access: TenantAccess<ExportTenants>,
    Path(path): Path<ExportPath>,
) -> Result<Redirect, Problem> {
    let tenant = Some(access.tenant.id);
    let link = exports::download(&state, &access.caller, tenant, path.id).await?;
    Ok(Redirect::to(&link.url))
}

/// `GET /exports/{id}/download`: the same for an archive of a tenant that is gone.
pub(super) async fn download_any(
    State(state): State<AppState>,
    access: Authorized<ExportTenants>,
    Path(path): Path<ExportPath>,
) -> Result<Redirect, Problem> {
    let link = exports::download(&state, &access.caller, None, path.id).await?;
    Ok(Redirect::to(&link.url))
}

/// What is left of tenants that are gone, for the list of tenants.
pub(super) async fn left_behind(
    state: &AppState,
    caller: &Caller,
) -> Result<Vec<ExportRow>, Problem> {
    let exports = exports::list_left_behind(state, caller.account, SHOWN).await?;
    Ok(exports.into_iter().map(ExportRow::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_people() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (999_999, "999.9 kB"),
            (1_000_000, "1.0 MB"),
            (3_456_789, "3.4 MB"),
            (440_000_000_000, "440.0 GB"),
            (i64::MAX, "9223.3 PB"),
        ] {
            assert_eq!(in_units(bytes), text);
        }
    }
}
