//! The router's table with ten thousand tenants: `cargo bench -p control-plane --bench routes`. Beside it what is plainer: one `HashMap`
//! that is made anew for each change (as the router did before), and one behind a `RwLock` that is changed in place.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock, RwLock};

use control_plane::kubernetes::routes::Routes;
use control_plane::router::lanes::Lanes;
use control_plane::router::{Route, RouteTarget, RoutingTable};
use divan::{AllocProfiler, Bencher, black_box};
use domain::id::TenantId;
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;
use tenant_crd::v1::Tenant;
use tokio::sync::watch;
use tokio::time::Instant;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const TENANTS: usize = 10_000;
const BASE: &str = "example.com";
/// In the middle of all.
const ONE: usize = 4_711;

static WORLD: LazyLock<(Vec<Tenant>, Vec<Pod>)> = LazyLock::new(|| {
    (
        (0..TENANTS).map(tenant).collect(),
        (0..TENANTS).map(|number| pod(number, 1)).collect(),
    )
});

fn main() {
    divan::main();
}

fn name(number: usize) -> String {
    format!("tenant-{number:05}")
}

fn id(number: usize) -> String {
    format!("0198c0de-0000-7000-8000-{number:012x}")
}

#[expect(clippy::expect_used, reason = "the text is written here")]
fn tenant(number: usize) -> Tenant {
    serde_json::from_value(json!({
        "apiVersion": "gotrs.io/v1", "kind": "Tenant",
        "metadata": {"name": name(number), "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 2},
        "spec": {"slug": name(number), "id": id(number)},
        "status": {"phase": "Active"},
    }))
    .expect("a Tenant")
}

#[expect(clippy::expect_used, reason = "the text is written here")]
fn pod(number: usize, incarnation: usize) -> Pod {
    serde_json::from_value(json!({
        "metadata": {
            "name": format!("runtime-{incarnation}"), "namespace": format!("tenant-{}", name(number)),
            "labels": {"gotrs.io/tenant": name(number), "gotrs.io/tenant-id": id(number)},
        },
        "spec": {"containers": [{"name": "runtime", "ports": [{"name": "http", "containerPort": 8080}]}]},
        "status": {
            "podIP": format!("10.{}.{}.{}", incarnation, number / 250, number % 250),
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }))
    .expect("a Pod")
}

fn routes() -> Routes {
    Routes::of(WORLD.0.iter(), WORLD.1.iter(), BASE)
}

/// Every host with its route, as the table has it.
fn entries() -> Vec<(String, Route)> {
    let routes = routes();
    (0..TENANTS)
        .filter_map(|number| {
            let host = format!("{}.{BASE}", name(number));
            let route = routes.table().find(&host)?.clone();
            matches!(route.target, RouteTarget::Serving(_)).then_some((host, route))
        })
        .collect()
}

/// The table from everything that the watches tell at the start.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn build(bencher: Bencher<'_, '_>) {
    LazyLock::force(&WORLD);
    bencher.bench(routes);
}

/// The table alone, from routes that are known: what it takes in memory.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn build_table(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(entries).bench_values(RoutingTable::new);
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn build_plain_map(bencher: Bencher<'_, '_>) {
    bencher
        .with_inputs(entries)
        .bench_values(|entries| entries.into_iter().collect::<HashMap<_, _>>());
}

/// A pod is replaced: the tenant's route is followed and the next table published.
#[divan::bench(sample_count = 200)]
fn change(bencher: Bencher<'_, '_>) {
    let mut routes = routes();
    let (publisher, _table) = watch::channel(Arc::new(routes.table().clone()));
    let pods = [pod(ONE, 2), pod(ONE, 3)];
    let namespace = format!("tenant-{}", name(ONE));
    let mut turn = 0;
    bencher.bench_local(|| {
        turn += 1;
        routes.pod(&namespace, "runtime-1", pods.get(turn % 2));
        routes.tenant(&name(ONE), WORLD.0.get(ONE));
        publisher.send_replace(Arc::new(routes.table().clone()));
    });
}

/// The same by making everything anew.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn change_by_building_anew(bencher: Bencher<'_, '_>) {
    LazyLock::force(&WORLD);
    let (publisher, _table) = watch::channel(Arc::new(RoutingTable::default()));
    bencher.bench_local(|| {
        let routes = routes();
        publisher.send_replace(Arc::new(routes.table().clone()));
    });
}

/// The last step of the same for a map that is copied as a whole.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn change_by_copying_a_plain_map(bencher: Bencher<'_, '_>) {
    let map: HashMap<_, _> = entries().into_iter().collect();
    let (publisher, _table) = watch::channel(Arc::new(map.clone()));
    bencher.bench_local(|| publisher.send_replace(Arc::new(map.clone())));
}

/// The last step of the same for a map that is changed in place.
#[divan::bench(sample_count = 200)]
fn change_of_a_plain_map_behind_a_lock(bencher: Bencher<'_, '_>) {
    let map = RwLock::new(entries().into_iter().collect::<HashMap<_, _>>());
    let Some((host, route)) = entries().into_iter().nth(ONE) else {
        return;
    };
    bencher.bench_local(|| {
        if let Ok(mut map) = map.write() {
            map.insert(host.clone(), route.clone());
        }
    });
}

/// What a request takes before it is sent on, besides: its place in its tenant's lane, and a token of the tenant's bucket.
#[divan::bench(threads = [1, 2], sample_count = 500, sample_size = 1000)]
fn enter_lane(bencher: Bencher<'_, '_>) {
    let lanes = Lanes::new(NonZeroU32::MAX);
    let tenants: Vec<TenantId> = (0..TENANTS).map(|_| TenantId::generate()).collect();
    for tenant in &tenants {
        drop(lanes.enter(*tenant, TENANTS, Instant::now()));
    }
    let Some(tenant) = tenants.get(ONE).copied() else {
        return;
    };
    bencher.bench(|| {
        lanes
            .enter(black_box(tenant), TENANTS, Instant::now())
            .is_ok()
    });
}

/// As the proxy asks: by the host of a request, in the table that is published now.
#[divan::bench(threads = [1, 2], sample_count = 500, sample_size = 1000)]
fn find(bencher: Bencher<'_, '_>) {
    let (_publisher, table) = watch::channel(Arc::new(routes().table().clone()));
    let host = format!("{}.{BASE}", name(ONE));
    bencher.bench(|| table.borrow().find(black_box(&host)).is_some());
}

#[divan::bench(threads = [1, 2], sample_count = 500, sample_size = 1000)]
fn find_in_a_plain_map_behind_a_lock(bencher: Bencher<'_, '_>) {
    let map = RwLock::new(entries().into_iter().collect::<HashMap<_, _>>());
    let host = format!("{}.{BASE}", name(ONE));
    bencher.bench(|| {
        map.read()
            .is_ok_and(|map| map.get(black_box(&host)).is_some())
    });
}
