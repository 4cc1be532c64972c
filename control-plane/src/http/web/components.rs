//! `/dev/components`: every component in all its states.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use service_kit::pages::{Page, RequestContext};

use crate::app::AppState;

/// A word that breaks layouts which are not ready for it.
pub(super) const LONG_WORD: &str =
    "Donaudampfschifffahrtselektrizit\u{e4}tenhauptbetriebswerkbauunterbeamtengesellschaft";

#[derive(Debug, Serialize)]
pub(super) struct ComponentsPage {
    long_name: &'static str,
    owners: Value,
    rows: Vec<Row>,
    steps: Value,
    timeline: Value,
    code: &'static str,
    findings: Value,
}

impl Page for ComponentsPage {
    const TEMPLATE: &'static str = "pages/components.html";
}

#[derive(Debug, Clone, Serialize)]
struct Row {
    id: usize,
    title: String,
    state: &'static str,
    tone: &'static str,
    icon: &'static str,
    owner: &'static str,
    answers: i64,
    at: Option<DateTime<Utc>>,
}

/// `GET /dev/components`
pub(super) async fn show(State(state): State<AppState>, request: RequestContext) -> Response {
    let page = ComponentsPage::new(request.now, 5);
    state.pages.render(&page, &request)
}

impl ComponentsPage {
    pub(super) fn new(now: DateTime<Utc>, rows: usize) -> Self {
        let ago = |minutes: i64| now - TimeDelta::minutes(minutes);
        Self {
            long_name: LONG_WORD,
            owners: json!([
                {"value": "1", "label": "Ada Lovelace"},
                {"value": "2", "label": "Grace Hopper"},
                {"value": "3", "label": "Alan Turing"},
            ]),
            rows: sample_rows(now).into_iter().cycle().take(rows).collect(),
            steps: json!([
                {"title": "Schema", "state": "done", "time": ago(2)},
                {"title": "Roles", "state": "done", "time": ago(1)},
                {"title": "Migrations", "state": "running", "note": "Table 80 of 122."},
                {"title": "Administrator", "state": "failed", "note": "The database did not answer. It is tried again in 8 seconds."},
                {"title": "Server", "state": "waiting"},
            ]),
            timeline: json!([
                {"title": "Created", "who": "Ada Lovelace", "time": ago(30), "icon": "plus"},
                {"title": "Answered", "who": "Grace Hopper", "time": ago(20), "icon": "reply", "text": "We replaced the driver. Please try again."},
                {"title": "Closed", "icon": "check"},
            ]),
            code: "module:\n  name: laptop\n  table: x_laptop\nfields:\n  - name: O0Il1\n    type: string",
            findings: json!([
                {"severity": "error", "code": "unknown-type", "message": "\"strin\" is not a type", "help": "Did you mean string?", "line": 7, "column": 11, "excerpt": "7 |     type: strin\n  |           ^^^^^"},
                {"severity": "warning", "code": "unused-key", "message": "The key \"colour\" has no effect", "help": null, "line": 9, "column": 5, "excerpt": null},
            ]),
        }
    }
}

fn sample_rows(now: DateTime<Utc>) -> Vec<Row> {
    let row = |id, title: &str, state, tone, icon, owner, answers, minutes: Option<i64>| Row {
        id,
        title: title.to_owned(),
        state,
        tone,
        icon,
        owner,
        answers,
        at: minutes.map(|minutes| now - TimeDelta::minutes(minutes)),
    };
    vec![
        row(
            1,
            "Printer on floor 3 prints only umlauts",
            "Open",
            "info",
            "circle-dot",
            "Ada Lovelace",
            12,
            Some(3),
        ),
        row(
            2,
            LONG_WORD,
            "Overdue",
            "critical",
            "clock-alert",
            "Grace Hopper",
            12_345,
            Some(2_880),
        ),
        row(
            3,
            "\u{644}\u{627} \u{64a}\u{639}\u{645}\u{644} \u{627}\u{644}\u{628}\u{631}\u{64a}\u{62f}",
            "Closed",
            "positive",
            "circle-check",
            "",
            0,
            None,
        ),
        row(
            4,
            "Invoice <b>without</b> an amount",
            "Waiting",
            "caution",
            "clock",
            "Alan Turing",
            3,
            Some(90),
        ),
        row(5, "New", "New", "accent", "sparkles", "", 0, Some(0)),
    ]
}
