//! What a tenant has on disk beside its database: the passwords of its roles and its runtime's folder.

use std::path::PathBuf;

use anyhow::Context as _;
use domain::id::TenantId;
use secrecy::ExposeSecret as _;
use tenant_database::{Credentials, StoredCredentials};

use crate::up::secrets::SecretFolder;

/// The files of all tenants.
#[derive(Debug, Clone)]
pub struct TenantFiles {
    /// Passwords, one file per tenant.
    pub secrets: SecretFolder,
    /// Folders of the runtimes, one per tenant.
    pub folders: PathBuf,
}

impl TenantFiles {
    /// The passwords of a tenant's roles; made once.
    pub(crate) fn credentials(&self, tenant: TenantId) -> anyhow::Result<Credentials> {
        let name = file_name(tenant);
        if let Some(text) = self.secrets.find(&name)? {
            let stored: StoredCredentials = serde_json::from_str(text.expose_secret())
                .with_context(|| format!("reading the passwords of tenant {tenant}"))?;
            return Ok(stored.into());
        }
        let credentials = Credentials::generate();
        let text = serde_json::to_string(&credentials.expose())
            .context("writing the passwords of a tenant")?;
        // Kept before they are set in the database: lost ones could not be guessed.
        self.secrets.put(&name, &text.into())?;
        Ok(credentials)
    }

    /// Removes all that a tenant has.
    pub(crate) fn remove(&self, tenant: TenantId) -> anyhow::Result<()> {
        let folder = self.folders.join(tenant.to_string());
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("removing {}", folder.display()));
            }
            _ => {}
        }
        self.secrets.remove(&file_name(tenant))
    }
}

fn file_name(tenant: TenantId) -> String {
    format!("tenant-{tenant}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_made_once_and_go_with_the_tenant() {
        let folder = tempfile::tempdir().unwrap();
        let files = TenantFiles {
            secrets: SecretFolder::open(folder.path().join("secrets")).unwrap(),
            folders: folder.path().join("tenants"),
        };
        let tenant = TenantId::generate();
        std::fs::create_dir_all(files.folders.join(tenant.to_string())).unwrap();
        let first = files.credentials(tenant).unwrap();
        let again = files.credentials(tenant).unwrap();
        assert_eq!(first.runtime.expose_secret(), again.runtime.expose_secret());
        files.remove(tenant).unwrap();
        files.remove(tenant).unwrap();
        assert_eq!(std::fs::read_dir(&files.folders).unwrap().count(), 0);
        let other = files.credentials(tenant).unwrap();
        assert_ne!(first.lambda.expose_secret(), other.lambda.expose_secret());
    }
}
