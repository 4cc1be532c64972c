//! `GET /events`: tells open pages that something changed, by server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use http::HeaderMap;
use serde::Deserialize;
use service_kit::Problem;
use service_kit::extract::Query;
use tokio::sync::watch;

use crate::app::AppState;
use crate::http::extract::Agent;

/// Pages of one tenant that may listen at once: a few tabs of each agent.
const MOST: usize = 1_000;
/// Shorter than what proxies cut.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Which state of the modules the page was made of.
#[derive(Debug, Deserialize)]
pub struct Seen {
    #[serde(default)]
    seen: String,
}

/// `GET /events?seen=<tag>`
pub async fn stream(
    State(app): State<AppState>,
    _agent: Agent,
    Query(query): Query<Seen>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>> + use<>>, Problem> {
    if app.modules.subscribers() >= MOST {
        return Err(Problem::unavailable(
            "Too many pages of this helpdesk are open at once.",
        ));
    }
    // After a broken connection the browser says what it saw last; before that the page's own tag counts.
    let seen = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .map_or(query.seen, str::to_owned);
    let listener = Listener {
        changes: app.modules.subscribe(),
        stopping: app.tasks.stopping(),
        pending: Vec::new(),
        seen,
        app,
    };
    let stream = futures_util::stream::unfold(listener, |mut listener| async move {
        listener.next().await.map(|event| (Ok(event), listener))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("alive")))
}

struct Listener {
    app: AppState,
    changes: watch::Receiver<u64>,
    stopping: tokio_util::sync::CancellationToken,
    /// Events of the current change that are still to be sent, last first.
    pending: Vec<Event>,
    seen: String,
}

impl Listener {
    /// The next event; `None` at the shutdown, so that browsers come back to the next process.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.pending.pop() {
                return Some(event);
            }
            self.changes.borrow_and_update();
            let modules = self.app.modules.current();
            let tag = self.app.modules.tag(modules.revision);
            if !self.seen.is_empty() && tag != self.seen {
                self.seen.clone_from(&tag);
                let data = format!(
                    r#"{{"generation":{},"revision":{}}}"#,
                    modules.generation, modules.revision
                );
                let named = |name| Event::default().event(name).id(&tag).data(&data);
                // `nav` makes open pages ask for their menu again; `modules` is for whoever wants to know why.
                self.pending = vec![named("nav"), named("modules")];
                continue;
            }
            self.seen = tag;
            match self
                .stopping
                .run_until_cancelled(self.changes.changed())
                .await
            {
                Some(Ok(())) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}
