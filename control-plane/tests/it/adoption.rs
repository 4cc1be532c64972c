//! Tenants that were made with `kubectl`: adopted, claimed, followed, reported on and ended.

use std::sync::Arc;

use blob_store::BlobKey;
use control_plane::kubernetes::{KubeProvisioner, TokenReviewer};
use domain::digest::Sha256Digest;
use domain::id::TenantId;
use http::Method;
use serde_json::{Value, json};
use service_kit::Tasks;

use crate::cluster::{Cluster, runtime_token};
use crate::platform::{Outside, Owner, Platform, request};

const MODULE: &str = "\
module: {name: laptop, singular: Laptop, plural: Laptops, storage: managed}
fields:
  - {name: label, type: string}
";

async fn start(cluster: &Cluster) -> Platform {
    start_with_channel(cluster, None).await
}

/// A control plane in the cluster, whose new tenants follow this channel.
pub(crate) async fn start_with_channel(cluster: &Cluster, channel: Option<&str>) -> Platform {
    service_kit::telemetry::install_tls_provider();
    let tasks = Tasks::new();
    let client = cluster.client();
    let clock = Arc::new(domain::clock::SystemClock);
    let channel = channel.map(|name| name.parse().unwrap());
    let provisioner =
        KubeProvisioner::start(&client, &tasks, clock, "gotrs-cloud", "localhost", channel);
    let known = provisioner.known();
    known.complete().await.unwrap();
    let outside = Outside {
        provisioner: Arc::new(provisioner),
        runtime_tokens: Arc::new(TokenReviewer::new(&client, known, "gotrs-control-plane")),
    };
    let platform = Platform::start_on(tasks, outside).await;
    platform.run_jobs();
    platform
}

fn reason(cluster: &Cluster, slug: &str, kind: &str) -> String {
    let condition = cluster.condition(slug, kind);
    format!(
        "{} {}",
        condition["status"].as_str().unwrap_or("-"),
        condition["reason"].as_str().unwrap_or("-")
    )
}

async fn until_adopted(cluster: &Cluster, slug: &str, wanted: &str) {
    cluster
        .until(&format!("{slug}: {wanted}"), |cluster| {
            reason(cluster, slug, "Adopted") == wanted
        })
        .await;
}

/// How the watch answers the runtime of this tenant.
async fn watches(platform: &Platform, slug: &str) -> u16 {
    let token = runtime_token(slug);
    let path = "/v1/runtime/modules/watch";
    platform
        .status(request(Some(&token), Method::GET, path, &Value::Null))
        .await
}

async fn acknowledge(platform: &Platform, slug: &str, body: Value) {
    let token = runtime_token(slug);
    let path = "/v1/runtime/modules/ack";
    let answer = platform.call(Some(&token), Method::POST, path, body).await;
    assert_eq!(answer.status, 204, "{:?}", answer.body);
}

/// Ada's account, and `acme` made with `kubectl` for her.
async fn adopted(spec: Value) -> (Cluster, Platform, Owner, TenantId) {
    let cluster = Cluster::new();
    let platform = start(&cluster).await;
    let owner = platform.make_owner("ada").await;
    let mut all = json!({"administrator": {"email": owner.email}, "plan": "team"});
    for (key, value) in spec.as_object().unwrap() {
        all[key] = value.clone();
    }
    let id = cluster.apply("acme", all);
    cluster.operate("acme");
    until_adopted(&cluster, "acme", "True Claimed").await;
    let owner = Owner {
        tenant: id,
        slug: "acme".to_owned(),
        ..owner
    };
    (cluster, platform, owner, id)
}

#[tokio::test]
async fn a_tenant_made_with_kubectl_is_adopted_and_belongs_to_whoever_proves_its_administrators_address()
 {
    let cluster = Cluster::new();
    let before = cluster.apply(
        "acme",
        json!({
            "administrator": {"email": "Ann@Beta.example"}, "displayName": "Acme Inc.", "plan": "business",
            "hosts": ["help.acme.example"],
        }),
    );
    cluster.operate("acme");
    // It was there before the control plane was.
    let platform = start(&cluster).await;
    until_adopted(&cluster, "acme", "True Unclaimed").await;
    assert!(cluster.events().contains(&"acme Unclaimed".to_owned()));
    assert_eq!(watches(&platform, "acme").await, 200);
    assert_eq!(watches(&platform, "nobody").await, 401);

    let owner = platform.make_owner("beta").await;
    until_adopted(&cluster, "acme", "True Claimed").await;
    let answer = platform.get(&owner.access_token, "/v1/tenants/acme").await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let seen = &answer.body;
    assert_eq!(seen["id"], json!(before));
    assert_eq!(seen["managed_by"], "resource");
    assert_eq!(seen["organization"], "Acme Inc.");
    assert_eq!(seen["plan"], "business");
    assert_eq!(
        seen["hosts"],
        json!(["acme.localhost", "help.acme.example"])
    );
    let adopted_owner = Owner {
        tenant: before,
        slug: "acme".to_owned(),
        ..owner.clone()
    };
    platform.wait_for_phase(&adopted_owner, "Active").await;

    let path = "/v1/tenants/acme/modules/laptop";
    let stored = platform
        .call(Some(&owner.access_token), Method::PUT, path, json!(MODULE))
        .await;
    assert_eq!(stored.status, 201, "{:?}", stored.body);

    // Nothing that somebody wrote into the resource was touched.
    let spec_writes: Vec<String> = cluster
        .writes()
        .into_iter()
        .filter(|write| write.contains(" acme") && write.contains('['))
        .collect();
    assert_eq!(spec_writes, Vec::<String>::new());

    // What its maker changes is followed.
    cluster.apply("acme", json!({"displayName": "Acme Ltd.", "plan": "team"}));
    cluster.operate("acme");
    platform
        .wait_for(&adopted_owner, |tenant| {
            tenant["organization"] == "Acme Ltd." && tenant["plan"] == "team"
        })
        .await;
    platform.end().await;
}

#[tokio::test]
async fn an_annotation_hands_a_tenant_to_an_account() {
    let (cluster, platform, owner, id) = adopted(json!({})).await;
    cluster.annotate("acme", "gotrs.io/account", "eve@eve.example");
    until_adopted(&cluster, "acme", "True AccountUnknown").await;
    assert!(cluster.events().contains(&"acme AccountUnknown".to_owned()));
    // It stays where it was until then.
    let path = "/v1/tenants/acme";
    assert_eq!(platform.get(&owner.access_token, path).await.status, 200);

    let heir = platform.make_owner("heir").await;
    cluster.annotate("acme", "gotrs.io/account", &heir.email.to_uppercase());
    until_adopted(&cluster, "acme", "True Claimed").await;
    let answer = platform.get(&heir.access_token, path).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body["id"]),
        (200, &json!(id))
    );
    assert_eq!(platform.get(&owner.access_token, path).await.status, 404);
    platform.end().await;
}

#[tokio::test]
async fn a_taken_slug_is_said_on_the_tenant_and_stops_no_other() {
    let cluster = Cluster::new();
    let platform = start(&cluster).await;
    assert_eq!(
        platform.sign_up("acme", "eve@eve.example").await.status,
        201
    );
    cluster.apply("acme", json!({}));
    cluster.operate("acme");
    cluster.apply("beta", json!({}));
    cluster.operate("beta");
    until_adopted(&cluster, "acme", "False SlugTaken").await;
    until_adopted(&cluster, "beta", "True Unclaimed").await;
    assert!(cluster.events().contains(&"acme SlugTaken".to_owned()));
    let message = cluster.condition("acme", "Adopted")["message"].to_string();
    assert!(message.contains("the slug acme"), "{message}");
    // So its runtime waits for no modules.
    assert_eq!(watches(&platform, "acme").await, 404);
    assert_eq!(watches(&platform, "beta").await, 200);
    platform.end().await;
}

#[tokio::test]
async fn what_the_control_plane_made_and_does_not_know_is_not_adopted() {
    let cluster = Cluster::new();
    let platform = start(&cluster).await;
    cluster.apply("acme", json!({}));
    cluster.annotate("acme", "gotrs.io/desired-generation", "4");
    cluster.operate("acme");
    until_adopted(&cluster, "acme", "False RowMissing").await;
    // So its runtime waits for no modules.
    assert_eq!(watches(&platform, "acme").await, 404);
    platform.end().await;
}

async fn wish(platform: &Platform, owner: &Owner, verb: &str) -> crate::platform::Answer {
    let path = format!("/v1/tenants/{}{verb}", owner.slug);
    let method = if verb.is_empty() {
        Method::DELETE
    } else {
        Method::POST
    };
    platform
        .call(Some(&owner.access_token), method, &path, Value::Null)
        .await
}

#[tokio::test]
async fn an_owner_suspends_what_nobody_else_decides() {
    let (cluster, platform, owner, _) = adopted(json!({})).await;
    cluster.operate("acme");
    platform.wait_for_phase(&owner, "Active").await;
    assert_eq!(wish(&platform, &owner, "/suspend").await.status, 200);
    cluster
        .until("suspended", |cluster| {
            cluster.tenant("acme")["spec"]["suspended"] == json!(true)
        })
        .await;
    cluster.operate("acme");
    platform.wait_for_phase(&owner, "Suspended").await;
    cluster
        .until("no complaint about a suspended tenant", |cluster| {
            reason(cluster, "acme", "ModulesLoaded") == "Unknown Suspended"
        })
        .await;
    assert_eq!(wish(&platform, &owner, "/resume").await.status, 200);
    cluster
        .until("resumed", |cluster| {
            cluster.tenant("acme")["spec"]["suspended"] == json!(false)
        })
        .await;
    cluster.operate("acme");
    platform.wait_for_phase(&owner, "Active").await;
    platform.end().await;
}

#[tokio::test]
async fn what_gitops_decides_is_not_fought_over() {
    let (cluster, platform, owner, _) = adopted(json!({"suspended": false})).await;
    cluster.operate("acme");
    platform.wait_for_phase(&owner, "Active").await;
    let refused = wish(&platform, &owner, "/suspend").await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (409, "kept_elsewhere")
    );
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(
        detail.contains("spec.suspended") && detail.contains("kubectl"),
        "{detail}"
    );
    assert_eq!(cluster.tenant("acme")["spec"]["suspended"], json!(false));

    // Suspended there, it is suspended here, and is resumed there.
    cluster.apply("acme", json!({"suspended": true}));
    cluster.operate("acme");
    let seen = platform.wait_for_phase(&owner, "Suspended").await;
    assert_eq!(seen["suspended_reason"], "resource");
    let refused = wish(&platform, &owner, "/resume").await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (409, "kept_elsewhere")
    );
    cluster.apply("acme", json!({"suspended": false}));
    cluster.operate("acme");
    platform.wait_for_phase(&owner, "Active").await;

    // An owner who deletes it stops it where that can be, and has the resource deleted after the grace period, not before.
    assert_eq!(wish(&platform, &owner, "").await.status, 200);
    cluster
        .until("the refused wish is an Event", |cluster| {
            cluster.events().contains(&"acme WishRefused".to_owned())
        })
        .await;
    assert!(!cluster.writes().contains(&"delete acme".to_owned()));
    platform.clock.advance(chrono::TimeDelta::days(15));
    cluster
        .until("deleted", |cluster| {
            cluster.writes().contains(&"delete acme".to_owned())
        })
        .await;
    platform.end().await;
}

#[tokio::test]
async fn deleting_the_resource_ends_the_tenant_and_its_data_comes_back_with_its_id() {
    let (cluster, platform, owner, id) = adopted(json!({"deletionPolicy": "Retain"})).await;
    let path = "/v1/tenants/acme/modules/laptop";
    let token = Some(owner.access_token.as_str());
    let stored = platform.call(token, Method::PUT, path, json!(MODULE)).await;
    assert_eq!(stored.status, 201, "{:?}", stored.body);
    cluster.begin_delete("acme");
    platform.wait_for_phase(&owner, "Deleting").await;
    let refused = wish(&platform, &owner, "/suspend").await;
    assert_eq!(refused.code(), "kept_elsewhere");
    cluster.delete("acme");
    platform
        .wait_for(&owner, |tenant| tenant["code"] == "not_found")
        .await;

    // The name is free for somebody else ...
    let other = cluster.apply("acme", json!({}));
    assert_ne!(other, id);
    cluster.operate("acme");
    until_adopted(&cluster, "acme", "True Unclaimed").await;
    // ... and the data comes back under another.
    cluster.apply(
        "acme-again",
        json!({"id": id.to_string(), "deletionPolicy": "Delete"}),
    );
    cluster.operate("acme-again");
    until_adopted(&cluster, "acme-again", "True Claimed").await;
    let answer = platform
        .get(&owner.access_token, "/v1/tenants/acme-again/modules/laptop")
        .await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);

    let object = BlobKey::module(
        id,
        &"laptop".parse().unwrap(),
        &Sha256Digest::of(MODULE.as_bytes()),
    );
    assert!(platform.state().blobs.get(&object, 1_000).await.is_ok());
    cluster.delete("acme-again");
    let again = Owner {
        slug: "acme-again".to_owned(),
        ..owner.clone()
    };
    platform
        .wait_for(&again, |tenant| tenant["code"] == "not_found")
        .await;
    assert!(platform.state().blobs.get(&object, 1_000).await.is_err());
    platform.end().await;
}

#[tokio::test]
async fn how_far_modules_are_is_on_the_tenant_and_written_only_when_it_differs() {
    let (cluster, platform, owner, _) = adopted(json!({})).await;
    cluster.operate("acme");
    cluster
        .until("nothing uploaded", |cluster| {
            reason(cluster, "acme", "ModulesLoaded") == "True NothingUploaded"
        })
        .await;
    let path = "/v1/tenants/acme/modules/laptop";
    let token = Some(owner.access_token.as_str());
    let stored = platform.call(token, Method::PUT, path, json!(MODULE)).await;
    assert_eq!(stored.status, 201, "{:?}", stored.body);
    cluster
        .until("no runtime has spoken", |cluster| {
            reason(cluster, "acme", "ModulesLoaded") == "Unknown NotHeard"
        })
        .await;
    let sha256 = stored.body["sha256"].clone();
    let word = |ok: bool, findings: Value| {
        json!({"instance": "runtime-1", "generation": 1, "results": [
            {"name": "laptop", "sha256": sha256, "ok": ok, "diagnostics": findings},
        ]})
    };
    acknowledge(&platform, "acme", word(true, json!([]))).await;
    cluster
        .until("loaded", |cluster| {
            reason(cluster, "acme", "ModulesLoaded") == "True Loaded"
        })
        .await;
    assert_eq!(
        cluster.tenant("acme")["status"]["modules"],
        json!({"desired": 1, "loaded": 1})
    );
    // The status of the operator is left as it is.
    assert_eq!(reason(&cluster, "acme", "DatabaseReady"), "True Ready");
    let writes = cluster.writes().len();
    acknowledge(&platform, "acme", word(true, json!([]))).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(cluster.writes().len(), writes, "{:?}", cluster.writes());

    let finding = json!([{"severity": "error", "code": "unknown-table", "message": "there is no table \"x\"",
        "line": 3, "column": 10, "length": 1}]);
    acknowledge(&platform, "acme", word(false, finding)).await;
    cluster
        .until("refused", |cluster| {
            reason(cluster, "acme", "ModulesLoaded") == "False Refused"
        })
        .await;
    assert_eq!(
        cluster.tenant("acme")["status"]["modules"]["refused"],
        json!({"laptop": "there is no table \"x\" (line 3, column 10)"})
    );
    assert!(cluster.events().contains(&"acme Refused".to_owned()));
    platform.end().await;
}

#[tokio::test]
async fn when_a_tenant_must_be_awake_is_on_the_tenant() {
    let (cluster, platform, _, _) = adopted(json!({"scaleToZero": {"idleAfter": "5m"}})).await;
    let due = |cluster: &Cluster| {
        let tenant = cluster.tenant("acme");
        tenant["metadata"]["annotations"]["gotrs.io/next-due"].clone()
    };
    let tell = async |body: Value| {
        let path = "/v1/runtime/sleep";
        platform
            .call(Some(&runtime_token("acme")), Method::POST, path, body)
            .await
    };
    let at = json!({"next_due_at": "2026-11-25T12:00:00Z"});
    assert_eq!(tell(at.clone()).await.status, 204);
    assert_eq!(due(&cluster), json!("2026-11-25T12:00:00Z"));
    // At once, whether or not the control plane has heard of the one before.
    assert_eq!(tell(json!({"next_due_at": null})).await.status, 204);
    assert_eq!(due(&cluster), Value::Null);
    assert_eq!(tell(json!({"next_due_at": "soon"})).await.status, 422);
    platform.end().await;
}
