//! Every phase of a Tenant, and every way in which one stands still, as the operator reports them to a real API server: conditions with
//! their reasons and messages, and the line that `kubectl get tenants` prints.
//!
//! Pods and the controller of Deployments are the test itself; what needs real ones (asleep and woken, the database away, a version
//! whose image is missing) is seen on the cluster.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use e2e::api_server::{ApiServer, Programs};
use e2e::operator::Operator;
use e2e::platform::PATIENCE;
use serde_json::{Value, json};
use test_kit::postgres::TestDatabase;

#[tokio::test]
async fn every_phase_and_every_standstill_is_reported() -> anyhow::Result<()> {
    let programs = Programs::find()?;
    let api = ApiServer::start(&programs).await?;
    let database = TestDatabase::create().await?;
    let folder = tempfile::tempdir()?;
    let world = World {
        api: &api,
        url: database.url(),
        folder: folder.path(),
    };
    tokio::select! {
        ended = api.fake_ends_of_namespaces() => ended?,
        done = world.life() => done?,
    }
    api.stop().await?;
    database.drop_database().await
}

struct World<'a> {
    api: &'a ApiServer,
    url: String,
    folder: &'a Path,
}

/// What a Tenant should say: its phase, and conditions with their status, reason and a part of their message.
struct Report<'a> {
    phase: &'a str,
    conditions: &'a [(&'a str, &'a str, &'a str, &'a str)],
}

impl World<'_> {
    async fn life(&self) -> anyhow::Result<()> {
        self.create("acme", json!({"deletionPolicy": "Delete", "grace": "1h"}))
            .await?;
        self.prints("acme", ["team", "", "", "", ""]).await?;
        let operator = Operator::start(self.api, self.folder, &self.url, "phases", &[])?;
        let lived = self.lives().await;
        lived.with_context(|| format!("the operator's log:\n{}", operator.log()))?;
        operator.stop().await
    }

    async fn lives(&self) -> anyhow::Result<()> {
        self.pending().await?;
        self.provisioning_and_active().await?;
        self.trouble_while_active().await?;
        self.suspended_and_resumed().await?;
        self.deleting().await
    }

    /// Seen, and nothing can be done before somebody acts.
    async fn pending(&self) -> anyhow::Result<()> {
        let acme = self.tenant("acme").await?;
        let uid = acme["metadata"]["uid"].as_str().context("no uid")?;
        self.api
            .create(
                "/api/v1/namespaces",
                &json!({"metadata": {"name": "tenant-taken"}}),
            )
            .await?;
        for (name, spec, reason, message) in [
            (
                "wrong",
                json!({"hosts": ["console.example.test"]}),
                "InvalidSpec",
                "console.example.test is a host of the platform or of another tenant; what was there before goes on",
            ),
            (
                "twin",
                json!({"id": uid}),
                "IdTaken",
                "the Tenant acme has the same id",
            ),
            (
                "taken",
                json!({}),
                "NamespaceTaken",
                "the namespace tenant-taken was not made for this Tenant",
            ),
        ] {
            self.create(name, spec).await?;
            self.reports(
                name,
                Report {
                    phase: "Pending",
                    conditions: &[
                        ("Ready", "False", reason, message),
                        ("Stalled", "True", reason, message),
                        ("Reconciling", "False", reason, ""),
                    ],
                },
            )
            .await?;
            self.prints(name, ["team", "Pending", "False", "", ""])
                .await?;
        }
        // It waits for a change, and there is one.
        self.change("wrong", json!({"hosts": null})).await?;
        self.reports(
            "wrong",
            Report {
                phase: "Provisioning",
                conditions: &[("Stalled", "False", "Progressing", "")],
            },
        )
        .await
    }

    async fn provisioning_and_active(&self) -> anyhow::Result<()> {
        self.reports(
            "acme",
            Report {
                phase: "Provisioning",
                conditions: &[
                    ("DatabaseReady", "True", "Ready", ""),
                    ("SchemaMigrated", "True", "UpToDate", "migration "),
                    (
                        "RuntimeAvailable",
                        "False",
                        "Starting",
                        "no runtime answers yet",
                    ),
                    ("Ready", "False", "Starting", "no runtime answers yet"),
                    (
                        "Reconciling",
                        "True",
                        "RollingOut",
                        "0 of 1 runtimes are new, 0 answer",
                    ),
                    ("Stalled", "False", "Progressing", ""),
                ],
            },
        )
        .await?;
        let url = "https://acme.example.test";
        self.prints("acme", ["team", "Provisioning", "False", "", url])
            .await?;

        // No pod may be made.
        let refused = "exceeded quota: tenant";
        self.runtimes(
            0,
            Some(json!({"type": "ReplicaFailure", "status": "True", "message": refused})),
        )
        .await?;
        self.reports(
            "acme",
            Report {
                phase: "Provisioning",
                conditions: &[
                    ("RuntimeAvailable", "False", "PodsRefused", refused),
                    ("Ready", "False", "PodsRefused", refused),
                    ("Stalled", "True", "PodsRefused", refused),
                    ("Reconciling", "False", "PodsRefused", ""),
                ],
            },
        )
        .await?;

        self.runtimes(1, None).await?;
        let available = "1 of 1 runtimes answer";
        self.reports(
            "acme",
            Report {
                phase: "Active",
                conditions: &[
                    ("RuntimeAvailable", "True", "Available", available),
                    ("Ready", "True", "Available", available),
                    ("Reconciling", "False", "Done", ""),
                    ("Stalled", "False", "Progressing", ""),
                ],
            },
        )
        .await?;
        self.prints("acme", ["team", "Active", "True", "1.0.0", url])
            .await
    }

    /// Failure is never a phase.
    async fn trouble_while_active(&self) -> anyhow::Result<()> {
        // The container crashes, and its last words are told.
        self.crashing_pod().await?;
        self.runtimes(0, None).await?;
        let words = "back-off 10s; it said: the database is too old";
        self.reports(
            "acme",
            Report {
                phase: "Active",
                conditions: &[
                    ("RuntimeAvailable", "False", "CrashLoop", words),
                    ("Ready", "False", "CrashLoop", words),
                    (
                        "Reconciling",
                        "True",
                        "RollingOut",
                        "1 of 1 runtimes are new, 0 answer",
                    ),
                    ("Stalled", "False", "Progressing", ""),
                ],
            },
        )
        .await?;
        let url = "https://acme.example.test";
        self.prints("acme", ["team", "Active", "False", "1.0.0", url])
            .await?;
        self.api
            .delete("/api/v1/namespaces/tenant-acme/pods/runtime-0?gracePeriodSeconds=0")
            .await?;
        self.runtimes(1, None).await?;
        self.reports(
            "acme",
            Report {
                phase: "Active",
                conditions: &[("Ready", "True", "Available", "")],
            },
        )
        .await?;

        // A version that does not get ready: the one before goes on, and somebody must say what next.
        self.change("acme", json!({"version": "2.0.0"})).await?;
        self.image("2.0.0").await?;
        let timed_out = json!({"type": "Progressing", "status": "False", "message": "has timed out progressing"});
        self.rollout(json!({
            "replicas": 2, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1, "conditions": [timed_out],
        }))
        .await?;
        self.image("1.0.0").await?;
        self.runtimes(1, None).await?;
        let failed = "version 2.0.0 did not get ready, 1.0.0 serves";
        self.reports(
            "acme",
            Report {
                phase: "Active",
                conditions: &[
                    ("Ready", "True", "Available", ""),
                    ("Stalled", "True", "VersionFailed", failed),
                    ("Reconciling", "False", "VersionFailed", ""),
                ],
            },
        )
        .await?;
        self.prints("acme", ["team", "Active", "True", "1.0.0", url])
            .await?;
        self.change("acme", json!({"version": null})).await?;
        self.reports(
            "acme",
            Report {
                phase: "Active",
                conditions: &[
                    ("Ready", "True", "Available", ""),
                    ("Stalled", "False", "Progressing", ""),
                ],
            },
        )
        .await
    }

    async fn suspended_and_resumed(&self) -> anyhow::Result<()> {
        self.change("acme", json!({"suspended": true})).await?;
        self.runtimes(0, None).await?;
        self.reports(
            "acme",
            Report {
                phase: "Suspended",
                conditions: &[
                    (
                        "DatabaseReady",
                        "Unknown",
                        "Suspended",
                        "the roles cannot sign in",
                    ),
                    ("RuntimeAvailable", "False", "Suspended", "its data is kept"),
                    ("Ready", "False", "Suspended", ""),
                    ("Reconciling", "False", "Done", ""),
                    ("Stalled", "False", "Progressing", ""),
                ],
            },
        )
        .await?;
        let url = "https://acme.example.test";
        self.prints("acme", ["team", "Suspended", "False", "1.0.0", url])
            .await?;
        self.change("acme", json!({"suspended": false})).await?;
        self.reports(
            "acme",
            Report {
                phase: "Provisioning",
                conditions: &[("Ready", "False", "Starting", "")],
            },
        )
        .await?;
        self.runtimes(1, None).await?;
        self.reports(
            "acme",
            Report {
                phase: "Active",
                conditions: &[("Ready", "True", "Available", "")],
            },
        )
        .await
    }

    async fn deleting(&self) -> anyhow::Result<()> {
        self.api.delete(&path("acme")).await?;
        self.reports(
            "acme",
            Report {
                phase: "Deleting",
                conditions: &[
                    ("Ready", "False", "Deleting", "its data is dropped at "),
                    ("Reconciling", "True", "Deleting", "its data is dropped at "),
                    ("Stalled", "False", "Deleting", ""),
                ],
            },
        )
        .await?;
        let url = "https://acme.example.test";
        self.prints("acme", ["team", "Deleting", "False", "1.0.0", url])
            .await?;
        // There is no more than this: the end is that it is gone.
        self.change("acme", json!({"grace": "0s"})).await?;
        let started = Instant::now();
        while self.api.get(&path("acme")).await?.is_some() {
            ensure!(started.elapsed() < PATIENCE, "acme does not go");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    async fn create(&self, name: &str, more: Value) -> anyhow::Result<()> {
        let mut spec = json!({"slug": name, "plan": "team"});
        if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
            spec.extend(more.clone());
        }
        let tenant = json!({
            "apiVersion": "gotrs.io/v1", "kind": "Tenant", "metadata": {"name": name}, "spec": spec,
        });
        self.api
            .create("/apis/gotrs.io/v1/tenants", &tenant)
            .await
            .map(drop)
    }

    async fn change(&self, name: &str, spec: Value) -> anyhow::Result<()> {
        let patch = json!({ "spec": spec });
        self.api.merge(&path(name), &patch).await.map(drop)
    }

    async fn tenant(&self, name: &str) -> anyhow::Result<Value> {
        let found = self.api.get(&path(name)).await?;
        found.with_context(|| format!("there is no Tenant {name}"))
    }

    /// Waits until the Tenant says all of this about its newest spec.
    async fn reports(&self, name: &str, report: Report<'_>) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let tenant = self.tenant(name).await?;
            let wrong = differences(&tenant, &report);
            if wrong.is_empty() {
                return Ok(());
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "{name} should be {}: {wrong:#?}; it says {:#}",
                report.phase,
                tenant["status"]
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What `kubectl get tenants` prints of plan, phase, readiness, version and address.
    async fn prints(&self, name: &str, expected: [&str; 5]) -> anyhow::Result<()> {
        let table = self.api.table(&path(name)).await?;
        let columns = table["columnDefinitions"].as_array().into_iter().flatten();
        let cells = table["rows"][0]["cells"].as_array().context("no row")?;
        let printed: Vec<(&str, &str)> = columns
            .zip(cells)
            .filter_map(|(column, cell)| {
                Some((column["name"].as_str()?, cell.as_str().unwrap_or_default()))
            })
            .filter(|(column, _)| ["Plan", "Phase", "Ready", "Version", "URL"].contains(column))
            .collect();
        let names = ["Plan", "Phase", "Ready", "Version", "URL"];
        let expected: Vec<(&str, &str)> = names.into_iter().zip(expected).collect();
        ensure!(
            printed == expected,
            "{name}: {printed:?} and not {expected:?}"
        );
        Ok(())
    }

    /// Reports so many ready runtimes of acme's newest Deployment, as its controller would, once that is there.
    async fn runtimes(&self, ready: i64, condition: Option<Value>) -> anyhow::Result<()> {
        let tenant = self.tenant("acme").await?;
        let wanted = i64::from(tenant["spec"]["suspended"] != true);
        self.deployment(|deployment| deployment["spec"]["replicas"] == wanted)
            .await?;
        let conditions: Vec<Value> = condition.into_iter().collect();
        self.rollout(json!({
            "replicas": wanted, "updatedReplicas": wanted,
            "readyReplicas": ready, "availableReplicas": ready, "conditions": conditions,
        }))
        .await
    }

    /// Reports of acme's Deployment as it is now.
    async fn rollout(&self, mut status: Value) -> anyhow::Result<()> {
        let deployment = self.deployment(|_| true).await?;
        status["observedGeneration"] = deployment["metadata"]["generation"].clone();
        self.api
            .merge(
                &format!("{DEPLOYMENT}/status"),
                &json!({ "status": status }),
            )
            .await
            .map(drop)
    }

    /// Waits until acme's Deployment is of this version.
    async fn image(&self, version: &str) -> anyhow::Result<()> {
        let image = format!("localhost/tenant-runtime:{version}");
        self.deployment(|deployment| {
            deployment["spec"]["template"]["spec"]["containers"][0]["image"] == image.as_str()
        })
        .await
        .map(drop)
    }

    async fn deployment(&self, is_wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let started = Instant::now();
        loop {
            let found = self.api.get(DEPLOYMENT).await?;
            if let Some(deployment) = found.filter(&is_wanted) {
                return Ok(deployment);
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "the Deployment is not what it should be"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn crashing_pod(&self) -> anyhow::Result<()> {
        let deployment = self.deployment(|_| true).await?;
        let template = &deployment["spec"]["template"];
        let pods = "/api/v1/namespaces/tenant-acme/pods";
        self.api
            .create(
                pods,
                &json!({
                    "metadata": {"name": "runtime-0", "labels": template["metadata"]["labels"]},
                    "spec": template["spec"],
                }),
            )
            .await?;
        let name = &template["spec"]["containers"][0]["name"];
        let status = json!({"status": {"phase": "Running", "containerStatuses": [{
            "name": name, "image": "runtime", "imageID": "runtime", "ready": false, "restartCount": 5,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
            "lastState": {"terminated": {"exitCode": 1, "message": "starting\nthe database is too old\n"}},
        }]}});
        self.api
            .merge(&format!("{pods}/runtime-0/status"), &status)
            .await
            .map(drop)
    }
}

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/tenant-acme/deployments/runtime";

fn path(name: &str) -> String {
    format!("/apis/gotrs.io/v1/tenants/{name}")
}

/// What the Tenant does not say, or says of an older spec.
fn differences(tenant: &Value, report: &Report<'_>) -> Vec<String> {
    let (status, generation) = (&tenant["status"], &tenant["metadata"]["generation"]);
    let mut wrong = Vec::new();
    if status["phase"] != report.phase || status["observedGeneration"] != *generation {
        wrong.push(format!("phase: {}", status["phase"]));
    }
    for (kind, wanted, reason, message) in report.conditions {
        let mut conditions = status["conditions"].as_array().into_iter().flatten();
        let found = conditions.find(|condition| condition["type"] == *kind);
        let is_right = found.is_some_and(|found| {
            found["status"] == *wanted
                && found["reason"] == *reason
                && found["message"]
                    .as_str()
                    .is_some_and(|text| text.contains(message))
                && found["observedGeneration"] == *generation
                && found["lastTransitionTime"].is_string()
        });
        if !is_right {
            wrong.push(format!(
                "{kind} should be {wanted}, {reason}, {message:?}: {found:?}"
            ));
        }
    }
    wrong
}
