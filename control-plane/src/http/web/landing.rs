//! `/`

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use service_kit::pages::RequestContext;

use super::signup::{SignupForm, SignupPage};
use crate::app::AppState;

/// People who are signed in go to their tenants, others see what this is and can sign up.
pub(super) async fn show(State(state): State<AppState>, request: RequestContext) -> Response {
    if request.user.is_some() {
        return Redirect::to("/tenants").into_response();
    }
    let page = SignupPage::new(&state, SignupForm::default());
    state.pages.render(&page, &request)
}
