//! Module files on this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::diagnostic::{Diagnostic, Severity};

use crate::cli::error::{CliError, RefusalItem};

/// A file and what is in it.
#[derive(Debug, Clone)]
pub(super) struct ModuleFile {
    /// As it was named.
    pub(super) path: PathBuf,
    /// Its text.
    pub(super) source: Arc<str>,
}

impl ModuleFile {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, CliError> {
        let source = std::fs::read_to_string(path).map_err(|source| CliError::ReadFile {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            source: source.into(),
        })
    }

    /// Its path for people.
    pub(super) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// The findings of a server in this file.
    pub(super) fn render(&self, items: &[RefusalItem]) -> String {
        let findings: Vec<Diagnostic> = items.iter().map(|item| self.finding(item)).collect();
        control_plane::modules::render(&self.shown(), &self.source, &findings)
    }

    fn finding(&self, item: &RefusalItem) -> Diagnostic {
        let (line, column) = (item.line.unwrap_or(0), item.column.unwrap_or(0));
        Diagnostic {
            severity: match item.severity.as_str() {
                "warning" => Severity::Warning,
                _ => Severity::Error,
            },
            code: item.code.clone(),
            message: item.message.clone(),
            help: item.help.clone(),
            line,
            column,
            length: word_length(&self.source, line, column),
            path: String::new(),
        }
    }
}

/// How long the word at a place is; problem+json says only where it begins.
fn word_length(source: &str, line: u32, column: u32) -> u32 {
    let line = line
        .checked_sub(1)
        .and_then(|line| source.lines().nth(usize::try_from(line).ok()?));
    let skipped = column
        .checked_sub(1)
        .and_then(|column| usize::try_from(column).ok());
    let (Some(line), Some(skipped)) = (line, skipped) else {
        return u32::from(column > 0);
    };
    let word = line
        .chars()
        .skip(skipped)
        .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
        .count();
    u32::try_from(word).unwrap_or(1).max(1)
}

/// Whether a path is named like a module file.
pub(super) fn is_module_file(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_none_or(|name| name.to_string_lossy().starts_with(['.', '#', '~']));
    let extension = path.extension().and_then(|extension| extension.to_str());
    !hidden && matches!(extension, Some("yaml" | "yml"))
}

/// The files that were named, folders replaced by the module files right in them.
pub(super) fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let found = list(path)?;
        if found.is_empty() {
            return Err(CliError::Usage(format!(
                "there are no module files (*.yaml, *.yml) in {}",
                path.display()
            )));
        }
        files.extend(found);
    }
    Ok(files)
}

/// Reads the files that were named, folders replaced by the module files right in them.
pub(super) fn read_all(paths: &[PathBuf]) -> Result<Vec<ModuleFile>, CliError> {
    expand(paths)?
        .iter()
        .map(|path| ModuleFile::read(path))
        .collect()
}

/// The module files of a folder, by name.
pub(super) fn list(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let failed = |source| CliError::ReadFile {
        path: folder.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if is_module_file(&path) && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_as_long_as_they_are() {
        let source = "module:\n  näme: lap-top_1 x\n";
        for (line, column, length) in [
            (1, 1, 6),
            (2, 3, 4),
            (2, 9, 9),
            (2, 18, 1),
            (2, 99, 1),
            (9, 1, 1),
            (0, 0, 0),
        ] {
            assert_eq!(word_length(source, line, column), length, "{line}:{column}");
        }
    }

    #[test]
    fn folders_are_their_module_files() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yml", "a.yaml", ".hidden.yaml", "notes.txt", "#lock.yaml"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let named = folder.path().join("missing.yaml");
        let found = expand(&[folder.path().to_owned(), named.clone()]).unwrap();
        assert_eq!(
            found,
            [
                folder.path().join("a.yaml"),
                folder.path().join("b.yml"),
                named.clone()
            ]
        );
        assert!(matches!(
            ModuleFile::read(&named),
            Err(CliError::ReadFile { .. })
        ));
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(
            expand(&[empty.path().to_owned()]).unwrap_err().exit_code(),
            2
        );
    }

    #[test]
    fn what_a_server_found_is_shown_in_the_file() {
        let file = ModuleFile {
            path: "laptop.yaml".into(),
            source: "module:\n  name: phone\n".into(),
        };
        let item = RefusalItem {
            code: "wrong-name".to_owned(),
            message: "the module is called \"phone\"".to_owned(),
            pointer: None,
            line: Some(2),
            column: Some(9),
            severity: "error".to_owned(),
            help: None,
        };
        let text = file.render(&[item]);
        assert!(
            text.contains("laptop.yaml:2:9") && text.contains("^^^^^"),
            "{text}"
        );
    }
}
