//! Everything that a list has, as a file.

use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, header};
use module_spec::Field;
use serde_json::json;
use service_kit::Problem;

use super::Call;
use super::answer::data_problem;
use crate::data::list::{self, ListRequest, MAX_EXPORT, Record};
use crate::data::value;

/// `format=csv` (the default) or `format=json`.
pub(super) async fn send(call: Call<'_>, query: &str) -> Result<Response, Problem> {
    let spec = call.desk.module.spec();
    if !spec.features().export_csv {
        return Err(Problem::forbidden(format!(
            "{} cannot be exported.",
            spec.plural()
        )));
    }
    let format = list::pairs(query)
        .into_iter()
        .find_map(|(name, value)| (name == "format").then_some(value));
    let is_json = match format.as_deref() {
        None | Some("" | "csv") => false,
        Some("json") => true,
        Some(_) => return Err(Problem::bad_request("format must be csv or json.")),
    };
    let request = ListRequest::read(query).map_err(data_problem)?;
    let records = list::export(call.desk, &request)
        .await
        .map_err(data_problem)?;
    if i64::try_from(records.len()).unwrap_or(i64::MAX) >= MAX_EXPORT {
        return Err(Problem::bad_request(format!(
            "An export has fewer than {MAX_EXPORT} records. Narrow the list with a search or filters."
        )));
    }
    let (body, kind, extension) = if is_json {
        let data: Vec<_> = records.iter().map(Record::json).collect();
        (
            json!({ "success": true, "total": data.len(), "data": data })
                .to_string()
                .into_bytes(),
            "application/json",
            "json",
        )
    } else {
        (csv_of(call, &records)?, "text/csv; charset=utf-8", "csv")
    };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(disposition) = HeaderValue::try_from(format!(
        "attachment; filename=\"{}.{extension}\"",
        spec.name()
    )) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

fn csv_of(call: Call<'_>, records: &[Record]) -> Result<Vec<u8>, Problem> {
    let spec = call.desk.module.spec();
    let fields: Vec<&Field> = call
        .desk
        .readable()
        .filter(|field| !field.is_virtual())
        .collect();
    let has_id = fields.iter().any(|field| field.name().as_str() == "id");
    let computed: Vec<&str> = records
        .first()
        .map(|record| {
            record
                .computed
                .iter()
                .map(|(name, _)| name.as_str())
                .collect()
        })
        .unwrap_or_default();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let own_id = (!has_id).then_some("id");
    let head = own_id
        .into_iter()
        .chain(fields.iter().map(|field| field.name().as_str()))
        .chain(computed.iter().copied());
    let failed = |error: csv::Error| {
        tracing::error!(error = %service_kit::Chain(&error), module.name = %spec.name(), "an export could not be written");
        Problem::internal()
    };
    writer.write_record(head).map_err(failed)?;
    for record in records {
        let own = (!has_id).then(|| record.key.clone());
        let values = fields.iter().map(|field| harmless(record.shown(field)));
        let cells = computed.iter().map(|name| {
            let raw = record
                .computed(name)
                .map(|computed| value::plain(&computed.raw));
            harmless(&raw.unwrap_or_default())
        });
        writer
            .write_record(own.into_iter().chain(values).chain(cells))
            .map_err(failed)?;
    }
    writer
        .into_inner()
        .map_err(|error| failed(csv::Error::from(error.into_error())))
}

/// A spreadsheet must not take a text for a formula. Numbers stay numbers.
fn harmless(text: &str) -> String {
    let risky = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if risky && text.parse::<f64>().is_err() {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_texts_and_numbers_are_numbers() {
        for (text, expected) in [
            ("=1+1", "'=1+1"),
            ("-5", "-5"),
            ("-5 a", "'-5 a"),
            ("@x", "'@x"),
            ("a=b", "a=b"),
            ("", ""),
        ] {
            assert_eq!(harmless(text), expected);
        }
    }
}
