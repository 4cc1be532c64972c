//! The local mailbox: every mail is two files in a folder, the message (`.eml`) and what a page shows of it (`.json`).

use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use domain::id::RequestId;
use serde::{Deserialize, Serialize};

use super::OutgoingMail;

/// Mails that are kept in mind when listing; older ones stay in the folder.
const LISTED: usize = 200;

/// A folder of mails.
#[derive(Debug, Clone)]
pub struct LocalMailbox {
    folder: PathBuf,
}

/// One mail as a page or a program reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalMail {
    /// Name of the mail in this mailbox.
    pub id: RequestId,
    /// When it was sent.
    pub date: DateTime<Utc>,
    /// By whom.
    pub from: String,
    /// To whom.
    pub to: String,
    /// One line.
    pub subject: String,
    /// The text.
    pub text: String,
    /// Every web address in the text.
    pub links: Vec<String>,
}

impl LocalMailbox {
    /// The mailbox of a folder, which is made with the first mail.
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes one mail.
    pub(super) async fn deliver(
        &self,
        from: &str,
        mail: &OutgoingMail,
        message: &[u8],
        now: DateTime<Utc>,
    ) -> io::Result<()> {
        let stored = LocalMail {
            id: RequestId::generate(),
            date: now,
            from: from.to_owned(),
            to: mail.to.to_string(),
            subject: mail.subject.clone(),
            text: mail.text.clone(),
            links: links(&mail.text),
        };
        tokio::fs::create_dir_all(&self.folder).await?;
        let json = serde_json::to_vec_pretty(&stored)?;
        self.write(&format!("{}.eml", stored.id), message).await?;
        // Last, because a mail is there when its description is.
        self.write(&format!("{}.json", stored.id), &json).await
    }

    /// The newest mails, newest first.
    pub async fn list(&self) -> io::Result<Vec<LocalMail>> {
        let mut names = Vec::new();
        match tokio::fs::read_dir(&self.folder).await {
            Ok(mut entries) => {
                while let Some(entry) = entries.next_entry().await? {
                    names.extend(entry.file_name().to_str().and_then(id_of_description));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // Ids are ordered by time.
        names.sort_unstable_by(|a, b| b.cmp(a));
        let mut mails = Vec::new();
        for id in names.into_iter().take(LISTED) {
            mails.extend(self.find(id).await?);
        }
        Ok(mails)
    }

    /// One mail.
    pub async fn find(&self, id: RequestId) -> io::Result<Option<LocalMail>> {
        match tokio::fs::read(self.folder.join(format!("{id}.json"))).await {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a file so that nobody sees half of it.
    async fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let unfinished = self.folder.join(format!(".{name}.tmp"));
        tokio::fs::write(&unfinished, content).await?;
        tokio::fs::rename(unfinished, self.folder.join(name)).await
    }
}

fn id_of_description(file_name: &str) -> Option<RequestId> {
    file_name.strip_suffix(".json")?.parse().ok()
}

fn links(text: &str) -> Vec<String> {
    text.split_whitespace()
        .filter(|word| word.starts_with("http://") || word.starts_with("https://"))
        .map(|word| word.trim_end_matches(['.', ',', ')', '>']).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_without_the_punctuation_around_them() {
        assert_eq!(
            links(
                "Open\nhttp://localhost:8080/signup/verify?token=a_b-c .\nor https://x.example/y, now."
            ),
            [
                "http://localhost:8080/signup/verify?token=a_b-c",
                "https://x.example/y"
            ]
        );
    }

    #[tokio::test]
    async fn mails_are_listed_newest_first_and_survive_strangers_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mailbox = LocalMailbox::new(folder.path().join("mail"));
        assert_eq!(mailbox.list().await.unwrap(), []);
        let mut mail = OutgoingMail {
            to: "ann@example.com".parse().unwrap(),
            subject: "First".to_owned(),
            text: "Hello".to_owned(),
        };
        let now = DateTime::from_timestamp(1_767_323_045, 0).unwrap();
        mailbox
            .deliver("us@example.com", &mail, b"eml", now)
            .await
            .unwrap();
        "Second".clone_into(&mut mail.subject);
        mailbox
            .deliver("us@example.com", &mail, b"eml", now)
            .await
            .unwrap();
        std::fs::write(mailbox.folder().join("notes.json"), "{").unwrap();
        let listed = mailbox.list().await.unwrap();
        assert_eq!(
            listed
                .iter()
                .map(|mail| mail.subject.as_str())
                .collect::<Vec<_>>(),
            ["Second", "First"]
        );
        assert_eq!(
            mailbox.find(listed[0].id).await.unwrap().as_ref(),
            Some(&listed[0])
        );
        assert_eq!(mailbox.find(RequestId::generate()).await.unwrap(), None);
    }
}
