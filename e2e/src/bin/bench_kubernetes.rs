//! Measures the operator with many Tenants against a real API server and a real PostgreSQL, and writes its part of
//! `docs/performance.md` (`make bench-kubernetes`). Pods are faked, see [`ApiServer`].
//!
//! Bounded in count and time; everything is on loopback. Every aim stands beside what was measured, so that a miss shows.
//! `bench_kubernetes 300` takes other than 1 000 tenants and leaves `docs/performance.md` alone. What is measured is printed, and written into
//! `target/bench-kubernetes-<tenants>.md`, as soon as it is known: a run that is cut tells what it has found.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use e2e::api_server::{ApiServer, Programs, Requests};
use e2e::operator::Operator;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use test_kit::postgres::TestDatabase;

const TENANTS: usize = 1_000;
/// Longest time for all tenants to become ready: most of it is their tables.
const CONVERGE: Duration = Duration::from_mins(30);
/// Longest time for anything else.
const PATIENCE: Duration = Duration::from_mins(2);
/// Edits of Tenants: so many, one after the other in this distance.
const EDITS: usize = 600;
const EDIT_EVERY: Duration = Duration::from_millis(50);
/// New Tenants meanwhile.
const NEWCOMERS: usize = 10;
/// Nothing is asked of anybody for so long before the idle minute begins.
const CALM: Duration = Duration::from_secs(5);
/// How often it is told how far the making of all tenants is.
const TELL_EVERY: Duration = Duration::from_secs(30);
const MINUTE: Duration = Duration::from_mins(1);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let count = std::env::args()
        .nth(1)
        .map_or(Ok(TENANTS), |text| text.parse())
        .context("how many tenants?")?;
    let programs = Programs::find()?;
    let api = ApiServer::start(&programs).await?;
    let database = TestDatabase::create().await?;
    let folder = tempfile::tempdir()?;
    let seen = Seen::default();
    let bench = Bench {
        api: &api,
        database: database.url(),
        folder: folder.path(),
        seen: &seen,
        count,
    };
    let rows = tokio::select! {
        ended = api.fake_pods(|deployment| seen.deployment(deployment)) => return ended,
        ended = api.watch("/apis/gotrs.io/v1/tenants", |_, tenant| seen.tenant(&tenant)) => return ended,
        rows = bench.run() => rows?,
    };
    api.stop().await?;
    database.drop_database().await?;
    if count == TENANTS {
        keep(&table(&rows)?)
    } else {
        Ok(())
    }
}

fn table(rows: &[Row]) -> anyhow::Result<String> {
    let mut text = String::new();
    for (what, measured, aim) in rows {
        writeln!(text, "| {what} | {measured} | {aim} |")?;
    }
    Ok(text)
}

#[expect(clippy::print_stdout, reason = "what was measured is told to people")]
fn tell(text: &str) {
    println!("{text}");
}

const BEGIN: &str = "<!-- kubernetes: written by `make bench-kubernetes` -->\n";
const END: &str = "<!-- kubernetes: end -->\n";

fn keep(rows: &str) -> anyhow::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance.md");
    let text = std::fs::read_to_string(&path)?;
    let (before, rest) = text
        .split_once(BEGIN)
        .context("no place for the operator's table in docs/performance.md")?;
    let (_, after) = rest
        .split_once(END)
        .context("no end of the operator's table in docs/performance.md")?;
    let table = format!(
        "{before}{BEGIN}| what | measured | aim |\n| --- | --- | --- |\n{rows}{END}{after}"
    );
    std::fs::write(&path, table).context("writing docs/performance.md")
}

/// What the watches of this program saw.
#[derive(Default)]
struct Seen {
    tenants: Mutex<HashMap<String, bool>>,
    deployments: Mutex<HashMap<String, (i64, Instant)>>,
}

impl Seen {
    fn tenant(&self, tenant: &Value) {
        let is_ready = tenant["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
        let name = tenant["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        self.tenants
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name, is_ready);
    }

    fn ready(&self) -> usize {
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        tenants.values().filter(|is_ready| **is_ready).count()
    }

    /// Remembers when a Deployment's spec was seen to change.
    fn deployment(&self, deployment: &Value) {
        let metadata = &deployment["metadata"];
        let namespace = metadata["namespace"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let generation = metadata["generation"].as_i64().unwrap_or_default();
        let mut known = self
            .deployments
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match known.get(&namespace) {
            Some((before, _)) if *before == generation => {}
            _ => {
                known.insert(namespace, (generation, Instant::now()));
            }
        }
    }

    fn changed(&self, tenant: &str) -> Option<(i64, Instant)> {
        let known = self
            .deployments
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.get(&format!("tenant-{tenant}")).copied()
    }
}

type Row = (String, String, &'static str);

/// Tells each row as soon as it is there: the whole takes many minutes.
struct Rows {
    all: Vec<Row>,
    file: PathBuf,
    started: Instant,
}

impl Rows {
    fn new(count: usize) -> anyhow::Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
        std::fs::create_dir_all(&folder)?;
        Ok(Self {
            all: Vec::new(),
            file: folder.join(format!("bench-kubernetes-{count}.md")),
            started: Instant::now(),
        })
    }

    fn push(&mut self, row: Row) -> anyhow::Result<()> {
        let minutes = self.started.elapsed().as_secs_f64() / 60.0;
        tell(&format!(
            "[{minutes:4.1} min] {}: {} {}",
            row.0, row.1, row.2
        ));
        self.all.push(row);
        std::fs::write(&self.file, table(&self.all)?)
            .with_context(|| format!("writing {}", self.file.display()))
    }

    fn extend(&mut self, rows: Vec<Row>) -> anyhow::Result<()> {
        rows.into_iter().try_for_each(|row| self.push(row))
    }
}

struct Bench<'a> {
    api: &'a ApiServer,
    database: String,
    folder: &'a Path,
    seen: &'a Seen,
    count: usize,
}

impl Bench<'_> {
    async fn run(&self) -> anyhow::Result<Vec<Row>> {
        let count = self.count;
        let mut rows = Rows::new(count)?;
        let mut operator = self.operator()?;
        operator.wait_until_leading().await?;
        tokio::time::sleep(CALM).await;
        let base = operator.resident_kib()?;
        rows.push((
            "memory of the operator without tenants".to_owned(),
            mebibytes(base),
            "",
        ))?;

        let before = self.api.requests_of_the_operator()?;
        let started = Instant::now();
        stream::iter(0..count)
            .map(|number| self.create(name(number)))
            .buffer_unordered(8)
            .try_collect::<Vec<()>>()
            .await?;
        let told = Cell::new(started);
        self.until(CONVERGE, "all tenants are ready", || {
            let ready = self.seen.ready();
            if told.get().elapsed() > TELL_EVERY {
                told.set(Instant::now());
                let elapsed = seconds(started.elapsed());
                tell(&format!("{ready} of {count} are ready after {elapsed}"));
            }
            ready >= count
        })
        .await?;
        let elapsed = started.elapsed();
        rows.push((
            format!("{count} new tenants until all are ready (most of it in PostgreSQL: tables)"),
            seconds(elapsed),
            "",
        ))?;
        let requests = self.api.requests_of_the_operator()?.since(before);
        rows.push((
            "requests to the API server for each".to_owned(),
            format!(
                "{} reads, {} writes",
                per(requests.reads, count),
                per(requests.writes, count)
            ),
            "",
        ))?;
        self.calm(&operator).await?;
        rows.push(self.memory(
            "memory for each tenant above that, after all were made",
            &operator,
            base,
        )?)?;

        rows.extend(self.idle(&operator).await?)?;
        rows.extend(self.edits().await?)?;
        self.calm(&operator).await?;
        rows.push(
            self.drift("deleted or edited: each of nine kinds, one after the other, slowest back")
                .await?,
        )?;

        // An orderly end, so that the Lease is free.
        operator.stop().await?;
        let before = self.api.requests_of_the_operator()?;
        let started = Instant::now();
        let mut operator = self.operator()?;
        operator.wait_until_leading().await?;
        rows.push((
            "restart: to leading".to_owned(),
            seconds(started.elapsed()),
            "",
        ))?;
        let steady = self.steady(&operator).await?;
        rows.push((
            "restart: from the start of the process until every tenant was looked at".to_owned(),
            seconds(steady - started),
            "≤ 5 s",
        ))?;
        rows.push((
            "restart: processor time until then".to_owned(),
            seconds(operator.processor_time()?),
            "",
        ))?;
        let requests = self.api.requests_of_the_operator()?.since(before);
        rows.push((
            "restart: requests to the API server".to_owned(),
            format!("{} reads, {} writes", requests.reads, requests.writes),
            "",
        ))?;
        self.calm(&operator).await?;
        rows.push(self.memory(
            "memory for each tenant above that, after a restart",
            &operator,
            base,
        )?)?;

        operator.stop().await?;
        let mut operator = self.operator()?;
        operator.wait_until_leading().await?;
        rows.push(
            self.drift("the same, from the moment in which a restarted operator leads")
                .await?,
        )?;
        operator.stop().await?;
        rows.push((
            "load average of the machine at the end (1, 5, 15 minutes), two processors".to_owned(),
            load_average()?,
            "",
        ))?;
        Ok(rows.all)
    }

    fn operator(&self) -> anyhow::Result<Operator> {
        Operator::start(self.api, self.folder, &self.database, "gotrs-operator", &[])
    }

    async fn create(&self, name: String) -> anyhow::Result<()> {
        let tenant = json!({
            "apiVersion": "gotrs.io/v1", "kind": "Tenant", "metadata": {"name": name},
            "spec": {"slug": name, "plan": "team"},
        });
        self.api
            .create("/apis/gotrs.io/v1/tenants", &tenant)
            .await
            .map(drop)
    }

    async fn until(
        &self,
        limit: Duration,
        what: &str,
        is_so: impl Fn() -> bool,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        while !is_so() {
            ensure!(started.elapsed() < limit, "{what}: not within {limit:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Waits until nothing has been reconciled for a while.
    async fn calm(&self, operator: &Operator) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut last = (
            operator.metric("operator_reconciles_total").await,
            Instant::now(),
        );
        while last.1.elapsed() < CALM {
            ensure!(
                started.elapsed() < PATIENCE,
                "the operator does not come to rest: {}",
                operator.log()
            );
            tokio::time::sleep(Duration::from_millis(250)).await;
            let now = operator.metric("operator_reconciles_total").await;
            if now != last.0 {
                last = (now, Instant::now());
            }
        }
        Ok(())
    }

    /// When the last tenant was looked at after a restart.
    async fn steady(&self, operator: &Operator) -> anyhow::Result<Instant> {
        let started = Instant::now();
        let count = f64::from(u32::try_from(self.seen.ready())?);
        let mut last = (0.0, Instant::now());
        loop {
            let now = operator
                .metric("operator_reconciles_total")
                .await
                .unwrap_or_default();
            if now > last.0 {
                last = (now, Instant::now());
            }
            if now >= count && last.1.elapsed() > Duration::from_secs(2) {
                return Ok(last.1);
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "only {now} reconciles: {}",
                operator.log()
            );
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    fn memory(&self, what: &str, operator: &Operator, base: u64) -> anyhow::Result<Row> {
        let now = operator.resident_kib()?;
        let each = now.saturating_sub(base) / u64::try_from(self.seen.ready())?;
        Ok((
            what.to_owned(),
            format!("{each} KiB ({} in all)", mebibytes(now)),
            "≤ 64 KiB",
        ))
    }

    async fn idle(&self, operator: &Operator) -> anyhow::Result<Vec<Row>> {
        let (before, time) = (
            self.api.requests_of_the_operator()?,
            operator.processor_time()?,
        );
        tokio::time::sleep(MINUTE).await;
        let Requests {
            lease,
            reads,
            writes,
        } = self.api.requests_of_the_operator()?.since(before);
        let time = operator.processor_time()?.saturating_sub(time);
        Ok(vec![
            (
                "an idle minute: writes, the Lease aside".to_owned(),
                writes.to_string(),
                "0",
            ),
            (
                "an idle minute: reads and ended watches; for the Lease".to_owned(),
                format!("{reads}; {lease}"),
                "",
            ),
            (
                "an idle minute: processor time".to_owned(),
                format!("{} ms", time.as_millis()),
                "",
            ),
        ])
    }

    /// Edits of random tenants while others are being made: each second one changes what the pods are told, each other one how
    /// many there are.
    async fn edits(&self) -> anyhow::Result<Vec<Row>> {
        // Each tenant once: two edits of one may be applied together, or undo each other.
        let count = EDITS.min(self.count);
        let newcomers = stream::iter(0..NEWCOMERS)
            .map(|number| self.create(format!("new-{number}")))
            .buffer_unordered(1)
            .try_collect::<Vec<()>>();
        let editing = async {
            let mut ticks = tokio::time::interval(EDIT_EVERY);
            let mut edits = Vec::with_capacity(count);
            for number in 0..count {
                ticks.tick().await;
                // A prime step: spread, and none twice before all had their turn.
                let tenant = name(number * 389 % self.count);
                let spec = if number % 2 == 0 {
                    json!({"displayName": format!("Edited {number}")})
                } else {
                    json!({"replicas": 2 + (number / self.count) % 2})
                };
                let (generation, _) = self.seen.changed(&tenant).context("a Deployment")?;
                self.api
                    .merge(
                        &format!("/apis/gotrs.io/v1/tenants/{tenant}"),
                        &json!({"spec": spec}),
                    )
                    .await?;
                edits.push((tenant, generation, Instant::now()));
            }
            anyhow::Ok(edits)
        };
        let (edits, made) = tokio::join!(editing, newcomers);
        made?;
        let edits = edits?;
        let mut times = Vec::with_capacity(edits.len());
        let started = Instant::now();
        for (tenant, generation, at) in edits {
            let applied = loop {
                match self.seen.changed(&tenant) {
                    Some((now, when)) if now > generation => break when,
                    _ => ensure!(
                        started.elapsed() < PATIENCE,
                        "the edit of {tenant} is not applied"
                    ),
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            };
            times.push(applied.saturating_duration_since(at));
        }
        let all = self.count + NEWCOMERS;
        self.until(PATIENCE, "the newcomers are ready", || {
            self.seen.ready() >= all
        })
        .await?;
        times.sort();
        let at = |percent: usize| {
            times
                .get((times.len() * percent).div_ceil(100).saturating_sub(1))
                .copied()
                .unwrap_or_default()
        };
        Ok(vec![
            (
                format!(
                    "{count} edits, 20 each second, while {NEWCOMERS} tenants are made: edit to applied, p50"
                ),
                seconds(at(50)),
                "",
            ),
            ("the same, p99".to_owned(), seconds(at(99)), "≤ 1 s"),
            ("the same, slowest".to_owned(), seconds(at(100)), ""),
        ])
    }

    /// Deletes an object of each kind, and edits what can be edited, each of another tenant; the slowest repair.
    async fn drift(&self, what: &str) -> anyhow::Result<Row> {
        let tenant = |number: usize| name((number * 7 + 1) % self.count);
        let mut slowest = (Duration::ZERO, String::new());
        for (number, (path, edit)) in KINDS.iter().enumerate() {
            // With two replicas, so that a disruption budget is there.
            let tenant = tenant(number);
            let path = path.replace("{}", &format!("tenant-{tenant}"));
            if path.contains("poddisruptionbudgets") {
                self.api
                    .merge(
                        &format!("/apis/gotrs.io/v1/tenants/{tenant}"),
                        &json!({"spec": {"replicas": 2}}),
                    )
                    .await?;
                self.reaches(&path, Value::is_object).await?;
            }
            let before = self
                .api
                .get(&path)
                .await?
                .with_context(|| format!("{path} is not there"))?;
            let took = |slowest: (Duration, String), time: Duration, doing: &str| {
                if time > slowest.0 {
                    (time, format!("{doing} {path}"))
                } else {
                    slowest
                }
            };
            if !path.starts_with("/api/v1/namespaces/tenant-") || path.matches('/').count() > 4 {
                self.api.delete(&path).await?;
                let time = self
                    .reaches(&path, |now| {
                        now["metadata"]["uid"] != before["metadata"]["uid"]
                    })
                    .await?;
                slowest = took(slowest, time, "deleting");
            }
            let (pointer, other) = edit;
            let whole: Value = serde_json::from_str(other)?;
            let wanted = self
                .api
                .get(&path)
                .await?
                .context("it was there")?
                .pointer(pointer)
                .cloned();
            self.api.merge(&path, &whole).await?;
            let time = self
                .reaches(&path, |now| now.pointer(pointer).cloned() == wanted)
                .await?;
            slowest = took(slowest, time, "editing");
        }
        Ok((
            format!(
                "{what} ({})",
                slowest.1.split_whitespace().next().unwrap_or_default()
            ),
            seconds(slowest.0),
            "≤ 2 s",
        ))
    }

    /// Waits until an object is there and as it should be; how long that took.
    async fn reaches(
        &self,
        path: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Duration> {
        let started = Instant::now();
        loop {
            if let Some(object) = self.api.get(path).await?
                && is_so(&object)
            {
                return Ok(started.elapsed());
            }
            if started.elapsed() > PATIENCE {
                bail!("{path} is not as it should be");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Every kind that the operator owns; where to look after an edit, and the edit.
const KINDS: [(&str, (&str, &str)); 9] = [
    (
        "/api/v1/namespaces/{}",
        (
            "/metadata/labels/pod-security.kubernetes.io~1enforce",
            r#"{"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}"#,
        ),
    ),
    (
        "/api/v1/namespaces/{}/secrets/runtime",
        (
            "/data/database-url",
            r#"{"data": {"database-url": "eA=="}}"#,
        ),
    ),
    (
        "/api/v1/namespaces/{}/serviceaccounts/runtime",
        (
            "/automountServiceAccountToken",
            r#"{"automountServiceAccountToken": true}"#,
        ),
    ),
    (
        "/api/v1/namespaces/{}/resourcequotas/runtime",
        ("/spec/hard/pods", r#"{"spec": {"hard": {"pods": "99"}}}"#),
    ),
    (
        "/api/v1/namespaces/{}/limitranges/runtime",
        (
            "/spec/limits/0/max/cpu",
            r#"{"spec": {"limits": [{"type": "Container", "max": {"cpu": "64"}}]}}"#,
        ),
    ),
    (
        "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies/deny-all",
        (
            "/spec/policyTypes",
            r#"{"spec": {"policyTypes": ["Egress"]}}"#,
        ),
    ),
    (
        "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies/runtime",
        ("/spec/ingress", r#"{"spec": {"ingress": [{}]}}"#),
    ),
    (
        "/apis/apps/v1/namespaces/{}/deployments/runtime",
        (
            "/spec/revisionHistoryLimit",
            r#"{"spec": {"revisionHistoryLimit": 9}}"#,
        ),
    ),
    (
        "/apis/policy/v1/namespaces/{}/poddisruptionbudgets/runtime",
        (
            "/spec/maxUnavailable",
            r#"{"spec": {"maxUnavailable": "90%"}}"#,
        ),
    ),
];

fn name(number: usize) -> String {
    format!("t-{number:04}")
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
fn per(number: usize, count: usize) -> String {
    format!("{:.1}", number as f64 / count as f64)
}

fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

#[expect(clippy::cast_precision_loss, reason = "some mebibytes")]
fn mebibytes(kibibytes: u64) -> String {
    format!("{:.1} MiB", kibibytes as f64 / 1024.0)
}

fn load_average() -> anyhow::Result<String> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    Ok(text
        .split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(", "))
}
