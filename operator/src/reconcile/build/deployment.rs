//! The runtimes: the same program, settings and files that the supervisor of `gotrs up` gives to a child process.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource,
    HTTPGetAction, KeyToPath, Lifecycle, LifecycleHandler, ObjectFieldSelector, PodSecurityContext,
    PodSpec, PodTemplateSpec, Probe, ProjectedVolumeSource, ResourceRequirements, SeccompProfile,
    SecretVolumeSource, SecurityContext, ServiceAccountTokenProjection, SleepAction,
    TopologySpreadConstraint, Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{ANNOTATION_SEAL, INTERNAL_PORT, PORT, RUNTIME, labels, metadata, selector};
use crate::config::ClusterConfig;
use crate::reconcile::secrets::{DATABASE_URL, LAMBDA_DATABASE_URL, Seal, TRACE_PARENT};
use crate::reconcile::validate::{Cpu, Memory, Run, ValidatedTenant};

/// The user `nonroot` of distroless images.
const USER: i64 = 65_532;
/// Where the passwords are mounted.
const SECRETS: &str = "/var/run/secrets/gotrs.io/database";
/// Where the token is mounted.
const TOKEN: &str = "/var/run/secrets/gotrs.io/token";
/// Modules that were loaded last.
const DATA: &str = "/var/lib/gotrs";
/// Modules are text; 64 MiB hold some ten thousand of them.
const DATA_SIZE: &str = "64Mi";
/// The kubelet renews the token after four fifths of this.
const TOKEN_SECONDS: i64 = 3600;
/// The router hears of a pod's end by its own watch; until then requests still come.
const LINGER_SECONDS: i64 = 5;
/// [`LINGER_SECONDS`], then the 25 s that the runtime gives to requests under way, and a little for the kubelet.
const TERMINATION_SECONDS: i64 = 40;
/// A rollout that takes longer has failed; starting takes some seconds.
const PROGRESS_SECONDS: i32 = 180;

pub(super) fn deployment(
    tenant: &ValidatedTenant,
    cluster: &ClusterConfig,
    seal: &Seal,
) -> Deployment {
    Deployment {
        metadata: metadata(tenant, RUNTIME),
        spec: Some(DeploymentSpec {
            replicas: match tenant.run {
                Run::Suspended | Run::Asleep => Some(0),
                Run::Fixed(replicas) => Some(i32::from(replicas)),
                // The autoscaler's: two writers would undo each other's work.
                Run::Automatic { .. } => None,
            },
            selector: LabelSelector {
                match_labels: Some(selector(tenant)),
                ..LabelSelector::default()
            },
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(1)),
                    max_unavailable: Some(IntOrString::Int(0)),
                }),
            }),
            progress_deadline_seconds: Some(PROGRESS_SECONDS),
            revision_history_limit: Some(2),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels(tenant)),
                    annotations: Some(
                        [(ANNOTATION_SEAL.to_owned(), seal.as_str().to_owned())].into(),
                    ),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(tenant, cluster)),
            },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

fn pod(tenant: &ValidatedTenant, cluster: &ClusterConfig) -> PodSpec {
    let scheduling = &cluster.scheduling;
    PodSpec {
        service_account_name: Some(RUNTIME.to_owned()),
        automount_service_account_token: Some(false),
        // In a big namespace the variables of all Services cost seconds at each start.
        enable_service_links: Some(false),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: Some(USER),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                ..SeccompProfile::default()
            }),
            ..PodSecurityContext::default()
        }),
        termination_grace_period_seconds: Some(TERMINATION_SECONDS),
        priority_class_name: scheduling.priority_class.clone(),
        runtime_class_name: scheduling.runtime_class.clone(),
        node_selector: (!scheduling.node_selector.is_empty())
            .then(|| scheduling.node_selector.clone()),
        topology_spread_constraints: Some(
            ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
                .map(|key| TopologySpreadConstraint {
                    max_skew: 1,
                    topology_key: key.to_owned(),
                    when_unsatisfiable: "ScheduleAnyway".to_owned(),
                    label_selector: Some(LabelSelector {
                        match_labels: Some(selector(tenant)),
                        ..LabelSelector::default()
                    }),
                    // Old and new pods of a rollout do not count together.
                    match_label_keys: Some(vec!["pod-template-hash".to_owned()]),
                    ..TopologySpreadConstraint::default()
                })
                .to_vec(),
        ),
        containers: vec![container(tenant, cluster)],
        volumes: Some(volumes(cluster)),
        ..PodSpec::default()
    }
}

fn container(tenant: &ValidatedTenant, cluster: &ClusterConfig) -> Container {
    Container {
        name: RUNTIME.to_owned(),
        image: Some(format!(
            "{}:{}",
            cluster.runtime.repository,
            tenant.version.as_str()
        )),
        image_pull_policy: Some(cluster.runtime.pull_policy.clone()),
        env: Some(environment(tenant, cluster)),
        ports: Some(
            [("http", PORT), ("internal", INTERNAL_PORT)]
                .map(|(name, port)| ContainerPort {
                    name: Some(name.to_owned()),
                    container_port: i32::from(port),
                    protocol: Some("TCP".to_owned()),
                    ..ContainerPort::default()
                })
                .to_vec(),
        ),
        resources: Some(resources(tenant)),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                ..Capabilities::default()
            }),
            ..SecurityContext::default()
        }),
        // Alive as soon as both ports are bound: without its control plane it waits, it does not restart.
        startup_probe: Some(probe("/livez", 1, 60)),
        readiness_probe: Some(probe("/readyz", 5, 2)),
        liveness_probe: Some(probe("/livez", 10, 3)),
        lifecycle: Some(Lifecycle {
            pre_stop: Some(LifecycleHandler {
                sleep: Some(SleepAction {
                    seconds: LINGER_SECONDS,
                }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        volume_mounts: Some(
            [
                Some(mount("database", SECRETS, true)),
                cluster
                    .control_plane
                    .is_some()
                    .then(|| mount("token", TOKEN, true)),
                Some(mount("data", DATA, false)),
            ]
            .into_iter()
            .flatten()
            .collect(),
        ),
        // What it says last is in the pod's status, for `kubectl describe`.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}

fn environment(tenant: &ValidatedTenant, cluster: &ClusterConfig) -> Vec<EnvVar> {
    let main_host = tenant.hosts.first().map_or_else(
        || format!("{}.{}", tenant.slug, cluster.base_domain),
        ToString::to_string,
    );
    let control_plane = cluster.control_plane.as_ref();
    let mut variables: Vec<EnvVar> = [
        ("GOTRS_TENANT_ID", tenant.id.to_string()),
        ("GOTRS_TENANT_SLUG", tenant.slug.to_string()),
        ("GOTRS_TENANT_NAME", tenant.display_name.clone()),
        ("GOTRS_TENANT_PLAN", tenant.plan.to_string()),
        ("GOTRS_PUBLIC_URL", cluster.public_url(&main_host)),
    ]
    .into_iter()
    .chain(
        control_plane.map(|control_plane| ("GOTRS_CONTROL_PLANE_URL", control_plane.url.clone())),
    )
    .chain([
        ("GOTRS_LISTEN", format!("0.0.0.0:{PORT}")),
        ("GOTRS_INTERNAL_LISTEN", format!("0.0.0.0:{INTERNAL_PORT}")),
        (
            "GOTRS_DATABASE_URL_FILE",
            format!("{SECRETS}/{DATABASE_URL}"),
        ),
        (
            "GOTRS_LAMBDA_DATABASE_URL_FILE",
            format!("{SECRETS}/{LAMBDA_DATABASE_URL}"),
        ),
        (
            "GOTRS_TRACE_PARENT_FILE",
            format!("{SECRETS}/{TRACE_PARENT}"),
        ),
    ])
    .chain(control_plane.map(|_its| ("GOTRS_RUNTIME_TOKEN_FILE", format!("{TOKEN}/token"))))
    .chain([
        ("GOTRS_DATA_DIR", DATA.to_owned()),
        ("GOTRS_LOG", cluster.log.clone()),
        ("GOTRS_LOG_FORMAT", "json".to_owned()),
        // Each arena of the allocator costs memory in every tenant's process.
        ("MALLOC_ARENA_MAX", "2".to_owned()),
    ])
    .chain(
        cluster
            .otlp_endpoint
            .clone()
            .map(|endpoint| ("GOTRS_OTLP_ENDPOINT", endpoint)),
    )
    .map(|(name, value)| EnvVar {
        name: name.to_owned(),
        value: Some(value),
        ..EnvVar::default()
    })
    .collect();
    variables.push(EnvVar {
        name: "GOTRS_INSTANCE".to_owned(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                field_path: "metadata.name".to_owned(),
                ..ObjectFieldSelector::default()
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    });
    variables
}

fn resources(tenant: &ValidatedTenant) -> ResourceRequirements {
    ResourceRequirements {
        requests: Some(amounts(tenant.resources.request)),
        limits: Some(amounts(tenant.resources.limit)),
        ..ResourceRequirements::default()
    }
}

pub(super) fn amounts((cpu, memory): (Cpu, Memory)) -> BTreeMap<String, Quantity> {
    [("cpu", cpu.to_string()), ("memory", memory.to_string())]
        .map(|(key, value)| (key.to_owned(), Quantity(value)))
        .into()
}

fn probe(path: &str, period_seconds: i32, failure_threshold: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("internal".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(2),
        failure_threshold: Some(failure_threshold),
        ..Probe::default()
    }
}

fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

fn volumes(cluster: &ClusterConfig) -> Vec<Volume> {
    /// For the owner and `fsGroup` only.
    const MODE: i32 = 0o440;
    [
        Some(Volume {
            name: "database".to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(RUNTIME.to_owned()),
                default_mode: Some(MODE),
                // The passwords by themselves are the operator's business.
                items: Some(
                    [DATABASE_URL, LAMBDA_DATABASE_URL, TRACE_PARENT]
                        .map(|key| KeyToPath {
                            key: key.to_owned(),
                            path: key.to_owned(),
                            mode: None,
                        })
                        .to_vec(),
                ),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        }),
        cluster.control_plane.as_ref().map(|control_plane| Volume {
            name: "token".to_owned(),
            projected: Some(ProjectedVolumeSource {
                default_mode: Some(MODE),
                sources: Some(vec![VolumeProjection {
                    service_account_token: Some(ServiceAccountTokenProjection {
                        audience: Some(control_plane.audience.clone()),
                        expiration_seconds: Some(TOKEN_SECONDS),
                        path: "token".to_owned(),
                    }),
                    ..VolumeProjection::default()
                }]),
            }),
            ..Volume::default()
        }),
        Some(Volume {
            name: "data".to_owned(),
            empty_dir: Some(EmptyDirVolumeSource {
                size_limit: Some(Quantity(DATA_SIZE.to_owned())),
                ..EmptyDirVolumeSource::default()
            }),
            ..Volume::default()
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}
