//! The control plane in a cluster: desired state as `Tenant` resources, routes from pods, tokens of service accounts.
//!
//! What is decided is pure ([`desired`], [`observed`], [`release`], [`routes`]); the rest asks and tells the API server. Nothing here touches a
//! tenant's objects: that is the operator's part.

pub mod desired;
pub mod exports;
pub mod observed;
pub mod provisioner;
pub mod release;
pub mod report;
mod reporter;
pub mod resources;
pub mod routes;
pub mod sleepers;
pub mod tenants;
pub mod token_review;
mod watch;

use kube::Client;

pub use self::provisioner::KubeProvisioner;
pub use self::routes::RouteWatch;
pub use self::sleepers::KubeSleepers;
pub use self::token_review::TokenReviewer;

/// Field manager of the control plane on Tenants and on its own Secrets.
pub const MANAGER: &str = "gotrs-control-plane";
/// Field manager of the router on the status of Tenants.
pub const ROUTER_MANAGER: &str = "gotrs-router";

/// Connects as the pod's service account, or as `kubectl` would.
pub async fn connect() -> anyhow::Result<Client> {
    use anyhow::Context as _;
    let mut config = kube::Config::infer()
        .await
        .context("no cluster: run inside of one with a service account, or set KUBECONFIG")?;
    config.connect_timeout = Some(std::time::Duration::from_secs(5));
    // Watches are long, and the server says something in each about once a minute. Counted from the request, not from the last use of
    // its connection.
    config.read_timeout = Some(std::time::Duration::from_secs(150));
    config.reset_reader_on_write = true;
    Client::try_from(config).context("the cluster's address or certificates are wrong")
}
