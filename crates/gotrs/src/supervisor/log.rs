//! Log lines of a tenant's server become ours, with the tenant's name.

use domain::name::TenantSlug;
use serde_json::{Map, Value};
use service_kit::Tasks;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};

/// Longest line that is kept whole; a server that writes no line end must not fill our memory.
const LONGEST: u64 = 64 * 1024;

/// Forwards lines until the server closes its end.
pub(crate) fn forward(
    tasks: &Tasks,
    slug: TenantSlug,
    stderr: impl AsyncRead + Unpin + Send + 'static,
) {
    tasks.spawn("runtime log", async move {
        let mut reader = BufReader::new(stderr);
        let mut line = Vec::new();
        loop {
            line.clear();
            match (&mut reader)
                .take(LONGEST)
                .read_until(b'\n', &mut line)
                .await
            {
                Ok(0) | Err(_) => break,
                Ok(_) => log(&slug, &Line::parse(&String::from_utf8_lossy(&line))),
            }
        }
    });
}

/// One line, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    level: tracing::Level,
    message: String,
    /// Everything else, as JSON; empty when there is nothing.
    fields: String,
}

impl Line {
    /// A line of tracing's JSON; anything else (a panic, a library that prints) is kept as it is.
    fn parse(text: &str) -> Self {
        let text = text.trim_end();
        let Ok(Value::Object(mut object)) = serde_json::from_str(text) else {
            return Self {
                level: tracing::Level::WARN,
                message: text.to_owned(),
                fields: String::new(),
            };
        };
        let mut take = |key: &str| match object.remove(key) {
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let level = take("level").parse().unwrap_or(tracing::Level::INFO);
        let message = take("message");
        for repeated in ["timestamp", "tenant.slug", "tenant.id", "span"] {
            take(repeated);
        }
        Self {
            level,
            message,
            fields: print_fields(&object),
        }
    }
}

fn print_fields(fields: &Map<String, Value>) -> String {
    if fields.is_empty() {
        String::new()
    } else {
        Value::Object(fields.clone()).to_string()
    }
}

fn log(slug: &TenantSlug, line: &Line) {
    let message = &line.message;
    // Nothing instead of an empty text.
    let fields = Some(line.fields.as_str()).filter(|fields| !fields.is_empty());
    // A level is part of an event's static description, so each needs its own.
    macro_rules! event {
        ($level:expr) => {
            tracing::event!(target: "tenant", $level, tenant.slug = %slug, fields, "{message}")
        };
    }
    match line.level {
        tracing::Level::ERROR => event!(tracing::Level::ERROR),
        tracing::Level::WARN => event!(tracing::Level::WARN),
        tracing::Level::INFO => event!(tracing::Level::INFO),
        tracing::Level::DEBUG => event!(tracing::Level::DEBUG),
        tracing::Level::TRACE => event!(tracing::Level::TRACE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_line_keeps_its_level_message_and_fields() {
        let line = Line::parse(
            r#"{"timestamp":"2026-01-02T03:04:05Z","level":"WARN","message":"slow","module.name":"queue","tenant.slug":"acme","target":"x"}"#,
        );
        assert_eq!(
            line,
            Line {
                level: tracing::Level::WARN,
                message: "slow".to_owned(),
                fields: r#"{"module.name":"queue","target":"x"}"#.to_owned(),
            }
        );
    }

    #[test]
    fn any_other_line_is_kept_as_it_is() {
        for text in ["thread 'main' panicked at x.rs:1", "[1]", "{"] {
            let line = Line::parse(&format!("{text}\n"));
            assert_eq!(
                (line.message.as_str(), line.level),
                (text, tracing::Level::WARN)
            );
        }
        let line = Line::parse(r#"{"level":"LOUD","message":"x"}"#);
        assert_eq!(
            (line.level, line.fields.as_str()),
            (tracing::Level::INFO, "")
        );
    }
}
