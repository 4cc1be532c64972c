//! Which version a tenant follows: given with its making, shown, and whoever operates the cluster has the last word.

use serde_json::{Value, json};

use crate::adoption::start_with_channel;
use crate::cluster::Cluster;
use crate::platform::{Owner, Platform};

async fn made(cluster: &Cluster, platform: &Platform, slug: &str) -> Owner {
    let owner = platform.make_owner(slug).await;
    cluster
        .until(&format!("{slug} is made"), |cluster| {
            !cluster.tenant(slug).is_null()
        })
        .await;
    cluster.operate(slug);
    platform.wait_for_phase(&owner, "Active").await;
    owner
}

/// Suspends or resumes the tenant, which applies all of it again.
async fn apply_again(cluster: &Cluster, platform: &Platform, owner: &Owner, verb: &str) {
    let path = format!("/v1/tenants/{}/{verb}", owner.slug);
    let answer = platform
        .call(
            Some(&owner.access_token),
            http::Method::POST,
            &path,
            Value::Null,
        )
        .await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let suspended = json!(verb == "suspend");
    cluster
        .until(&format!("{} is applied", owner.slug), |cluster| {
            cluster.tenant(&owner.slug)["spec"]["suspended"] == suspended
        })
        .await;
    cluster.operate(&owner.slug);
}

#[tokio::test]
async fn the_channel_is_given_once_and_nothing_that_was_pinned_or_moved_by_hand_is_undone() {
    let cluster = Cluster::new();
    let platform = start_with_channel(&cluster, Some("beta")).await;
    let left = made(&cluster, &platform, "left").await;
    let moved = made(&cluster, &platform, "moved").await;
    let freed = made(&cluster, &platform, "freed").await;
    let pinned = made(&cluster, &platform, "pinned").await;
    for owner in [&left, &moved, &freed, &pinned] {
        assert_eq!(cluster.tenant(&owner.slug)["spec"]["channel"], "beta");
    }
    cluster.edit("moved", &json!({"channel": "slow"}));
    cluster.edit("freed", &json!({"channel": null}));
    cluster.edit("pinned", &json!({"version": "1.5.0"}));

    for verb in ["suspend", "resume"] {
        for owner in [&left, &moved, &freed, &pinned] {
            apply_again(&cluster, &platform, owner, verb).await;
        }
    }
    let spec = |slug: &str, field: &str| cluster.tenant(slug)["spec"][field].clone();
    assert_eq!(spec("left", "channel"), "beta");
    assert_eq!(spec("moved", "channel"), "slow");
    assert_eq!(spec("freed", "channel"), Value::Null);
    assert_eq!(spec("pinned", "channel"), "beta");
    assert_eq!(spec("pinned", "version"), "1.5.0");
    platform.end().await;
}

#[tokio::test]
async fn without_the_setting_nothing_is_written_about_channels() {
    let cluster = Cluster::new();
    let platform = start_with_channel(&cluster, None).await;
    made(&cluster, &platform, "acme").await;
    assert_eq!(cluster.tenant("acme")["spec"]["channel"], Value::Null);
    platform.end().await;
}

#[tokio::test]
async fn the_api_says_which_version_runs_and_what_becomes_of_it() {
    let cluster = Cluster::new();
    let platform = start_with_channel(&cluster, Some("beta")).await;
    let owner = made(&cluster, &platform, "acme").await;
    cluster.report(
        "acme",
        &json!({"runtimeVersion": "1.5.0", "desiredVersion": "1.6.0"}),
    );
    let view = platform
        .wait_for(&owner, |view| view["runtime"]["version"] == "1.5.0")
        .await;
    assert_eq!(
        view["runtime"],
        json!({
            "version": "1.5.0", "channel": "beta", "pinned": false, "window": null,
            "change": {"state": "under_way", "to": "1.6.0"},
        })
    );
    let list = platform.get(&owner.access_token, "/v1/tenants").await;
    assert_eq!(list.body["items"][0]["runtime"], view["runtime"]);
    platform.end().await;
}
