//! Measures a release build of the platform from outside and writes the first two tables of `docs/performance.md` (`make bench`);
//! those of the sandbox are written by `cargo xtask bench-sandbox`.
//!
//! Loopback only, bounded in count and time. Every aim stands beside what was measured, so that a miss shows.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use e2e::platform::{Platform, RunFile, folder, send};
use e2e::tenant::email;
use reqwest::{Client, Method};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Uploads of one module, one after the other.
const UPLOADS: usize = 200;

/// Requests of each load, by this many callers at once.
const REQUESTS: usize = 6_000;
const CALLERS: usize = 16;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = folder()?;
    let data = folder.path().join("data");
    let started = Instant::now();
    let platform = Platform::start(&data).await?;
    let cold = started.elapsed();
    platform.sign_up("acme").await?;
    let active = verified_to_active(&platform, "beta").await?;
    let address = platform.address;
    let database = provisioning(&platform, "beta");
    platform.stop().await?;

    let mut warm = Vec::new();
    for _ in 0..5 {
        let started = Instant::now();
        let platform = Platform::start_on(&data, address).await?;
        warm.push(started.elapsed());
        platform.stop().await?;
    }

    let platform = Platform::start_on(&data, address).await?;
    platform.wait_until_active("acme").await?;
    platform.wait_until_active("beta").await?;
    let uploads = put_to_live(&platform).await?;
    let restart = restart_of_a_runtime(&platform).await?;
    let token = platform.agent_token("acme").await?;
    fill(&platform, &token).await?;
    let routed = load(
        &platform.client,
        &format!(
            "{}/admin/priority?page_size=25",
            platform.tenant_url("acme")
        ),
        &token,
    )
    .await?;
    let direct_url = format!(
        "http://{}/admin/priority?page_size=25",
        runtime_address(&data, "acme")?
    );
    let direct = load(&platform.client, &direct_url, &token).await?;
    tokio::time::sleep(Duration::from_secs(35)).await;
    let idle = resident_kib(&platform, "beta")?;
    let start = start_of_a_runtime(&platform);
    platform.stop().await?;

    let mut text = String::from(HEAD);
    let mut row = |what: &str, measured: String, aim: &str| {
        writeln!(text, "| {what} | {measured} | {aim} |").map_err(anyhow::Error::from)
    };
    row(
        "`gotrs up`, first start on an empty folder (initdb included)",
        millis(cold),
        "",
    )?;
    row(
        "`gotrs up`, warm, to ready (median of 5)",
        millis(percentile(&warm, 50)),
        "≤ 4 s",
    )?;
    row(
        "verified signup to Active and answering through the router",
        millis(active),
        "≤ 1.5 s",
    )?;
    row(
        "of that in the database: schema, roles, migrations, administrator",
        millis(database),
        "≤ 1 s",
    )?;
    row(
        "PUT to live on the runtime, p50 of 200",
        millis(percentile(&uploads, 50)),
        "",
    )?;
    row(
        "PUT to live on the runtime, p99 of 200",
        millis(percentile(&uploads, 99)),
        "≤ 150 ms",
    )?;
    row(
        "start of a tenant's runtime, from the spawn of its process to ready",
        start.map_or_else(|| "not logged".to_owned(), millis),
        "≤ 100 ms",
    )?;
    row(
        "`kill -9` of a runtime to answering again",
        millis(restart),
        "",
    )?;
    row(
        "idle tenant runtime, resident",
        format!("{:.1} MiB", idle.resident / 1024.0),
        "≤ 20 MiB",
    )?;
    row(
        "idle tenant runtime, of that not shared with other processes",
        format!("{:.1} MiB", idle.private / 1024.0),
        "",
    )?;
    text.push_str(LOAD_HEAD);
    for (name, load) in [("directly", &direct), ("through the router", &routed)] {
        writeln!(
            text,
            "| {name} | {:.0} | {} | {} | {:.2} |",
            load.per_second,
            millis(load.p50),
            millis(load.p99),
            load.per_second / direct.per_second
        )?;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance.md");
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    if let Some((_, rest)) = kept.split_once(MARK) {
        text.push_str(MARK);
        text.push_str(rest);
    }
    std::fs::write(&path, text).context("writing docs/performance.md")
}

/// What follows this line in the document is written by hand and kept.
const MARK: &str = "\n<!-- below: kept by `make bench` -->\n";

const HEAD: &str = "# Performance\n\n\
`make bench` measures a release build from outside, on loopback, and rewrites the tables. Two shared x86-64 cores and \
everything (PostgreSQL, S3, control plane, router, runtimes, and the caller) on them: ratios are safer than absolutes.\n\n\
## The platform\n\n| what | measured | aim |\n| --- | --- | --- |\n";

const LOAD_HEAD: &str = "\n## A 25-row list as JSON, 6 000 requests by 16 callers\n\n\
| way | requests per second | p50 | p99 | ratio |\n| --- | --- | --- | --- | --- |\n";

async fn verified_to_active(platform: &Platform, slug: &str) -> anyhow::Result<Duration> {
    let body = json!({
        "organization": "Bench", "slug": slug, "email": email(slug), "password": e2e::tenant::PASSWORD, "plan": "team",
    });
    platform
        .console(Method::POST, "/v1/signup")
        .json(&body)
        .send()
        .await?
        .error_for_status()?;
    let token = platform.token_from_mail(&email(slug)).await?;
    let started = Instant::now();
    let answer = platform
        .console(Method::POST, "/v1/signup/verify")
        .json(&json!({ "token": token }))
        .send()
        .await?;
    answer.error_for_status()?;
    loop {
        let answer = platform.tenant(slug, Method::GET, "/login").send().await?;
        if answer.status().is_success() {
            return Ok(started.elapsed());
        }
        ensure!(
            started.elapsed() < Duration::from_mins(1),
            "the tenant does not become active"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn put_to_live(platform: &Platform) -> anyhow::Result<Vec<Duration>> {
    let token = platform.console_token("acme").await?;
    let mut times = Vec::with_capacity(UPLOADS);
    for turn in 0..UPLOADS {
        let yaml = format!(
            "module:\n  name: bench\n  singular: Bench\n  plural: Benches\n  storage: managed\nfields:\n  \
             - {{ name: model, type: string, help: \"turn {turn}\" }}\n  - {{ name: price, type: decimal }}\n\
             computed_fields:\n  - name: gross\n    label: Gross\n    lambda: return item.price * 1.19;\n"
        );
        let started = Instant::now();
        let answer = platform
            .console(
                Method::PUT,
                "/v1/tenants/acme/modules/bench?wait=live&timeout=10s",
            )
            .bearer_auth(&token)
            .header("content-type", "application/yaml")
            .body(yaml)
            .send()
            .await?;
        let status = answer.status();
        let body: Value = answer.json().await?;
        times.push(started.elapsed());
        ensure!(
            status.is_success() && body["live"]["acknowledged"] == 1,
            "{status} {body}"
        );
    }
    Ok(times)
}

async fn restart_of_a_runtime(platform: &Platform) -> anyhow::Result<Duration> {
    let run: RunFile = platform.run_file()?;
    for pid in platform.processes() {
        if pid != run.pid && Some(pid) != run.postgres_pid && command_line(pid).contains("beta") {
            send(pid, Signal::KILL)?;
        }
    }
    let started = Instant::now();
    tokio::time::sleep(Duration::from_millis(5)).await;
    platform.wait_until_active("beta").await?;
    Ok(started.elapsed())
}

async fn fill(platform: &Platform, token: &str) -> anyhow::Result<()> {
    for number in 0..30 {
        let body = Some(json!({ "name": format!("bench {number}") }));
        platform
            .call("acme", token, Method::POST, "/admin/priority", body)
            .await?;
    }
    Ok(())
}

struct Load {
    per_second: f64,
    p50: Duration,
    p99: Duration,
}

async fn load(client: &Client, url: &str, token: &str) -> anyhow::Result<Load> {
    let next = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (client, url, token, next) = (
                client.clone(),
                url.to_owned(),
                token.to_owned(),
                Arc::clone(&next),
            );
            async move {
                let mut times = Vec::new();
                while next.fetch_add(1, Ordering::Relaxed) < REQUESTS {
                    let started = Instant::now();
                    let request = client
                        .get(&url)
                        .bearer_auth(&token)
                        .header("accept", "application/json");
                    let answer = request.send().await?.error_for_status()?;
                    answer.bytes().await?;
                    times.push(started.elapsed());
                }
                anyhow::Ok(times)
            }
        })
        .collect();
    let mut times = Vec::with_capacity(REQUESTS);
    for caller in futures_util::future::join_all(callers).await {
        times.extend(caller?);
    }
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let per_second = times.len() as f64 / started.elapsed().as_secs_f64();
    Ok(Load {
        per_second,
        p50: percentile(&times, 50),
        p99: percentile(&times, 99),
    })
}

struct Memory {
    resident: f64,
    private: f64,
}

fn resident_kib(platform: &Platform, slug: &str) -> anyhow::Result<Memory> {
    let run = platform.run_file()?;
    let pid = platform
        .processes()
        .into_iter()
        .find(|pid| {
            *pid != run.pid && Some(*pid) != run.postgres_pid && command_line(*pid).contains(slug)
        })
        .context("the tenant's runtime")?;
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let sum = |names: &[&str]| {
        rollup
            .lines()
            .filter_map(|line| {
                let (name, rest) = line.split_once(':')?;
                names
                    .contains(&name)
                    .then(|| rest.trim().trim_end_matches(" kB").parse::<f64>().ok())?
            })
            .sum()
    };
    Ok(Memory {
        resident: sum(&["Rss"]),
        private: sum(&["Private_Clean", "Private_Dirty"]),
    })
}

/// How long the newest start of a runtime took, as the supervisor has logged it.
fn start_of_a_runtime(platform: &Platform) -> Option<Duration> {
    durations(platform, "the server is ready", None).pop()
}

/// All steps in the database that made this tenant.
fn provisioning(platform: &Platform, slug: &str) -> Duration {
    let steps = durations(platform, "a step in the database is done", Some(slug));
    steps.into_iter().sum()
}

/// `duration_ms` of every line of the log with this message (and of this tenant), oldest first.
fn durations(platform: &Platform, message: &str, slug: Option<&str>) -> Vec<Duration> {
    let log = platform.log();
    log.lines()
        .filter_map(|line| {
            let entry: Value = serde_json::from_str(line).ok()?;
            let wanted =
                entry["message"] == message && slug.is_none_or(|slug| entry["tenant.slug"] == slug);
            let taken = &entry["duration_ms"];
            let milliseconds = taken.as_u64().or_else(|| taken.as_str()?.parse().ok());
            milliseconds.filter(|_| wanted).map(Duration::from_millis)
        })
        .collect()
}

/// The address file that the tenant's runtime has written.
fn runtime_address(data: &Path, slug: &str) -> anyhow::Result<String> {
    for pid in std::fs::read_dir("/proc")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
    {
        let line = command_line(pid);
        if !line.contains(slug) || !line.contains(&*data.to_string_lossy()) {
            continue;
        }
        let mut words = line
            .split('\0')
            .skip_while(|word| *word != "--address-file");
        if let Some(file) = words.nth(1) {
            let address: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
            return address["listen"]
                .as_str()
                .map(str::to_owned)
                .context("listen");
        }
    }
    anyhow::bail!("no runtime of {slug} is running")
}

fn command_line(pid: i32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or_default()
}

fn millis(time: Duration) -> String {
    if time < Duration::from_millis(10) {
        format!("{:.2} ms", time.as_secs_f64() * 1000.0)
    } else {
        format!("{:.0} ms", time.as_secs_f64() * 1000.0)
    }
}
