//! What the operator must know of the cluster it works in: one JSON file, the same for every tenant.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use secrecy::SecretString;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An example of a good file; the test reads it.
pub const EXAMPLE: &str = include_str!("config/example.json");

/// Everything that `build` needs beside the tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterConfig {
    /// Tenants are served at `<slug>.<base domain>`.
    pub base_domain: Host,
    /// Scheme of the tenants' addresses.
    #[serde(default)]
    pub public_scheme: Scheme,
    /// Port of the tenants' addresses; the scheme's own without it.
    #[serde(default)]
    pub public_port: Option<u16>,
    /// Namespace of operator, control plane and router.
    pub namespace: String,
    /// The program that serves a tenant.
    pub runtime: RuntimeImage,
    /// Where runtimes find the control plane; absent where there is none, and tenants have the stock modules only.
    #[serde(default)]
    pub control_plane: Option<ControlPlane>,
    /// Who may reach a runtime and whom it may reach.
    pub network: Network,
    /// Where pods run.
    #[serde(default)]
    pub scheduling: Scheduling,
    /// Filter of the runtimes' logs.
    #[serde(default = "default_log")]
    pub log: String,
    /// Where runtimes send traces.
    #[serde(default)]
    pub otlp_endpoint: Option<String>,
    /// Exports of tenants into the object store.
    #[serde(default)]
    pub exports: ExportRules,
    /// PostgreSQL clusters beside `default`: file that holds the URL of each.
    #[serde(default)]
    pub databases: BTreeMap<String, PathBuf>,
}

/// What is asked of exports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExportRules {
    /// Whether data is dropped only once its final export is there; without it where there is an object store.
    #[serde(default)]
    pub required: Option<bool>,
}

impl ExportRules {
    /// Whether data is dropped only once its final export is there.
    pub fn is_required(self, has_object_store: bool) -> bool {
        self.required.unwrap_or(has_object_store)
    }
}

fn default_log() -> String {
    "info".to_owned()
}

/// Scheme of public addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// For trials.
    Http,
    /// For everything else.
    #[default]
    Https,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// The image of `tenant-runtime`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuntimeImage {
    /// Without tag.
    pub repository: String,
    /// Tag for tenants that name none.
    pub version: String,
    /// `IfNotPresent`, `Always` or `Never`.
    #[serde(default = "default_pull_policy")]
    pub pull_policy: String,
}

fn default_pull_policy() -> String {
    "IfNotPresent".to_owned()
}

/// The control plane as runtimes see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ControlPlane {
    /// Base of its API.
    pub url: String,
    /// Port of its pods.
    pub port: u16,
    /// Audience of the tokens that runtimes show to it.
    #[serde(default = "default_audience")]
    pub audience: String,
    /// Its pods, in the platform's namespace.
    #[serde(default = "control_plane_pods")]
    pub pods: BTreeMap<String, String>,
}

fn default_audience() -> String {
    "gotrs-control-plane".to_owned()
}

fn component(name: &str) -> BTreeMap<String, String> {
    [
        ("app.kubernetes.io/name", "gotrs-cloud"),
        ("app.kubernetes.io/component", name),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

fn control_plane_pods() -> BTreeMap<String, String> {
    component("control-plane")
}

fn router_pods() -> BTreeMap<String, String> {
    component("router")
}

/// The cluster's network, as far as tenants' policies speak of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Network {
    /// The router's pods, in the platform's namespace.
    #[serde(default = "router_pods")]
    pub router: BTreeMap<String, String>,
    /// Who may read `/metrics`.
    #[serde(default)]
    pub monitoring: Vec<Place>,
    /// Name servers.
    #[serde(default = "cluster_dns")]
    pub dns: Vec<Place>,
    /// PostgreSQL.
    pub postgres: Vec<Destination>,
    /// Object storage.
    pub s3: Vec<Destination>,
    /// Collector of traces.
    #[serde(default)]
    pub telemetry: Vec<Destination>,
    /// Ports of mail servers on the internet.
    #[serde(default = "mail_ports")]
    pub mail_ports: Vec<u16>,
    /// Ranges of pods, services, nodes and the API server: never taken for the internet.
    pub cluster_ranges: Vec<Cidr>,
    /// Addresses at which clouds give credentials to whoever asks.
    #[serde(default = "metadata_ranges")]
    pub metadata_ranges: Vec<Cidr>,
}

fn cluster_dns() -> Vec<Place> {
    vec![Place::Pods(Pods {
        namespace: "kube-system".to_owned(),
        labels: [("k8s-app".to_owned(), "kube-dns".to_owned())].into(),
    })]
}

/// SMTP with its two submission ports, POP3 and IMAP, plain (with STARTTLS) and over TLS.
fn mail_ports() -> Vec<u16> {
    vec![25, 465, 587, 110, 995, 143, 993]
}

fn metadata_ranges() -> Vec<Cidr> {
    [
        Cidr::new(IpAddr::from([169, 254, 0, 0]), 16),
        Cidr::new(IpAddr::from([100, 100, 100, 200]), 32),
        Cidr::new(IpAddr::from([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]), 128),
    ]
    .to_vec()
}

/// Pods by their labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pods {
    /// Where they are.
    pub namespace: String,
    /// Which they are.
    pub labels: BTreeMap<String, String>,
}

/// A place in the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Place {
    /// Addresses.
    Range(Cidr),
    /// Pods.
    Pods(Pods),
}

/// A place and the port there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Destination {
    /// Where.
    pub to: Place,
    /// The port of the pods or addresses (not of a Service before them).
    pub port: u16,
}

/// Where pods of tenants run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scheduling {
    /// Priority class of the pods.
    #[serde(default)]
    pub priority_class: Option<String>,
    /// Runtime class of the pods, such as one with a stronger sandbox.
    #[serde(default)]
    pub runtime_class: Option<String>,
    /// Labels of the nodes.
    #[serde(default)]
    pub node_selector: BTreeMap<String, String>,
}

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

/// A text that is no range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a range of addresses such as 10.0.0.0/8 or fd00::/8")]
pub struct ParseCidrError(String);

impl Cidr {
    const fn new(address: IpAddr, prefix: u8) -> Self {
        Self { address, prefix }
    }

    /// Whether it is a range of IPv4.
    pub const fn is_ipv4(&self) -> bool {
        self.address.is_ipv4()
    }
}

impl FromStr for Cidr {
    type Err = ParseCidrError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseCidrError(text.chars().take(60).collect());
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_no_address| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_no_number| wrong())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        if prefix > longest {
            return Err(wrong());
        }
        Ok(Self::new(address, prefix))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// A DNS name in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Host(String);

/// A text that is no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a DNS name in lower case such as help.acme.example")]
pub struct ParseHostError(String);

impl Host {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Host {
    type Err = ParseHostError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        if text.len() <= 253 && text.split('.').all(label) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseHostError(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! by_text {
    ($($name:ident),+) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    )+};
}

by_text!(Cidr, Host);

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadConfigError {
    /// Not there, or not ours to read.
    #[error("GOTRS_CLUSTER_CONFIG names {path}, which cannot be read")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not what it should be.
    #[error("{path} is no configuration of a cluster; `operator run --help` shows an example")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Would open what must be closed.
    #[error("{path}: {problem}")]
    Unsafe {
        /// Which file.
        path: PathBuf,
        /// What is wrong and what to write.
        problem: &'static str,
    },
    /// The URL of a database cluster that it names is not there, or not ours to read.
    #[error("the URL of the database cluster {name} cannot be read in {path}")]
    Database {
        /// Which cluster.
        name: String,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl ClusterConfig {
    /// Reads and checks the file.
    pub fn read(path: &Path) -> Result<Self, ReadConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ReadConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let config: Self =
            serde_json::from_str(&text).map_err(|source| ReadConfigError::Parse {
                path: path.to_owned(),
                source,
            })?;
        match config.unsafe_part() {
            Some(problem) => Err(ReadConfigError::Unsafe {
                path: path.to_owned(),
                problem,
            }),
            None => Ok(config),
        }
    }

    /// The URL of a PostgreSQL cluster beside `default`; `None` where there is none of this name.
    pub fn database_url(&self, name: &str) -> Result<Option<SecretString>, ReadConfigError> {
        let Some(path) = self.databases.get(name) else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(path).map_err(|source| ReadConfigError::Database {
            name: name.to_owned(),
            path: path.clone(),
            source,
        })?;
        Ok(Some(text.trim().to_owned().into()))
    }

    /// A policy that forgets a range lets tenants reach it through the port of a mail server.
    fn unsafe_part(&self) -> Option<&'static str> {
        let ranges = &self.network.cluster_ranges;
        if ranges.is_empty() {
            return Some(
                "network.clusterRanges is empty: list the ranges of pods, services, nodes and the API server",
            );
        }
        if self.network.metadata_ranges.is_empty() {
            return Some(
                "network.metadataRanges is empty: leave it out for the addresses that clouds use",
            );
        }
        None
    }

    /// `https://acme.example.com`, with the port where it is not the scheme's own.
    pub fn public_url(&self, host: &str) -> String {
        let port = self
            .public_port
            .map_or_else(String::new, |port| format!(":{port}"));
        format!("{}://{host}{port}", self.public_scheme)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> ClusterConfig {
        serde_json::from_str(EXAMPLE).unwrap()
    }

    #[test]
    fn the_example_is_read_and_safe() {
        let config = example();
        assert_eq!(config.unsafe_part(), None);
        assert_eq!(
            config.public_url("acme.example.com"),
            "https://acme.example.com"
        );
        let again: ClusterConfig =
            serde_json::from_str(&serde_json::to_string(&config).unwrap()).unwrap();
        assert_eq!(again, config);
    }

    #[test]
    fn a_cluster_without_known_ranges_is_refused() {
        let mut config = example();
        config.network.cluster_ranges.clear();
        assert!(config.unsafe_part().unwrap().contains("API server"));
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        let text = EXAMPLE.replace("baseDomain", "baseDomian");
        let error = serde_json::from_str::<ClusterConfig>(&text).unwrap_err();
        assert!(error.to_string().contains("baseDomian"), "{error}");
    }

    #[test]
    fn ranges_and_hosts_are_checked() {
        for good in ["10.0.0.0/8", "fd00::/8", "0.0.0.0/0"] {
            assert_eq!(good.parse::<Cidr>().unwrap().to_string(), good);
        }
        for bad in [
            "10.0.0.0",
            "10.0.0.0/33",
            "fd00::/129",
            "x/8",
            "10.0.0.0/-1",
        ] {
            bad.parse::<Cidr>().unwrap_err();
        }
        for bad in ["", "Acme.example", "a..b", "-a.b", "a.b-", "a_b.c"] {
            bad.parse::<Host>().unwrap_err();
        }
    }
}
