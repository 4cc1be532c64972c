//! What the numbers of a tenant's server mean, for whoever reads `/metrics`; docs/metrics.md has all of them, with their labels.

use metrics::{describe_counter, describe_gauge};

/// Explains the metrics of a tenant's server.
pub fn describe() {
    describe_gauge!(
        "modules_live",
        "modules that are loaded, stock ones among them"
    );
    describe_counter!(
        "modules_refused_total",
        "versions of modules that could not be used; the last good one stays"
    );
    describe_gauge!(
        "modules_suspended",
        "modules whose code does not run because it hit its limits again and again"
    );
    describe_counter!("module_suspensions_total", "suspensions of modules");
    describe_counter!(
        "lambda_invocations_total",
        "invocations of modules' code, by purpose and outcome"
    );
    describe_counter!(
        "lambda_limits_hit_total",
        "invocations that were ended because they hit a limit, by limit"
    );
    describe_counter!("sign_ins_total", "attempts to sign in, by outcome");
}
