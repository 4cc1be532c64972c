//! What wrong signups, modules, tokens, hosts, bodies and flags get.

use anyhow::ensure;
use e2e::platform::Platform;
use e2e::tenant::PASSWORD;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

#[tokio::test]
async fn wrong_requests_get_the_right_refusal() -> anyhow::Result<()> {
    let folder = e2e::platform::folder()?;
    let platform = Platform::start(&folder.path().join("data")).await?;
    platform.sign_up("acme").await?;
    platform.sign_up("beta").await?;
    let acme = platform.console_token("acme").await?;
    let beta = platform.console_token("beta").await?;
    let agent = platform.agent_token("beta").await?;

    let signup = |slug: &str, email: &str, password: &str, plan: &str| {
        platform.console(Method::POST, "/v1/signup").json(&json!({
            "organization": "Other", "slug": slug, "email": email, "password": password, "plan": plan,
        }))
    };
    let put = |path: &str, token: &str, body: &'static str| {
        platform
            .console(Method::PUT, path)
            .bearer_auth(token)
            .header("content-type", "application/yaml")
            .body(body)
    };
    let cases: Vec<(&str, RequestBuilder, u16, &str)> = vec![
        (
            "slug taken",
            signup("acme", "a@b.example", PASSWORD, "team"),
            409,
            "slug",
        ),
        (
            "slug of two letters",
            signup("ab", "a@b.example", PASSWORD, "team"),
            422,
            "/slug",
        ),
        (
            "slug kept for us",
            signup("www", "a@b.example", PASSWORD, "team"),
            422,
            "/slug",
        ),
        (
            "no address",
            signup("other", "nobody", PASSWORD, "team"),
            422,
            "/email",
        ),
        (
            "short password",
            signup("other", "a@b.example", "short", "team"),
            422,
            "/password",
        ),
        (
            "no such plan",
            signup("other", "a@b.example", PASSWORD, "gold"),
            422,
            "plan",
        ),
        (
            "no JSON",
            platform.console(Method::POST, "/v1/signup").body("{"),
            415,
            "unsupported_media_type",
        ),
        (
            "half a JSON",
            platform
                .console(Method::POST, "/v1/signup")
                .header("content-type", "application/json")
                .body("{"),
            400,
            "bad_request",
        ),
        (
            "a body of 3 MB",
            platform
                .console(Method::POST, "/v1/signup")
                .header("content-type", "application/json")
                .body(" ".repeat(3_000_000)),
            413,
            "payload_too_large",
        ),
        (
            "verify nonsense",
            platform
                .console(Method::POST, "/v1/signup/verify")
                .json(&json!({"token": "x"})),
            404,
            "bad_link",
        ),
        (
            "no token",
            platform.console(Method::GET, "/v1/tenants"),
            401,
            "unauthorized",
        ),
        (
            "a broken token",
            platform
                .console(Method::GET, "/v1/tenants")
                .bearer_auth("x.y.z"),
            401,
            "unauthorized",
        ),
        (
            "a tenant's token",
            platform
                .console(Method::GET, "/v1/tenants")
                .bearer_auth(&agent),
            401,
            "unauthorized",
        ),
        (
            "another's tenant",
            platform
                .console(Method::GET, "/v1/tenants/acme")
                .bearer_auth(&beta),
            404,
            "not_found",
        ),
        (
            "no such tenant",
            platform
                .console(Method::GET, "/v1/tenants/none")
                .bearer_auth(&acme),
            404,
            "not_found",
        ),
        (
            "a slug that cannot be",
            platform
                .console(Method::GET, "/v1/tenants/%00")
                .bearer_auth(&acme),
            404,
            "not_found",
        ),
        (
            "no such call",
            platform
                .console(Method::GET, "/v1/nothing")
                .bearer_auth(&acme),
            404,
            "not_found",
        ),
        (
            "no YAML",
            put("/v1/tenants/acme/modules/laptop", &acme, "module: ["),
            422,
            "line",
        ),
        (
            "another name",
            put(
                "/v1/tenants/acme/modules/laptop",
                &acme,
                "module:\n  name: phone\n  singular: P\n  plural: P\n  storage: managed\nfields:\n  - { name: a, type: string }\n",
            ),
            422,
            "phone",
        ),
        (
            "push to another's tenant",
            put(
                "/v1/tenants/acme/modules/laptop",
                &beta,
                "module:\n  name: laptop\n",
            ),
            404,
            "not_found",
        ),
        (
            "runtime without a token",
            platform.console(Method::GET, "/v1/runtime/modules/watch"),
            401,
            "unauthorized",
        ),
        (
            "a person's token at the runtime's call",
            platform
                .console(Method::GET, "/v1/runtime/modules/watch")
                .bearer_auth(&acme),
            401,
            "unauthorized",
        ),
        (
            "unknown tenant host",
            platform.tenant("unknown", Method::GET, "/"),
            404,
            "unknown_tenant",
        ),
        (
            "beta's agent at acme",
            platform
                .tenant("acme", Method::GET, "/api/v1/auth/me")
                .bearer_auth(&agent),
            401,
            "unauthorized",
        ),
        (
            "internal port",
            platform.console(Method::GET, "/metrics"),
            404,
            "not_found",
        ),
        (
            "internal port of a tenant",
            platform.tenant("acme", Method::GET, "/readyz"),
            404,
            "not_found",
        ),
        (
            "wrong password",
            platform
                .tenant("acme", Method::POST, "/api/v1/auth/login")
                .json(&json!({"login": "owner@acme.example", "password": "wrong"})),
            401,
            "",
        ),
    ];
    for (what, request, status, text) in cases {
        let answer = request.header("accept", "application/json").send().await?;
        let (got, kind) = (
            answer.status().as_u16(),
            answer.headers().get("content-type").cloned(),
        );
        let body = answer.text().await?;
        ensure!(got == status, "{what}: {got} instead of {status}: {body}");
        ensure!(
            kind.is_some_and(|kind| kind == "application/problem+json"),
            "{what}: not a problem: {body}"
        );
        ensure!(body.contains(text), "{what}: {text} is not in {body}");
    }
    platform.stop().await
}

#[tokio::test]
async fn wrong_flags_end_the_command_at_once_and_say_what_to_write() -> anyhow::Result<()> {
    let folder = e2e::platform::folder()?;
    let platform = Platform::start(&folder.path().join("data")).await?;
    for (arguments, code, text) in [
        (&["up", "--listen", "nowhere"][..], 2, "--listen"),
        (&["up", "--no-such-flag"], 2, "--no-such-flag"),
        (
            &["module", "check", "/nonexistent.yaml"],
            2,
            "/nonexistent.yaml",
        ),
        (
            &[
                "login",
                "--email",
                "a@b.example",
                "--url",
                "http://127.0.0.1:1",
            ],
            3,
            "127.0.0.1:1",
        ),
        (&["module", "push", "acme"], 2, "FILE"),
    ] {
        let output = platform.gotrs(arguments).await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(code),
            "{arguments:?}: {:?}: {said}",
            output.status.code()
        );
        ensure!(
            said.contains(text),
            "{arguments:?}: {text} is not in {said}"
        );
    }
    // A second platform on the same data folder would corrupt it.
    let data = platform.data.to_string_lossy().into_owned();
    let second = platform
        .gotrs(&["up", "--data", &data, "--listen", "127.0.0.1:0"])
        .await?;
    ensure!(!second.status.success(), "{second:?}");
    platform.stop().await
}
