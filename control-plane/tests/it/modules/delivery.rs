//! The watch stream.

use super::*;

#[tokio::test]
async fn a_runtime_gets_everything_then_every_change_and_fetches_by_url() {
    let world = World::start().await;
    world.put("laptop", LAPTOP).await;
    let mut watch = world.watch("").await;
    let WatchEvent::Snapshot {
        generation: 1,
        modules,
    } = watch.next().await
    else {
        panic!("no snapshot")
    };
    let text = reqwest::get(&modules[0].url)
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(text, LAPTOP);

    world.put("laptop", &with_colour()).await;
    let WatchEvent::Put {
        generation: 2,
        module,
    } = watch.next_change().await
    else {
        panic!("no change")
    };
    assert_eq!((module.name.as_str(), module.version), ("laptop", 2));
    let bytes = reqwest::get(&module.url)
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert_eq!(Sha256Digest::of(&bytes), module.sha256);

    world
        .call(
            Method::DELETE,
            "/v1/tenants/acme/modules/laptop",
            CallBody::none(),
        )
        .await;
    let gone = watch.next_change().await;
    assert_eq!(
        gone,
        WatchEvent::Delete {
            generation: 3,
            name: "laptop".parse().unwrap()
        }
    );
    world.end().await;
}

#[tokio::test]
async fn a_runtime_that_comes_back_hears_only_what_is_new() {
    let world = World::start().await;
    world.put("ant", &other("ant")).await;
    world.put("bee", &other("bee")).await;
    world.put("cat", &other("cat")).await;
    world
        .call(
            Method::DELETE,
            "/v1/tenants/acme/modules/bee",
            CallBody::none(),
        )
        .await;
    let mut watch = world.watch("?after=2").await;
    let heard = [watch.next().await, watch.next().await, watch.next().await];
    assert_eq!(
        heard.iter().map(WatchEvent::generation).collect::<Vec<_>>(),
        [3, 4, 4]
    );
    assert_eq!(names(&heard[0]), ["cat"]);
    assert!(matches!(&heard[1], WatchEvent::Delete { name, .. } if name.as_str() == "bee"));
    assert!(matches!(heard[2], WatchEvent::Bookmark { generation: 4 }));

    // Up to date: only that.
    let mut watch = world.watch("?after=4").await;
    assert_eq!(watch.next().await, WatchEvent::Bookmark { generation: 4 });
    world.end().await;
}

#[tokio::test]
async fn a_runtime_that_knows_more_than_we_do_gets_everything() {
    let world = World::start().await;
    world.put("laptop", LAPTOP).await;
    let mut watch = world.watch("?after=7").await;
    let first = watch.next().await;
    assert!(
        matches!(first, WatchEvent::Snapshot { generation: 1, .. }),
        "{first:?}"
    );
    assert_eq!(names(&first), ["laptop"]);
    world.end().await;
}

#[tokio::test]
async fn a_tenant_without_modules_gets_an_empty_snapshot() {
    let world = World::start().await;
    let mut watch = world.watch("").await;
    assert_eq!(
        watch.next().await,
        WatchEvent::Snapshot {
            generation: 0,
            modules: Vec::new()
        }
    );
    world.end().await;
}

#[tokio::test]
async fn a_change_whose_notification_was_lost_is_delivered_all_the_same() {
    let world = World::start().await;
    let mut watch = world.watch("").await;
    watch.next().await;
    // Made behind the back of the job: no NOTIFY is sent.
    let mut quiet = world.state().pool.begin().await.unwrap();
    sqlx::query("INSERT INTO tenant_module_generation VALUES ($1, 1)")
        .bind(world.tenant.as_uuid())
        .execute(&mut *quiet)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO module_version (id, tenant_id, name, version, kind, diagnostics, tests_skipped, generation,
             created_by, created_at)
         VALUES ($1, $1, 'ghost', 1, 'delete', '[]', false, 1, $1, now())")
        .bind(world.tenant.as_uuid()).execute(&mut *quiet).await.unwrap();
    sqlx::query("INSERT INTO module VALUES ($1, 'ghost', 1)")
        .bind(world.tenant.as_uuid())
        .execute(&mut *quiet)
        .await
        .unwrap();
    quiet.commit().await.unwrap();
    assert_eq!(names(&watch.next_change().await), ["ghost"]);
    world.end().await;
}

#[tokio::test]
async fn a_lost_connection_of_the_listener_loses_nothing() {
    let world = World::start().await;
    let mut watch = world.watch("").await;
    watch.next().await;
    world.put("ant", &other("ant")).await;
    assert_eq!(names(&watch.next_change().await), ["ant"]);
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND query LIKE 'LISTEN%' AND pid <> pg_backend_pid()",
    )
    .execute(&world.state().pool)
    .await
    .unwrap();
    world.put("bee", &other("bee")).await;
    assert_eq!(names(&watch.next_change().await), ["bee"]);
    world.put("cat", &other("cat")).await;
    assert_eq!(names(&watch.next_change().await), ["cat"]);
    world.end().await;
}

#[tokio::test]
async fn many_changes_at_once_become_a_snapshot() {
    let world = World::start().await;
    // Straight into the tables: a hundred and more uploads would only take time.
    let mut db = world.state().pool.begin().await.unwrap();
    let tenant = world.tenant.as_uuid();
    sqlx::query("INSERT INTO tenant_module_generation VALUES ($1, 101)")
        .bind(tenant)
        .execute(&mut *db)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO module_version (id, tenant_id, name, version, kind, sha256, size, diagnostics, tests_skipped,
             generation, created_by, created_at)
         SELECT gen_random_uuid(), $1, 'm' || n, 1, 'put', decode(repeat('00', 32), 'hex'), 1, '[]', false, n, $1, now()
         FROM generate_series(1, 101) n")
        .bind(tenant).execute(&mut *db).await.unwrap();
    sqlx::query("INSERT INTO module SELECT $1, 'm' || n, 1 FROM generate_series(1, 101) n")
        .bind(tenant)
        .execute(&mut *db)
        .await
        .unwrap();
    db.commit().await.unwrap();
    let mut watch = world.watch("?after=0").await;
    let first = watch.next().await;
    assert!(
        matches!(&first, WatchEvent::Snapshot { generation: 101, modules } if modules.len() == 101)
    );
    let mut watch = world.watch("?after=1").await;
    assert_eq!(names(&watch.next().await), ["m2"]);
    world.end().await;
}

#[tokio::test]
async fn streams_end_with_the_process_and_are_bounded() {
    let world = World::start().await;
    let mut watches = Vec::new();
    for _ in 0..control_plane::modules::feed::MAX_WATCHERS {
        let mut watch = world.watch("").await;
        watch.next().await;
        watches.push(watch);
    }
    let request = Request::get("/v1/runtime/modules/watch")
        .header(
            header::AUTHORIZATION,
            format!("Bearer {}", world.runtime_token(world.tenant)),
        )
        .body(axum::body::Body::empty())
        .unwrap();
    let response = world.send(request).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(response.headers().contains_key("retry-after"));
    watches.pop();
    world.watch("").await.next().await;
    world.stop();
    watches[0].assert_ends().await;
    world.end().await;
}
