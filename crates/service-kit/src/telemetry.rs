//! Logs, traces and metrics of one process.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Context as _;
use http::{HeaderMap, HeaderName, HeaderValue};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::Tasks;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Pretty,
    /// For programs.
    Json,
}

/// Settings of telemetry, the same for every process.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Telemetry")]
pub struct TelemetryArgs {
    /// Which log lines are written, in the syntax of tracing's `EnvFilter`, such as `info,sqlx=warn`
    #[arg(long, env = "GOTRS_LOG", default_value = "info")]
    pub log: String,
    /// How log lines look
    #[arg(long, env = "GOTRS_LOG_FORMAT", value_enum, default_value_t = LogFormat::Auto)]
    pub log_format: LogFormat,
    /// Where traces are sent (OTLP over gRPC), such as <http://127.0.0.1:4317>; none are sent without it
    #[arg(long, env = "GOTRS_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
}

/// Flushes traces when dropped; keep it in `main`.
#[derive(Debug)]
pub struct TelemetryGuard {
    provider: SdkTracerProvider,
    /// Renders the metrics of this process; given to the internal server.
    pub metrics: PrometheusHandle,
}

impl TelemetryGuard {
    /// Sums up what histograms were told, now and then until the process stops. Without it they keep every single value until somebody
    /// asks for the metrics, and nobody may.
    pub fn sum_up(&self, tasks: &Tasks) {
        const EVERY: Duration = Duration::from_secs(10);
        let (metrics, stopping) = (self.metrics.clone(), tasks.stopping());
        tasks.spawn("metrics", async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => metrics.run_upkeep(),
                    () = stopping.cancelled() => return,
                }
            }
        });
    }
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::debug!(%error, "traces could not be flushed");
        }
    }
}

/// Sets up logs, traces and metrics. Call once, first thing in `main`, inside the async runtime.
pub fn init(service: &'static str, args: &TelemetryArgs) -> anyhow::Result<TelemetryGuard> {
    let filter = EnvFilter::try_new(&args.log).with_context(|| {
        format!(
            "GOTRS_LOG is {:?}; an example of a good value: info,sqlx=warn",
            args.log
        )
    })?;
    let mut builder = SdkTracerProvider::builder()
        .with_resource(Resource::builder().with_service_name(service).build());
    if let Some(endpoint) = &args.otlp_endpoint {
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .build()
            .with_context(|| {
                format!("GOTRS_OTLP_ENDPOINT is {endpoint:?}; an example of a good value: http://127.0.0.1:4317")
            })?;
        builder = builder.with_batch_exporter(exporter);
    }
    let provider = builder.build();
    // Without an exporter spans still carry the caller's trace id onward.
    let traces = tracing_opentelemetry::layer().with_tracer(provider.tracer(service));
    let json = match args.log_format {
        LogFormat::Json => true,
        LogFormat::Pretty => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = if json {
        lines
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .boxed()
    } else {
        lines.with_target(false).compact().boxed()
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .with(traces)
        .try_init()
        .context("setting up the log")?;
    let handle = PrometheusBuilder::new()
        .install_recorder()
        .context("setting up metrics")?;
    metrics::describe_histogram!(
        "http_request_duration_seconds",
        metrics::Unit::Seconds,
        "duration of requests until the answer begins, by method, route and status"
    );
    Ok(TelemetryGuard {
        provider,
        metrics: handle,
    })
}

/// Installs aws-lc-rs as the process's TLS provider. Call first thing in `main`; calling again does nothing.
pub fn install_tls_provider() {
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        tracing::debug!("a TLS provider was installed before");
    }
}

/// The current trace as W3C `traceparent`, to be continued by somebody who is not called but finds it written down; `None` outside of
/// any trace.
pub fn trace_parent() -> Option<String> {
    let mut headers = HeaderMap::new();
    inject_trace(&mut headers);
    let value = headers.get("traceparent")?.to_str().ok()?;
    Some(value.to_owned())
}

/// Makes a trace that was written down (W3C `traceparent`) the parent of `span`; what is no trace changes nothing.
pub fn continue_written_trace(span: &tracing::Span, parent: &str) {
    if let Ok(value) = HeaderValue::try_from(parent) {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", value);
        continue_trace(span, &headers);
    }
}

/// Makes the caller's trace (W3C `traceparent`) the parent of `span`.
pub fn continue_trace(span: &tracing::Span, headers: &HeaderMap) {
    let carrier: HashMap<String, String> = headers
        .iter()
        .filter(|(name, _)| matches!(name.as_str(), "traceparent" | "tracestate"))
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect();
    if !carrier.is_empty()
        && let Err(error) = span.set_parent(TraceContextPropagator::new().extract(&carrier))
    {
        tracing::debug!(%error, "the caller's trace could not be continued");
    }
}

/// Writes the current trace into the headers of an outgoing request.
pub fn inject_trace(headers: &mut HeaderMap) {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&tracing::Span::current().context(), &mut carrier);
    for (name, value) in carrier {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value))
            && !value.is_empty()
        {
            headers.insert(name, value);
        }
    }
}
