//! Names of objects.

use std::fmt;
use std::str::FromStr;

use domain::digest::Sha256Digest;
use domain::id::{ExportId, TenantId};
use domain::name::ModuleName;

/// The name of one object: segments of letters, digits, `-`, `_` and `.`, parted by single slashes.
///
/// Narrower than what S3 allows, so that a key is safe as a path of a file system that stands in for S3, in a
/// URL and in a log line.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobKey(String);

/// Why a text is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseKeyError {
    /// Empty or longer than S3 allows.
    #[error("an object key has 1 to {max} bytes, not {actual}", max = BlobKey::MAX_LEN)]
    Length {
        /// What was given.
        actual: usize,
    },
    /// Begins or ends with a slash, or has two in a row.
    #[error("an object key has no empty segment: no slash at its ends, no two in a row")]
    EmptySegment,
    /// `.` or `..`.
    #[error("an object key has no segment \".\" or \"..\"")]
    DotSegment,
    /// Something that is not a letter, a digit, `-`, `_` or `.`.
    #[error(
        "an object key is made of letters, digits, '-', '_', '.' and '/'; {0:?} is not allowed"
    )]
    Character(char),
}

impl BlobKey {
    /// S3's own limit.
    pub const MAX_LEN: usize = 1024;

    /// Where one version of a module lies: `tenants/<tenant id>/modules/<name>/<sha256>.yaml`.
    pub fn module(tenant: TenantId, name: &ModuleName, digest: &Sha256Digest) -> Self {
        Self(format!("tenants/{tenant}/modules/{name}/{digest}.yaml"))
    }

    /// Where one export of a tenant lies: `tenants/<tenant id>/exports/<id>.tar.zst`.
    pub fn export(tenant: TenantId, export: ExportId) -> Self {
        Self(format!("tenants/{tenant}/exports/{export}.tar.zst"))
    }

    /// What the exports of a tenant lie under, for [`crate::BlobStore::list`].
    pub fn export_folder(tenant: TenantId) -> Self {
        Self(format!("tenants/{tenant}/exports"))
    }

    /// Which export of which tenant this is the key of, if it is one: the reverse of [`export`](Self::export).
    pub fn as_export(&self) -> Option<(TenantId, ExportId)> {
        let (tenant, rest) = self.0.strip_prefix("tenants/")?.split_once('/')?;
        let export = rest.strip_prefix("exports/")?.strip_suffix(".tar.zst")?;
        let found = (tenant.parse().ok()?, export.parse().ok()?);
        // A UUID can be written in several ways, and only one of them is the key.
        (Self::export(found.0, found.1) == *self).then_some(found)
    }

    /// What every object of a tenant lies under, for [`crate::BlobStore::list`].
    pub fn tenant_folder(tenant: TenantId) -> Self {
        Self(format!("tenants/{tenant}"))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BlobKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.len() > Self::MAX_LEN {
            return Err(ParseKeyError::Length { actual: text.len() });
        }
        for segment in text.split('/') {
            match segment {
                "" => return Err(ParseKeyError::EmptySegment),
                "." | ".." => return Err(ParseKeyError::DotSegment),
                _ => {}
            }
            let odd = segment
                .chars()
                .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')));
            if let Some(odd) = odd {
                return Err(ParseKeyError::Character(odd));
            }
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bad_keys_are_refused_with_the_reason() {
        let long = "a".repeat(BlobKey::MAX_LEN + 1);
        for (bad, why) in [
            ("", "1 to 1024 bytes, not 0"),
            (long.as_str(), "not 1025"),
            ("/a", "no empty segment"),
            ("a/", "no empty segment"),
            ("a//b", "no empty segment"),
            ("a/../b", "\"..\""),
            ("./a", "\".\""),
            ("a b", "' ' is not allowed"),
            ("a\\b", "is not allowed"),
            ("a\0", "is not allowed"),
            ("ä", "'ä' is not allowed"),
            ("a?b", "'?' is not allowed"),
        ] {
            let error = bad.parse::<BlobKey>().unwrap_err().to_string();
            assert!(error.contains(why), "{bad:?}: {error}");
        }
    }

    #[test]
    fn the_key_of_a_module_is_the_one_of_the_contract() {
        let tenant: TenantId = "0198c0de-0000-7000-8000-000000000000".parse().unwrap();
        let key = BlobKey::module(tenant, &"laptop".parse().unwrap(), &Sha256Digest::of(b""));
        assert_eq!(
            key.as_str(),
            "tenants/0198c0de-0000-7000-8000-000000000000/modules/laptop/\
             e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.yaml"
        );
        assert_eq!(key.as_str().parse::<BlobKey>().unwrap(), key);
    }

    #[test]
    fn the_key_of_an_export_is_the_one_of_the_contract() {
        let tenant: TenantId = "0198c0de-0000-7000-8000-000000000000".parse().unwrap();
        let export: ExportId = "0198c0de-0000-7000-8000-00000000002a".parse().unwrap();
        let key = BlobKey::export(tenant, export);
        assert_eq!(
            key.as_str(),
            "tenants/0198c0de-0000-7000-8000-000000000000/exports/0198c0de-0000-7000-8000-00000000002a.tar.zst"
        );
        assert_eq!(key.as_str().parse::<BlobKey>().unwrap(), key);
        assert_eq!(key.as_export(), Some((tenant, export)));
        let module = BlobKey::module(tenant, &"laptop".parse().unwrap(), &Sha256Digest::of(b""));
        assert_eq!(module.as_export(), None);
        let shouted = key.as_str().replace("c0de", "C0DE").parse::<BlobKey>();
        assert_eq!(shouted.unwrap().as_export(), None);
    }

    proptest! {
        #[test]
        fn an_export_is_read_back_from_its_key(tenant: u128, export: u128) {
            let tenant = format!("{tenant:032x}").parse::<TenantId>().unwrap();
            let export = format!("{export:032x}").parse::<ExportId>().unwrap();
            let key = BlobKey::export(tenant, export);
            prop_assert_eq!(key.as_export(), Some((tenant, export)));
            let folder = format!("{}/", BlobKey::export_folder(tenant));
            prop_assert!(key.as_str().starts_with(&folder));
        }

        #[test]
        fn a_key_never_leaves_the_folder_it_is_put_under(text in "[a.\\-_/\\\\ \\PC]{0,40}") {
            if let Ok(key) = text.parse::<BlobKey>() {
                prop_assert_eq!(key.as_str(), text.as_str());
                prop_assert!(
                    Path::new(key.as_str()).components().all(|part| matches!(part, Component::Normal(_)))
                );
                prop_assert_eq!(
                    Path::new(key.as_str()).components().count(),
                    text.split('/').count()
                );
            }
        }
    }
}
