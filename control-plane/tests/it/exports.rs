//! Exports: asked for, made, downloaded, and gone again.

use std::num::NonZeroU32;

use blob_store::BlobKey;
use bytes::Bytes;
use chrono::TimeDelta;
use control_plane::db::export::{self, ExportKind, Made, Origin};
use control_plane::jobs::exports;
use control_plane::provision::{ExportProgress, ExportedArchive, FinishedExport};
use control_plane::rate_limit::Rates;
use domain::clock::Clock as _;
use domain::digest::Sha256Digest;
use domain::id::{ExportId, TenantId};
use http::{Method, Request};
use serde_json::{Value, json};

use crate::fake::FakeProvisioner;
use crate::platform::{Answer, Owner, Platform};
use crate::world::World;

const ROWS: &[u8] = b"all rows";

async fn ask(platform: &Platform, owner: &Owner) -> Answer {
    let path = format!("/v1/tenants/{}/export", owner.slug);
    let token = Some(owner.access_token.as_str());
    platform.call(token, Method::POST, &path, Value::Null).await
}

fn id_of(answer: &Answer) -> ExportId {
    let id = answer.body["last_export"]["id"].as_str();
    id.unwrap_or_else(|| panic!("{:#}", answer.body))
        .parse()
        .unwrap()
}

async fn shown(platform: &Platform, owner: &Owner, id: ExportId) -> Value {
    let path = format!("/v1/tenants/{}/exports/{id}", owner.slug);
    platform.get(&owner.access_token, &path).await.body
}

async fn download(platform: &Platform, owner: &Owner, id: ExportId) -> Answer {
    let path = format!("/v1/tenants/{}/exports/{id}/download", owner.slug);
    platform.get(&owner.access_token, &path).await
}

/// What the provisioner would have left in the object store.
async fn put(platform: &Platform, tenant: TenantId, id: ExportId) {
    let key = BlobKey::export(tenant, id);
    let put =
        platform
            .state()
            .blobs
            .put_if_absent(&key, "application/zstd", Bytes::from_static(ROWS));
    put.await.unwrap();
}

async fn is_there(platform: &Platform, tenant: TenantId, id: ExportId) -> bool {
    let key = BlobKey::export(tenant, id);
    platform.state().blobs.find_size(&key).await.unwrap() == Some(ROWS.len() as u64)
}

fn done() -> ExportProgress {
    ExportProgress::Done(ExportedArchive {
        size: ROWS.len().try_into().unwrap(),
        sha256: Some(Sha256Digest::of(ROWS)),
    })
}

/// Asked for and made.
async fn ready(platform: &Platform, owner: &Owner) -> ExportId {
    let id = id_of(&ask(platform, owner).await);
    put(platform, owner.tenant, id).await;
    platform.provisioner.export_is(owner.tenant, id, done());
    exports::advance(platform.state()).await.unwrap();
    assert_eq!(shown(platform, owner, id).await["state"], "ready");
    id
}

#[tokio::test]
async fn an_export_is_asked_for_once_and_followed_to_its_end() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let owner = platform.make_owner("acme").await;
    let first = ask(&platform, &owner).await;
    assert_eq!(
        (first.status.as_u16(), first.body["slug"].as_str()),
        (200, Some("acme"))
    );
    let id = id_of(&first);
    assert_eq!(first.body["last_export"]["state"], "requested");
    // While it is under way it is the one that everybody gets.
    assert_eq!(id_of(&ask(&platform, &owner).await), id);
    let early = download(&platform, &owner, id).await;
    assert_eq!(
        (early.status.as_u16(), early.code()),
        (409, "export_not_ready")
    );
    assert!(early.headers.contains_key("retry-after"));

    exports::advance(platform.state()).await.unwrap();
    assert_eq!(platform.provisioner.exports_asked(), [id]);
    assert_eq!(shown(&platform, &owner, id).await["state"], "requested");
    for (progress, state) in [
        (ExportProgress::Running, "running"),
        (done(), "ready"),
        // It ended: what is said later changes nothing.
        (ExportProgress::Running, "ready"),
    ] {
        platform.provisioner.export_is(owner.tenant, id, progress);
        exports::advance(platform.state()).await.unwrap();
        assert_eq!(shown(&platform, &owner, id).await["state"], state);
    }
    let ready = shown(&platform, &owner, id).await;
    assert_eq!(ready["size"], 8);
    assert_eq!(ready["sha256"], Sha256Digest::of(ROWS).to_string());
    assert_eq!(ready["kind"], "on_request");
    let now = platform.clock.now();
    assert_eq!(ready["expires_at"], json!(now + TimeDelta::days(30)));
    assert_eq!(
        platform.provisioner.exports_asked().len(),
        3,
        "an end is an end"
    );

    // Another one, and the list has both, newest first, in pages.
    platform.clock.advance(TimeDelta::seconds(1));
    let second = id_of(&ask(&platform, &owner).await);
    assert_ne!(second, id);
    let list = platform
        .get(&owner.access_token, "/v1/tenants/acme/exports?limit=1")
        .await
        .body;
    assert_eq!(list["items"][0]["id"], json!(second));
    let rest = format!(
        "/v1/tenants/acme/exports?cursor={}",
        list["next"].as_str().unwrap()
    );
    let rest = platform.get(&owner.access_token, &rest).await.body;
    assert_eq!(
        (&rest["items"][0]["id"], &rest["next"]),
        (&json!(id), &Value::Null)
    );

    let audit = platform.get(&owner.access_token, "/v1/audit").await.body;
    let entries = audit["items"].as_array().unwrap();
    let asked = entries
        .iter()
        .filter(|entry| entry["action"] == "tenant.export");
    assert_eq!(asked.count(), 2);
    platform.end().await;
}

#[tokio::test]
async fn an_idempotency_key_gets_the_first_answer_again() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let owner = platform.make_owner("acme").await;
    let send = async || {
        let request = Request::post("/v1/tenants/acme/export")
            .header("authorization", format!("Bearer {}", owner.access_token))
            .header("idempotency-key", "once")
            .body(axum::body::Body::empty())
            .unwrap();
        platform.send(request).await
    };
    let first = send().await;
    let id = id_of(&first);
    platform.provisioner.export_is(owner.tenant, id, done());
    exports::advance(platform.state()).await.unwrap();
    let again = send().await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.body, first.body);
    let list = platform
        .get(&owner.access_token, "/v1/tenants/acme/exports")
        .await;
    assert_eq!(list.body["items"].as_array().unwrap().len(), 1);
    platform.end().await;
}

#[tokio::test]
async fn an_export_that_fails_says_why_and_another_can_be_made() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let owner = platform.make_owner("acme").await;
    let id = id_of(&ask(&platform, &owner).await);
    let failed = ExportProgress::Failed {
        reason: "the object store did not answer".to_owned(),
    };
    platform.provisioner.export_is(owner.tenant, id, failed);
    exports::advance(platform.state()).await.unwrap();
    let told = shown(&platform, &owner, id).await;
    assert_eq!(told["state"], "failed");
    assert_eq!(told["reason"], "the object store did not answer");
    let refused = download(&platform, &owner, id).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (409, "export_not_ready")
    );
    assert!(
        !refused.headers.contains_key("retry-after"),
        "waiting does not help"
    );

    let second = id_of(&ask(&platform, &owner).await);
    assert_ne!(second, id);
    // A provisioner that cannot be asked is asked again; one that never gets to it is given up.
    platform.provisioner.fail_next(1);
    exports::advance(platform.state()).await.unwrap();
    assert_eq!(shown(&platform, &owner, second).await["state"], "requested");
    platform.clock.advance(TimeDelta::hours(13));
    exports::advance(platform.state()).await.unwrap();
    let path = format!("/v1/tenants/acme/exports/{second}");
    let signed_in = platform
        .sign_in(&owner.email, crate::platform::PASSWORD)
        .await;
    let token = signed_in.body["access_token"].as_str().unwrap();
    let told = platform.get(token, &path).await.body;
    assert_eq!(told["state"], "failed", "{told}");
    platform.end().await;
}

#[tokio::test]
async fn one_tenant_makes_so_many_exports_an_hour() {
    let rates = Rates {
        exports_per_hour: NonZeroU32::MIN,
        ..Rates::default()
    };
    let platform = Platform::start_with(FakeProvisioner::eager(), rates).await;
    let owner = platform.make_owner("acme").await;
    let other = platform.make_owner("globex").await;
    ready(&platform, &owner).await;
    let refused = ask(&platform, &owner).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (429, "rate_limited")
    );
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(
        ask(&platform, &other).await.status,
        200,
        "a limit of each tenant"
    );
    platform.end().await;
}

#[tokio::test]
async fn a_tenant_without_data_has_no_export() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let owner = platform.make_owner("acme").await;
    sqlx::query("UPDATE tenant SET desired_state = 'None', phase = 'Pending'")
        .execute(&platform.state().pool)
        .await
        .unwrap();
    let refused = ask(&platform, &owner).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (409, "wrong_phase")
    );
    platform.end().await;
}

#[tokio::test]
async fn archives_go_when_their_time_is_over() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let owner = platform.make_owner("acme").await;
    let old = ready(&platform, &owner).await;
    platform.clock.advance(TimeDelta::days(29));
    let owner = signed_in_again(&platform, owner).await;
    let young = ready(&platform, &owner).await;
    assert_eq!(exports::remove_expired(platform.state()).await.unwrap(), 0);
    platform.clock.advance(TimeDelta::days(1));
    let owner = signed_in_again(&platform, owner).await;
    assert_eq!(exports::remove_expired(platform.state()).await.unwrap(), 1);
    assert_eq!(exports::remove_expired(platform.state()).await.unwrap(), 0);
    assert!(!is_there(&platform, owner.tenant, old).await);
    assert!(is_there(&platform, owner.tenant, young).await);
    let told = shown(&platform, &owner, old).await;
    assert_eq!(told["state"], "expired");
    assert!(told["removed_at"].is_string());
    let refused = download(&platform, &owner, old).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (410, "export_gone")
    );
    // Forgotten in the end, and not before.
    platform.clean_up().await;
    assert_eq!(shown(&platform, &owner, old).await["state"], "expired");
    platform.clock.advance(TimeDelta::days(91));
    platform.clean_up().await;
    let owner = signed_in_again(&platform, owner).await;
    assert_eq!(shown(&platform, &owner, old).await["code"], "not_found");
    assert_eq!(shown(&platform, &owner, young).await["state"], "ready");
    platform.end().await;
}

async fn signed_in_again(platform: &Platform, owner: Owner) -> Owner {
    let answer = platform
        .sign_in(&owner.email, crate::platform::PASSWORD)
        .await;
    Owner {
        access_token: answer.body["access_token"].as_str().unwrap().to_owned(),
        ..owner
    }
}

#[tokio::test]
async fn an_archive_that_somebody_has_removed_is_absent() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let owner = platform.make_owner("acme").await;
    let id = ready(&platform, &owner).await;
    let key = BlobKey::export(owner.tenant, id);
    platform.state().blobs.delete(&key).await.unwrap();
    let refused = download(&platform, &owner, id).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (410, "export_gone")
    );
    assert_eq!(shown(&platform, &owner, id).await["state"], "absent");
    platform.end().await;
}

#[tokio::test]
async fn only_who_may_have_all_data_gets_a_link() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let owner = platform.make_owner("acme").await;
    let stranger = platform.make_owner("globex").await;
    let id = ready(&platform, &owner).await;
    let link = download(&platform, &owner, id).await;
    assert_eq!(link.status, 200, "{:?}", link.body);
    let url = link.body["url"].as_str().unwrap();
    let path = format!("/gotrs/{}?", BlobKey::export(owner.tenant, id));
    assert!(
        url.contains(&path) && url.contains("X-Amz-Expires=300"),
        "{url}"
    );
    assert_eq!(link.body["file_name"], "acme-20260102T030405Z.tar.zst");
    assert_eq!(link.body["size"], 8);
    // Under another tenant's name, and by another account.
    for path in [
        format!("/v1/tenants/globex/exports/{id}/download"),
        format!("/v1/tenants/globex/exports/{id}"),
        format!("/v1/exports/{id}/download"),
    ] {
        let refused = platform.get(&stranger.access_token, &path).await;
        assert_eq!(refused.status, 404, "{path}");
    }
    let reader = key(&platform, &owner, "tenants:read").await;
    let list = platform.get(&reader, "/v1/tenants/acme/exports").await;
    assert_eq!(list.body["items"][0]["id"], json!(id));
    let path = format!("/v1/tenants/acme/exports/{id}/download");
    assert_eq!(platform.get(&reader, &path).await.status, 403);
    let writer = key(&platform, &owner, "tenants:write").await;
    assert_eq!(platform.get(&writer, &path).await.status, 403);
    let exporter = key(&platform, &owner, "tenants:export").await;
    assert_eq!(platform.get(&exporter, &path).await.status, 200);
    let audit = platform.get(&owner.access_token, "/v1/audit").await.body;
    let entries = audit["items"].as_array().unwrap();
    let downloads = entries
        .iter()
        .filter(|entry| entry["action"] == "tenant.export_download");
    assert_eq!(downloads.count(), 2);
    platform.end().await;
}

async fn key(platform: &Platform, owner: &Owner, scope: &str) -> String {
    let new = json!({"name": scope, "scopes": [scope]});
    let token = Some(owner.access_token.as_str());
    let answer = platform
        .call(token, Method::POST, "/v1/api-keys", new)
        .await;
    answer.body["key"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_is_left_of_a_deleted_tenant_is_its_accounts() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let owner = platform.make_owner("acme").await;
    platform.run_jobs();
    platform.wait_for_phase(&owner, "Active").await;
    let asked_for = ready(&platform, &owner).await;
    // As the provisioner makes it before it drops the data, which the control plane is not told.
    let last = ExportId::generate();
    put(&platform, owner.tenant, last).await;
    let module = BlobKey::module(
        owner.tenant,
        &"laptop".parse().unwrap(),
        &Sha256Digest::of(b""),
    );
    let blobs = &platform.state().blobs;
    let put = blobs.put_if_absent(&module, "application/yaml", Bytes::new());
    put.await.unwrap();
    let token = Some(owner.access_token.as_str());
    let deleted = platform
        .call(token, Method::DELETE, "/v1/tenants/acme", Value::Null)
        .await;
    assert_eq!(deleted.status, 200);
    platform.clock.advance(TimeDelta::days(15));
    platform.state().everything_changed.notify_one();
    let owner = signed_in_again(&platform, owner).await;
    let gone = async {
        while platform
            .get(&owner.access_token, "/v1/tenants/acme")
            .await
            .status
            != 404
        {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::platform::PATIENCE, gone)
        .await
        .unwrap();
    assert_eq!(blobs.find_size(&module).await.unwrap(), None);

    // Somebody else takes the name, and gets nothing of what was there before.
    let heir = platform.make_owner_of("acme", "eve@heir.example").await;
    let theirs = platform
        .get(&heir.access_token, "/v1/tenants/acme/exports")
        .await;
    assert_eq!(theirs.body["items"], json!([]));
    let path = format!("/v1/exports/{last}/download");
    assert_eq!(platform.get(&heir.access_token, &path).await.status, 404);

    let left = platform.get(&owner.access_token, "/v1/exports").await.body;
    let items = left["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{left:#}");
    assert_eq!(
        (&items[0]["id"], &items[0]["kind"], &items[0]["tenant"]),
        (&json!(last), &json!("final"), &json!("acme"))
    );
    let now = platform.clock.now();
    assert_eq!(items[0]["expires_at"], json!(now + TimeDelta::days(90)));
    assert_eq!(
        (&items[1]["id"], &items[1]["kind"]),
        (&json!(asked_for), &json!("on_request"))
    );
    assert_eq!(platform.get(&owner.access_token, &path).await.status, 200);
    // Each goes when its own time is over.
    platform.clock.advance(TimeDelta::days(89));
    exports::remove_expired(platform.state()).await.unwrap();
    assert!(!is_there(&platform, owner.tenant, asked_for).await);
    assert!(is_there(&platform, owner.tenant, last).await);
    platform.clock.advance(TimeDelta::days(2));
    exports::remove_expired(platform.state()).await.unwrap();
    assert!(!is_there(&platform, owner.tenant, last).await);
    platform.end().await;
}

#[tokio::test]
async fn exports_that_others_asked_for_are_in_the_list_too() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let owner = platform.make_owner("acme").await;
    platform.run_jobs();
    platform.wait_for_phase(&owner, "Active").await;
    let finished = FinishedExport {
        id: ExportId::generate(),
        is_final: false,
        archive: ExportedArchive {
            size: 8,
            sha256: None,
        },
    };
    platform.provisioner.export_finished(owner.tenant, finished);
    let told = platform
        .wait_for(&owner, |tenant| {
            tenant["last_export"]["id"] == json!(finished.id)
        })
        .await;
    assert_eq!(told["last_export"]["state"], "ready");
    // Under way exports are asked for by the job itself.
    platform.clock.advance(TimeDelta::seconds(1));
    let id = id_of(&ask(&platform, &owner).await);
    platform.provisioner.export_is(owner.tenant, id, done());
    platform
        .wait_for(&owner, |tenant| {
            tenant["last_export"]["id"] == json!(id) && tenant["last_export"]["state"] == "ready"
        })
        .await;
    platform.end().await;
}

#[tokio::test]
async fn the_link_leads_to_the_archive() {
    let world = World::start().await;
    let id = ExportId::generate();
    let key = BlobKey::export(world.tenant, id);
    let blobs = &world.state().blobs;
    let put = blobs.put_if_absent(&key, "application/zstd", Bytes::from_static(ROWS));
    put.await.unwrap();
    let now = world.state().clock.now();
    let made = Made {
        size: 8,
        sha256: None,
        at: now,
        expires_at: now + TimeDelta::days(1),
    };
    let slug = "acme".parse().unwrap();
    let origin = Origin {
        tenant: world.tenant,
        account: world.account,
        slug: &slug,
    };
    let mut db = world.state().pool.acquire().await.unwrap();
    let is_new = export::insert_made(&mut db, id, origin, ExportKind::OnRequest, made).await;
    assert!(is_new.unwrap());
    let again = export::insert_made(&mut db, id, origin, ExportKind::Final, made).await;
    assert!(!again.unwrap());
    drop(db);
    let (status, link) = world
        .get(&format!("/v1/tenants/acme/exports/{id}/download"))
        .await;
    assert_eq!(status, 200, "{link}");
    let answer = reqwest::get(link["url"].as_str().unwrap()).await.unwrap();
    assert_eq!(answer.status(), 200);
    let told = answer.headers()["content-disposition"].to_str().unwrap();
    assert_eq!(
        told,
        format!(
            "attachment; filename=\"{}\"",
            link["file_name"].as_str().unwrap()
        )
    );
    assert_eq!(answer.bytes().await.unwrap(), ROWS);
    world.end().await;
}
