//! `/v1/tenants/{slug}/modules`

use std::time::Duration;

use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::name::{ModuleName, TenantSlug};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use service_kit::Problem;
use service_kit::extract::{Json, Path, Query};

use super::page::{Page, PageRequest};
use crate::app::AppState;
use crate::db::module::ModuleVersion;
use crate::http::extract::{ReadModules, TenantAccess, WriteModules};
use crate::service::modules::answer::{ChangeView, VersionView};
use crate::service::modules::error::RegistryError;
use crate::service::modules::live::{self, ModuleStatus};
use crate::service::modules::upload::{self, CONTENT_TYPE, DataLoss, Mode, Outcome, Upload};
use crate::service::modules::{Tests, change, read};

/// How long `?wait=live` waits unless told.
const DEFAULT_WAIT: Duration = Duration::from_secs(10);
/// Longest wait: an answer must begin before the middleware gives up.
const MAX_WAIT: Duration = Duration::from_secs(25);

/// The module that a path names.
#[derive(Deserialize)]
pub struct ModulePath {
    #[serde(rename = "slug")]
    _slug: TenantSlug,
    name: ModuleName,
}

/// `PUT /v1/tenants/{slug}/modules/{name}`
pub async fn put(
    State(state): State<AppState>,
    access: TenantAccess<WriteModules>,
    Path(path): Path<ModulePath>,
    options: PutOptions,
    YamlBody(source): YamlBody,
) -> Result<(StatusCode, Json<ChangeView>), Problem> {
    let source = std::str::from_utf8(&source)
        .map_err(|_not_utf8| upload::not_text())?
        .into();
    let upload = Upload {
        name: path.name,
        source,
        mode: options.mode,
        tests: options.tests,
        data: options.data,
    };
    let done = upload::upload(&state, &access.caller, &access.tenant, upload).await?;
    let status = match done.outcome {
        Outcome::Created => StatusCode::CREATED,
        Outcome::Updated | Outcome::Unchanged | Outcome::Checked => StatusCode::OK,
    };
    let live = match options.mode {
        Mode::Store => options.wait.live(&state, &access, &done.version).await?,
        Mode::DryRun => None,
    };
    let answer = ChangeView {
        version: done.version.into(),
        dry_run: options.mode == Mode::DryRun,
        changes: done.changes,
        live,
    };
    Ok((status, Json(answer)))
}

/// `GET /v1/tenants/{slug}/modules`
pub async fn list(
    State(state): State<AppState>,
    access: TenantAccess<ReadModules>,
    request: PageRequest<ModuleName>,
) -> Result<Json<Page<VersionView, ModuleName>>, Problem> {
    let found = read::list(
        &state,
        &access.tenant,
        request.cursor.as_ref(),
        request.fetch(),
    )
    .await?;
    let suspended = live::suspended(&state, access.tenant.id).await?;
    let views = VersionView::of_live(found, suspended);
    Ok(Json(request.page(views, |view| view.name.clone())))
}

/// `GET /v1/tenants/{slug}/modules/{name}`: about it as JSON, or the YAML itself for those who ask for `application/yaml`.
pub async fn show(
    State(state): State<AppState>,
    access: TenantAccess<ReadModules>,
    Path(path): Path<ModulePath>,
    Wanted(wanted): Wanted,
) -> Result<Response, Problem> {
    let version = read::get(&state, &access.tenant, &path.name).await?;
    match wanted {
        Format::Json => Ok(Json(VersionView::from(version)).into_response()),
        Format::Yaml => {
            let source = read::source(&state, &access.tenant, &version).await?;
            Ok((
                [(header::CONTENT_TYPE, CONTENT_TYPE)],
                source.as_bytes().to_vec(),
            )
                .into_response())
        }
    }
}

/// `GET /v1/tenants/{slug}/modules/{name}/versions`: newest first.
pub async fn versions(
    State(state): State<AppState>,
    access: TenantAccess<ReadModules>,
    Path(path): Path<ModulePath>,
    request: PageRequest<u32>,
) -> Result<Json<Page<VersionView, u32>>, Problem> {
    let found = read::versions(
        &state,
        &access.tenant,
        &path.name,
        request.cursor,
        request.fetch(),
    )
    .await?;
    let views = found.into_iter().map(VersionView::from).collect();
    Ok(Json(request.page(views, |view: &VersionView| view.version)))
}

/// `GET /v1/tenants/{slug}/modules/{name}/status`
pub async fn status(
    State(state): State<AppState>,
    access: TenantAccess<ReadModules>,
    Path(path): Path<ModulePath>,
) -> Result<Json<ModuleStatus>, Problem> {
    let status = live::status(&state, access.tenant.id, &path.name).await?;
    status
        .map(Json)
        .ok_or_else(|| RegistryError::NoModule(path.name).into())
}

/// Which version to bring back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackInput {
    version: u32,
}

/// `POST /v1/tenants/{slug}/modules/{name}/rollback`
pub async fn roll_back(
    State(state): State<AppState>,
    access: TenantAccess<WriteModules>,
    Path(path): Path<ModulePath>,
    wait: Wait,
    Json(input): Json<RollbackInput>,
) -> Result<Json<ChangeView>, Problem> {
    let (caller, tenant) = (&access.caller, &access.tenant);
    let version = change::roll_back(&state, caller, tenant, &path.name, input.version).await?;
    changed(&state, &access, version, wait).await
}

/// `DELETE /v1/tenants/{slug}/modules/{name}`
pub async fn remove(
    State(state): State<AppState>,
    access: TenantAccess<WriteModules>,
    Path(path): Path<ModulePath>,
    wait: Wait,
) -> Result<Json<ChangeView>, Problem> {
    let version = change::delete(&state, &access.caller, &access.tenant, &path.name).await?;
    changed(&state, &access, version, wait).await
}

async fn changed(
    state: &AppState,
    access: &TenantAccess<WriteModules>,
    version: ModuleVersion,
    wait: Wait,
) -> Result<Json<ChangeView>, Problem> {
    let live = wait.live(state, access, &version).await?;
    Ok(Json(ChangeView {
        version: version.into(),
        dry_run: false,
        changes: Vec::new(),
        live,
    }))
}

/// Whether the caller waits for runtimes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The answer says that it is stored.
    No,
    /// The answer says what runtimes have made of it.
    Live(Duration),
}

impl Wait {
    async fn live(
        self,
        state: &AppState,
        access: &TenantAccess<WriteModules>,
        version: &ModuleVersion,
    ) -> Result<Option<live::Live>, Problem> {
        match self {
            Self::No => Ok(None),
            Self::Live(timeout) => Ok(Some(
                live::wait(state, access.tenant.id, version, timeout).await?,
            )),
        }
    }
}

/// What an upload may ask for.
#[derive(Debug)]
pub struct PutOptions {
    mode: Mode,
    tests: Tests,
    data: DataLoss,
    wait: Wait,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawOptions {
    dry_run: Option<bool>,
    no_tests: Option<bool>,
    allow_destructive: Option<bool>,
    wait: Option<String>,
    timeout: Option<String>,
}

impl RawOptions {
    fn wait(&self) -> Result<Wait, Problem> {
        let timeout = match self.timeout.as_deref() {
            None => DEFAULT_WAIT,
            Some(text) => parse_duration(text)
                .filter(|timeout| *timeout <= MAX_WAIT)
                .ok_or_else(|| {
                    Problem::bad_request(format!(
                        "timeout is {text:?}; write a time such as 500ms or 10s, at most {} s.",
                        MAX_WAIT.as_secs()
                    ))
                })?,
        };
        match self.wait.as_deref() {
            None => Ok(Wait::No),
            Some("live") => Ok(Wait::Live(timeout)),
            Some(other) => Err(Problem::bad_request(format!(
                "wait is {other:?}; the only thing to wait for is \"live\"."
            ))),
        }
    }
}

/// `500ms` or `10s`.
fn parse_duration(text: &str) -> Option<Duration> {
    let (digits, unit): (&str, fn(u64) -> Duration) = match text.strip_suffix("ms") {
        Some(digits) => (digits, Duration::from_millis),
        None => (text.strip_suffix('s')?, Duration::from_secs),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().ok().map(unit))?
}

impl<S: Send + Sync> FromRequestParts<S> for PutOptions {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(raw) = Query::<RawOptions>::from_request_parts(parts, state).await?;
        Ok(Self {
            wait: raw.wait()?,
            mode: match raw.dry_run {
                Some(true) => Mode::DryRun,
                Some(false) | None => Mode::Store,
            },
            tests: match raw.no_tests {
                Some(true) => Tests::Skip,
                Some(false) | None => Tests::Run,
            },
            data: match raw.allow_destructive {
                Some(true) => DataLoss::Allow,
                Some(false) | None => DataLoss::Refuse,
            },
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Wait {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(raw) = Query::<RawOptions>::from_request_parts(parts, state).await?;
        raw.wait()
    }
}

/// A body that says it is YAML.
pub struct YamlBody(Bytes);

impl<S: Send + Sync> FromRequest<S> for YamlBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .map(|value| value.trim().to_ascii_lowercase());
        let is_yaml = matches!(
            kind.as_deref(),
            Some("application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml")
        );
        if !is_yaml {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "The content type is not supported",
            )
            .with_detail("Send the module file with Content-Type: application/yaml."));
        }
        match Bytes::from_request(request, state).await {
            Ok(bytes) => Ok(Self(bytes)),
            Err(rejection) => Err(too_large_or_broken(&rejection)),
        }
    }
}

fn too_large_or_broken(rejection: &BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            "The request body is too large",
        )
        .with_detail(format!(
            "A module file has at most {} bytes.",
            module_spec::MAX_BYTES
        )),
        _ => Problem::bad_request(rejection.body_text()),
    }
}

/// In which format a module is wanted.
pub struct Wanted(Format);

#[derive(Clone, Copy)]
enum Format {
    Json,
    Yaml,
}

impl<S: Send + Sync> FromRequestParts<S> for Wanted {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let wants_yaml = parts
            .headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value: &HeaderValue| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|range| range.split(';').next())
            .any(|range| {
                matches!(
                    range.trim(),
                    "application/yaml" | "application/x-yaml" | "text/yaml"
                )
            });
        Ok(Self(if wants_yaml {
            Format::Yaml
        } else {
            Format::Json
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_their_unit() {
        for (text, expected) in [
            ("10s", Some(10_000)),
            ("500ms", Some(500)),
            ("0s", Some(0)),
            ("10", None),
            ("s", None),
            ("-1s", None),
            ("1.5s", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(
                parse_duration(text),
                expected.map(Duration::from_millis),
                "{text}"
            );
        }
    }
}
