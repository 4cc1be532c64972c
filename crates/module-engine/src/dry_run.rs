//! A host in memory: for tests in modules, upload checks and trying out.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::host::{Host, HostError, LogLevel, Query, Rows, Tenant, User};

/// Answers queries from fixtures and remembers what was asked and logged. Everything about it is fixed: the same lambda gives the
/// same result every time.
#[derive(Debug)]
pub struct DryRunHost {
    fixtures: Vec<Fixture>,
    user: Option<User>,
    tenant: Tenant,
    now: DateTime<Utc>,
    log: Mutex<Vec<(LogLevel, String)>>,
    queries: Mutex<Vec<String>>,
}

#[derive(Debug)]
struct Fixture {
    contains: Option<String>,
    rows: Rows,
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
        }
    }

    /// Answers queries that contain `contains` (all, when `None`) with `rows`. The first fixture that fits answers.
    #[must_use]
    pub fn with_fixture(mut self, contains: Option<&str>, rows: &[Map<String, Value>]) -> Self {
        let mut columns: Vec<String> = Vec::new();
        for name in rows.iter().flat_map(Map::keys) {
            if !columns.contains(name) {
                columns.push(name.clone());
            }
        }
        let rows = rows
            .iter()
            .map(|row| {
                columns
                    .iter()
                    .map(|name| row.get(name).cloned().unwrap_or(Value::Null))
                    .collect()
            })
            .collect();
        self.fixtures.push(Fixture {
            contains: contains.map(str::to_owned),
            rows: Rows { columns, rows },
        });
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

    /// The lines that were logged so far.
    pub fn log_lines(&self) -> Vec<(LogLevel, String)> {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The queries that were made so far.
    pub fn queries(&self) -> Vec<String> {
        self.queries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Host for DryRunHost {
    fn query(&self, query: &Query<'_>) -> Result<Rows, HostError> {
        self.queries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(query.sql.to_owned());
        let fixture = self
            .fixtures
            .iter()
            .find(|fixture| {
                fixture
                    .contains
                    .as_ref()
                    .is_none_or(|text| query.sql.contains(text))
            })
            .ok_or_else(|| {
                HostError::Refused(
                    "no fixture answers this query; add `rows` to the test".to_owned(),
                )
            })?;
        if fixture.rows.rows.len() > usize::try_from(query.max_rows).unwrap_or(usize::MAX) {
            return Err(HostError::TooManyRows);
        }
        Ok(fixture.rows.clone())
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((level, message.to_owned()));
    }

    fn translate(&self, _key: &str) -> Option<String> {
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
