//! The universal handler: every module's list, form, detail, deletion and export, as page, fragment and JSON.
//!
//! One entry per method takes every path below `/admin/` (and the same for programs below `/api/v1/modules/`); the
//! path says which module and what of it ([`target`]), the module says everything else.

mod answer;
mod body;
mod cell;
mod export;
mod form;
mod list;
mod notice;
mod record;
mod target;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::{Method, StatusCode};
use module_spec::{Operation, Portal};
use serde_json::json;
use service_kit::Problem;
use service_kit::pages::RequestContext;

use crate::app::AppState;
use crate::auth::permission::ADMIN_GROUP;
use crate::data::list::Desk;
use crate::data::save;
use crate::http::extract::Agent;
use crate::http::wants::Wants;

use self::answer::{data_problem, save_problem};
use self::target::{Place, Target};

pub use self::form::FormPage;
pub use self::list::ListPage;
pub use self::notice::Notice;
pub use self::record::{DeletePage, RecordPage};

/// What all answers need.
#[derive(Clone, Copy)]
struct Call<'a> {
    desk: Desk<'a>,
    target: &'a Target,
    wants: Wants,
    context: &'a RequestContext,
}

impl Call<'_> {
    /// Where a record is.
    fn path_of(&self, key: &str) -> String {
        format!("{}/{}", self.target.base, target::encode(key))
    }

    fn require(&self, operation: Operation) -> Result<(), Problem> {
        if self.desk.allows(operation) {
            return Ok(());
        }
        let spec = self.desk.module.spec();
        let what = match operation {
            Operation::View => "seen",
            Operation::Create => "added",
            Operation::Update => "changed",
            Operation::Delete => "deleted",
        };
        Err(Problem::forbidden(format!(
            "{} cannot be {what} here, or not by you.",
            spec.plural()
        )))
    }
}

/// Every request of a module.
pub async fn handle(
    State(app): State<AppState>,
    agent: Agent,
    wants: Wants,
    context: RequestContext,
    request: Request,
) -> Result<Response, Problem> {
    let path = request.uri().path().to_owned();
    let nothing = || Problem::not_found(format!("No module has the path {path}."));
    let modules = app.modules.current();
    let target = target::resolve(&modules, &path).ok_or_else(nothing)?;
    let is_open =
        agent.permissions().is_admin() || target.module.spec().portals().contains(&Portal::Agent);
    if !is_open {
        return Err(Problem::forbidden(format!(
            "This needs the permission rw on the group \"{ADMIN_GROUP}\". Ask an administrator for it."
        )));
    }
    let desk = Desk {
        app: &app,
        module: &target.module,
        agent: &agent,
    };
    let call = Call {
        desk,
        target: &target,
        wants,
        context: &context,
    };
    call.require(Operation::View)?;
    let method = request.method().clone();
    let query = request.uri().query().unwrap_or_default().to_owned();
    match (&method, &target.place) {
        (&Method::GET | &Method::HEAD, place) => show(call, place, &query).await,
        (&Method::POST, Place::List) => create(call, request).await,
        (&Method::POST | &Method::PUT, Place::One(id)) => update(call, id, request).await,
        (&Method::DELETE, Place::One(id)) | (&Method::POST, Place::Delete(id)) => {
            delete(call, id).await
        }
        (&Method::POST, Place::Status(id)) => toggle(call, id).await,
        _ => Err(Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "This cannot be done here",
        )
        .with_detail(format!("{path} does not take {method}."))),
    }
}

async fn show(call: Call<'_>, place: &Place, query: &str) -> Result<Response, Problem> {
    match place {
        Place::List => list::show(call, query).await,
        Place::Export => export::send(call, query).await,
        Place::New if call.wants != Wants::Json => {
            call.require(Operation::Create)?;
            form::show_new(call).await
        }
        Place::One(id) => record::show(call, id, query).await,
        Place::Edit(id) if call.wants != Wants::Json => {
            call.require(Operation::Update)?;
            form::show_edit(call, id).await
        }
        Place::Delete(id) if call.wants != Wants::Json => {
            call.require(Operation::Delete)?;
            record::show_deletion(call, id).await
        }
        _ => Err(Problem::not_found(
            "There is no such call; see the list of records.",
        )),
    }
}

async fn create(call: Call<'_>, request: Request) -> Result<Response, Problem> {
    call.require(Operation::Create)?;
    let submission = body::read(request).await?;
    match save::create(call.desk, &submission).await {
        Ok(key) => written(call, &key, StatusCode::CREATED).await,
        Err(save::SaveError::Invalid(errors)) if call.wants != Wants::Json => {
            form::refill(call, None, &submission, &errors).await
        }
        Err(save::SaveError::Hook(fault)) if call.wants != Wants::Json => {
            form::refill_after_fault(call, None, &submission, &fault).await
        }
        Err(error) => Err(save_problem(error)),
    }
}

async fn update(call: Call<'_>, id: &str, request: Request) -> Result<Response, Problem> {
    call.require(Operation::Update)?;
    let submission = body::read(request).await?;
    match save::update(call.desk, id, &submission).await {
        Ok(key) => written(call, &key, StatusCode::OK).await,
        Err(save::SaveError::Invalid(errors)) if call.wants != Wants::Json => {
            form::refill(call, Some(id), &submission, &errors).await
        }
        Err(save::SaveError::Hook(fault)) if call.wants != Wants::Json => {
            form::refill_after_fault(call, Some(id), &submission, &fault).await
        }
        Err(error) => Err(save_problem(error)),
    }
}

async fn written(call: Call<'_>, key: &str, status: StatusCode) -> Result<Response, Problem> {
    if call.wants != Wants::Json {
        return Ok(Redirect::to(&format!("{}?saved=1", call.path_of(key))).into_response());
    }
    let record = crate::data::list::find(call.desk, key)
        .await
        .map_err(data_problem)?;
    let data = record.map(|record| record.json());
    Ok((status, axum::Json(json!({ "success": true, "data": data }))).into_response())
}

async fn delete(call: Call<'_>, id: &str) -> Result<Response, Problem> {
    call.require(Operation::Delete)?;
    match save::delete(call.desk, id).await {
        Ok(()) if call.wants == Wants::Json => {
            Ok(axum::Json(json!({ "success": true })).into_response())
        }
        Ok(()) => Ok(Redirect::to(&format!("{}?deleted=1", call.target.base)).into_response()),
        Err(save::SaveError::Invalid(errors)) if call.wants != Wants::Json => {
            record::refuse_deletion(call, id, &errors).await
        }
        Err(save::SaveError::Hook(fault)) if call.wants != Wants::Json => {
            record::refuse_deletion_after_fault(call, id, &fault).await
        }
        Err(save::SaveError::Invalid(errors)) => {
            let why = errors
                .iter()
                .map(|(_, message)| message)
                .collect::<Vec<_>>()
                .join(" ");
            Err(Problem::conflict("in_use", why))
        }
        Err(error) => Err(save_problem(error)),
    }
}

async fn toggle(call: Call<'_>, id: &str) -> Result<Response, Problem> {
    call.require(Operation::Update)?;
    let spec = call.desk.module.spec();
    if !spec.features().status_toggle || !call.desk.module.table.has("valid_id") {
        return Err(Problem::forbidden(format!(
            "{} cannot be enabled and disabled.",
            spec.plural()
        )));
    }
    let is_valid = save::toggle(call.desk, id).await.map_err(save_problem)?;
    if call.wants == Wants::Json {
        return Ok(
            axum::Json(json!({ "success": true, "data": { "valid": is_valid } })).into_response(),
        );
    }
    Ok(Redirect::to(&format!("{}?saved=1", call.path_of(id))).into_response())
}
