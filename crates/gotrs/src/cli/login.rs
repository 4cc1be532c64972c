//! `gotrs login`

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::Args;
use domain::clock::{Clock as _, SystemClock};
use http::Method;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::json;
use service_kit::config::{SecretName, optional_secret};

use super::client::{Body, Client, Tokens, parse_url};
use super::credentials::CredentialsFile;
use super::error::CliError;
use super::output::{Output, Style};
use super::{OutputArgs, Verdict};

/// `gotrs login`
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// Address of the console, such as <http://localhost:8080>; where you signed in last if absent
    #[arg(long, env = "GOTRS_URL", value_name = "URL")]
    url: Option<String>,
    /// Your e-mail address; asked for if absent
    #[arg(long, env = "GOTRS_EMAIL", value_name = "ADDRESS")]
    email: Option<String>,
    /// Your password; asked for if absent, which is safer than the command line
    #[arg(
        long,
        env = "GOTRS_PASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD"
    )]
    password: Option<SecretString>,
    /// File that holds your password
    #[arg(long, env = "GOTRS_PASSWORD_FILE", value_name = "PATH")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

const PASSWORD: SecretName = SecretName {
    variable: "GOTRS_PASSWORD",
    flag: "--password",
    example: "your password",
};

#[derive(Serialize)]
struct LoggedIn<'a> {
    url: &'a str,
    email: &'a str,
}

/// Does it.
pub async fn run(args: LoginArgs, output: &mut Output) -> Result<Verdict, CliError> {
    let file = CredentialsFile::of_user()?;
    sign_in(args, &file, output).await
}

async fn sign_in(
    args: LoginArgs,
    file: &CredentialsFile,
    output: &mut Output,
) -> Result<Verdict, CliError> {
    let url = match args.url {
        Some(url) => url,
        None => file
            .current_server()?
            .unwrap_or_else(|| super::client::DEFAULT_URL.to_owned()),
    };
    let client = Client::anonymous(parse_url(&url)?)?;
    let password = optional_secret(PASSWORD, args.password, args.password_file.as_deref())
        .map_err(|error| CliError::Usage(format!("{error}")))?;
    let email = match args.email {
        Some(email) => email,
        None => ask("E-mail", Echo::Visible, "--email")?,
    };
    let password = match password {
        Some(password) => password,
        None => ask("Password", Echo::Hidden, "--password-file")?.into(),
    };
    let input = json!({"email": email, "password": password.expose_secret()});
    let answer = client
        .call(Method::POST, &["v1", "sessions"], &[], Body::Json(input))
        .await?;
    let tokens: Tokens = client.understand(answer)?;
    let lock = file.lock().await?;
    let session = tokens.into_session(email.clone(), SystemClock.now());
    file.put(&lock, client.url(), &session)?;
    file.set_current(&lock, client.url())?;
    output.line(format!(
        "{} at {} as {email}",
        output.paint("Signed in", Style::Good),
        client.url()
    ))?;
    output.json(&LoggedIn {
        url: client.url(),
        email: &email,
    })?;
    Ok(Verdict::Good)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Echo {
    Visible,
    Hidden,
}

/// Asks the person at the terminal; where there is none, `flag` says how to tell.
fn ask(what: &str, echo: Echo, flag: &str) -> Result<String, CliError> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(CliError::Usage(format!(
            "{what} is not known and there is no terminal to ask at: pass {flag}"
        )));
    }
    let mut stderr = std::io::stderr();
    write!(stderr, "{what}: ")?;
    stderr.flush()?;
    let restored = match echo {
        Echo::Visible => None,
        Echo::Hidden => Some(Silence::begin()?),
    };
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    if restored.is_some() {
        writeln!(stderr)?;
    }
    drop(restored);
    read?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// The terminal shows nothing that is typed, until dropped.
struct Silence(rustix::termios::Termios);

impl Silence {
    fn begin() -> Result<Self, CliError> {
        let failed = |error: rustix::io::Errno| CliError::Machine {
            doing: "hiding what you type",
            reason: error.to_string(),
        };
        let before = tcgetattr(std::io::stdin()).map_err(failed)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &silent).map_err(failed)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // If that fails the terminal is gone.
        let _gone = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}

#[cfg(test)]
mod tests;
