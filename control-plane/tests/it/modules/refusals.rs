//! What wrong uploads, tokens and parameters get.

use super::*;

#[tokio::test]
async fn each_bad_upload_gets_its_answer_and_changes_nothing() {
    let world = World::start().await;
    world.put("laptop", LAPTOP).await;
    let good = with_colour();
    let failing = good.replace("expect: ABC", "expect: XYZ");
    let unknown_key = good.replace("storage: managed", "storage: managed\n  colour: red");
    let bad_lambda = good.replace("return item.serial.toUpperCase();", "return item.serial(;");
    let dropped = LAPTOP.replace("  - {name: weight, type: integer}\n", "");
    let narrowed = LAPTOP.replace("name: weight, type: integer", "name: weight, type: boolean");
    let large = format!("{good}# {}\n", "x".repeat(module_spec::MAX_BYTES));
    let cases: [(&str, &str, u16, &str, &str); 12] = [
        ("laptop", "module: [", 422, "module_invalid", ""),
        ("laptop", "", 422, "module_invalid", ""),
        ("phone", &good, 422, "module_invalid", "wrong-name"),
        ("laptop", &failing, 422, "module_invalid", "test-failed"),
        (
            "laptop",
            &bad_lambda,
            422,
            "module_invalid",
            "lambda-syntax",
        ),
        ("laptop", &dropped, 422, "destructive_change", "destructive"),
        (
            "laptop",
            &narrowed,
            422,
            "destructive_change",
            "destructive",
        ),
        ("laptop", &large, 413, "payload_too_large", ""),
        ("Laptop", &good, 404, "not_found", ""),
        ("laptop?wait=forever", &good, 400, "bad_request", ""),
        ("laptop?wait=live&timeout=10", &good, 400, "bad_request", ""),
        ("laptop?force=true", &good, 400, "bad_request", ""),
    ];
    for (name, yaml, status, code, finding) in cases {
        let (got, body) = world.put(name, yaml).await;
        assert_eq!(
            (got.as_u16(), body["code"].as_str()),
            (status, Some(code)),
            "{name}: {body}"
        );
        if !finding.is_empty() {
            let errors = body["errors"].as_array().unwrap();
            let found = errors.iter().find(|error| error["code"] == finding);
            let found = found.unwrap_or_else(|| panic!("{finding} is not among {body}"));
            if code == "module_invalid" {
                assert!(
                    found["line"].as_u64().unwrap() > 0 && found["column"].as_u64().unwrap() > 0,
                    "{body}"
                );
            }
        }
    }
    let (_, body) = world.get("/v1/tenants/acme/modules/laptop").await;
    assert_eq!(
        (&body["version"], &body["generation"]),
        (&json!(1), &json!(1))
    );

    // Warnings are no refusal; what is refused can be asked for.
    let (status, body) = world.put("laptop", &unknown_key).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["diagnostics"][0]["severity"], "warning", "{body}");
    let (status, body) = world.put("laptop?no_tests=true", &failing).await;
    assert_eq!(
        (status, &body["tests_skipped"]),
        (StatusCode::OK, &json!(true))
    );
    let (status, body) = world.put("laptop?allow_destructive=true", &dropped).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    world.end().await;
}

#[tokio::test]
async fn only_yaml_that_is_text_is_taken() {
    let world = World::start().await;
    let path = "/v1/tenants/acme/modules/laptop";
    let (status, body) = world.call(Method::PUT, path, json!({"module": {}})).await;
    assert_eq!(
        (status.as_u16(), &body["code"]),
        (415, &json!("unsupported_media_type"))
    );
    let (status, _) = world.call(Method::PUT, path, CallBody::none()).await;
    assert_eq!(status.as_u16(), 415);
    let (status, body) = world
        .call(Method::PUT, path, CallBody::yaml([0xff, 0xfe, b'a']))
        .await;
    assert_eq!(
        (status.as_u16(), &body["errors"][0]["code"]),
        (422, &json!("not-utf8"))
    );
    world.end().await;
}

#[tokio::test]
async fn every_finding_comes_at_once() {
    let world = World::start().await;
    let yaml = LAPTOP
        .replace("type: integer", "type: intger")
        .replace("expect: ABC", "expectt: ABC")
        .replace("required: true", "required: maybe");
    let (status, body) = world.put("laptop", &yaml).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let lines: Vec<u64> = body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|error| error["line"].as_u64())
        .collect();
    assert!(
        lines.contains(&7) && lines.contains(&8) && lines.contains(&13),
        "{body}"
    );
    world.end().await;
}

#[tokio::test]
async fn a_foreign_tenant_is_not_there() {
    let world = World::start().await;
    world.make_stranger("globex").await;
    for (method, path) in [
        (Method::GET, "/v1/tenants/globex/modules"),
        (Method::GET, "/v1/tenants/globex/modules/laptop"),
        (Method::GET, "/v1/tenants/globex/modules/laptop/versions"),
        (Method::GET, "/v1/tenants/globex/modules/laptop/status"),
        (Method::DELETE, "/v1/tenants/globex/modules/laptop"),
        (Method::GET, "/v1/tenants/nobody/modules"),
        (Method::GET, "/v1/tenants/acme/modules/laptop"),
        (Method::GET, "/v1/tenants/acme/modules/laptop/versions"),
        (Method::GET, "/v1/tenants/acme/modules/laptop/status"),
        (Method::GET, "/v1/tenants/acme/modules/..%2F..%2Fx"),
    ] {
        let (status, body) = world.call(method.clone(), path, CallBody::none()).await;
        assert_eq!(
            (status.as_u16(), &body["code"]),
            (404, &json!("not_found")),
            "{method} {path}"
        );
    }
    let path = "/v1/tenants/globex/modules/laptop";
    let (status, _) = world.call(Method::PUT, path, CallBody::yaml(LAPTOP)).await;
    assert_eq!(status.as_u16(), 404);
    world.end().await;
}

#[tokio::test]
async fn runtime_tokens_open_one_tenant_and_nothing_else() {
    let world = World::start().await;
    world.put("laptop", LAPTOP).await;
    let stranger = world.make_stranger("globex").await;
    let watch = |token: String| {
        Request::get("/v1/runtime/modules/watch")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(axum::body::Body::empty())
            .unwrap()
    };
    // Another tenant's runtime sees its own, empty registry.
    let response = world.send(watch(world.runtime_token(stranger))).await;
    assert_eq!(response.status(), StatusCode::OK);
    let mut chunks = response.into_body().into_data_stream();
    let first = futures_util::StreamExt::next(&mut chunks)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        &first[..],
        b"{\"type\":\"SNAPSHOT\",\"generation\":0,\"modules\":[]}\n"
    );

    let mut forged = world.runtime_token(world.tenant);
    let last = if forged.ends_with('A') { 'B' } else { 'A' };
    forged.pop();
    forged.push(last);
    let nobody = world.runtime_token(domain::id::TenantId::generate());
    // A good token, of a tenant that is not there: its runtime has no modules to wait for.
    let response = world.send(watch(nobody)).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let body = axum::body::to_bytes(response.into_body(), 10_000)
        .await
        .unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["code"], domain::watch::NO_SUCH_TENANT);
    for token in [forged, world.token(), String::new(), "gotrs_rt_".to_owned()] {
        let response = world.send(watch(token.clone())).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{token}");
    }
    // And the other way round: a runtime token is no session.
    let request = Request::get("/v1/tenants/acme/modules")
        .header(
            header::AUTHORIZATION,
            format!("Bearer {}", world.runtime_token(world.tenant)),
        )
        .body(axum::body::Body::empty())
        .unwrap();
    assert_eq!(world.send(request).await.status(), StatusCode::UNAUTHORIZED);
    world.end().await;
}

#[tokio::test]
async fn what_a_runtime_says_is_bounded() {
    let world = World::start().await;
    world.put("laptop", LAPTOP).await;
    let sha256 = Sha256Digest::of(b"x");
    let result = |name: &str| domain::watch::ModuleResult {
        name: name.parse().unwrap(),
        sha256,
        ok: true,
        diagnostics: Vec::new(),
        suspension: None,
    };
    let say = async |instance: String| {
        let acknowledgement = Acknowledgement {
            instance,
            generation: 1,
            results: vec![result("laptop"), result("never-uploaded")],
        };
        world.acknowledge(&acknowledgement).await
    };
    // Whatever runs there may call itself anything.
    for turn in 0..120 {
        assert_eq!(say(format!("runtime-{turn}")).await, StatusCode::NO_CONTENT);
    }
    let pool = &world.state().pool;
    let count =
        async |sql: &'static str| -> i64 { sqlx::query_scalar(sql).fetch_one(pool).await.unwrap() };
    assert_eq!(count("SELECT count(*) FROM runtime_replica").await, 96);
    assert_eq!(
        count("SELECT count(*) FROM module_acknowledgement").await,
        96
    );
    let unknown = "SELECT count(*) FROM module_acknowledgement WHERE name <> 'laptop'";
    assert_eq!(count(unknown).await, 0);
    let mut last = StatusCode::NO_CONTENT;
    for _ in 0..2_000 {
        last = say("runtime-1".to_owned()).await;
        if last != StatusCode::NO_CONTENT {
            break;
        }
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    world.end().await;
}

#[tokio::test]
async fn nobody_is_read_to_the_end_before_it_is_known_who_it_is() {
    let world = World::start().await;
    let text = "x".repeat(100 * 1024);
    for (path, kind) in [
        ("/v1/signup", "application/json"),
        ("/v1/sessions", "application/json"),
        ("/sign-in", "application/x-www-form-urlencoded"),
        ("/tenants/acme/modules", "application/x-www-form-urlencoded"),
    ] {
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, kind)
            .body(axum::body::Body::from(text.clone()))
            .unwrap();
        let response = world.send(request).await;
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE, "{path}");
    }
    // A module may be as large as a module may be.
    let (status, body) = world.put("laptop", &format!("{LAPTOP}# {text}\n")).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    world.end().await;
}

#[tokio::test]
async fn while_the_object_store_is_away_nothing_is_lost_and_the_caller_told() {
    let world = World::start().await;
    world.put("laptop", LAPTOP).await;
    world.s3.stop();
    let (status, body) = world.put("phone", &other("phone")).await;
    assert_eq!(
        (status.as_u16(), &body["code"]),
        (503, &json!("unavailable"))
    );
    let (_, list) = world.get("/v1/tenants/acme/modules").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    world.end().await;
}
