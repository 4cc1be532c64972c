//! What can go wrong in a command, and which exit code that is.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A command that could not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The server cannot be reached, or does not answer as it should.
    #[error("{url} cannot be reached: {reason}; is it running (`gotrs up`), and is --url right?")]
    Unreachable {
        /// Which server.
        url: String,
        /// Why.
        reason: String,
    },
    /// The server says that it cannot answer now.
    #[error("the server cannot do this now: {0}")]
    ServerTrouble(Box<Refusal>),
    /// The server says no.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// Nobody is signed in, or no longer.
    #[error("you are not signed in at {url}: run `gotrs login --url {url}` or set GOTRS_API_KEY")]
    SignedOut {
        /// Which server.
        url: String,
    },
    /// The command line says something that cannot be done.
    #[error("{0}")]
    Usage(String),
    /// A file of the user's cannot be read.
    #[error("{path} cannot be read: {source}", path = path.display())]
    ReadFile {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file that the user wants cannot be written.
    #[error("{path} cannot be written: {source}", path = path.display())]
    WriteFile {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is where a new one is wanted.
    #[error("{path} is there already and stays as it is; name another with --file, or move it away", path = path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// Our own file in the configuration folder.
    #[error("{doing} {path} failed: {source}", path = path.display())]
    Credentials {
        /// What was attempted, such as `writing`.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The answer of the server makes no sense to this version.
    #[error(
        "the answer of {url} is not understood ({reason}); is this gotrs as new as the server?"
    )]
    Answer {
        /// Which server.
        url: String,
        /// Why.
        reason: String,
    },
    /// An archive is damaged, or cannot be imported there.
    #[error("{0}")]
    Archive(String),
    /// A database that was named cannot be reached, or fails.
    #[error("{0}")]
    Database(String),
    /// This machine does not let us do our part.
    #[error("{doing} failed: {reason}")]
    Machine {
        /// What was attempted.
        doing: &'static str,
        /// Why.
        reason: String,
    },
    /// Standard output.
    #[error("the result cannot be written: {0}")]
    Write(#[from] std::io::Error),
}

/// What a server answers when it refuses: problem+json.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// HTTP status.
    #[serde(default)]
    pub status: u16,
    /// Stable word.
    #[serde(default)]
    pub code: String,
    /// One line.
    #[serde(default)]
    pub title: String,
    /// What is the matter this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// For support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// All findings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<RefusalItem>,
}

/// One finding of a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalItem {
    /// Stable word.
    #[serde(default)]
    pub code: String,
    /// For people.
    #[serde(default)]
    pub message: String,
    /// Where in the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Line in the file that was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// `error` or `warning`.
    #[serde(default)]
    pub severity: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.detail {
            Some(detail) => write!(f, "{}: {detail}", self.title)?,
            None => f.write_str(&self.title)?,
        }
        if self.status >= 500
            && let Some(id) = &self.request_id
        {
            write!(f, " (request {id})")?;
        }
        Ok(())
    }
}

impl CliError {
    /// The exit code.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::Exists { .. } | Self::Archive(_) => 1,
            Self::SignedOut { .. }
            | Self::Usage(_)
            | Self::ReadFile { .. }
            | Self::WriteFile { .. }
            | Self::Credentials { .. }
            | Self::Machine { .. }
            | Self::Write(_) => 2,
            Self::Unreachable { .. }
            | Self::ServerTrouble(_)
            | Self::Answer { .. }
            | Self::Database(_) => 3,
        }
    }

    /// A stable word for programs.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(refusal) | Self::ServerTrouble(refusal) => &refusal.code,
            Self::SignedOut { .. } => "signed_out",
            Self::Usage(_) => "usage",
            Self::ReadFile { .. } => "unreadable_file",
            Self::WriteFile { .. } => "unwritable_file",
            Self::Exists { .. } => "file_exists",
            Self::Credentials { .. } => "credentials",
            Self::Archive(_) => "bad_archive",
            Self::Database(_) => "database",
            Self::Machine { .. } => "machine",
            Self::Write(_) => "write",
            Self::Unreachable { .. } => "unreachable",
            Self::Answer { .. } => "bad_answer",
        }
    }

    /// The server's own words, where it spoke.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) | Self::ServerTrouble(refusal) => Some(refusal),
            _ => None,
        }
    }
}
