//! The id of the request at hand, also where no request is passed.

use http::{HeaderName, HeaderValue};
use uuid::Uuid;

/// `X-Request-Id`, in and out.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request that this task answers, if it answers one.
pub fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Runs `future` as the answer to request `id`.
pub async fn scope<F: Future>(id: String, future: F) -> F::Output {
    CURRENT.scope(id, future).await
}

/// The caller's id where it is well formed (8 to 64 letters, digits, `-`, `_`, `.`), else a new one.
pub fn accept_or_make(given: Option<&HeaderValue>) -> String {
    given
        .and_then(|value| value.to_str().ok())
        .filter(|text| (8..=64).contains(&text.len()))
        .filter(|text| {
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        })
        .map_or_else(make, str::to_owned)
}

#[expect(
    clippy::disallowed_methods,
    reason = "service-kit knows no domain; this id is never stored"
)]
fn make() -> String {
    Uuid::now_v7().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_well_formed_id_is_kept_and_anything_else_replaced() {
        let keep = HeaderValue::from_static("abc-12345");
        assert_eq!(accept_or_make(Some(&keep)), "abc-12345");
        for bad in ["short", "has space 123", "<script>alert(1)</script>"] {
            let made = accept_or_make(Some(&HeaderValue::from_static(bad)));
            assert!(Uuid::parse_str(&made).is_ok(), "{bad} became {made}");
        }
    }
}
