//! Failures as problems.

use service_kit::problem::ProblemItem;
use service_kit::{Chain, Problem};

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
        SaveError::Hook(why) => Problem::new(
            http::StatusCode::UNPROCESSABLE_ENTITY,
            "hook_failed",
            "The module's own code failed",
        )
        .with_detail(format!(
            "Nothing was saved: {why}. Whoever wrote the module has to look at it."
        )),
    }
}
