//! What kept a reconcile from its end is counted by its reason, whether or not it is tried again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use serde_json::json;

use super::fake::{Cluster, TENANT};
use crate::reconcile::{Guarded, after_error};

/// Remembers `operator_errors_total` by its reason.
#[derive(Default)]
struct Errors(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Errors {
    fn counted(&self) -> Vec<(String, u64)> {
        let counters = self.0.lock().unwrap();
        counters
            .iter()
            .map(|(reason, count)| (reason.clone(), count.load(Ordering::Relaxed)))
            .collect()
    }
}

impl Recorder for Errors {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        if key.name() != "operator_errors_total" {
            return Counter::noop();
        }
        let reason = key.labels().next().unwrap().value().to_owned();
        let mut counters = self.0.lock().unwrap();
        Counter::from_arc(Arc::clone(counters.entry(reason).or_default()))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test]
async fn errors_are_counted_by_what_went_wrong() {
    let errors = Errors::default();
    let _counting = metrics::set_default_local_recorder(&errors);
    let cluster = Cluster::with(json!({}));
    let fail = async |reason, is_final| {
        cluster.world.lock().unwrap().database.broken = Some((reason, is_final));
        let outcome = cluster.reconcile().await;
        let object: Guarded = serde_json::from_value(cluster.object(TENANT).unwrap()).unwrap();
        if let Err(error) = outcome {
            // As the queue does.
            after_error(&object, &error, &cluster.ctx);
        }
    };
    for (reason, is_final) in [
        ("SchemaFailed", false),
        ("RolesFailed", false),
        ("RolesFailed", false),
        ("MigrationFailed", true),
    ] {
        fail(reason, is_final).await;
    }
    let expected = [
        ("MigrationFailed", 1),
        ("RolesFailed", 2),
        ("SchemaFailed", 1),
    ];
    assert_eq!(
        errors.counted(),
        expected.map(|(reason, count)| (reason.to_owned(), count))
    );
}
