//! Sends the mails whose time has come. A mail is put off before it is sent and struck off after, so a crash
//! in between sends it twice rather than never.

use std::time::Duration;

use anyhow::Context as _;
use chrono::TimeDelta;
use secrecy::ExposeSecret as _;
use service_kit::Chain;

use super::backoff::Backoff;
use crate::app::AppState;
use crate::db::verification::{self, DueMail};
use crate::mail::{OutgoingMail, SendMailError};
use crate::service::signup;

/// A net under the notifications.
const PERIOD: Duration = Duration::from_secs(15);
/// How long an attempt may take before another process takes the mail.
const PUT_OFF: TimeDelta = TimeDelta::minutes(2);
const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(30),
    longest: Duration::from_hours(1),
};

/// Runs until the process stops.
pub async fn run(state: AppState) -> anyhow::Result<()> {
    let stopping = state.tasks.stopping();
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        tokio::select! {
            () = state.mail_due.notified() => {}
            _ = ticks.tick() => {}
            () = stopping.cancelled() => return Ok(()),
        }
        if let Err(error) = send_due(&state).await {
            tracing::warn!(error = format!("{error:#}"), "mails cannot be read now");
        }
    }
}

/// Sends everything that is due; returns how many were sent.
pub async fn send_due(state: &AppState) -> anyhow::Result<usize> {
    let mut sent = 0;
    loop {
        let now = state.clock.now();
        let mut db = state.pool.acquire().await.context("connecting")?;
        let Some(due) = verification::take_due_mail(&mut db, now, now + PUT_OFF).await? else {
            return Ok(sent);
        };
        // Mail servers are slow, and connections few.
        drop(db);
        let outcome = match compose(state, &due) {
            Ok(mail) => state
                .mailer
                .send(&mail, now)
                .await
                .map_err(anyhow::Error::from),
            Err(error) => Err(error),
        };
        let again = match outcome {
            Ok(()) => {
                sent += 1;
                None
            }
            Err(error) => {
                let again = next_attempt(&error, &due);
                tracing::warn!(
                    error = format!("{error:#}"),
                    verification.id = %due.id,
                    attempts = due.attempts,
                    will_retry = again.is_some(),
                    "a mail could not be sent"
                );
                again
            }
        };
        let mut db = state.pool.acquire().await.context("connecting")?;
        let send_after = again.map(|pause| state.clock.now() + pause);
        verification::set_send_after(&mut db, due.id, send_after).await?;
    }
}

/// When to try again; never what cannot succeed.
fn next_attempt(error: &anyhow::Error, due: &DueMail) -> Option<Duration> {
    match error.downcast_ref::<SendMailError>() {
        Some(SendMailError::Smtp(error)) if error.is_permanent() => None,
        Some(SendMailError::Compose(_)) | None => None,
        Some(_) => Some(BACKOFF.random_pause(due.attempts.unsigned_abs())),
    }
}

fn compose(state: &AppState, due: &DueMail) -> anyhow::Result<OutgoingMail> {
    let token = signup::link_token(state, due.id);
    let link = state
        .settings
        .public_url
        .join(&format!("/signup/verify?token={}", token.expose_secret()));
    let slug = due
        .slug
        .parse()
        .map_err(|error| anyhow::anyhow!("the slug: {}", Chain(&error)))?;
    Ok(OutgoingMail {
        to: due.email.parse().context("the recipient")?,
        subject: "Confirm your address for GOTRS Cloud".to_owned(),
        text: format!(
            "Hello,\n\n\
             somebody, probably you, signed up {organization} for a helpdesk at\n\
             {url}\n\n\
             Open this link to confirm your address and to have the helpdesk made:\n\n\
             {link}\n\n\
             The link can be used until {end} UTC. If this was not you, ignore this mail:\n\
             nothing is made without the link. If you already have an account, the new\n\
             helpdesk is added to it and your password stays as it is.\n",
            organization = due.organization,
            url = state.settings.tenant_urls.url(&slug),
            end = due.expires_at.format("%Y-%m-%d %H:%M"),
        ),
    })
}
