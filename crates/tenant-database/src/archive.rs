//! The file of an export: a tar of a manifest, parts of tables as CSV and a closing entry, compressed with Zstandard.
//!
//! Reading and writing block, so each has a thread, and what passes between it and the database is bounded to a few parts.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

/// What [`Manifest::format`] says.
pub(crate) const FORMAT: &str = "gotrs.io/tenant-export/v1";
const MANIFEST: &str = "manifest.json";
const END: &str = "end.json";
/// A part of a table is written when it has grown to this; a part is larger only when a single row is.
pub(crate) const PART_BYTES: usize = 4 * 1024 * 1024;
/// Largest entry that is read: PostgreSQL's own limit of one value.
const MAX_ENTRY_BYTES: u64 = 1024 * 1024 * 1024;
/// Parts between the two threads.
const QUEUE: usize = 2;

/// First entry: what the archive is and what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) format: String,
    /// The tenant's id.
    pub(crate) tenant: String,
    /// RFC 3339, by the database's clock: what was committed until then is in it.
    pub(crate) exported_at: String,
    /// Newest migration of the schema.
    pub(crate) schema_version: i64,
    /// In the order in which they follow.
    pub(crate) tables: Vec<TableEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableEntry {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    /// Where the table belongs to a module: how it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) managed: Option<ManagedTable>,
}

/// The arguments of `gotrs_apply_managed_table`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ManagedTable {
    pub(crate) module: String,
    pub(crate) columns: serde_json::Value,
}

/// Last entry: an archive without it was cut short.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct End {
    /// Rows by table.
    pub(crate) rows: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    Manifest(Manifest),
    /// Whole rows, with a line of column names before them.
    Part {
        table: String,
        csv: Vec<u8>,
    },
    End(End),
}

/// Why an archive could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file cannot be written or read, or is damaged.
    #[error("the archive cannot be written or read")]
    Io(#[from] io::Error),
    /// It is an archive of something else.
    #[error("this is no export of a tenant: {0}")]
    Form(String),
    /// Its last entry is missing.
    #[error("the archive ends too early: it was not written or not copied to its end")]
    CutShort,
}

/// Takes entries on one side and writes them on a thread of its own.
pub(crate) struct Writer {
    entries: mpsc::Sender<Entry>,
    done: oneshot::Receiver<Result<u64, ArchiveError>>,
}

impl Writer {
    pub(crate) fn start(destination: Box<dyn Write + Send>) -> Result<Self, ArchiveError> {
        let (entries, receiver) = mpsc::channel(QUEUE);
        let (tell, done) = oneshot::channel();
        std::thread::Builder::new()
            .name("tenant-export".to_owned())
            .spawn(move || {
                // Nobody listens any more when the export was given up.
                let _ = tell.send(write_all(receiver, destination));
            })?;
        Ok(Self { entries, done })
    }

    /// Waits for room. What went wrong is told by [`finish`](Self::finish).
    pub(crate) async fn add(&self, entry: Entry) -> Result<(), Gone> {
        self.entries.send(entry).await.map_err(|_closed| Gone)
    }

    /// Waits until everything is written; how many bytes it became.
    pub(crate) async fn finish(self) -> Result<u64, ArchiveError> {
        drop(self.entries);
        self.done.await.unwrap_or_else(|_ended| {
            Err(io::Error::other("the thread that writes it ended").into())
        })
    }
}

/// The other thread has ended; why is what it tells at its end.
#[derive(Debug)]
pub(crate) struct Gone;

struct Counted {
    inner: Box<dyn Write + Send>,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn write_all(
    mut entries: mpsc::Receiver<Entry>,
    destination: Box<dyn Write + Send>,
) -> Result<u64, ArchiveError> {
    let counted = Counted {
        inner: destination,
        bytes: 0,
    };
    let mut encoder = zstd::Encoder::new(counted, zstd::DEFAULT_COMPRESSION_LEVEL)?;
    encoder.include_checksum(true)?;
    let mut tar = tar::Builder::new(encoder);
    let mut number = 0_u32;
    while let Some(entry) = entries.blocking_recv() {
        let (path, content) = match entry {
            Entry::Manifest(manifest) => (MANIFEST.to_owned(), json(&manifest)?),
            Entry::End(end) => (END.to_owned(), json(&end)?),
            Entry::Part { table, csv } => {
                number += 1;
                (format!("tables/{number:06}-{table}.csv"), csv)
            }
        };
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        tar.append_data(&mut header, path, content.as_slice())?;
    }
    let mut counted = tar.into_inner()?.finish()?;
    counted.flush()?;
    Ok(counted.bytes)
}

fn json(value: &impl Serialize) -> io::Result<Vec<u8>> {
    serde_json::to_vec_pretty(value).map_err(io::Error::from)
}

/// Reads entries on a thread of its own and gives them one by one.
pub(crate) struct Reader {
    entries: mpsc::Receiver<Result<Entry, ArchiveError>>,
}

impl Reader {
    pub(crate) fn start(source: Box<dyn Read + Send>) -> Result<Self, ArchiveError> {
        let (sender, entries) = mpsc::channel(QUEUE);
        std::thread::Builder::new()
            .name("tenant-import".to_owned())
            .spawn(move || {
                if let Err(error) = read_all(source, &sender) {
                    // Nobody listens any more when the import was given up.
                    let _ = sender.blocking_send(Err(error));
                }
            })?;
        Ok(Self { entries })
    }

    /// `None` at the end, which is only reached when nothing was damaged.
    pub(crate) async fn next(&mut self) -> Result<Option<Entry>, ArchiveError> {
        self.entries.recv().await.transpose()
    }
}

fn read_all(
    source: Box<dyn Read + Send>,
    entries: &mpsc::Sender<Result<Entry, ArchiveError>>,
) -> Result<(), ArchiveError> {
    let mut tar = tar::Archive::new(zstd::Decoder::new(source)?);
    for entry in tar.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        if entry.size() > MAX_ENTRY_BYTES {
            return Err(ArchiveError::Form(format!("{path} is too large")));
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        if entries
            .blocking_send(Ok(understand(&path, content)?))
            .is_err()
        {
            return Ok(());
        }
    }
    // What a tar ends in is not the end of the file: the checksum comes behind it.
    io::copy(&mut tar.into_inner(), &mut io::sink())?;
    Ok(())
}

fn understand(path: &str, content: Vec<u8>) -> Result<Entry, ArchiveError> {
    let wrong = |error: serde_json::Error| ArchiveError::Form(format!("{path}: {error}"));
    match path {
        MANIFEST => {
            let manifest: Manifest = serde_json::from_slice(&content).map_err(wrong)?;
            if manifest.format != FORMAT {
                return Err(ArchiveError::Form(format!(
                    "its format is {:?} and not {FORMAT}",
                    manifest.format
                )));
            }
            Ok(Entry::Manifest(manifest))
        }
        END => Ok(Entry::End(serde_json::from_slice(&content).map_err(wrong)?)),
        _ => {
            let table = path
                .strip_prefix("tables/")
                .and_then(|rest| rest.strip_suffix(".csv"))
                .and_then(|rest| rest.split_once('-'))
                .map(|(_number, table)| table.to_owned());
            match table {
                Some(table) => Ok(Entry::Part {
                    table,
                    csv: content,
                }),
                None => Err(ArchiveError::Form(format!(
                    "{path} does not belong into it"
                ))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(buffer)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    async fn written(entries: &[Entry]) -> Vec<u8> {
        let memory = Memory::default();
        let writer = Writer::start(Box::new(memory.clone())).unwrap();
        for entry in entries {
            writer.add(entry.clone()).await.unwrap();
        }
        let bytes = writer.finish().await.unwrap();
        let content = memory.0.lock().unwrap().clone();
        assert_eq!(bytes, content.len() as u64);
        content
    }

    async fn read(content: Vec<u8>) -> Result<Vec<Entry>, ArchiveError> {
        let mut reader = Reader::start(Box::new(Cursor::new(content))).unwrap();
        let mut entries = Vec::new();
        while let Some(entry) = reader.next().await? {
            entries.push(entry);
        }
        Ok(entries)
    }

    fn entries() -> Vec<Entry> {
        vec![
            Entry::Manifest(Manifest {
                format: FORMAT.to_owned(),
                tenant: "0198c0de-0000-7000-8000-00000000002a".to_owned(),
                exported_at: "2026-11-25T12:00:00Z".to_owned(),
                schema_version: 15,
                tables: vec![TableEntry {
                    name: "x_serial-number".to_owned(),
                    columns: vec!["id".to_owned()],
                    managed: None,
                }],
            }),
            Entry::Part {
                table: "x_serial-number".to_owned(),
                csv: b"id\n1\n".to_vec(),
            },
            Entry::Part {
                table: "x_serial-number".to_owned(),
                csv: b"id\n2\n".repeat(100_000),
            },
            Entry::End(End::default()),
        ]
    }

    #[tokio::test]
    async fn what_is_written_is_read_back() {
        let content = written(&entries()).await;
        assert_eq!(read(content).await.unwrap(), entries());
    }

    #[tokio::test]
    async fn damage_and_strangers_are_noticed() {
        let content = written(&entries()).await;
        for length in [0, 10, content.len() / 2, content.len() - 1] {
            let cut = content[..length].to_vec();
            let read = read(cut).await;
            assert!(
                !matches!(&read, Ok(read) if read.len() == 4),
                "{length} bytes are enough"
            );
        }
        let mut damaged = content;
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0xff;
        assert!(matches!(read(damaged).await, Err(ArchiveError::Io(_))));

        let mut tar = tar::Builder::new(zstd::Encoder::new(Vec::new(), 1).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        tar.append_data(&mut header, "etc/passwd", b"x".as_slice())
            .unwrap();
        let stranger = tar.into_inner().unwrap().finish().unwrap();
        assert_eq!(
            read(stranger).await.unwrap_err().to_string(),
            "this is no export of a tenant: etc/passwd does not belong into it"
        );
    }
}
