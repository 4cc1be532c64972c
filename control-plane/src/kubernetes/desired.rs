//! From what a customer pays for to the objects that the control plane applies: pure.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tenant_crd::names;
use tenant_crd::v1::channel::ChannelName;
use tenant_crd::v1::{DeletionPolicy, PlanName, Tenant};

use super::MANAGER;
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

/// What is applied to the Tenant: only what the control plane decides. How many replicas it has, whether it sleeps, which version
/// it runs and where its data lies belong to whoever operates the cluster.
///
/// The channel is given with the making and left alone after that: see [`channel`].
///
/// `base_domain` is served by the router without being listed. Data is dropped only when [`DesiredState::Absent`] is desired, and then
/// at once: the grace period is over. A Tenant that somebody else deletes keeps its data and is made again.
pub fn tenant(desired: &Desired, base_domain: &str, channel: Option<&Channel>) -> Value {
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
    if let (Some(channel), Some(spec)) = (channel, spec.as_object_mut()) {
        spec.insert("channel".to_owned(), json!(channel.name));
    }
    let mut metadata = json!({
        "name": desired.slug.as_str(),
        "annotations": annotations(ANNOTATION_GENERATION, desired.generation, desired.trace_parent.as_deref()),
    });
    let seen_at = channel.and_then(|channel| channel.seen_at.as_ref());
    if let (Some(seen_at), Some(metadata)) = (seen_at, metadata.as_object_mut()) {
        metadata.insert("resourceVersion".to_owned(), json!(seen_at));
    }
    json!({
        "apiVersion": "gotrs.io/v1",
        "kind": "Tenant",
        "metadata": metadata,
        "spec": spec,
    })
}

/// The channel that is applied to a Tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    name: String,
    /// The version of the resource in which it was ours; nothing is applied to a later one, where it may be somebody else's.
    seen_at: Option<String>,
}

/// The channel to apply: that of new tenants to a Tenant that is not there yet, and to one that is there what it has, as long as
/// nobody else has had a say. A field that its manager does not apply again is removed, and one that it applies again is its own:
/// whoever moves a tenant to another channel by hand, or takes it off all of them, would else be overruled with the next change
/// of its plan.
pub fn channel(there: Option<&Tenant>, for_new: Option<&ChannelName>) -> Option<Channel> {
    let Some(there) = there else {
        return for_new.map(|name| Channel {
            name: name.as_str().to_owned(),
            seen_at: None,
        });
    };
    let is_ours = there
        .metadata
        .managed_fields
        .iter()
        .flatten()
        .filter(|entry| entry.manager.as_deref() == Some(MANAGER))
        .filter(|entry| entry.operation.as_deref() == Some("Apply"))
        .filter_map(|entry| entry.fields_v1.as_ref())
        .any(|fields| fields.0.pointer("/f:spec/f:channel").is_some());
    let name = there.spec.channel.clone().filter(|_| is_ours)?;
    Some(Channel {
        name,
        seen_at: there.metadata.resource_version.clone(),
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
        let applied = tenant(&wanted, "example.com", None);
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
        let _: Tenant = serde_json::from_value(applied.clone()).unwrap();
        let text = applied.to_string();
        assert!(
            !text.contains("argon2id") && !text.contains("gotrs_rt_"),
            "{text}"
        );

        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        wanted.trace_parent = Some(trace.to_owned());
        let annotations = tenant(&wanted, "example.com", None)["metadata"]["annotations"].clone();
        assert_eq!(
            annotations,
            json!({ANNOTATION_GENERATION: "7", "gotrs.io/traceparent": trace})
        );
        wanted.hosts.push("help.acme.example".to_owned());
        wanted.state = DesiredState::Suspended;
        let applied = tenant(&wanted, "example.com", None);
        assert_eq!(applied["spec"]["hosts"], json!(["help.acme.example"]));
        assert_eq!(applied["spec"]["suspended"], json!(true));
    }

    /// A Tenant with a channel, as the API server has it: who has set which channel, and how.
    fn there(channel: Option<&str>, managers: &[(&str, &str)]) -> Tenant {
        let entries: Vec<Value> = managers
            .iter()
            .map(|(manager, operation)| {
                json!({
                    "manager": manager, "operation": operation, "apiVersion": "gotrs.io/v1", "fieldsType": "FieldsV1",
                    "fieldsV1": {"f:spec": {"f:slug": {}, "f:channel": {}}},
                })
            })
            .chain([json!({
                "manager": MANAGER, "operation": "Apply", "apiVersion": "gotrs.io/v1", "fieldsType": "FieldsV1",
                "fieldsV1": {"f:spec": {"f:slug": {}, "f:plan": {}}},
            })])
            .collect();
        serde_json::from_value(json!({
            "apiVersion": "gotrs.io/v1", "kind": "Tenant",
            "metadata": {"name": "acme", "resourceVersion": "41", "managedFields": entries},
            "spec": {"slug": "acme", "channel": channel},
        }))
        .unwrap()
    }

    #[test]
    fn the_channel_is_given_with_the_making_and_is_whoever_moves_it_after_that() {
        let setting: ChannelName = "beta".parse().unwrap();
        let applied = |there: Option<&Tenant>, setting: Option<&ChannelName>| {
            let channel = channel(there, setting);
            let applied = tenant(
                &desired(DesiredState::Running),
                "example.com",
                channel.as_ref(),
            );
            (
                applied["spec"]["channel"].clone(),
                applied["metadata"]["resourceVersion"].clone(),
            )
        };
        let nothing = (Value::Null, Value::Null);
        assert_eq!(applied(None, Some(&setting)), (json!("beta"), Value::Null));
        assert_eq!(applied(None, None), nothing);
        // Ours: applied again, whatever new tenants get by now, and to nothing that was changed since.
        let ours = there(Some("alpha"), &[(MANAGER, "Apply")]);
        for setting in [Some(&setting), None] {
            assert_eq!(applied(Some(&ours), setting), (json!("alpha"), json!("41")));
        }
        // Moved or taken off by hand, by a GitOps tool, or made before there was such a setting: left alone.
        for theirs in [
            there(Some("alpha"), &[("kubectl-patch", "Update")]),
            there(Some("alpha"), &[("argocd-controller", "Apply")]),
            there(Some("alpha"), &[(MANAGER, "Update")]),
            there(None, &[(MANAGER, "Apply")]),
            there(None, &[]),
        ] {
            assert_eq!(
                applied(Some(&theirs), Some(&setting)),
                nothing,
                "{theirs:?}"
            );
        }
    }

    /// `kubectl delete` by mistake must not be the end of a customer's data.
    #[test]
    fn data_is_dropped_only_when_it_should_be() {
        for (state, policy, grace) in [
            (DesiredState::Running, "Retain", Value::Null),
            (DesiredState::Suspended, "Retain", Value::Null),
            (DesiredState::Absent, "Delete", json!("0s")),
        ] {
            let spec = &tenant(&desired(state), "example.com", None)["spec"];
            assert_eq!(spec["deletionPolicy"], policy, "{state:?}");
            assert_eq!(spec["grace"], grace, "{state:?}");
        }
    }

    #[test]
    fn the_password_hash_lies_where_the_tenant_says() {
        let wanted = desired(DesiredState::Running);
        let secret = administrator_secret(&wanted, "gotrs-cloud");
        let applied = tenant(&wanted, "example.com", None);
        let place = &applied["spec"]["administrator"]["passwordHash"];
        assert_eq!(place["name"], json!(secret.metadata.name));
        let data = secret.data.unwrap();
        assert_eq!(
            data[place["key"].as_str().unwrap()].0,
            b"$argon2id$secret".to_vec()
        );
    }
}
