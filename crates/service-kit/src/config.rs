//! Secrets from flags, environment or files. Everything else about configuration is plain clap: flags have the
//! same names as environment variables (`--listen`, `GOTRS_LISTEN`).

use std::path::{Path, PathBuf};

use secrecy::SecretString;

/// Why a setting cannot be used; the message names the variable and what to write.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Neither the value nor the file was given.
    #[error(
        "{variable} is not set: pass {flag} or set {variable} or {variable}_FILE, for example {example}"
    )]
    Missing {
        /// `GOTRS_DATABASE_URL`
        variable: &'static str,
        /// `--database-url`
        flag: &'static str,
        /// What a good value looks like.
        example: &'static str,
    },
    /// The file of a `..._FILE` variable cannot be read.
    #[error("{variable}_FILE names {path}, which cannot be read")]
    ReadSecretFile {
        /// `GOTRS_DATABASE_URL`
        variable: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A value that is not what it should be.
    #[error("{variable} is {problem}; an example of a good value: {example}")]
    Invalid {
        /// `GOTRS_LISTEN`
        variable: &'static str,
        /// What is wrong.
        problem: String,
        /// What a good value looks like.
        example: &'static str,
    },
}

/// How a secret is named, for messages.
#[derive(Debug, Clone, Copy)]
pub struct SecretName {
    /// `GOTRS_DATABASE_URL`
    pub variable: &'static str,
    /// `--database-url`
    pub flag: &'static str,
    /// What a good value looks like.
    pub example: &'static str,
}

/// The secret given directly, else the content of its file (one trailing newline removed), else `None`.
pub fn optional_secret(
    name: SecretName,
    value: Option<SecretString>,
    file: Option<&Path>,
) -> Result<Option<SecretString>, ConfigError> {
    match (value, file) {
        (Some(value), _) => Ok(Some(value)),
        (None, Some(path)) => match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned().into())),
            Err(source) => Err(ConfigError::ReadSecretFile {
                variable: name.variable,
                path: path.to_owned(),
                source,
            }),
        },
        (None, None) => Ok(None),
    }
}

/// Like [`optional_secret`], but it must be there.
pub fn required_secret(
    name: SecretName,
    value: Option<SecretString>,
    file: Option<&Path>,
) -> Result<SecretString, ConfigError> {
    optional_secret(name, value, file)?.ok_or(ConfigError::Missing {
        variable: name.variable,
        flag: name.flag,
        example: name.example,
    })
}
