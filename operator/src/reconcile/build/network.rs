//! What may connect to what: nothing, and then the few connections that a helpdesk needs.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{INTERNAL_PORT, PORT, RUNTIME, metadata, selector};
use crate::config::{Cidr, ClusterConfig, Destination, Place};
use crate::reconcile::validate::ValidatedTenant;

const DNS_PORT: u16 = 53;

/// Deny all, then allow the router in and the platform's services and mail out. Neither the API server nor the addresses at which
/// clouds give credentials are among the destinations: mail goes to the internet without both.
pub(super) fn policies(tenant: &ValidatedTenant, cluster: &ClusterConfig) -> Vec<NetworkPolicy> {
    let both = || Some(vec!["Ingress".to_owned(), "Egress".to_owned()]);
    vec![
        NetworkPolicy {
            metadata: metadata(tenant, "deny-all"),
            spec: Some(NetworkPolicySpec {
                // Every pod of the namespace, whoever made it.
                pod_selector: Some(LabelSelector::default()),
                policy_types: both(),
                // Said and not left out: what an apply does not name, others may add.
                ingress: Some(Vec::new()),
                egress: Some(Vec::new()),
            }),
        },
        NetworkPolicy {
            metadata: metadata(tenant, RUNTIME),
            spec: Some(NetworkPolicySpec {
                pod_selector: Some(pods(&selector(tenant))),
                policy_types: both(),
                ingress: Some(ingress(cluster)),
                egress: Some(egress(cluster)),
            }),
        },
    ]
}

fn ingress(cluster: &ClusterConfig) -> Vec<NetworkPolicyIngressRule> {
    let network = &cluster.network;
    let mut rules = vec![NetworkPolicyIngressRule {
        from: Some(vec![pods_in(&cluster.namespace, &network.router)]),
        ports: Some(vec![tcp(PORT)]),
    }];
    if !network.monitoring.is_empty() {
        rules.push(NetworkPolicyIngressRule {
            from: Some(network.monitoring.iter().map(peer).collect()),
            ports: Some(vec![tcp(INTERNAL_PORT)]),
        });
    }
    rules
}

fn egress(cluster: &ClusterConfig) -> Vec<NetworkPolicyEgressRule> {
    let network = &cluster.network;
    let mut rules = Vec::new();
    if !network.dns.is_empty() {
        rules.push(NetworkPolicyEgressRule {
            to: Some(network.dns.iter().map(peer).collect()),
            ports: Some(vec![udp(DNS_PORT), tcp(DNS_PORT)]),
        });
    }
    rules.extend(
        cluster
            .control_plane
            .iter()
            .map(|control_plane| NetworkPolicyEgressRule {
                to: Some(vec![pods_in(&cluster.namespace, &control_plane.pods)]),
                ports: Some(vec![tcp(control_plane.port)]),
            }),
    );
    let services = [&network.postgres, &network.s3, &network.telemetry];
    rules.extend(services.into_iter().flatten().map(destination));
    if !network.mail_ports.is_empty() {
        rules.push(NetworkPolicyEgressRule {
            to: Some(internet(&network.cluster_ranges, &network.metadata_ranges)),
            ports: Some(network.mail_ports.iter().copied().map(tcp).collect()),
        });
    }
    rules
}

fn destination(destination: &Destination) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        to: Some(vec![peer(&destination.to)]),
        ports: Some(vec![tcp(destination.port)]),
    }
}

/// Everything but the cluster itself and the cloud's metadata.
fn internet(cluster: &[Cidr], metadata: &[Cidr]) -> Vec<NetworkPolicyPeer> {
    [("0.0.0.0/0", true), ("::/0", false)]
        .into_iter()
        .map(|(all, ipv4)| {
            let except: Vec<String> = cluster
                .iter()
                .chain(metadata)
                .filter(|range| range.is_ipv4() == ipv4)
                .map(ToString::to_string)
                .collect();
            NetworkPolicyPeer {
                ip_block: Some(IPBlock {
                    cidr: all.to_owned(),
                    except: (!except.is_empty()).then_some(except),
                }),
                ..NetworkPolicyPeer::default()
            }
        })
        .collect()
}

fn peer(place: &Place) -> NetworkPolicyPeer {
    match place {
        Place::Range(range) => NetworkPolicyPeer {
            ip_block: Some(IPBlock {
                cidr: range.to_string(),
                except: None,
            }),
            ..NetworkPolicyPeer::default()
        },
        Place::Pods(place) => pods_in(&place.namespace, &place.labels),
    }
}

fn pods_in(namespace: &str, labels: &BTreeMap<String, String>) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        namespace_selector: Some(pods(
            // The API server sets this label on every namespace, and nobody else can.
            &[(
                "kubernetes.io/metadata.name".to_owned(),
                namespace.to_owned(),
            )]
            .into(),
        )),
        pod_selector: Some(pods(labels)),
        ip_block: None,
    }
}

fn pods(labels: &BTreeMap<String, String>) -> LabelSelector {
    LabelSelector {
        match_labels: Some(labels.clone()),
        ..LabelSelector::default()
    }
}

fn tcp(port: u16) -> NetworkPolicyPort {
    port_of("TCP", port)
}

fn udp(port: u16) -> NetworkPolicyPort {
    port_of("UDP", port)
}

fn port_of(protocol: &str, port: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(i32::from(port))),
        end_port: None,
    }
}
