//! What is wanted becomes true, whatever happens in between.

use std::time::Duration;

use blob_store::BlobKey;
use bytes::Bytes;
use chrono::TimeDelta;
use control_plane::provision::{DesiredState, Observed};
use domain::digest::Sha256Digest;
use domain::tenant::StepState;
use http::Method;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use crate::fake::{self, FakeProvisioner};
use crate::platform::{Owner, Platform};

async fn wish(
    platform: &Platform,
    owner: &Owner,
    method: Method,
    verb: &str,
) -> crate::platform::Answer {
    let path = format!("/v1/tenants/{}{verb}", owner.slug);
    platform
        .call(Some(&owner.access_token), method, &path, Value::Null)
        .await
}

fn condition<'a>(tenant: &'a Value, kind: &str) -> &'a Value {
    let conditions = tenant["conditions"].as_array().unwrap();
    conditions
        .iter()
        .find(|condition| condition["type"] == kind)
        .unwrap()
}

#[tokio::test]
async fn a_verified_signup_becomes_active_step_by_step() {
    let platform = Platform::start(FakeProvisioner::by_hand()).await;
    platform.run_jobs();
    let owner = platform.make_owner("acme").await;
    while platform.provisioner.applied(owner.tenant).is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let desired = platform.provisioner.applied(owner.tenant).pop().unwrap();
    assert_eq!(desired.state, DesiredState::Running);
    assert_eq!(desired.hosts, ["acme.localhost"]);
    assert_eq!(desired.administrator.email, owner.email);
    assert_eq!(desired.administrator.organization, "Acme Corporation");
    assert!(
        desired
            .administrator
            .password_hash
            .expose_secret()
            .starts_with("$argon2id$")
    );
    assert_eq!(
        control_plane::runtime_token::verify(
            &platform.state().keys,
            desired.runtime_token.expose_secret()
        ),
        Some(owner.tenant)
    );

    platform
        .provisioner
        .advance(owner.tenant, 2, StepState::Running);
    let seen = platform
        .wait_for(&owner, |tenant| tenant["steps"][2]["state"] == "running")
        .await;
    assert_eq!(seen["phase"], "Provisioning");
    assert_eq!(seen["steps"][1]["state"], "done");
    assert_eq!(condition(&seen, "Ready")["status"], "False");

    let failed = StepState::Failed {
        reason: "MigrationFailed".to_owned(),
        message: "It is tried again in 5 seconds.".to_owned(),
        at: fake::at(),
    };
    platform.clock.advance(TimeDelta::seconds(30));
    platform.provisioner.advance(owner.tenant, 2, failed);
    let seen = platform
        .wait_for(&owner, |tenant| tenant["steps"][2]["state"] == "failed")
        .await;
    assert_eq!(seen["phase"], "Provisioning", "failure is never a phase");
    assert_eq!(
        condition(&seen, "SchemaMigrated")["reason"],
        "MigrationFailed"
    );
    assert_eq!(
        seen["steps"][2]["message"],
        "It is tried again in 5 seconds."
    );
    // It was false before, for another reason.
    assert_eq!(
        condition(&seen, "Ready")["last_transition_time"],
        "2026-01-02T03:04:05Z"
    );

    platform
        .provisioner
        .advance(owner.tenant, 6, StepState::Waiting);
    let seen = platform.wait_for_phase(&owner, "Active").await;
    assert_eq!(condition(&seen, "Ready")["status"], "True");
    assert_eq!(
        condition(&seen, "Ready")["last_transition_time"],
        "2026-01-02T03:04:35Z"
    );
    assert_eq!(seen["observed_generation"], seen["generation"]);
    assert_eq!(seen["modules"]["desired_generation"], 0);
    platform.end().await;
}

#[tokio::test]
async fn equal_status_is_not_written_again() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    platform.run_jobs();
    let owner = platform.make_owner("acme").await;
    platform.wait_for_phase(&owner, "Active").await;
    let mut changes = platform.state().tenant_changes.subscribe();
    tokio::time::sleep(Duration::from_millis(300)).await;
    while changes.try_recv().is_ok() {}
    for _ in 0..5 {
        platform
            .provisioner
            .advance(owner.tenant, 6, StepState::Waiting);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        changes.try_recv().is_err(),
        "nothing changed, so nothing was written"
    );
    platform.end().await;
}

#[tokio::test]
async fn a_tenant_is_suspended_resumed_deleted_and_brought_back() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    platform.run_jobs();
    let owner = platform.make_owner("acme").await;
    platform.wait_for_phase(&owner, "Active").await;

    let answer = wish(&platform, &owner, Method::POST, "/suspend").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body["phase"]),
        (200, &"Suspended".into())
    );
    let again = wish(&platform, &owner, Method::POST, "/suspend").await;
    assert_eq!(
        again.body["generation"], answer.body["generation"],
        "it is already what is wanted"
    );
    let seen = platform
        .wait_for(&owner, |tenant| {
            tenant["observed_generation"] == tenant["generation"]
        })
        .await;
    assert_eq!(condition(&seen, "Ready")["reason"], "Suspended");
    assert_eq!(
        platform
            .provisioner
            .applied(owner.tenant)
            .last()
            .unwrap()
            .state,
        DesiredState::Suspended
    );

    let answer = wish(&platform, &owner, Method::POST, "/resume").await;
    assert_eq!(answer.body["phase"], "Active");
    platform
        .wait_for(&owner, |tenant| {
            tenant["observed_generation"] == tenant["generation"]
        })
        .await;

    let answer = wish(&platform, &owner, Method::POST, "/undelete").await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (409, "wrong_phase")
    );
    let answer = wish(&platform, &owner, Method::DELETE, "").await;
    assert_eq!(answer.body["phase"], "Deleting");
    assert_eq!(answer.body["delete_after"], "2026-01-16T03:04:05Z");
    let answer = wish(&platform, &owner, Method::POST, "/resume").await;
    assert_eq!(answer.code(), "wrong_phase");
    platform
        .wait_for(&owner, |tenant| {
            tenant["observed_generation"] == tenant["generation"]
        })
        .await;
    assert_eq!(
        platform
            .provisioner
            .applied(owner.tenant)
            .last()
            .unwrap()
            .state,
        DesiredState::Suspended
    );

    let answer = wish(&platform, &owner, Method::POST, "/undelete").await;
    assert_eq!(answer.body["phase"], "Active");
    assert!(answer.body.get("delete_after").is_none());
    platform
        .wait_for(&owner, |tenant| {
            condition(tenant, "Ready")["status"] == "True"
        })
        .await;

    let audit = platform.get(&owner.access_token, "/v1/audit").await;
    let actions: Vec<_> = audit.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["action"].clone())
        .collect();
    assert_eq!(
        actions,
        [
            "tenant.undelete",
            "tenant.delete",
            "tenant.resume",
            "tenant.suspend",
            "signup.verify",
            "signup"
        ]
    );
    platform.end().await;
}

#[tokio::test]
async fn after_its_grace_period_nothing_is_left_and_the_slug_is_free() {
    let mut platform = Platform::start(FakeProvisioner::eager()).await;
    platform.run_jobs();
    let owner = platform.make_owner("acme").await;
    platform.wait_for_phase(&owner, "Active").await;
    let name = "laptop".parse().unwrap();
    let key = BlobKey::module(owner.tenant, &name, &Sha256Digest::of(b"x"));
    let blobs = &platform.state().blobs;
    blobs
        .put_if_absent(&key, "application/yaml", Bytes::from_static(b"x"))
        .await
        .unwrap();
    wish(&platform, &owner, Method::DELETE, "").await;
    platform
        .wait_for(&owner, |tenant| {
            tenant["observed_generation"] == tenant["generation"]
        })
        .await;

    // The process is away when the time comes.
    platform.clock.advance(TimeDelta::days(14));
    platform.restart(FakeProvisioner::eager()).await;
    platform.run_jobs();
    let find = "SELECT count(*) FROM tenant";
    while sqlx::query_scalar::<_, i64>(find)
        .fetch_one(&platform.state().pool)
        .await
        .unwrap()
        > 0
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let applied = platform.provisioner.applied(owner.tenant);
    assert_eq!(applied.last().unwrap().state, DesiredState::Absent);
    assert_eq!(platform.state().blobs.find_size(&key).await.unwrap(), None);
    assert_eq!(
        platform.sign_up("acme", "bob@acme.example").await.status,
        201
    );
    platform.end().await;
}

/// Also a tenant that is not wanted any more cannot be brought back.
#[tokio::test]
async fn what_is_being_removed_cannot_be_brought_back() {
    let platform = Platform::start(FakeProvisioner::by_hand()).await;
    let owner = platform.make_owner("acme").await;
    wish(&platform, &owner, Method::DELETE, "").await;
    platform.clock.advance(TimeDelta::days(15));
    let fresh = platform
        .sign_in(&owner.email, crate::platform::PASSWORD)
        .await
        .body;
    let owner = Owner {
        access_token: fresh["access_token"].as_str().unwrap().to_owned(),
        ..owner
    };
    let answer = wish(&platform, &owner, Method::POST, "/undelete").await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (410, "grace_is_over")
    );
    platform.end().await;
}

#[tokio::test]
async fn a_restarted_process_tells_a_forgetful_provisioner_everything_again() {
    let mut platform = Platform::start(FakeProvisioner::eager()).await;
    platform.run_jobs();
    let owner = platform.make_owner("acme").await;
    let other = platform.make_owner("other").await;
    platform.wait_for_phase(&owner, "Active").await;
    let before = platform.wait_for_phase(&other, "Active").await;
    wish(&platform, &owner, Method::POST, "/suspend").await;
    platform
        .wait_for(&owner, |tenant| {
            tenant["observed_generation"] == tenant["generation"]
        })
        .await;

    platform.restart(FakeProvisioner::eager()).await;
    assert!(platform.provisioner.applied(owner.tenant).is_empty());
    platform.run_jobs();
    while platform.provisioner.applied(owner.tenant).is_empty()
        || platform.provisioner.applied(other.tenant).is_empty()
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(
        platform.provisioner.applied(owner.tenant)[0].state,
        DesiredState::Suspended
    );
    assert_eq!(
        platform.provisioner.applied(other.tenant)[0].state,
        DesiredState::Running
    );
    let after = platform.wait_for_phase(&other, "Active").await;
    assert_eq!(
        after["conditions"], before["conditions"],
        "a restart is no transition"
    );
    platform.end().await;
}

#[tokio::test]
async fn a_stuck_tenant_does_not_stop_the_others() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let mut stuck = Vec::new();
    for number in 0..3 {
        let owner = platform.make_owner(&format!("stuck{number}")).await;
        platform.provisioner.hang(owner.tenant);
        stuck.push(owner);
    }
    platform.run_jobs();
    let fine = platform.make_owner("fine").await;
    platform.wait_for_phase(&fine, "Active").await;
    let seen = platform
        .get(&stuck[0].access_token, "/v1/tenants/stuck0")
        .await;
    assert_eq!(seen.body["phase"], "Provisioning");
    platform.end().await;
}

#[tokio::test]
async fn an_unreachable_provisioner_is_asked_again() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    platform.provisioner.fail_next(3);
    platform.run_jobs();
    let owner = platform.make_owner("acme").await;
    platform.wait_for_phase(&owner, "Active").await;
    platform.end().await;
}

#[tokio::test]
async fn an_old_observation_does_not_undo_a_newer_one() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    platform.run_jobs();
    let owner = platform.make_owner("acme").await;
    let active = platform.wait_for_phase(&owner, "Active").await;
    platform.provisioner.say(
        owner.tenant,
        Observed {
            ready_replicas: 3,
            ..fake::observed(0, 6, StepState::Waiting)
        },
    );
    tokio::time::sleep(Duration::from_millis(300)).await;
    let seen = platform
        .get(&owner.access_token, "/v1/tenants/acme")
        .await
        .body;
    assert_eq!(seen["ready_replicas"], 1);
    assert_eq!(seen["conditions"], active["conditions"]);
    platform.end().await;
}

#[tokio::test]
async fn progress_streams_as_it_happens() {
    use futures_util::StreamExt as _;
    let platform = Platform::start(FakeProvisioner::by_hand()).await;
    platform.run_jobs();
    let owner = platform.make_owner("acme").await;
    let stream = control_plane::service::tenants::watch_progress(platform.state(), owner.tenant);
    let mut stream = Box::pin(stream);
    assert_eq!(stream.next().await.unwrap().phase.as_str(), "Provisioning");
    while platform.provisioner.applied(owner.tenant).is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    platform
        .provisioner
        .advance(owner.tenant, 6, StepState::Waiting);
    let active = async { while stream.next().await.unwrap().phase.as_str() != "Active" {} };
    // Faster than the net under the notifications.
    tokio::time::timeout(Duration::from_secs(3), active)
        .await
        .unwrap();
    platform.app.state().tasks.stop();
    assert!(
        stream.next().await.is_none(),
        "a stream ends when the process stops"
    );
    platform.end().await;
}

/// The trace of the request that changed what is wanted, as whoever makes it true is told it.
#[tokio::test]
async fn the_trace_of_a_request_goes_on_where_its_tenant_is_made() {
    // For the whole process; the other tests do not mind.
    let args = service_kit::telemetry::TelemetryArgs {
        log: "off,control_plane=info,service_kit=info".to_owned(),
        log_format: service_kit::telemetry::LogFormat::Json,
        otlp_endpoint: None,
    };
    let _guard = service_kit::telemetry::init("control-plane", &args).unwrap();
    let platform = Platform::start(FakeProvisioner::eager()).await;
    platform.run_jobs();
    let owner = platform.make_owner("acme").await;
    platform.wait_for_phase(&owner, "Active").await;

    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let mut request = crate::platform::request(
        Some(&owner.access_token),
        Method::POST,
        "/v1/tenants/acme/suspend",
        &Value::Null,
    );
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    request
        .headers_mut()
        .insert("traceparent", parent.parse().unwrap());
    assert_eq!(platform.send(request).await.status, 200);
    platform.wait_for_phase(&owner, "Suspended").await;
    let applied = || platform.provisioner.applied(owner.tenant).pop().unwrap();
    while applied().state != DesiredState::Suspended {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let told = applied().trace_parent.unwrap();
    assert_eq!(told.split('-').nth(1), Some(trace), "{told}");
    assert_ne!(
        told, parent,
        "its parent is the request here, not the one before"
    );

    // Another request is another trace.
    wish(&platform, &owner, Method::POST, "/resume").await;
    platform.wait_for_phase(&owner, "Active").await;
    while applied().state != DesiredState::Running {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let later = applied().trace_parent.unwrap();
    assert_ne!(later.split('-').nth(1), Some(trace), "{later}");
    platform.end().await;
}
