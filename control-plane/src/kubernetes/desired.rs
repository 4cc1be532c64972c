//! From what a customer pays for to the objects that the control plane applies: pure.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tenant_crd::names;
use tenant_crd::v1::{DeletionPolicy, PlanName};

use crate::provision::{Desired, DesiredState};

/// On a Tenant that the control plane applied: the generation of its desired state.
pub const ANNOTATION_GENERATION: &str = "gotrs.io/desired-generation";
/// Entry of the Secret with the first administrator's password hash.
const PASSWORD_HASH: &str = "password-hash";

/// Name of the Secret in which the operator finds the password hash of a tenant's first administrator.
pub fn administrator_secret_name(slug: &str) -> String {
    format!("tenant-{slug}-administrator")
}

/// The Secret with the password hash of the first administrator, in the platform's own namespace.
pub fn administrator_secret(desired: &Desired, namespace: &str) -> Secret {
    let hash = desired.administrator.password_hash.expose_secret();
    Secret {
        metadata: ObjectMeta {
            name: Some(administrator_secret_name(desired.slug.as_str())),
            namespace: Some(namespace.to_owned()),
            labels: Some(BTreeMap::from([(
                names::LABEL_TENANT_ID.to_owned(),
                desired.tenant.to_string(),
            )])),
            ..ObjectMeta::default()
        },
        type_: Some("Opaque".to_owned()),
        data: Some(BTreeMap::from([(
            PASSWORD_HASH.to_owned(),
            ByteString(hash.as_bytes().to_vec()),
        )])),
        ..Secret::default()
    }
}

/// What is applied to the Tenant: only what the control plane decides. How many replicas it has, whether it sleeps and where its
/// data lies belong to whoever operates the cluster.
///
/// `base_domain` is served by the router without being listed. Data is dropped only when [`DesiredState::Absent`] is desired, and then
/// at once: the grace period is over. A Tenant that somebody else deletes keeps its data and is made again.
pub fn tenant(desired: &Desired, base_domain: &str) -> Value {
    let own_host = format!("{}.{base_domain}", desired.slug);
    let hosts: Vec<&String> = desired
        .hosts
        .iter()
        .filter(|host| **host != own_host)
        .collect();
    let (deletion_policy, grace) = match desired.state {
        DesiredState::Running | DesiredState::Suspended => (DeletionPolicy::Retain, None),
        DesiredState::Absent => (DeletionPolicy::Delete, Some("0s")),
    };
    let mut spec = json!({
        "id": desired.tenant.to_string(),
        "slug": desired.slug.as_str(),
        "displayName": shortened(&desired.administrator.organization),
        "plan": PlanName::from(desired.plan),
        "suspended": desired.state == DesiredState::Suspended,
        "administrator": {
            "email": desired.administrator.email,
            "passwordHash": {
                "name": administrator_secret_name(desired.slug.as_str()),
                "key": PASSWORD_HASH,
            },
        },
        "deletionPolicy": deletion_policy,
    });
    // An empty list and no list are different things to tools that compare.
    if let (false, Some(spec)) = (hosts.is_empty(), spec.as_object_mut()) {
        spec.insert("hosts".to_owned(), json!(hosts));
    }
    if let (Some(grace), Some(spec)) = (grace, spec.as_object_mut()) {
        spec.insert("grace".to_owned(), json!(grace));
    }
    json!({
        "apiVersion": "gotrs.io/v1",
        "kind": "Tenant",
        "metadata": {
            "name": desired.slug.as_str(),
            "annotations": annotations(ANNOTATION_GENERATION, desired.generation, desired.trace_parent.as_deref()),
        },
        "spec": spec,
    })
}

/// The generation of what is wanted, and the trace that the operator continues: both change together with the spec.
pub(super) fn annotations(name: &str, generation: i64, trace_parent: Option<&str>) -> Value {
    let mut annotations = json!({ name: generation.to_string() });
    if let (Some(trace_parent), Some(object)) = (trace_parent, annotations.as_object_mut()) {
        object.insert(
            names::ANNOTATION_TRACE_PARENT.to_owned(),
            json!(trace_parent),
        );
    }
    annotations
}

/// The resource has room for 100 characters, and for no empty name.
fn shortened(organization: &str) -> Option<String> {
    let name: String = organization.trim().chars().take(100).collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use domain::plan::Plan;

    use super::*;
    use crate::provision::Administrator;

    pub(crate) fn desired(state: DesiredState) -> Desired {
        Desired {
            tenant: "0198c0de-0000-7000-8000-00000000002a".parse().unwrap(),
            generation: 7,
            slug: "acme".parse().unwrap(),
            plan: Plan::Team,
            hosts: vec!["acme.example.com".to_owned()],
            state,
            administrator: Administrator {
                email: "ada@acme.example".to_owned(),
                organization: " Acme ".to_owned(),
                password_hash: "$argon2id$secret".to_owned().into(),
            },
            runtime_token: "gotrs_rt_secret".to_owned().into(),
            trace_parent: None,
        }
    }

    #[test]
    fn a_tenant_has_what_was_paid_for_and_no_secret() {
        let mut wanted = desired(DesiredState::Running);
        let applied = tenant(&wanted, "example.com");
        insta::assert_yaml_snapshot!(applied, @r#"
        apiVersion: gotrs.io/v1
        kind: Tenant
        metadata:
          name: acme
          annotations:
            gotrs.io/desired-generation: "7"
        spec:
          id: 0198c0de-0000-7000-8000-00000000002a
          slug: acme
          displayName: Acme
          plan: team
          suspended: false
          administrator:
            email: ada@acme.example
            passwordHash:
              name: tenant-acme-administrator
              key: password-hash
          deletionPolicy: Retain
        "#);
        // The resource's own types read it.
        let _: tenant_crd::v1::Tenant = serde_json::from_value(applied.clone()).unwrap();
        let text = applied.to_string();
        assert!(
            !text.contains("argon2id") && !text.contains("gotrs_rt_"),
            "{text}"
        );

        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        wanted.trace_parent = Some(trace.to_owned());
        let annotations = tenant(&wanted, "example.com")["metadata"]["annotations"].clone();
        assert_eq!(
            annotations,
            json!({ANNOTATION_GENERATION: "7", "gotrs.io/traceparent": trace})
        );
        wanted.hosts.push("help.acme.example".to_owned());
        wanted.state = DesiredState::Suspended;
        let applied = tenant(&wanted, "example.com");
        assert_eq!(applied["spec"]["hosts"], json!(["help.acme.example"]));
        assert_eq!(applied["spec"]["suspended"], json!(true));
    }

    /// `kubectl delete` by mistake must not be the end of a customer's data.
    #[test]
    fn data_is_dropped_only_when_it_should_be() {
        for (state, policy, grace) in [
            (DesiredState::Running, "Retain", Value::Null),
            (DesiredState::Suspended, "Retain", Value::Null),
            (DesiredState::Absent, "Delete", json!("0s")),
        ] {
            let spec = &tenant(&desired(state), "example.com")["spec"];
            assert_eq!(spec["deletionPolicy"], policy, "{state:?}");
            assert_eq!(spec["grace"], grace, "{state:?}");
        }
    }

    #[test]
    fn the_password_hash_lies_where_the_tenant_says() {
        let wanted = desired(DesiredState::Running);
        let secret = administrator_secret(&wanted, "gotrs-cloud");
        let applied = tenant(&wanted, "example.com");
        let place = &applied["spec"]["administrator"]["passwordHash"];
        assert_eq!(place["name"], json!(secret.metadata.name));
        let data = secret.data.unwrap();
        assert_eq!(
            data[place["key"].as_str().unwrap()].0,
            b"$argon2id$secret".to_vec()
        );
    }
}
