//! `gotrs module new`: a module file to begin with.

mod answers;
mod dialogue;
mod template;

use std::fs::OpenOptions;
use std::io::{self, BufRead, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use domain::name::ModuleName;
use serde::Serialize;

use self::answers::{Answers, FieldAnswer, Label, PortalAnswer};
use self::dialogue::{Dialogue, Question, Way};
use crate::cli::error::CliError;
use crate::cli::output::{Output, Style, clean};
use crate::cli::{OutputArgs, Verdict};

/// `gotrs module new`
#[derive(Debug, Clone, Args)]
pub struct NewArgs {
    /// The module's name, such as laptop
    #[arg(value_name = "NAME", value_parser = answers::parse_name)]
    name: Option<ModuleName>,
    /// What one record is called; from the name if absent
    #[arg(long, value_name = "TEXT", value_parser = answers::parse_label)]
    singular: Option<Label>,
    /// What several records are called; from --singular if absent
    #[arg(long, value_name = "TEXT", value_parser = answers::parse_label)]
    plural: Option<Label>,
    /// The heading of the menu that it stands under; Modules if absent
    #[arg(long, value_name = "TEXT", value_parser = answers::parse_label)]
    menu: Option<Label>,
    /// Whose pages show it; admin if absent
    #[arg(
        long = "portal",
        value_enum,
        value_name = "PORTAL",
        value_delimiter = ','
    )]
    portals: Vec<PortalAnswer>,
    /// A field as NAME or NAME:TYPE, several times or with commas; the type is one of string (if absent), text, integer, decimal,
    /// bool, date, datetime, email, url
    #[arg(
        long = "field",
        value_name = "FIELD",
        value_delimiter = ',',
        value_parser = answers::parse_field
    )]
    fields: Vec<FieldAnswer>,
    /// Where it is written; NAME.yaml in this folder if absent
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Ask nothing: take what is usual for what you do not say
    #[arg(long, short)]
    yes: bool,
    /// How results are shown
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Serialize)]
struct Written<'a> {
    file: String,
    name: &'a str,
}

/// Does it.
pub(super) fn create(args: NewArgs, output: &mut Output) -> Result<Verdict, CliError> {
    let stdin = io::stdin();
    let (mut input, mut prompts) = (stdin.lock(), io::stderr());
    let way = match (args.yes, input.is_terminal()) {
        (true, _) => Way::Usual,
        (false, true) => Way::Ask(Dialogue::new(&mut input, &mut prompts)),
        (false, false) => Way::Nobody,
    };
    create_by(args, way, output)
}

fn create_by(
    args: NewArgs,
    mut way: Way<'_, impl BufRead, impl Write>,
    output: &mut Output,
) -> Result<Verdict, CliError> {
    let name = way.settle(
        args.name,
        &Question::new("Name of the module, such as laptop", "NAME"),
        answers::parse_name,
    )?;
    let path = args
        .file
        .unwrap_or_else(|| PathBuf::from(format!("{name}.yaml")));
    // Before anything else is asked.
    if path.symlink_metadata().is_ok() {
        return Err(CliError::Exists { path });
    }
    let singular = way.settle(
        args.singular,
        &Question::new("One record is called", "--singular").usually(answers::title(&name)),
        answers::parse_label,
    )?;
    let plural = way.settle(
        args.plural,
        &Question::new("Several are called", "--plural")
            .usually(answers::plural(singular.as_str())),
        answers::parse_label,
    )?;
    let menu = way.settle(
        args.menu,
        &Question::new("Heading in the menu", "--menu").usually("Modules"),
        answers::parse_label,
    )?;
    let portals = way.settle(
        some(args.portals),
        &Question::new("Whose pages show it: admin, agent, customer", "--portal").usually("admin"),
        answers::parse_portals,
    )?;
    let fields = way.settle(
        some(args.fields),
        &Question::new("Fields, as name or name:type", "--field")
            .usually("name, notes:text, since:date"),
        answers::parse_fields,
    )?;
    let source = template::render(&Answers {
        name: name.clone(),
        singular,
        plural,
        menu,
        portals,
        fields,
        file: path.display().to_string(),
    });
    refuse_findings(&source)?;
    write_new(&path, &source)?;

    let shown = clean(&path.display().to_string());
    output.line(format!("{shown}: {}", output.paint("written", Style::Good)))?;
    output.line(format!(
        "Next: gotrs module test {shown}, then gotrs module push TENANT {shown}"
    ))?;
    output.json(&Written {
        file: shown,
        name: name.as_str(),
    })?;
    Ok(Verdict::Good)
}

fn some<T>(given: Vec<T>) -> Option<Vec<T>> {
    (!given.is_empty()).then_some(given)
}

/// The format knows more rules than the questions, such as that no two fields have one name.
fn refuse_findings(source: &str) -> Result<(), CliError> {
    let (_, findings) = module_spec::parse(source);
    match findings.first() {
        None => Ok(()),
        Some(finding) => {
            let help = finding.help.as_deref().map(|help| format!(" ({help})"));
            Err(CliError::Usage(format!(
                "with these answers the module would be wrong at {}: {}{}; nothing was written",
                finding.path,
                finding.message,
                help.unwrap_or_default()
            )))
        }
    }
}

fn write_new(path: &Path, source: &str) -> Result<(), CliError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => CliError::Exists {
            path: path.to_owned(),
        },
        _ => CliError::WriteFile {
            path: path.to_owned(),
            source,
        },
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(failed)?;
    file.write_all(source.as_bytes()).map_err(failed)
}

#[cfg(test)]
mod tests;
