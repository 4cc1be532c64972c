use std::time::Duration;

use blob_store::config::S3Server;
use gotrs::s3::{self, BUCKET, Keys, REGION};
use reqwest::StatusCode;
use service_kit::Tasks;

fn server(address: std::net::SocketAddr, bucket: &str, secret: &str) -> S3Server {
    S3Server {
        endpoint: format!("http://{address}"),
        region: REGION.to_owned(),
        bucket: bucket.to_owned(),
        access_key_id: "test".to_owned(),
        secret_access_key: secret.to_owned().into(),
    }
}

#[tokio::test]
async fn only_those_who_sign_with_the_key_get_in() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys {
        access_key: "test".to_owned(),
        secret_key: "right".to_owned().into(),
    };
    let tasks = Tasks::new();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    s3::start(listener, folder.path(), BUCKET, &keys, &tasks).unwrap();

    server(address, "another", "right")
        .store()
        .ensure_bucket()
        .await
        .unwrap();
    assert!(
        folder.path().join("another").is_dir(),
        "the bucket was made"
    );
    let refused = server(address, "third", "wrong")
        .store()
        .ensure_bucket()
        .await;
    assert!(refused.is_err());
    assert!(!folder.path().join("third").exists());

    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for path in ["", "tenants/x.yaml", "..%2Fx"] {
        let url = format!("http://{address}/{BUCKET}/{path}");
        for request in [http.get(&url), http.put(&url).body("x")] {
            let status = request.send().await.unwrap().status();
            assert_eq!(status, StatusCode::FORBIDDEN, "{path:?}");
        }
    }
    assert!(!folder.path().join("x").exists());
    tasks.shut_down(Duration::from_secs(5)).await;
}
