//! The local mailbox of a development machine.

use domain::id::RequestId;
use service_kit::{Chain, Problem};

use crate::app::AppState;
use crate::mail::LocalMailbox;
use crate::mail::local::LocalMail;

/// Why a mail cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum MailboxError {
    /// Mail goes to a mail server.
    #[error("there is no local mailbox")]
    NoMailbox,
    /// No such mail.
    #[error("no such mail")]
    NotFound,
    /// The folder cannot be read.
    #[error("the local mailbox cannot be read")]
    Read(#[source] std::io::Error),
}

impl From<MailboxError> for Problem {
    fn from(error: MailboxError) -> Self {
        match &error {
            MailboxError::NoMailbox | MailboxError::NotFound => {
                Self::not_found("There is no such mail in the local mailbox.")
            }
            MailboxError::Read(_) => {
                tracing::error!(error = %Chain(&error), "the mailbox cannot be read");
                Self::internal()
            }
        }
    }
}

/// The newest mails, newest first.
pub async fn list(state: &AppState) -> Result<Vec<LocalMail>, MailboxError> {
    mailbox(state)?.list().await.map_err(MailboxError::Read)
}

/// One mail.
pub async fn find(state: &AppState, id: RequestId) -> Result<LocalMail, MailboxError> {
    mailbox(state)?
        .find(id)
        .await
        .map_err(MailboxError::Read)?
        .ok_or(MailboxError::NotFound)
}

fn mailbox(state: &AppState) -> Result<&LocalMailbox, MailboxError> {
    state.mailer.local_mailbox().ok_or(MailboxError::NoMailbox)
}
