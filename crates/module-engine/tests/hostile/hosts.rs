//! A host whose answers are slow, large or oddly named, as a case asks for.

use std::sync::{Condvar, Mutex, PoisonError, mpsc};
use std::time::Duration;

use chrono::{DateTime, Utc};
use module_engine::effect::Effect;
use module_engine::find::Find;
use module_engine::host::{Budget, Host, HostError, LogLevel, Query, Rows, Tenant, User};
use serde_json::{Value, json};

/// How long a meeting waits for the last one.
const MEETING: Duration = Duration::from_secs(20);

/// Answers every query with the same rows; ignores its budget, for the engine to notice.
pub(crate) struct Answering<'a> {
    pub(crate) delay: Duration,
    pub(crate) rows: usize,
    pub(crate) width: usize,
    /// Each query waits here for as many others.
    pub(crate) meet: Option<&'a Meeting>,
}

/// Where so many queries wait for each other. Unlike a barrier it gives up: a slot that is lost is a failure, not a hang.
pub(crate) struct Meeting {
    missing: Mutex<u32>,
    complete: Condvar,
}

impl Meeting {
    pub(crate) fn new(count: u32) -> Self {
        Self {
            missing: Mutex::new(count),
            complete: Condvar::new(),
        }
    }

    fn wait(&self) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        *missing -= 1;
        self.complete.notify_all();
        let (missing, _) = self
            .complete
            .wait_timeout_while(missing, MEETING, |missing| *missing > 0)
            .unwrap_or_else(PoisonError::into_inner);
        assert_eq!(*missing, 0, "not all sandboxes are free");
    }
}

impl Default for Answering<'_> {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            rows: 1,
            width: 1,
            meet: None,
        }
    }
}

impl Host for Answering<'_> {
    fn query(&self, query: &Query<'_>, _: Budget) -> Result<Rows, HostError> {
        if let Some(meeting) = self.meet {
            meeting.wait();
        }
        if !self.delay.is_zero() {
            // As long as a database would take, whatever the deadline says.
            let (_sender, receiver) = mpsc::channel::<()>();
            assert!(receiver.recv_timeout(self.delay).is_err());
        }
        if let Some(why) = query.sql.strip_prefix("REFUSE ") {
            return Err(HostError::Refused(format!("refused: {why}")));
        }
        if query.sql == "FAIL" {
            return Err(HostError::Failed("failed".to_owned()));
        }
        if query.sql == "ODD" {
            return Ok(Rows {
                columns: ["__proto__", "constructor", "toString"]
                    .map(str::to_owned)
                    .to_vec(),
                rows: vec![vec![json!(1), json!({"polluted": 1}), json!("x")]],
            });
        }
        Ok(Rows {
            columns: vec!["text".to_owned()],
            rows: vec![vec![json!("x".repeat(self.width))]; self.rows],
        })
    }

    fn find(&self, _: &Find, _: Budget) -> Result<Rows, HostError> {
        Err(HostError::Failed("failed".to_owned()))
    }

    fn effect(&self, _: &Effect, _: Budget) -> Result<Value, HostError> {
        Err(HostError::Failed("failed".to_owned()))
    }

    fn log(&self, _: LogLevel, _: &str) {}

    fn translate(&self, _: &str) -> Option<String> {
        None
    }

    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_768_478_400, 0).unwrap()
    }

    fn user(&self) -> Option<User> {
        Some(User {
            id: 1,
            login: "root@localhost".to_owned(),
            name: "Admin OTRS".to_owned(),
            groups: vec!["admin".to_owned()],
        })
    }

    fn tenant(&self) -> Tenant {
        Tenant {
            slug: "example".to_owned(),
            name: "Example".to_owned(),
        }
    }

    fn entropy(&self) -> [u8; 32] {
        [7; 32]
    }
}
