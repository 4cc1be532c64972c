//! How answers are come by: given, asked for, or what is usual.

use std::io::{BufRead, Write};

use crate::cli::error::CliError;

/// What is to be known.
#[derive(Debug)]
pub(super) struct Question {
    what: &'static str,
    /// How it is said on the command line.
    flag: &'static str,
    usual: Option<String>,
}

impl Question {
    pub(super) const fn new(what: &'static str, flag: &'static str) -> Self {
        Self {
            what,
            flag,
            usual: None,
        }
    }

    /// What it is if nobody says otherwise.
    pub(super) fn usually(mut self, usual: impl Into<String>) -> Self {
        self.usual = Some(usual.into());
        self
    }
}

/// A person at a terminal.
pub(super) struct Dialogue<'a, R, W> {
    input: &'a mut R,
    prompts: &'a mut W,
}

impl<'a, R: BufRead, W: Write> Dialogue<'a, R, W> {
    pub(super) const fn new(input: &'a mut R, prompts: &'a mut W) -> Self {
        Self { input, prompts }
    }

    /// Asks until the answer can be understood.
    fn ask<T>(
        &mut self,
        question: &Question,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, CliError> {
        loop {
            write!(self.prompts, "{}", question.what)?;
            if let Some(usual) = &question.usual {
                write!(self.prompts, " [{usual}]")?;
            }
            write!(self.prompts, ": ")?;
            self.prompts.flush()?;
            let mut line = String::new();
            if self.input.read_line(&mut line)? == 0 {
                writeln!(self.prompts)?;
                return Err(CliError::Usage(
                    "the answers ended before the questions; nothing was written".to_owned(),
                ));
            }
            let answer = match (line.trim(), &question.usual) {
                ("", Some(usual)) => usual,
                (answer, _) => answer,
            };
            match parse(answer) {
                Ok(answer) => return Ok(answer),
                Err(help) => writeln!(self.prompts, "  {help}")?,
            }
        }
    }
}

/// Where answers come from that were not given.
pub(super) enum Way<'a, R, W> {
    /// Somebody is asked.
    Ask(Dialogue<'a, R, W>),
    /// They are what is usual.
    Usual,
    /// Nowhere.
    Nobody,
}

impl<R: BufRead, W: Write> Way<'_, R, W> {
    /// The answer that was given, or one that is come by.
    pub(super) fn settle<T>(
        &mut self,
        given: Option<T>,
        question: &Question,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, CliError> {
        let Question { what, flag, usual } = question;
        match (given, &mut *self, usual) {
            (Some(answer), ..) => Ok(answer),
            (None, Self::Ask(dialogue), _) => dialogue.ask(question, parse),
            (None, Self::Usual, Some(usual)) => parse(usual).map_err(|help| {
                CliError::Usage(format!("\"{usual}\" for {flag} will not do: {help}"))
            }),
            (None, Self::Nobody, Some(usual)) => Err(CliError::Usage(format!(
                "{what}: not said, and there is no terminal to ask at; pass {flag}, or --yes for \"{usual}\" and whatever else is usual"
            ))),
            (None, _, None) => Err(CliError::Usage(format!("{what}: not said; pass {flag}"))),
        }
    }
}
