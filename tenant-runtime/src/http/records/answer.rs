//! Failures as problems.

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use service_kit::problem::ProblemItem;
use service_kit::{Chain, Problem};

use crate::data::fault::{Fault, FaultKind};
use crate::data::list::DataError;
use crate::data::save::SaveError;

/// Of reading.
pub(super) fn data_problem(error: DataError) -> Problem {
    match error {
        DataError::Request(why) => Problem::bad_request(why),
        DataError::Database(
            sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) | sqlx::Error::PoolClosed,
        ) => {
            tracing::error!(error = %Chain(&error), "records could not be read");
            Problem::unavailable(
                "The database of this helpdesk does not answer. Try again in a moment.",
            )
        }
        error => {
            tracing::error!(error = %Chain(&error), "records could not be read");
            Problem::internal()
        }
    }
}

/// Of writing.
pub(super) fn save_problem(error: SaveError) -> Problem {
    match error {
        SaveError::Invalid(errors) => {
            let items = errors.iter().map(|(field, message)| {
                ProblemItem::field(format!("/{field}"), "invalid_value", message)
            });
            Problem::unprocessable(items.collect())
        }
        SaveError::NotFound => {
            Problem::not_found("There is no such record; it may have been deleted.")
        }
        SaveError::Data(error) => data_problem(error),
        SaveError::Hook(fault) => fault_problem(&fault),
        error @ SaveError::Password(_) => {
            tracing::error!(error = %Chain(&error), "a record could not be written");
            Problem::internal()
        }
    }
}

/// Of a hook without which nothing is written. Its member `fault` is for programs what the page tells people.
fn fault_problem(fault: &Fault) -> Problem {
    let (status, code, title) = match fault.kind() {
        FaultKind::Failed => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "hook_failed",
            "The module's own code failed",
        ),
        FaultKind::Suspended => (
            StatusCode::SERVICE_UNAVAILABLE,
            "module_suspended",
            "The module's own code is suspended",
        ),
        FaultKind::Busy => (
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "Not available right now",
        ),
    };
    let problem = Problem::new(status, code, title)
        .with_detail(fault_sentence(fault))
        .with_extension("fault", fault.json());
    match fault.retry_after() {
        Some(after) => problem.with_retry_after(after),
        None => problem,
    }
}

/// What became of the request, and why.
pub(super) fn fault_sentence(fault: &Fault) -> String {
    let message = fault.message().trim_end_matches('.');
    match fault.kind() {
        FaultKind::Failed => {
            format!("Nothing was changed. {message}. Whoever wrote the module has to look at it.")
        }
        FaultKind::Suspended => format!(
            "Nothing was changed. {message}. Try again later; what you entered has not been checked."
        ),
        FaultKind::Busy => format!("Nothing was changed. {message}. Try again in a moment."),
    }
}

/// Gives a page that tells of a fault the status and headers of its problem.
pub(super) fn as_fault(mut page: Response, fault: &Fault) -> Response {
    let problem = fault_problem(fault);
    *page.status_mut() = problem.status;
    if let Some(after) = problem.retry_after {
        page.headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(after.get()));
    }
    page
}
