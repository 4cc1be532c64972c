//! When the tenant must be awake.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use chrono::{DateTime, TimeDelta, Utc};
use domain::clock::Clock as _;
use http::StatusCode;
use serde_json::{Value, json};
use service_kit::Tasks;
use tenant_runtime::db::due::next_due;
use tenant_runtime::due;
use tenant_runtime::modules::watch::ControlPlane;

use crate::harness::TestApp;

/// Ticket 1 is there from the beginning.
async fn set_ticket(app: &TestApp, state: i16, until: i64, escalation: i64) {
    sqlx::query(
        "UPDATE ticket SET ticket_state_id = $1, until_time = $2, escalation_time = $3 WHERE id = 1",
    )
    .bind(state)
    .bind(i32::try_from(until).unwrap())
    .bind(i32::try_from(escalation).unwrap())
    .execute(&app.pool)
    .await
    .unwrap();
}

async fn next(app: &TestApp) -> Option<DateTime<Utc>> {
    next_due(&app.pool, app.clock.now()).await.unwrap()
}

const OPEN: i16 = 4;
const PENDING_REMINDER: i16 = 6;
const CLOSED: i16 = 2;

#[tokio::test]
async fn the_next_of_everything_that_waits_for_its_time_counts() {
    let app = TestApp::start().await;
    let now = app.clock.now();
    let at = |minutes: i64| (now + TimeDelta::minutes(minutes)).timestamp();
    let expected = |minutes: i64| DateTime::from_timestamp(at(minutes), 0);
    assert_eq!(next(&app).await, None);

    // Of a ticket that is not pending, the time until which it was is of no interest.
    set_ticket(&app, OPEN, at(5), at(90)).await;
    assert_eq!(next(&app).await, expected(90));
    set_ticket(&app, PENDING_REMINDER, at(30), at(90)).await;
    assert_eq!(next(&app).await, expected(30));
    // What is over or due already wakes nobody.
    set_ticket(&app, CLOSED, at(30), at(90)).await;
    assert_eq!(next(&app).await, None);
    set_ticket(&app, PENDING_REMINDER, at(-1), at(90)).await;
    assert_eq!(next(&app).await, expected(90));

    sqlx::query(
        "INSERT INTO scheduler_future_task (ident, execution_time, task_type, task_data, attempts, lock_key, create_time)
         VALUES (1, $1, 'x', '', 1, 0, now()), (2, $2, 'x', '', 1, 0, now())",
    )
    .bind((now + TimeDelta::minutes(20)).naive_utc())
    .bind((now - TimeDelta::minutes(20)).naive_utc())
    .execute(&app.pool)
    .await
    .unwrap();
    assert_eq!(next(&app).await, expected(20));
    app.stop().await;
}

type Notices = Arc<Mutex<Vec<Value>>>;

#[tokio::test]
async fn the_control_plane_is_told_of_changes_and_at_the_end() {
    async fn take(State(notices): State<Notices>, Json(notice): Json<Value>) -> StatusCode {
        notices.lock().unwrap().push(notice);
        StatusCode::NO_CONTENT
    }
    let app = TestApp::start().await;
    let notices = Notices::default();
    let fake = Router::new()
        .route("/v1/runtime/sleep", post(take))
        .with_state(Arc::clone(&notices));
    let tasks = Tasks::new();
    let listener = service_kit::http::bind("127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    service_kit::http::serve(&tasks, "fake control plane", listener, fake);
    let control_plane =
        ControlPlane::new(url.parse().unwrap(), "gotrs_rt_test".to_owned().into()).unwrap();
    let watching = due::watch(&app.app, &control_plane, Duration::from_millis(10));
    let in_an_hour = app.clock.now() + TimeDelta::hours(1);
    let acting = async {
        while notices.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        set_ticket(&app, PENDING_REMINDER, in_an_hour.timestamp(), 0).await;
        while notices.lock().unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Nothing new is not said again.
        tokio::time::sleep(Duration::from_millis(100)).await;
        app.app.tasks.stop();
    };
    tokio::time::timeout(Duration::from_secs(20), async {
        tokio::join!(watching, acting)
    })
    .await
    .unwrap();
    let said = notices.lock().unwrap().clone();
    let expected = DateTime::from_timestamp(in_an_hour.timestamp(), 0).unwrap();
    assert_eq!(
        said,
        [
            json!({"next_due_at": null}),
            json!({"next_due_at": expected})
        ]
    );
    tasks.stop();
    app.stop().await;
}
