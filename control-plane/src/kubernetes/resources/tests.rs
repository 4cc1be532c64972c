use uuid::Uuid;

use super::*;

fn tenant(metadata: &Value, spec: &Value) -> Tenant {
    serde_json::from_value(json!({
        "apiVersion": "gotrs.io/v1", "kind": "Tenant", "metadata": metadata, "spec": spec,
        "status": {"tenantId": "0198c0de-0000-7000-8000-00000000002a"},
    }))
    .unwrap()
}

#[test]
fn a_hand_written_tenant_says_everything_that_a_row_needs() {
    let metadata = json!({"name": "acme", "uid": "3b241101-e2bb-4255-8caf-4136c566a962",
        "annotations": {"gotrs.io/account": "ada@acme.example", "gotrs.io/adopted-generation": "3"}});
    let spec = json!({"slug": "acme", "plan": "team", "hosts": ["help.acme.example"], "suspended": true,
        "administrator": {"email": "Ada@acme.example"}});
    let found = resource(&tenant(&metadata, &spec)).unwrap();
    assert_eq!(
        found,
        Resource {
            tenant: "0198c0de-0000-7000-8000-00000000002a".parse().unwrap(),
            uid: "3b241101-e2bb-4255-8caf-4136c566a962".parse().unwrap(),
            maker: Maker::Other,
            generation: 3,
            slug: "acme".parse().unwrap(),
            organization: "acme".to_owned(),
            plan: Plan::Team,
            hosts: vec!["help.acme.example".to_owned()],
            is_suspended: true,
            administrator: Some("Ada@acme.example".to_owned()),
            account: Some("ada@acme.example".to_owned()),
            is_leaving: false,
            keeps_data: true,
        }
    );
    let ours = json!({"name": "acme", "uid": "3b241101-e2bb-4255-8caf-4136c566a962",
        "annotations": {ANNOTATION_GENERATION: "1"}});
    let found = resource(&tenant(&ours, &spec)).unwrap();
    assert_eq!(found.maker, Maker::ControlPlane);
    // Nobody has accepted it yet.
    let mut unseen = tenant(&metadata, &spec);
    unseen.status = None;
    assert_eq!(resource(&unseen), None);
}

#[test]
fn a_wish_speaks_only_of_what_is_ours() {
    let wish = |kind| ResourceWish {
        tenant: "0198c0de-0000-7000-8000-00000000002a".parse().unwrap(),
        slug: "acme".parse().unwrap(),
        uid: Uuid::nil(),
        generation: 3,
        kind,
        trace_parent: None,
    };
    insta::assert_yaml_snapshot!(patch(&wish(WishKind::Suspended)), @r#"
    apiVersion: gotrs.io/v1
    kind: Tenant
    metadata:
      name: acme
      uid: 00000000-0000-0000-0000-000000000000
      annotations:
        gotrs.io/adopted-generation: "3"
    spec:
      suspended: true
    "#);
    let nothing = patch(&wish(WishKind::None));
    assert!(nothing.get("spec").is_none(), "{nothing}");
}

#[test]
fn a_conflict_names_field_and_manager() {
    let status: Status = serde_json::from_value(json!({
        "status": "Failure", "reason": "Conflict", "code": 409, "message": "Apply failed with 1 conflict",
        "details": {"causes": [{"reason": "FieldManagerConflict", "field": ".spec.suspended",
            "message": "conflict with \"argocd-controller\" using gotrs.io/v1"}]},
    }))
    .unwrap();
    assert_eq!(
        conflict(&status).unwrap(),
        "It is kept by somebody else in the cluster (spec.suspended: conflict with \"argocd-controller\" using gotrs.io/v1); change it there."
    );
    let other: Status = serde_json::from_value(json!({"reason": "Conflict", "code": 409})).unwrap();
    assert_eq!(conflict(&other), None);
}
