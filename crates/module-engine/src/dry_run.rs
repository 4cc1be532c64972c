//! A host in memory: for tests in modules, upload checks and trying out.

mod store;

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use self::store::Store;
use crate::call::Item;
use crate::effect::Effect;
use crate::find::{Find, Want};
use crate::host::{Budget, Host, HostError, LogLevel, Query, Rows, Tenant, User};

/// Answers queries from fixtures, keeps records and tickets in memory, and remembers what was asked, done and logged. Everything about it is fixed: the same lambda gives the
/// same result every time.
#[derive(Debug)]
pub struct DryRunHost {
    fixtures: Vec<Fixture>,
    user: Option<User>,
    tenant: Tenant,
    now: DateTime<Utc>,
    log: Mutex<Vec<(LogLevel, String)>>,
    queries: Mutex<Vec<String>>,
    effects: Mutex<Vec<Effect>>,
    translations: Option<Mutex<BTreeSet<String>>>,
    store: Mutex<Store>,
}

#[derive(Debug)]
struct Fixture {
    contains: Option<String>,
    rows: Vec<Item>,
}

impl Fixture {
    fn answers(&self, asked: &str) -> bool {
        self.contains
            .as_ref()
            .is_none_or(|text| asked.contains(text))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for DryRunHost {
    fn default() -> Self {
        Self::new()
    }
}

impl DryRunHost {
    /// A host without a database: every query is refused.
    pub fn new() -> Self {
        Self {
            fixtures: Vec::new(),
            user: Some(User {
                id: 1,
                login: "root@localhost".to_owned(),
                name: "Admin OTRS".to_owned(),
                groups: vec!["admin".to_owned(), "users".to_owned()],
            }),
            tenant: Tenant {
                slug: "example".to_owned(),
                name: "Example".to_owned(),
            },
            // 2026-01-15 12:00 UTC, a Thursday.
            now: DateTime::from_timestamp(1_768_478_400, 0).unwrap_or_default(),
            log: Mutex::default(),
            queries: Mutex::default(),
            effects: Mutex::default(),
            translations: None,
            store: Mutex::default(),
        }
    }

    /// Answers queries that contain `contains` (all, when `None`) with `rows`, and likewise `db.find` by the name of its table,
    /// whose conditions are then applied to them. The first fixture that fits answers.
    #[must_use]
    pub fn with_fixture(mut self, contains: Option<&str>, rows: &[Map<String, Value>]) -> Self {
        self.fixtures.push(Fixture {
            contains: contains.map(str::to_owned),
            rows: rows.to_vec(),
        });
        self
    }

    /// Records of a module, for `records(module)`; those without an `id` get one.
    #[must_use]
    pub fn with_records(self, module: &str, records: &[Item]) -> Self {
        for record in records {
            lock(&self.store).create(module, record.clone());
        }
        self
    }

    /// A ticket, for `tickets`; its `id` is its number.
    #[must_use]
    pub fn with_ticket(self, ticket: Item) -> Self {
        lock(&self.store).add_ticket(ticket);
        self
    }

    /// Another user, or nobody.
    #[must_use]
    pub fn with_user(mut self, user: Option<User>) -> Self {
        self.user = user;
        self
    }

    /// Another time.
    #[must_use]
    pub fn with_now(mut self, now: DateTime<Utc>) -> Self {
        self.now = now;
        self
    }

    /// Keeps the keys of which translations are asked. Nothing limits how many there are and how long: not for other people's lambdas.
    #[must_use]
    pub fn keeping_translations(mut self) -> Self {
        self.translations = Some(Mutex::default());
        self
    }

    /// The lines that were logged so far.
    pub fn log_lines(&self) -> Vec<(LogLevel, String)> {
        lock(&self.log).clone()
    }

    /// The queries that were made so far; a `db.find` is the name of its table.
    pub fn queries(&self) -> Vec<String> {
        lock(&self.queries).clone()
    }

    /// What was done so far.
    pub fn effects(&self) -> Vec<Effect> {
        lock(&self.effects).clone()
    }

    /// The keys of which a translation was asked so far; none unless they are kept.
    pub fn translations(&self) -> BTreeSet<String> {
        let kept = self.translations.as_ref();
        kept.map(|kept| lock(kept).clone()).unwrap_or_default()
    }

    /// The records of a module as they are now.
    pub fn records(&self, module: &str) -> Vec<Item> {
        lock(&self.store).records(module).to_vec()
    }

    /// A ticket as it is now.
    pub fn ticket(&self, id: i64) -> Option<Item> {
        lock(&self.store).ticket(id).cloned()
    }

    fn fixture(&self, asked: &str, what: &str) -> Result<&[Item], HostError> {
        lock(&self.queries).push(asked.to_owned());
        self.fixtures
            .iter()
            .find(|fixture| fixture.answers(asked))
            .map(|fixture| fixture.rows.as_slice())
            .ok_or_else(|| {
                HostError::Refused(format!(
                    "no fixture answers this {what}; add `rows` to the test"
                ))
            })
    }
}

/// The rows with the columns that any of them has.
fn table(rows: &[&Item], budget: Budget) -> Result<Rows, HostError> {
    if rows.len() > usize::try_from(budget.max_rows).unwrap_or(usize::MAX) {
        return Err(HostError::TooManyRows);
    }
    let mut columns: Vec<String> = Vec::new();
    for name in rows.iter().flat_map(|row| row.keys()) {
        if !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    let rows = rows
        .iter()
        .map(|row| {
            columns
                .iter()
                .map(|name| row.get(name).cloned().unwrap_or_default())
                .collect()
        })
        .collect();
    Ok(Rows { columns, rows })
}

impl Host for DryRunHost {
    fn query(&self, query: &Query<'_>, budget: Budget) -> Result<Rows, HostError> {
        let rows: Vec<&Item> = self.fixture(query.sql, "query")?.iter().collect();
        table(&rows, budget)
    }

    fn find(&self, find: &Find, budget: Budget) -> Result<Rows, HostError> {
        let rows = self.fixture(find.table.as_str(), "table")?;
        let found = find.selection.apply(rows.iter());
        if find.want == Want::Count {
            return Ok(Rows {
                columns: vec!["count".to_owned()],
                rows: vec![vec![Value::from(found.len())]],
            });
        }
        if find.columns.is_empty() {
            return table(&found, budget);
        }
        let picked: Vec<Item> = found
            .into_iter()
            .map(|row| {
                find.columns
                    .iter()
                    .map(|column| {
                        let value = row.get(column.as_str()).cloned().unwrap_or_default();
                        (column.as_str().to_owned(), value)
                    })
                    .collect()
            })
            .collect();
        table(&picked.iter().collect::<Vec<_>>(), budget)
    }

    fn effect(&self, effect: &Effect, _: Budget) -> Result<Value, HostError> {
        lock(&self.effects).push(effect.clone());
        lock(&self.store).apply(effect)
    }

    fn log(&self, level: LogLevel, message: &str) {
        lock(&self.log).push((level, message.to_owned()));
    }

    fn translate(&self, key: &str) -> Option<String> {
        if let Some(translations) = &self.translations {
            lock(translations).insert(key.to_owned());
        }
        None
    }

    fn now(&self) -> DateTime<Utc> {
        self.now
    }

    fn user(&self) -> Option<User> {
        self.user.clone()
    }

    fn tenant(&self) -> Tenant {
        self.tenant.clone()
    }

    fn entropy(&self) -> [u8; 32] {
        [7; 32]
    }
}
