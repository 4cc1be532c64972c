//! Labels, annotations and field managers: what the parts of the platform say to each other on Kubernetes objects.

/// The finalizer of the operator; on Tenants only.
pub const FINALIZER: &str = "gotrs.io/operator";

/// Field manager of the operator, on everything that it applies.
pub const OPERATOR_MANAGER: &str = "gotrs-operator";
/// Field manager that has the replicas of a Deployment from the moment at which the operator leaves them to an autoscaler until that
/// first changes them.
pub const OPERATOR_REPLICAS_MANAGER: &str = "gotrs-operator-replicas";
/// Field manager of the operator on the status of a Tenant.
pub const OPERATOR_STATUS_MANAGER: &str = "gotrs-operator-status";
/// Field manager of the operator on what a channel gives to a Tenant: a part of the status that is written by itself.
pub const OPERATOR_CHANNEL_MANAGER: &str = "gotrs-operator-channel";

/// On every object of a tenant and on its pods: the slug.
pub const LABEL_TENANT: &str = "gotrs.io/tenant";
/// On every object of a tenant and on its pods: the tenant's id, which names its schema and roles.
pub const LABEL_TENANT_ID: &str = "gotrs.io/tenant-id";
/// Recommended label: who made the object.
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`LABEL_MANAGED_BY`].
pub const MANAGED_BY: &str = "gotrs-operator";
/// Recommended label: what runs.
pub const LABEL_NAME: &str = "app.kubernetes.io/name";
/// Value of [`LABEL_NAME`] on a tenant's objects.
pub const RUNTIME_NAME: &str = "tenant-runtime";

/// Written by the router, rounded down so that it changes seldom: when a request last reached the tenant (RFC 3339).
/// Setting it to the present wakes a tenant that sleeps.
pub const ANNOTATION_LAST_ACTIVE: &str = "gotrs.io/last-active";
/// Written for a runtime that goes to sleep: when it must be awake again for mail and escalations (RFC 3339).
pub const ANNOTATION_NEXT_DUE: &str = "gotrs.io/next-due";
/// Changing its value asks for new passwords of the tenant's database roles.
pub const ANNOTATION_ROTATE_CREDENTIALS: &str = "gotrs.io/rotate-credentials";
/// Changing its value, a UUID, asks for an export of the tenant under that id.
pub const ANNOTATION_EXPORT: &str = "gotrs.io/export";
/// `true`: the data of a tenant that is being deleted may go without a final export.
pub const ANNOTATION_SKIP_EXPORT: &str = "gotrs.io/skip-final-export";
/// Names a version that failed and is to be tried again.
pub const ANNOTATION_RETRY_VERSION: &str = "gotrs.io/retry-version";
/// On a `RuntimeChannel`: changing its value forgets all failures, so that what failed is tried again.
pub const ANNOTATION_RETRY_FAILED: &str = "gotrs.io/retry-failed";
/// On a Tenant, with the value `true`: its channel moves it before others.
pub const LABEL_CANARY: &str = "gotrs.io/canary";
/// W3C trace context of the request that last changed the spec; the operator continues it.
pub const ANNOTATION_TRACE_PARENT: &str = "gotrs.io/traceparent";

/// On a Tenant that was not made by the control plane: the account (id or proven address) to which it is to belong.
pub const ANNOTATION_ACCOUNT: &str = "gotrs.io/account";

/// Prefix of a tenant's namespace: `tenant-<slug>`.
pub const NAMESPACE_PREFIX: &str = "tenant-";
