//! What the numbers of control plane and router mean, for whoever reads `/metrics`; docs/metrics.md has all of them, with their labels.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Explains the metrics of the control plane.
pub fn describe_control_plane() {
    describe_counter!(
        "control_plane_exports_total",
        "exports of tenants that have ended, by outcome"
    );
    describe_counter!(
        "control_plane_exports_expired_total",
        "archives of exports whose time was over, by outcome of their removal"
    );
    describe_counter!(
        "control_plane_status_writes_total",
        "conditions and module statuses written to Tenants"
    );
    describe_counter!(
        "module_uploads_total",
        "uploads of modules that were taken, by outcome"
    );
    describe_counter!(
        "module_upload_refusals_total",
        "uploads of modules that were refused, by code of the error"
    );
    describe_counter!(
        "module_rollbacks_total",
        "modules set back to an earlier version"
    );
    describe_counter!("module_deletions_total", "modules deleted");
    describe_counter!(
        "module_acknowledgements_total",
        "what runtimes said of single modules, by outcome"
    );
    describe_histogram!(
        "module_delivery_seconds",
        Unit::Seconds,
        "from the change of a module to the word of a runtime that follows it"
    );
    describe_gauge!("module_watchers", "runtimes that watch their modules now");
    describe_watches();
}

/// Explains the metrics of the router.
pub fn describe_router() {
    describe_counter!(
        "router_requests_total",
        "requests answered, by class of the status; those that the router refused by itself too"
    );
    describe_counter!(
        "router_requests_limited_total",
        "requests refused because their tenant has too many, by limit: rate or concurrency"
    );
    describe_gauge!("router_connections", "open connections of clients");
    describe_counter!(
        "router_connections_refused_total",
        "connections ended before their first request was whole, by reason: slow or address (it has as many as it may have)"
    );
    describe_counter!(
        "router_connect_failures_total",
        "requests that no address of their tenant or of the console took"
    );
    describe_histogram!(
        "router_cold_start_seconds",
        Unit::Seconds,
        "for how long requests were held until their sleeping tenant was awake"
    );
    describe_gauge!("router_hosts", "hosts in the routing table");
    describe_counter!(
        "router_uses_dropped_total",
        "signs of use of tenants that were not noted because too many waited to be written; the next request gives the next"
    );
    describe_watches();
}

fn describe_watches() {
    describe_counter!(
        "kubernetes_watch_failures_total",
        "watches of the API server that broke or could not be opened, by what is watched"
    );
}
