//! The local mailbox as JSON, on development machines only.

use axum::extract::State;
use domain::id::RequestId;
use serde::Serialize;
use service_kit::Problem;
use service_kit::extract::{Json, Path};

use crate::app::AppState;
use crate::mail::local::LocalMail;
use crate::service::mailbox;

#[derive(Serialize)]
pub struct Mails {
    items: Vec<LocalMail>,
}

/// The newest mails, newest first.
pub async fn list(State(state): State<AppState>) -> Result<Json<Mails>, Problem> {
    Ok(Json(Mails {
        items: mailbox::list(&state).await?,
    }))
}

/// One mail.
pub async fn show(
    State(state): State<AppState>,
    Path(id): Path<RequestId>,
) -> Result<Json<LocalMail>, Problem> {
    Ok(Json(mailbox::find(&state, id).await?))
}
