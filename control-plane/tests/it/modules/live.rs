//! Waiting for runtimes, and what they say.

use super::*;

/// A runtime that answers every event until it was asked `times` times.
async fn runtime(world: &World, instance: &str, ok: bool, times: usize) {
    let mut watch = world.watch(&format!("?instance={instance}")).await;
    for _ in 0..times {
        let event = watch.next_change().await;
        let status = world.acknowledge(&answer_to(instance, &event, ok)).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
    }
    // Stays until the test ends.
    watch.next_change().await;
}

/// Runs `test` while `runtimes` run.
macro_rules! while_running {
    ([$($runtime:expr),+], $test:expr) => {
        tokio::select! {
            result = $test => result,
            $(() = $runtime => panic!("the runtime ended"),)+
        }
    };
}

async fn settle(world: &World, replicas: usize) {
    for _ in 0..200 {
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM runtime_replica WHERE gone_at IS NULL")
                .fetch_one(&world.state().pool)
                .await
                .unwrap();
        if count == i64::try_from(replicas).unwrap() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{replicas} replicas never came");
}

#[tokio::test]
async fn an_upload_can_wait_until_every_runtime_has_it() {
    let world = World::start().await;
    let (status, body) = while_running!(
        [
            runtime(&world, "r-1", true, 2),
            runtime(&world, "r-2", true, 2)
        ],
        async {
            settle(&world, 2).await;
            world.put("laptop?wait=live", LAPTOP).await
        }
    );
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(
        body["live"],
        json!({"ready": 2, "acknowledged": 2, "refused": []})
    );
    world.end().await;
}

#[tokio::test]
async fn who_refuses_is_named_with_the_reason_and_keeps_the_version_before() {
    let world = World::start().await;
    let (body, status) = while_running!(
        [
            runtime(&world, "r-1", true, 2),
            runtime(&world, "r-2", false, 2)
        ],
        async {
            settle(&world, 2).await;
            let (_, body) = world.put("laptop?wait=live&timeout=5s", LAPTOP).await;
            let (_, status) = world.get("/v1/tenants/acme/modules/laptop/status").await;
            (body, status)
        }
    );
    assert_eq!(body["live"]["acknowledged"], 1);
    assert_eq!(body["live"]["refused"][0]["instance"], "r-2");
    assert_eq!(
        body["live"]["refused"][0]["diagnostics"][0]["code"],
        "unknown-table"
    );
    let states: Vec<&str> = status["replicas"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["loaded", "refused"]);
    assert_eq!(
        (&status["version"], &status["generation"]),
        (&json!(1), &json!(1))
    );
    world.end().await;
}

#[tokio::test]
async fn waiting_ends_at_once_where_nobody_watches_and_in_time_where_somebody_is_silent() {
    let world = World::start().await;
    let started = std::time::Instant::now();
    let (_, body) = world.put("laptop?wait=live", LAPTOP).await;
    assert_eq!(
        body["live"],
        json!({"ready": 0, "acknowledged": 0, "refused": []})
    );
    assert!(started.elapsed() < std::time::Duration::from_secs(3));

    let mut silent = world.watch("?instance=r-1").await;
    silent.next().await;
    let (_, body) = world
        .put("laptop?wait=live&timeout=300ms", &with_colour())
        .await;
    assert_eq!(
        body["live"],
        json!({"ready": 1, "acknowledged": 0, "refused": []})
    );
    let (_, status) = world.get("/v1/tenants/acme/modules/laptop/status").await;
    assert_eq!(status["replicas"][0]["state"], "pending");

    // Who has left is not waited for.
    drop(silent);
    settle(&world, 0).await;
    let (_, body) = world.put("laptop?wait=live", LAPTOP).await;
    assert_eq!(body["code"], "destructive_change");
    let (_, body) = world
        .put("laptop?wait=live&allow_destructive=true", LAPTOP)
        .await;
    assert_eq!(body["live"]["ready"], 0);
    world.end().await;
}

#[tokio::test]
async fn a_deletion_can_be_waited_for_too() {
    let world = World::start().await;
    world.put("laptop", LAPTOP).await;
    let (status, body) = while_running!([runtime(&world, "r-1", true, 2)], async {
        settle(&world, 1).await;
        world
            .call(
                Method::DELETE,
                "/v1/tenants/acme/modules/laptop?wait=live",
                CallBody::none(),
            )
            .await
    });
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        body["live"],
        json!({"ready": 1, "acknowledged": 1, "refused": []})
    );
    world.end().await;
}

#[tokio::test]
async fn the_owner_sees_that_and_why_the_code_of_a_module_does_not_run() {
    let world = World::start().await;
    world.put("laptop", LAPTOP).await;
    let mut watch = world.watch("?instance=r-1").await;
    let mut word = answer_to("r-1", &watch.next_change().await, true);
    let until = "2026-01-02T03:14:05Z";
    word.results[0].suspension = Some(Suspension {
        reason: "its code hit limits 10 times within 5 minutes".to_owned(),
        until: until.parse().unwrap(),
    });
    assert_eq!(world.acknowledge(&word).await, StatusCode::NO_CONTENT);
    let suspension =
        json!({"reason": "its code hit limits 10 times within 5 minutes", "until": until});
    let replica = || async {
        let (_, status) = world.get("/v1/tenants/acme/modules/laptop/status").await;
        let (_, list) = world.get("/v1/tenants/acme/modules").await;
        let replica = &status["replicas"][0];
        (
            replica["state"].as_str().unwrap().to_owned(),
            replica["suspension"].clone(),
            list["items"][0]["suspension"].clone(),
        )
    };
    assert_eq!(
        replica().await,
        ("suspended".to_owned(), suspension.clone(), suspension)
    );
    // It runs again, or another version came.
    word.results[0].suspension = None;
    assert_eq!(world.acknowledge(&word).await, StatusCode::NO_CONTENT);
    assert_eq!(
        replica().await,
        ("loaded".to_owned(), Value::Null, Value::Null)
    );
    world.end().await;
}

#[tokio::test]
async fn bad_acknowledgements_are_refused() {
    let world = World::start().await;
    let good = Acknowledgement {
        instance: "r-1".to_owned(),
        generation: 0,
        results: Vec::new(),
    };
    assert_eq!(world.acknowledge(&good).await, StatusCode::NO_CONTENT);
    for bad in [
        Acknowledgement {
            instance: String::new(),
            ..good.clone()
        },
        Acknowledgement {
            instance: "a b".to_owned(),
            ..good.clone()
        },
        Acknowledgement {
            generation: 1,
            ..good.clone()
        },
        Acknowledgement {
            generation: u64::MAX,
            ..good
        },
    ] {
        assert_eq!(
            world.acknowledge(&bad).await,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{bad:?}"
        );
    }
    world.end().await;
}

#[tokio::test]
async fn a_put_is_live_soon() {
    let world = World::start().await;
    let mut took = Vec::new();
    while_running!([runtime(&world, "r-1", true, 100)], async {
        settle(&world, 1).await;
        for n in 0..20 {
            let yaml = LAPTOP.replace("Laptops", &format!("Laptops {n}"));
            let started = std::time::Instant::now();
            let (_, body) = world.put("laptop?wait=live", &yaml).await;
            took.push(started.elapsed());
            assert_eq!(body["live"]["acknowledged"], 1, "{body}");
        }
    });
    took.sort_unstable();
    // The real measure is `make bench`; here only that no path falls back to a timer.
    assert!(took[15] < std::time::Duration::from_millis(450), "{took:?}");
    world.end().await;
}
