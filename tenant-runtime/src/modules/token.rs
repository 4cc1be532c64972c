//! What this runtime shows to the control plane.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::SecretString;

/// A token that stays the same, or one in a file that somebody renews (the kubelet, long before it runs out).
#[derive(Debug, Clone)]
pub struct RuntimeToken {
    file: Option<PathBuf>,
    last: Arc<Mutex<SecretString>>,
}

impl From<SecretString> for RuntimeToken {
    fn from(token: SecretString) -> Self {
        Self {
            file: None,
            last: Arc::new(Mutex::new(token)),
        }
    }
}

impl From<String> for RuntimeToken {
    fn from(token: String) -> Self {
        SecretString::from(token).into()
    }
}

impl RuntimeToken {
    /// The token in `file`, which was `first` when it was read first.
    pub fn in_file(file: PathBuf, first: SecretString) -> Self {
        Self {
            file: Some(file),
            ..first.into()
        }
    }

    /// The token as it is now; the last known one while the file cannot be read.
    pub fn current(&self) -> SecretString {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &self.file {
            // One small file in memory, once per connection: not worth another thread.
            match std::fs::read_to_string(file) {
                Ok(text) if !text.trim().is_empty() => *last = text.trim().to_owned().into(),
                Ok(_) => {
                    tracing::warn!(path = %file.display(), "the file of the runtime token is empty");
                }
                Err(error) => {
                    tracing::warn!(%error, path = %file.display(), "the runtime token cannot be read again");
                }
            }
        }
        last.clone()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_renewed_file_is_read_and_a_missing_one_is_survived() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "first\n").unwrap();
        let token = RuntimeToken::in_file(file.clone(), "first".to_owned().into());
        assert_eq!(token.current().expose_secret(), "first");
        std::fs::write(&file, "second\n").unwrap();
        assert_eq!(token.clone().current().expose_secret(), "second");
        std::fs::write(&file, "").unwrap();
        assert_eq!(token.current().expose_secret(), "second");
        std::fs::remove_file(&file).unwrap();
        assert_eq!(token.current().expose_secret(), "second");
    }

    #[test]
    fn a_token_without_a_file_stays() {
        let token = RuntimeToken::from("only".to_owned());
        assert_eq!(token.current().expose_secret(), "only");
    }
}
