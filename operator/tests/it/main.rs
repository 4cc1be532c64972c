//! Exports with a real PostgreSQL and a real S3 protocol: what went out comes in again, whatever happens in between.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by ending"
)]

use std::sync::Arc;
use std::time::Duration;

use blob_store::{Addressing, BlobKey, BlobStore, BlobStoreConfig};
use domain::digest::Sha256Digest;
use domain::id::{ExportId, TenantId};
use operator::import::{self, ImportConfig};
use operator::run::DatabaseArgs;
use operator::store::{Rows, TenantStore};
use service_kit::Tasks;
use tenant_database::{TenantDatabase, TenantNames};
use tenant_export::{Archive, Archives, Exports, Progress, Settings};
use test_kit::postgres::{TestDatabase, texts};
use test_kit::s3::TestS3;

struct World {
    postgres: TestDatabase,
    database: TenantDatabase,
    s3: TestS3,
    bucket: BlobStore,
}

impl World {
    async fn start() -> Self {
        test_kit::install_tls_provider();
        let postgres = TestDatabase::create().await.unwrap();
        let database = TenantDatabase::connect(&postgres.url().into())
            .await
            .unwrap();
        database.prepare_server().await.unwrap();
        let s3 = TestS3::start().await.unwrap();
        let bucket = BlobStore::new(&BlobStoreConfig {
            endpoint: Some(s3.endpoint()),
            public_endpoint: None,
            download_endpoint: None,
            region: "eu-central-1".to_owned(),
            bucket: "gotrs-test".to_owned(),
            addressing: Addressing::Path,
            access_key_id: TestS3::ACCESS_KEY_ID.to_owned(),
            secret_access_key: TestS3::SECRET_ACCESS_KEY.into(),
        });
        bucket.ensure_bucket().await.unwrap();
        Self {
            postgres,
            database,
            s3,
            bucket,
        }
    }

    /// A tenant with a ticket that no other has.
    async fn tenant(&self, store: &TenantDatabase, title: &str) -> TenantId {
        let id = TenantId::generate();
        store.ensure_schema(id).await.unwrap();
        store.migrate(id).await.unwrap();
        let update = format!(
            "UPDATE {}.ticket SET title = '{title}' RETURNING title",
            TenantNames::of(id).schema
        );
        assert!(
            !texts(&self.postgres.url(), &update)
                .await
                .unwrap()
                .is_empty()
        );
        id
    }

    async fn titles(&self, tenant: TenantId) -> Vec<String> {
        let query = format!(
            "SELECT title::text FROM {}.ticket ORDER BY id",
            TenantNames::of(tenant).schema
        );
        texts(&self.postgres.url(), &query).await.unwrap()
    }

    fn exports(&self, tasks: &Tasks) -> Exports {
        let archives: Arc<dyn Archives> = Arc::new(self.bucket.clone());
        Exports::new(Settings {
            archives: Some(archives),
            tasks: tasks.clone(),
            metric: "operator_exports_total",
            ended: Box::new(|_tenant| {}),
        })
    }

    async fn end(self) {
        self.database.close().await;
        self.postgres.drop_database().await.unwrap();
    }
}

/// Asks until it has ended.
async fn ended(
    exports: &Exports,
    key: &BlobKey,
    tenant: TenantId,
    from: &Arc<dyn TenantStore>,
) -> Progress {
    for _ in 0..600 {
        match exports.advance(key, tenant, Arc::new(Rows(Arc::clone(from)))) {
            Progress::Running => tokio::time::sleep(Duration::from_millis(50)).await,
            progress => return progress,
        }
    }
    Progress::Running
}

#[tokio::test]
async fn what_went_out_before_the_end_comes_in_elsewhere() {
    let world = World::start().await;
    let (leader, _) = world.database.take_over().await.unwrap();
    let tenant = world.tenant(&leader, "printer on fire").await;
    let titles = world.titles(tenant).await;
    let key = BlobKey::export(tenant, ExportId::generate());
    let store: Arc<dyn TenantStore> = Arc::new(leader.clone());
    let tasks = Tasks::new();

    // The object store fails: nothing is there, and it is told.
    world.s3.fail_next(1000);
    let failed = ended(&world.exports(&tasks), &key, tenant, &store).await;
    assert!(matches!(&failed, Progress::Failed { .. }), "{failed:?}");
    world.s3.fail_next(0);
    assert_eq!(world.bucket.find_size(&key).await.unwrap(), None);

    // The operator is killed while it exports: the next one begins anew.
    let killed = Tasks::new();
    let exports = world.exports(&killed);
    let rows = || Arc::new(Rows(Arc::clone(&store)));
    assert_eq!(exports.advance(&key, tenant, rows()), Progress::Running);
    killed.shut_down(Duration::from_secs(30)).await;
    // It has not failed: the next one is to do it.
    assert_eq!(exports.advance(&key, tenant, rows()), Progress::Running);
    drop(exports);
    let exports = world.exports(&tasks);
    let Progress::Done(archive) = ended(&exports, &key, tenant, &store).await else {
        panic!("it was not exported")
    };
    assert_eq!(
        world.bucket.find_size(&key).await.unwrap(),
        Some(archive.bytes)
    );
    let content = world.bucket.get(&key, 1 << 30).await.unwrap();
    assert_eq!(archive.sha256, Some(Sha256Digest::of(&content)));

    // The same again is the same archive, also when the tenant is gone.
    leader.drop_tenant(tenant).await.unwrap();
    assert_eq!(
        ended(&exports, &key, tenant, &store).await,
        Progress::Done(Archive {
            sha256: None,
            ..archive
        })
    );
    let another = BlobKey::export(tenant, ExportId::generate());
    assert_eq!(
        ended(&exports, &another, tenant, &store).await,
        Progress::Nothing
    );
    assert_eq!(world.bucket.find_size(&another).await.unwrap(), None);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("export.tar.zst");
    std::fs::write(&file, content).unwrap();
    let id = TenantId::generate();
    let config = || ImportConfig {
        database: DatabaseArgs {
            database_url: Some(world.postgres.url().into()),
            database_url_file: None,
        },
        id,
        file: Some(file.clone()),
    };
    let report = import::run(config()).await.unwrap();
    assert!(report.rows > 100, "{report:?}");
    assert_eq!(world.titles(id).await, titles);
    leader.drop_tenant(id).await.unwrap();
    world.end().await;
}

#[tokio::test]
async fn a_leader_that_was_followed_by_another_exports_nothing() {
    let world = World::start().await;
    let (old, _) = world.database.take_over().await.unwrap();
    let tenant = world.tenant(&old, "out of paper").await;
    let (new, _) = world.database.take_over().await.unwrap();
    let key = BlobKey::export(tenant, ExportId::generate());
    let tasks = Tasks::new();
    let late: Arc<dyn TenantStore> = Arc::new(old);
    let refused = ended(&world.exports(&tasks), &key, tenant, &late).await;
    assert!(matches!(&refused, Progress::Failed { .. }), "{refused:?}");
    assert_eq!(world.bucket.find_size(&key).await.unwrap(), None);
    new.drop_tenant(tenant).await.unwrap();
    world.end().await;
}
