//! The agent's home and the overview of the administration.

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::{Deserialize, Serialize};
use service_kit::extract::Query;
use service_kit::pages::{Page, RequestContext};
use service_kit::{Chain, Problem};

use crate::app::AppState;
use crate::auth::permission::Permission;
use crate::db;
use crate::http::extract::{AdminAgent, Agent};
use crate::modules::menu::{self, Group};

/// One number of the dashboard.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Stat {
    /// What is counted.
    pub label: String,
    /// How many.
    pub value: i64,
}

/// Something to begin with.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct FirstStep {
    /// What it is.
    pub title: String,
    /// Why one would.
    pub text: String,
    /// Where it is done.
    pub href: String,
    /// Lucide name.
    pub icon: String,
}

/// The agent's home page.
#[derive(Debug, Serialize)]
pub struct AgentHomePage<'a> {
    /// First word of the greeting.
    pub name: &'a str,
    /// The tenant.
    pub tenant: &'a str,
    /// Tickets by kind of state.
    pub stats: Vec<Stat>,
    /// Tickets that are the agent's and not closed.
    pub owned: i64,
    /// All tickets in the agent's queues.
    pub total: i64,
    /// What can be done here.
    pub steps: Vec<FirstStep>,
}

impl Page for AgentHomePage<'_> {
    const TEMPLATE: &'static str = "pages/agent_home.html";
}

/// A module as a card.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Card {
    /// Name of the list.
    pub label: String,
    /// A sentence about it.
    pub description: String,
    /// Lucide name.
    pub icon: String,
    /// Where it is.
    pub href: String,
    /// Its code hit limits again and again and does not run.
    pub suspended: bool,
}

/// Cards under one heading.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct CardGroup {
    /// The heading.
    pub title: String,
    /// The cards.
    pub cards: Vec<Card>,
}

/// The overview of the administration.
#[derive(Debug, Serialize)]
pub struct AdminOverviewPage {
    /// What was searched for.
    pub q: String,
    /// What was found, or everything.
    pub groups: Vec<CardGroup>,
    /// How many modules there are in all.
    pub total: usize,
}

impl Page for AdminOverviewPage {
    const TEMPLATE: &'static str = "pages/admin_overview.html";
}

/// `GET /`
pub async fn root() -> Redirect {
    Redirect::to("/agent")
}

/// `GET /agent`
pub async fn agent_home(
    State(app): State<AppState>,
    agent: Agent,
    context: RequestContext,
) -> Result<Response, Problem> {
    let groups: Vec<String> = agent
        .permissions()
        .groups()
        .filter(|group| agent.permissions().allows(group, Permission::Ro))
        .map(str::to_owned)
        .collect();
    let counts = db::ticket::count_by_state_type(&app.database, &groups)
        .await
        .map_err(|error| away(&error))?;
    let owned = db::ticket::count_owned_open(&app.database, agent.id())
        .await
        .map_err(|error| away(&error))?;
    let page = AgentHomePage {
        name: &agent.account.name,
        tenant: &app.tenant.name,
        total: counts.iter().map(|count| count.tickets).sum(),
        // What is removed or merged into another is no work.
        stats: counts
            .into_iter()
            .filter(|count| !matches!(count.name.as_str(), "removed" | "merged"))
            .map(|count| Stat {
                label: capitalised(&count.name),
                value: count.tickets,
            })
            .collect(),
        owned,
        steps: steps(&app, &agent),
    };
    Ok(app.pages.render(&page, &context))
}

/// The overview's query.
#[derive(Debug, Default, Deserialize)]
pub struct OverviewQuery {
    #[serde(default)]
    q: String,
}

/// `GET /admin`
pub async fn admin_overview(
    State(app): State<AppState>,
    AdminAgent(agent): AdminAgent,
    Query(query): Query<OverviewQuery>,
    context: RequestContext,
) -> Response {
    let modules = app.modules.current();
    let groups = menu::groups(&modules, agent.permissions());
    let is_suspended = |name: &str| {
        let module = modules.find(name);
        module.is_some_and(|module| module.supervision.suspension().is_some())
    };
    let page = AdminOverviewPage {
        total: groups.iter().map(|group| group.entries.len()).sum(),
        groups: matching(groups, &query.q, is_suspended),
        q: query.q.chars().take(200).collect(),
    };
    app.pages.render(&page, &context).into_response()
}

/// Cards whose label, description, name or heading contains every word of `q`.
fn matching(groups: Vec<Group>, q: &str, is_suspended: impl Fn(&str) -> bool) -> Vec<CardGroup> {
    let words: Vec<String> = q
        .to_lowercase()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    groups
        .into_iter()
        .map(|group| {
            let cards = group
                .entries
                .into_iter()
                .filter(|entry| {
                    let text = format!(
                        "{} {} {} {}",
                        entry.label, entry.description, entry.name, group.title
                    );
                    let text = text.to_lowercase();
                    words.iter().all(|word| text.contains(word.as_str()))
                })
                .map(|entry| Card {
                    suspended: is_suspended(&entry.name),
                    label: entry.label,
                    description: entry.description,
                    icon: entry.icon,
                    href: entry.href,
                })
                .collect();
            CardGroup {
                title: group.title,
                cards,
            }
        })
        .filter(|group| !group.cards.is_empty())
        .collect()
}

/// What an administrator does first, as far as the modules for it are there.
fn steps(app: &AppState, agent: &Agent) -> Vec<FirstStep> {
    if !agent.permissions().is_admin() {
        return Vec::new();
    }
    let modules = app.modules.current();
    [
        (
            "queue",
            "inbox",
            "Set up queues",
            "Tickets are sorted into queues; each belongs to a group of agents.",
        ),
        (
            "users",
            "users",
            "Add your colleagues",
            "Everyone who answers tickets gets an account of their own.",
        ),
        (
            "customer_user",
            "contact",
            "Add customers",
            "People whose requests you answer, by company if you like.",
        ),
    ]
    .into_iter()
    .filter(|(module, ..)| modules.find(module).is_some())
    .map(|(module, icon, title, text)| FirstStep {
        title: title.to_owned(),
        text: text.to_owned(),
        href: format!("/admin/{module}"),
        icon: icon.to_owned(),
    })
    .chain(std::iter::once(FirstStep {
        title: "See everything that can be set".to_owned(),
        text: "All modules of this helpdesk, those you uploaded among them.".to_owned(),
        href: "/admin".to_owned(),
        icon: "settings".to_owned(),
    }))
    .collect()
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

fn away(error: &sqlx::Error) -> Problem {
    tracing::error!(error = %Chain(error), "the home page could not be counted");
    Problem::unavailable("The database of this helpdesk does not answer. Try again in a moment.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::menu::Entry;

    #[test]
    fn every_word_must_be_somewhere_on_the_card() {
        let entry = |name: &str, label: &str| Entry {
            name: name.to_owned(),
            label: label.to_owned(),
            description: "Sorts tickets".to_owned(),
            icon: "box".to_owned(),
            href: format!("/admin/{name}"),
        };
        let groups = || {
            vec![Group {
                title: "Ticket settings".to_owned(),
                entries: vec![entry("queue", "Queues"), entry("state", "States")],
            }]
        };
        let found = |q: &str| {
            matching(groups(), q, |name| name == "queue")
                .iter()
                .map(|group| group.cards.len())
                .sum::<usize>()
        };
        assert_eq!(found(""), 2);
        assert_eq!(found("QUEUE"), 1);
        assert_eq!(found("settings stat"), 1);
        assert_eq!(found("laptop"), 0);
        assert!(matching(groups(), "laptop", |_| false).is_empty());
        let cards = matching(groups(), "queue", |name| name == "queue");
        assert!(cards[0].cards[0].suspended);
    }
}
