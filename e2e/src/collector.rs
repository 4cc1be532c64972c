//! A collector of traces in the test's own process: OTLP over gRPC, what `GOTRS_OTLP_ENDPOINT` of every service speaks to.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, bail};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span as ReceivedSpan;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::{Request, Response, Status};

use crate::platform::PATIENCE;

/// A span as it arrived; ids in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Of the process that made it (resource attribute `service.name`).
    pub service: String,
    /// What was done.
    pub name: String,
    /// The trace that it is a part of.
    pub trace: String,
    /// Its own id.
    pub id: String,
    /// The span that it is a part of; empty for none.
    pub parent: String,
    /// What else it says, each value as text.
    pub attributes: BTreeMap<String, String>,
}

impl fmt::Display for Span {
    /// Such as `router/route`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.name)
    }
}

/// A running collector; it and what it has received end with the value.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    spans: watch::Receiver<Vec<Span>>,
    /// Ends the server when dropped.
    _server: JoinSet<()>,
}

impl Collector {
    /// Starts one on a free port of loopback.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("listening on loopback")?;
        let address = listener.local_addr().context("asking for the port")?;
        let (sender, spans) = watch::channel(Vec::new());
        let mut server = JoinSet::new();
        server.spawn(async move {
            let service = TraceServiceServer::new(Receiving(sender));
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(service.clone());
                connections.spawn(async move {
                    // Who breaks off sends again.
                    Builder::new(TokioExecutor::new())
                        .http2_only()
                        .serve_connection(TokioIo::new(stream), service)
                        .await
                        .ok();
                });
            }
        });
        Ok(Self {
            address,
            spans,
            _server: server,
        })
    }

    /// What a service's `GOTRS_OTLP_ENDPOINT` is.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until this span of this trace has arrived with everything above it, and says what is above it: its own name first (such as
    /// `router/route`), then its parents'; and the id that the uppermost names as its parent without having been received.
    pub async fn ancestry(
        &self,
        trace: &str,
        service: &str,
        name: &str,
        root: &str,
    ) -> anyhow::Result<Vec<String>> {
        let mut spans = self.spans.clone();
        let mut found = Vec::new();
        let complete = spans.wait_for(|spans| {
            let of_trace: Vec<&Span> = spans.iter().filter(|span| span.trace == trace).collect();
            let wanted = of_trace
                .iter()
                .filter(|span| span.service == service && span.name == name);
            wanted.into_iter().any(|span| {
                let (chain, above) = chain(&of_trace, span);
                found = chain;
                above == root
            })
        });
        match tokio::time::timeout(PATIENCE, complete).await {
            Ok(Ok(_)) => Ok(found),
            Ok(Err(_)) | Err(_) => bail!(
                "no span {service}/{name} below {root} in trace {trace}; what has arrived of it: {:#?}",
                self.of_trace(trace)
            ),
        }
    }

    /// What has arrived of a trace so far.
    pub fn of_trace(&self, trace: &str) -> Vec<Span> {
        let spans = self.spans.borrow();
        spans
            .iter()
            .filter(|span| span.trace == trace)
            .cloned()
            .collect()
    }
}

/// The names from this span upward, and the first parent that is not there.
fn chain(spans: &[&Span], span: &Span) -> (Vec<String>, String) {
    let mut names = vec![span.to_string()];
    let mut above = span.parent.clone();
    // A span cannot be above itself, but what arrives may say so.
    while let Some(parent) = spans.iter().find(|other| other.id == above)
        && names.len() <= spans.len()
    {
        names.push(parent.to_string());
        above.clone_from(&parent.parent);
    }
    (names, above)
}

struct Receiving(watch::Sender<Vec<Span>>);

#[tonic::async_trait]
impl TraceService for Receiving {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let received = request.into_inner().resource_spans;
        self.0.send_modify(|spans| {
            for of_resource in received {
                let service = service_name(of_resource.resource.as_ref());
                let of_scopes = of_resource.scope_spans.into_iter();
                spans.extend(
                    of_scopes
                        .flat_map(|of_scope| of_scope.spans)
                        .map(|span| read(&service, span)),
                );
            }
        });
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn service_name(resource: Option<&Resource>) -> String {
    let attributes = resource.map(|resource| resource.attributes.clone());
    texts(attributes.unwrap_or_default())
        .remove("service.name")
        .unwrap_or_default()
}

fn read(service: &str, span: ReceivedSpan) -> Span {
    Span {
        service: service.to_owned(),
        name: span.name,
        trace: hexadecimal(&span.trace_id),
        id: hexadecimal(&span.span_id),
        parent: hexadecimal(&span.parent_span_id),
        attributes: texts(span.attributes),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text never fails.
        let _written = write!(text, "{byte:02x}");
        text
    })
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    attributes
        .into_iter()
        .filter_map(|attribute| Some((attribute.key, text(attribute.value?)?)))
        .collect()
}

fn text(value: AnyValue) -> Option<String> {
    match value.value? {
        Value::StringValue(text) => Some(text),
        Value::BoolValue(value) => Some(value.to_string()),
        Value::IntValue(value) => Some(value.to_string()),
        Value::DoubleValue(value) => Some(value.to_string()),
        // Our spans have none of these.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(name: &str, id: &str, parent: &str) -> Span {
        Span {
            service: "test".to_owned(),
            name: name.to_owned(),
            trace: "t".to_owned(),
            id: id.to_owned(),
            parent: parent.to_owned(),
            attributes: BTreeMap::new(),
        }
    }

    #[test]
    fn a_chain_ends_at_who_is_not_there() {
        let spans = [
            span("c", "3", "2"),
            span("a", "1", "0"),
            span("b", "2", "1"),
        ];
        let all: Vec<&Span> = spans.iter().collect();
        let (names, above) = chain(&all, &spans[0]);
        assert_eq!(names, ["test/c", "test/b", "test/a"]);
        assert_eq!(above, "0");
    }

    #[test]
    fn a_circle_is_no_endless_chain() {
        let spans = [span("a", "1", "2"), span("b", "2", "1")];
        let all: Vec<&Span> = spans.iter().collect();
        assert_eq!(chain(&all, &spans[0]).0.len(), 3);
    }
}
