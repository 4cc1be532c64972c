//! What commands write: text for people, JSON for programs.

pub mod table;

use std::io::{IsTerminal as _, Write};

use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};

use super::error::CliError;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs: one JSON document per result on standard output, errors as JSON on standard error.
    Json,
}

/// How something is emphasised on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// It worked.
    Good,
    /// It did not.
    Bad,
    /// Look at it.
    Attention,
    /// Less important.
    Dim,
    /// A heading.
    Strong,
}

impl Style {
    const fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "31",
            Self::Attention => "33",
            Self::Dim => "2",
            Self::Strong => "1",
        }
    }
}

/// Where results go.
pub struct Output {
    format: Format,
    coloured: bool,
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
}

impl Output {
    /// Standard output and error; colours only where a person looks at them and has not said no (<https://no-color.org>).
    pub fn terminal(format: Format) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            format,
            coloured: std::io::stdout().is_terminal()
                && std::io::stderr().is_terminal()
                && !refused,
            out: Box::new(std::io::stdout()),
            err: Box::new(std::io::stderr()),
        }
    }

    /// Other places, without colours.
    pub fn to(format: Format, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        Self {
            format,
            coloured: false,
            out,
            err,
        }
    }

    /// How results are wanted.
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Whether programs read.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// A line of text, when people read.
    pub fn line(&mut self, text: impl AsRef<str>) -> Result<(), CliError> {
        if self.format == Format::Text {
            writeln!(self.out, "{}", text.as_ref())?;
            self.out.flush()?;
        }
        Ok(())
    }

    /// Text that ends its own lines, when people read.
    pub fn text(&mut self, text: &str) -> Result<(), CliError> {
        if self.format == Format::Text {
            self.out.write_all(text.as_bytes())?;
            self.out.flush()?;
        }
        Ok(())
    }

    /// A document, when programs read.
    pub fn json(&mut self, document: &impl Serialize) -> Result<(), CliError> {
        if self.format == Format::Json {
            let text = serde_json::to_string_pretty(document).map_err(std::io::Error::other)?;
            writeln!(self.out, "{text}")?;
            self.out.flush()?;
        }
        Ok(())
    }

    /// Something on the side (progress, prompts), for people only and never mixed with results.
    pub fn note(&mut self, text: impl AsRef<str>) {
        if self.format == Format::Text {
            // Whoever closes standard error does not want to know.
            writeln!(self.err, "{}", text.as_ref()).unwrap_or_default();
        }
    }

    /// Why the command failed.
    pub fn failure(&mut self, error: &CliError) {
        let text = match self.format {
            Format::Text => {
                let label = self.paint("error", Style::Bad);
                let mut text = format!("{label}: {}", clean(&error.to_string()));
                for item in error
                    .refusal()
                    .map(|refusal| &refusal.errors[..])
                    .unwrap_or_default()
                {
                    let place = item
                        .pointer
                        .as_deref()
                        .map(|pointer| format!("{pointer}: "));
                    text.push_str(&format!(
                        "\n  {}{}",
                        place.unwrap_or_default(),
                        clean(&item.message)
                    ));
                    if let Some(help) = &item.help {
                        text.push_str(&format!(" ({})", clean(help)));
                    }
                }
                text
            }
            Format::Json => failure_document(error).to_string(),
        };
        writeln!(self.err, "{text}").unwrap_or_default();
    }

    /// `text` in a style, where there are colours.
    pub fn paint(&self, text: &str, style: Style) -> String {
        if self.coloured {
            format!("\u{1b}[{}m{text}\u{1b}[0m", style.code())
        } else {
            text.to_owned()
        }
    }

    /// Excerpts as `control_plane::modules::render` makes them, with coloured labels.
    pub fn findings(&mut self, rendered: &str) -> Result<(), CliError> {
        let mut text = String::with_capacity(rendered.len());
        for line in rendered.split_inclusive('\n') {
            match label_of(line) {
                Some((label, style)) => {
                    text.push_str(&self.paint(label, style));
                    text.push_str(line.strip_prefix(label).unwrap_or_default());
                }
                None => text.push_str(line),
            }
        }
        self.text(&text)
    }
}

/// `error[unknown-type]` at the beginning of a line.
fn label_of(line: &str) -> Option<(&str, Style)> {
    let style = match line {
        _ if line.starts_with("error[") => Style::Bad,
        _ if line.starts_with("warning[") => Style::Attention,
        _ => return None,
    };
    line.split_once("]: ")
        .and_then(|(label, _)| line.get(..label.len() + 1))
        .map(|label| (label, style))
}

fn failure_document(error: &CliError) -> Value {
    let errors = error
        .refusal()
        .map(|refusal| &refusal.errors[..])
        .unwrap_or_default();
    json!({
        "error": {
            "code": error.code(),
            "message": error.to_string(),
            "errors": errors,
        }
    })
}

/// Text from elsewhere without what a terminal would obey.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;
    use crate::cli::error::{Refusal, RefusalItem};

    /// Something to write to and read from.
    #[derive(Clone, Default)]
    pub(crate) struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Shared {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(
                self.0
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone(),
            )
            .unwrap()
        }
    }

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// An output and what it wrote: standard output and error.
    pub(crate) fn captured(format: Format) -> (Output, Shared, Shared) {
        let (out, err) = (Shared::default(), Shared::default());
        (
            Output::to(format, Box::new(out.clone()), Box::new(err.clone())),
            out,
            err,
        )
    }

    fn refused() -> CliError {
        CliError::Refused(Box::new(Refusal {
            status: 422,
            code: "destructive_change".to_owned(),
            title: "The upload would drop data".to_owned(),
            detail: Some("Nothing was changed.".to_owned()),
            request_id: None,
            errors: vec![RefusalItem {
                code: "destructive".to_owned(),
                message: "the field \"a\u{1b}[31m\" is gone".to_owned(),
                pointer: Some("/fields/a".to_owned()),
                line: None,
                column: None,
                severity: "error".to_owned(),
                help: Some("allow it".to_owned()),
            }],
        }))
    }

    #[test]
    fn failures_are_text_or_json_and_never_commands_to_the_terminal() {
        let (mut output, out, err) = captured(Format::Text);
        output.failure(&refused());
        insta::assert_snapshot!(err.text(), @r#"
        error: The upload would drop data: Nothing was changed.
          /fields/a: the field "a�[31m" is gone (allow it)
        "#);
        assert!(out.text().is_empty());
        let (mut output, _, err) = captured(Format::Json);
        output.failure(&refused());
        let document: Value = serde_json::from_str(&err.text()).unwrap();
        assert_eq!(document["error"]["code"], "destructive_change");
        assert_eq!(document["error"]["errors"][0]["pointer"], "/fields/a");
    }

    #[test]
    fn programs_get_documents_only_and_people_text_only() {
        for (format, expected) in [
            (Format::Text, "hello\n"),
            (Format::Json, "{\n  \"a\": 1\n}\n"),
        ] {
            let (mut output, out, _) = captured(format);
            output.line("hello").unwrap();
            output.json(&json!({"a": 1})).unwrap();
            assert_eq!(out.text(), expected);
        }
    }

    #[test]
    fn labels_are_what_is_coloured() {
        assert_eq!(
            label_of("error[a-b]: c]: d\n"),
            Some(("error[a-b]", Style::Bad))
        );
        assert_eq!(
            label_of("warning[x]: y"),
            Some(("warning[x]", Style::Attention))
        );
        assert_eq!(label_of("3 | error"), None);
        assert_eq!(label_of("error[x"), None);
    }
}
