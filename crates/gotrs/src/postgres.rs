//! The embedded PostgreSQL: a private cluster in the data folder, never one of the system's.
//!
//! [`find`] looks for the programs, [`account`] for whom they may run as, [`cluster`] makes the cluster once,
//! [`server`] keeps it running.

pub mod account;
pub mod cluster;
pub mod find;
pub mod pid_file;
pub mod server;
mod socket;

use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};

use crate::postgres::account::Account;

/// The database of accounts, tenants and modules.
pub const CONTROL_PLANE_DATABASE: &str = "gotrs_control_plane";
/// The database that holds one schema per tenant.
pub const TENANTS_DATABASE: &str = "gotrs_tenants";
/// Owns [`CONTROL_PLANE_DATABASE`] and nothing else: the control plane never sees a tenant's rows.
pub const CONTROL_PLANE_ROLE: &str = "gotrs_control_plane";
/// Makes schemas and roles for tenants.
pub const SUPERUSER: &str = "postgres";

/// Where a private cluster is and how it is run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folder of `initdb` and `postgres`.
    pub bin: PathBuf,
    /// The cluster's folder; made when it is not there.
    pub cluster: PathBuf,
    /// Folder of the Unix socket; short, because a socket's path has at most 107 bytes.
    pub socket: PathBuf,
    /// Whose cluster it is; shown in lists of processes.
    pub data_folder: PathBuf,
    /// Whom PostgreSQL runs as when we are root, which it refuses.
    pub account: Option<Account>,
    /// Password of [`SUPERUSER`].
    pub superuser_password: SecretString,
    /// Password of [`CONTROL_PLANE_ROLE`].
    pub control_plane_password: SecretString,
}

impl Settings {
    /// The tenants' database as superuser.
    pub fn tenants_url(&self) -> SecretString {
        self.url(SUPERUSER, &self.superuser_password, TENANTS_DATABASE)
    }

    /// The control plane's database as its owner.
    pub fn control_plane_url(&self) -> SecretString {
        self.url(
            CONTROL_PLANE_ROLE,
            &self.control_plane_password,
            CONTROL_PLANE_DATABASE,
        )
    }

    /// Passwords are made by us from letters and digits, and so is the socket's folder below the system's
    /// temporary folder; only what people choose needs escaping.
    fn url(&self, role: &str, password: &SecretString, database: &str) -> SecretString {
        format!(
            "postgres://{role}:{}@localhost:{}/{database}?host={}",
            password.expose_secret(),
            server::PORT,
            percent_encode(&self.socket.to_string_lossy()),
        )
        .into()
    }
}

fn percent_encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => write!(encoded, "%{byte:02X}").unwrap_or_default(),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_the_socket_and_escapes_it() {
        let settings = Settings {
            bin: "/bin".into(),
            cluster: "/c".into(),
            socket: "/tmp/a b&c".into(),
            data_folder: "/d".into(),
            account: None,
            superuser_password: "s".to_owned().into(),
            control_plane_password: "c".to_owned().into(),
        };
        assert_eq!(
            settings.tenants_url().expose_secret(),
            "postgres://postgres:s@localhost:5432/gotrs_tenants?host=/tmp/a%20b%26c"
        );
        assert_eq!(
            settings.control_plane_url().expose_secret(),
            "postgres://gotrs_control_plane:c@localhost:5432/gotrs_control_plane?host=/tmp/a%20b%26c"
        );
    }
}
