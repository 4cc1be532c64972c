//! A database that is not what this program needs.

use std::time::Duration;

use control_plane::{app, db};
use test_kit::postgres::TestDatabase;

#[tokio::test]
async fn a_database_is_waited_for_until_somebody_has_migrated_it() {
    let database = TestDatabase::create().await.unwrap();
    let pool = database.pool().await.unwrap();
    assert!(!db::is_migrated(&pool).await.unwrap(), "it is empty");

    let url = database.url().into();
    let mut waiting = Box::pin(app::connect_when_migrated(&url, 2));
    let too_early = tokio::time::timeout(Duration::from_millis(300), &mut waiting).await;
    assert!(too_early.is_err(), "it was not waited for");
    app::migrate(&pool).await.unwrap();
    waiting.await.unwrap().close().await;

    sqlx::raw_sql(
        "DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)",
    )
    .execute(&pool)
    .await
    .unwrap();
    assert!(
        !db::is_migrated(&pool).await.unwrap(),
        "the last is missing"
    );
    pool.close().await;
    database.drop_database().await.unwrap();
}

#[tokio::test]
async fn what_is_no_url_is_not_waited_for() {
    let error = app::connect_when_migrated(&"mysql//x".to_owned().into(), 1)
        .await
        .unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("GOTRS_DATABASE_URL"), "{error}");
}
