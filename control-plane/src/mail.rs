//! Mail: through a mail server, or into a folder of this machine for development.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::AsyncSmtpTransport;
use lettre::{AsyncTransport as _, Message, Tokio1Executor};
use secrecy::{ExposeSecret as _, SecretString};

use crate::email::EmailAddress;

pub mod local;

pub use local::LocalMailbox;

/// How mail goes out.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// Sender, such as `GOTRS Cloud <no-reply@example.com>`.
    pub from: String,
    /// The way.
    pub transport: MailTransport,
}

/// Where mail goes.
#[derive(Debug, Clone)]
pub enum MailTransport {
    /// To a mail server: `smtp://`, `smtps://`.
    Smtp(SecretString),
    /// Into this folder; nothing leaves the machine.
    LocalMailbox(PathBuf),
}

/// A mail to one person, plain text.
#[derive(Debug, Clone)]
pub struct OutgoingMail {
    /// To whom.
    pub to: EmailAddress,
    /// One line.
    pub subject: String,
    /// The text.
    pub text: String,
}

/// A mail that could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum SendMailError {
    /// It cannot be written down as a message.
    #[error("the mail cannot be composed")]
    Compose(#[source] anyhow::Error),
    /// The mail server refused or was not reached.
    #[error("the mail server did not take the mail")]
    Smtp(#[source] lettre::transport::smtp::Error),
    /// It did not answer.
    #[error("the mail server did not answer within {} seconds", SEND_TIMEOUT.as_secs())]
    Timeout,
    /// The folder cannot be written.
    #[error("the mail cannot be written into the local mailbox")]
    WriteFile(#[source] std::io::Error),
}

/// Mail servers may be slow on purpose, but not that slow.
const SEND_TIMEOUT: Duration = Duration::from_secs(20);

/// Sends mail. Clones share connections.
#[derive(Debug, Clone)]
pub struct Mailer {
    from: Mailbox,
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Local(LocalMailbox),
}

impl Mailer {
    /// A mailer; connects to nothing yet.
    pub fn new(settings: &MailSettings) -> anyhow::Result<Self> {
        let from = settings.from.parse().with_context(|| {
            format!(
                "GOTRS_MAIL_FROM is {:?}; an example of a good value: GOTRS Cloud <no-reply@example.com>",
                settings.from
            )
        })?;
        let way = match &settings.transport {
            MailTransport::Smtp(url) => Way::Smtp(
                AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret())
                    .context("GOTRS_SMTP_URL is not usable; an example of a good value: smtps://user:password@mail.example.com")?
                    .timeout(Some(SEND_TIMEOUT))
                    .build(),
            ),
            MailTransport::LocalMailbox(folder) => Way::Local(LocalMailbox::new(folder.clone())),
        };
        Ok(Self { from, way })
    }

    /// The local mailbox, if that is where mail goes.
    pub const fn local_mailbox(&self) -> Option<&LocalMailbox> {
        match &self.way {
            Way::Smtp(_) => None,
            Way::Local(mailbox) => Some(mailbox),
        }
    }

    /// Sends one mail; when this returns, somebody else has it.
    pub async fn send(
        &self,
        mail: &OutgoingMail,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<(), SendMailError> {
        let message = self.compose(mail, now).map_err(SendMailError::Compose)?;
        match &self.way {
            Way::Smtp(transport) => {
                match tokio::time::timeout(SEND_TIMEOUT, transport.send(message)).await {
                    Ok(Ok(_response)) => Ok(()),
                    Ok(Err(error)) => Err(SendMailError::Smtp(error)),
                    Err(_elapsed) => Err(SendMailError::Timeout),
                }
            }
            Way::Local(mailbox) => mailbox
                .deliver(&self.from.to_string(), mail, &message.formatted(), now)
                .await
                .map_err(SendMailError::WriteFile),
        }
    }

    fn compose(
        &self,
        mail: &OutgoingMail,
        now: chrono::DateTime<chrono::Utc>,
    ) -> anyhow::Result<Message> {
        Message::builder()
            .from(self.from.clone())
            .to(mail.to.as_str().parse().context("the recipient")?)
            .subject(&mail.subject)
            .date(now.into())
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text.clone())
            .context("the message")
    }
}
