//! The control plane in a cluster: desired state as `Tenant` resources, routes from pods, tokens of service accounts.
//!
//! What is decided is pure ([`desired`], [`observed`], [`release`], [`routes`]); the rest asks and tells the API server. Nothing here touches a
//! tenant's objects: that is the operator's part.

pub mod desired;
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
    // Watches are long; the server ends each after some minutes, and says something before that.
    config.read_timeout = Some(std::time::Duration::from_secs(295));
    Client::try_from(config).context("the cluster's address or certificates are wrong")
}
