//! One list of tests for every S3 server: the one in this process, and another where `GOTRS_TEST_S3_ENDPOINT`,
//! `GOTRS_TEST_S3_ACCESS_KEY_ID` and `GOTRS_TEST_S3_SECRET_ACCESS_KEY` name one.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by ending"
)]

use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use blob_store::{Addressing, BlobError, BlobKey, BlobStore, BlobStoreConfig, Put, UploadError};
use bytes::Bytes;
use domain::clock::{Clock as _, SystemClock};
use test_kit::s3::TestS3;

const YAML: &str = "application/yaml";

fn config(endpoint: String) -> BlobStoreConfig {
    BlobStoreConfig {
        endpoint: Some(endpoint),
        public_endpoint: None,
        download_endpoint: None,
        region: "eu-central-1".to_owned(),
        bucket: "gotrs-test".to_owned(),
        addressing: Addressing::Path,
        access_key_id: TestS3::ACCESS_KEY_ID.to_owned(),
        secret_access_key: TestS3::SECRET_ACCESS_KEY.into(),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how whoever runs the tests names a server"
)]
fn configured_elsewhere() -> Option<BlobStoreConfig> {
    use std::env::var;
    Some(BlobStoreConfig {
        access_key_id: var("GOTRS_TEST_S3_ACCESS_KEY_ID").ok()?,
        secret_access_key: var("GOTRS_TEST_S3_SECRET_ACCESS_KEY").ok()?.into(),
        ..config(var("GOTRS_TEST_S3_ENDPOINT").ok()?)
    })
}

fn now() -> SystemTime {
    SystemClock.now().into()
}

/// A folder of its own for each run, so that a server that is not thrown away can be used again.
fn key(name: &str) -> BlobKey {
    thread_local! {
        static RUN: domain::id::TenantId = domain::id::TenantId::generate();
    }
    let run = RUN.with(ToString::to_string);
    format!("tenants/{run}/{name}").parse().unwrap()
}

async fn whole_list(config: BlobStoreConfig) {
    let store = BlobStore::new(&config);
    store.ensure_bucket().await.unwrap();
    store.ensure_bucket().await.unwrap();
    what_was_put_is_read_and_stays(&store).await;
    what_is_not_there_is_told_so(&store).await;
    what_is_too_large_is_not_read(&store).await;
    what_is_deleted_is_gone(&store).await;
    listing_goes_page_by_page(&store).await;
    presigned_urls_open_one_object_for_a_while(&store).await;
    uploads_of_any_size_are_whole(&store).await;
    an_upload_that_is_given_up_leaves_nothing(&store).await;
    wrong_credentials_are_permanent(&config).await;
}

const ARCHIVE: &str = "application/zstd";

/// Content of `megabytes`, written by a thread like that of an export.
async fn written(
    mut writer: Box<dyn Write + Send>,
    megabytes: u8,
    broken: bool,
) -> Result<usize, std::io::Error> {
    let (tell, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let outcome = (0..megabytes).try_fold(0, |size, number| {
            let part = vec![number; 1_000_000];
            writer.write_all(&part).map(|()| size + part.len())
        });
        tell.send(outcome).unwrap();
    });
    let size = told.await.unwrap()?;
    if broken {
        return Err(std::io::Error::other("the database went away"));
    }
    Ok(size)
}

async fn uploads_of_any_size_are_whole(store: &BlobStore) {
    // Nothing, less than a part, and several parts.
    for megabytes in [0, 1, 20] {
        let key = key(&format!("exports/{megabytes}.tar.zst"));
        for _twice in 0..2 {
            let upload = store.upload(&key, ARCHIVE, |writer| written(writer, megabytes, false));
            let size = upload.await.unwrap() as u64;
            assert_eq!(store.find_size(&key).await.unwrap(), Some(size));
        }
        let content = store.get(&key, 30_000_000).await.unwrap();
        let expected: Vec<u8> = (0..megabytes).flat_map(|n| vec![n; 1_000_000]).collect();
        assert!(content == expected, "{megabytes} MB differ");
    }
}

async fn an_upload_that_is_given_up_leaves_nothing(store: &BlobStore) {
    for megabytes in [1, 20] {
        let key = key(&format!("exports/broken-{megabytes}.tar.zst"));
        let upload = store.upload(&key, ARCHIVE, |writer| written(writer, megabytes, true));
        let error = upload.await.unwrap_err();
        assert!(matches!(&error, UploadError::Content(_)), "{error:?}");
        assert_eq!(store.find_size(&key).await.unwrap(), None);
    }
}

async fn what_was_put_is_read_and_stays(store: &BlobStore) {
    let key = key("modules/laptop/first.yaml");
    let put = |content: &'static str| store.put_if_absent(&key, YAML, Bytes::from(content));
    assert_eq!(put("one").await.unwrap(), Put::Created);
    assert_eq!(put("two").await.unwrap(), Put::AlreadyThere);
    assert_eq!(store.get(&key, 3).await.unwrap(), "one");
    assert_eq!(store.find_size(&key).await.unwrap(), Some(3));
}

async fn what_is_not_there_is_told_so(store: &BlobStore) {
    let key = key("absent");
    let error = store.get(&key, 10).await.unwrap_err();
    assert!(matches!(&error, BlobError::NotFound(missing) if *missing == key));
    assert!(error.is_permanent());
    assert_eq!(store.find_size(&key).await.unwrap(), None);
    store.delete(&key).await.unwrap();
}

async fn what_is_too_large_is_not_read(store: &BlobStore) {
    let key = key("large");
    let content = Bytes::from(vec![b'x'; 100_000]);
    store
        .put_if_absent(&key, YAML, content.clone())
        .await
        .unwrap();
    assert_eq!(store.get(&key, 100_000).await.unwrap(), content);
    let error = store.get(&key, 99_999).await.unwrap_err();
    assert!(matches!(error, BlobError::TooLarge { limit: 99_999, .. }));
}

async fn what_is_deleted_is_gone(store: &BlobStore) {
    let key = key("gone");
    store
        .put_if_absent(&key, YAML, Bytes::from_static(b"x"))
        .await
        .unwrap();
    store.delete(&key).await.unwrap();
    assert_eq!(store.find_size(&key).await.unwrap(), None);
}

async fn listing_goes_page_by_page(store: &BlobStore) {
    let folder = key("list");
    for name in ["list/a", "list/b/c", "list/d", "listless"] {
        store
            .put_if_absent(&key(name), YAML, Bytes::from_static(b"12"))
            .await
            .unwrap();
    }
    let first = store.list(&folder, None, 2).await.unwrap();
    let names = |page: &[blob_store::store::Listed]| -> Vec<BlobKey> {
        page.iter().map(|object| object.key.clone()).collect()
    };
    assert_eq!(names(&first), [key("list/a"), key("list/b/c")]);
    assert_eq!(first[0].size, 2);
    let rest = store.list(&folder, Some(&first[1].key), 2).await.unwrap();
    assert_eq!(names(&rest), [key("list/d")]);
    assert!(
        store
            .list(&key("nothing"), None, 2)
            .await
            .unwrap()
            .is_empty()
    );
}

async fn presigned_urls_open_one_object_for_a_while(store: &BlobStore) {
    let key = key("signed");
    store
        .put_if_absent(&key, YAML, Bytes::from_static(b"secret"))
        .await
        .unwrap();
    let minute = Duration::from_mins(1);
    let url = store.presign_get(&key, now(), minute).await.unwrap();
    let answer = reqwest::get(&url).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], YAML);
    assert_eq!(answer.text().await.unwrap(), "secret");

    let other = url.replace("/signed?", "/large?");
    assert_ne!(other, url);
    let plain = url.split('?').next().unwrap().to_owned();
    let late = store
        .presign_get(&key, now() - minute * 5, minute)
        .await
        .unwrap();
    for refused in [other, plain, late] {
        assert_eq!(
            reqwest::get(&refused).await.unwrap().status(),
            403,
            "{refused}"
        );
    }
}

async fn wrong_credentials_are_permanent(config: &BlobStoreConfig) {
    let store = BlobStore::new(&BlobStoreConfig {
        secret_access_key: "wrong".into(),
        ..config.clone()
    });
    let never = key("never");
    let put = store.put_if_absent(&never, YAML, Bytes::new());
    let error = put.await.unwrap_err();
    assert!(error.is_permanent(), "{error:?}");
    assert!(
        error
            .to_string()
            .contains("check endpoint, bucket and credentials")
    );
}

#[tokio::test]
async fn the_server_in_this_process_passes_the_list() {
    test_kit::install_tls_provider();
    let server = TestS3::start().await.unwrap();
    whole_list(config(server.endpoint())).await;
}

#[tokio::test]
async fn a_server_that_was_named_passes_the_list() {
    test_kit::install_tls_provider();
    if let Some(config) = configured_elsewhere() {
        whole_list(config).await;
    }
}

#[tokio::test]
async fn two_failures_in_a_row_are_tried_over_and_three_are_reported() {
    let server = TestS3::start().await.unwrap();
    let store = BlobStore::new(&config(server.endpoint()));
    store.ensure_bucket().await.unwrap();
    server.fail_next(2);
    let again = key("again");
    let put = store.put_if_absent(&again, YAML, Bytes::new());
    assert_eq!(put.await.unwrap(), Put::Created);
    server.fail_next(3);
    let error = store.get(&again, 1).await.unwrap_err();
    assert!(matches!(error, BlobError::Unavailable { .. }), "{error:?}");
    assert!(!error.is_permanent());
}

#[tokio::test]
async fn an_upload_to_a_server_that_fails_ends_with_what_the_server_said() {
    let server = TestS3::start().await.unwrap();
    let store = BlobStore::new(&config(server.endpoint()));
    store.ensure_bucket().await.unwrap();
    server.fail_next(50);
    let key = key("exports/never.tar.zst");
    let upload = store.upload(&key, ARCHIVE, |writer| written(writer, 20, false));
    let error = upload.await.unwrap_err();
    assert!(
        matches!(&error, UploadError::Store(BlobError::Unavailable { .. })),
        "{error:?}"
    );
    server.fail_next(0);
    assert_eq!(store.find_size(&key).await.unwrap(), None);
}

#[tokio::test]
async fn a_server_that_is_away_is_reported_soon_and_as_passing() {
    let server = TestS3::start().await.unwrap();
    let endpoint = server.endpoint();
    drop(server);
    let store = BlobStore::new(&config(endpoint));
    let started = Instant::now();
    let error = store.find_size(&key("x")).await.unwrap_err();
    assert!(!error.is_permanent(), "{error:?}");
    assert!(started.elapsed() < blob_store::store::DEADLINE);
}

#[tokio::test]
async fn presigned_urls_point_to_the_address_that_readers_use() {
    let store = BlobStore::new(&BlobStoreConfig {
        public_endpoint: Some("https://objects.example.com".to_owned()),
        ..config("http://127.0.0.1:1".to_owned())
    });
    let hour = Duration::from_hours(1);
    let url = store.presign_get(&key("x"), now(), hour).await.unwrap();
    assert!(
        url.starts_with("https://objects.example.com/gotrs-test/tenants/"),
        "{url}"
    );
    assert!(url.contains("X-Amz-Expires=3600"), "{url}");
    // Customers, too, unless they have an address of their own.
    let file_name = "../acme \"2026\".tar.zst";
    let x = key("x");
    let url = store.presign_download(&x, file_name, now(), hour).await;
    let url = url.unwrap();
    assert!(url.starts_with("https://objects.example.com/"), "{url}");
    assert!(
        url.contains(
            "response-content-disposition=attachment%3B%20filename%3D%22..acme2026.tar.zst%22"
        ),
        "{url}"
    );
    let store = BlobStore::new(&BlobStoreConfig {
        public_endpoint: Some("https://objects.example.com".to_owned()),
        download_endpoint: Some("https://downloads.example.com".to_owned()),
        ..config("http://127.0.0.1:1".to_owned())
    });
    let url = store.presign_download(&key("x"), "x", now(), hour).await;
    let url = url.unwrap();
    assert!(url.starts_with("https://downloads.example.com/"), "{url}");
}

#[test]
fn making_a_store_takes_no_time_and_its_debug_no_secret() {
    let started = Instant::now();
    let store = BlobStore::new(&config("http://127.0.0.1:1".to_owned()));
    let took = started.elapsed();
    assert!(took < Duration::from_millis(500), "{took:?}");
    assert!(!format!("{store:?}").contains(TestS3::SECRET_ACCESS_KEY));
}
