//! What was sent: a form or JSON.

use axum::extract::{FromRequest as _, Request};
use bytes::Bytes;
use http::{StatusCode, header};
use serde_json::{Map, Value};
use service_kit::Problem;

use crate::auth::csrf;
use crate::data::list::pairs;
use crate::data::save::Submission;

/// Reads the body of a create or update.
pub(super) async fn read(request: Request) -> Result<Submission, Problem> {
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let bytes = Bytes::from_request(request, &())
        .await
        .map_err(|rejection| {
            Problem::new(
                rejection.status(),
                "unreadable_body",
                "The request body cannot be read",
            )
            .with_detail(rejection.body_text())
        })?;
    if kind.starts_with("application/json") {
        return match serde_json::from_slice(&bytes) {
            Ok(Value::Object(values)) => Ok(Submission {
                values,
                is_form: false,
            }),
            Ok(_) => Err(Problem::bad_request(
                "Send one JSON object with the fields of the record.",
            )),
            Err(error) => Err(Problem::bad_request(format!(
                "The body is not JSON: {error}."
            ))),
        };
    }
    if kind.starts_with("application/x-www-form-urlencoded") {
        let text = std::str::from_utf8(&bytes)
            .map_err(|error| Problem::bad_request(format!("The form is not UTF-8: {error}.")))?;
        return Ok(Submission {
            values: form_values(text),
            is_form: true,
        });
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "The content type is not supported",
    )
    .with_detail("Send application/json or a form (application/x-www-form-urlencoded)."))
}

/// A name that comes several times is a list.
fn form_values(text: &str) -> Map<String, Value> {
    let mut values = Map::new();
    for (name, value) in pairs(text)
        .into_iter()
        .filter(|(name, _)| name != csrf::FIELD)
    {
        let value = Value::from(value);
        match values.get_mut(&name) {
            None => drop(values.insert(name, value)),
            Some(Value::Array(items)) => items.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_comes_twice_is_a_list() {
        let values = form_values("a=1&b=x+y%26&a=2&a=3&csrf_token=t");
        assert_eq!(
            Value::Object(values),
            serde_json::json!({"a": ["1", "2", "3"], "b": "x y&"})
        );
    }
}
