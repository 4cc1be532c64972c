//! What passed.

/// What the name of an array's type ends in, behind the name of its elements' type.
pub const ARRAY: &str = "[]";

/// SQL as it goes to the server. Made by the gate only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    text: String,
    /// Where a `$n` stands, how long it is, and its number.
    parameters: Vec<(usize, usize, u16)>,
}

/// A statement has a parameter for which there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no value for ${0}")]
pub struct MissingParameter(u16);

impl Checked {
    /// The text, with `$1` parameters.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text with each `$n` cast from text to the type that the server found for it: the name in its catalogue, and of an
    /// array that of its elements with [`ARRAY`] behind it.
    pub fn with_casts(&self, types: &[String]) -> Result<String, MissingParameter> {
        let mut text = String::with_capacity(self.text.len());
        let mut rest = self.text.as_str();
        let mut passed = 0_usize;
        for &(start, length, number) in &self.parameters {
            let kind = usize::from(number)
                .checked_sub(1)
                .and_then(|at| types.get(at))
                .ok_or(MissingParameter(number))?;
            let (kind, array) = kind
                .strip_suffix(ARRAY)
                .map_or((kind.as_str(), ""), |element| (element, ARRAY));
            let kind = kind.replace('"', "\"\"");
            // Places come in their order, from the printer that wrote the text.
            let Some((before, behind)) = rest.split_at_checked(start.saturating_sub(passed)) else {
                break;
            };
            let (parameter, behind) = behind.split_at_checked(length).unwrap_or((behind, ""));
            text.extend([
                before,
                "CAST(CAST(",
                parameter,
                " AS text) AS \"",
                &kind,
                "\"",
                array,
                ")",
            ]);
            rest = behind;
            passed = start.saturating_add(length);
        }
        text.push_str(rest);
        Ok(text)
    }
}

/// Tokens in a row. Parts are written in the order in which names can be resolved and put together in the order of SQL.
#[derive(Debug, Default)]
pub(crate) struct Text(Vec<Part>);

#[derive(Debug)]
enum Part {
    /// Spaces on both sides.
    Word(String),
    /// `(`: none behind.
    Open(&'static str),
    /// `)` and `,`: none before.
    Close(&'static str),
    /// `.`, `::` and what opens behind a name: none on either side.
    Join(&'static str),
    Parameter(u16),
}

impl Text {
    pub(crate) fn word(&mut self, word: impl Into<String>) {
        self.0.push(Part::Word(word.into()));
    }

    pub(crate) fn open(&mut self, sign: &'static str) {
        self.0.push(Part::Open(sign));
    }

    pub(crate) fn close(&mut self, sign: &'static str) {
        self.0.push(Part::Close(sign));
    }

    pub(crate) fn join(&mut self, sign: &'static str) {
        self.0.push(Part::Join(sign));
    }

    pub(crate) fn parameter(&mut self, number: u16) {
        self.0.push(Part::Parameter(number));
    }

    pub(crate) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn finish(self) -> Checked {
        let mut text = String::new();
        let mut parameters = Vec::new();
        let mut is_tight = true;
        for part in self.0 {
            let (spaced, tight_behind) = match part {
                Part::Word(_) | Part::Parameter(_) => (true, false),
                Part::Open(_) => (true, true),
                Part::Close(_) => (false, false),
                Part::Join(_) => (false, true),
            };
            if spaced && !is_tight {
                text.push(' ');
            }
            is_tight = tight_behind;
            match part {
                Part::Word(word) => text.push_str(&word),
                Part::Open(sign) | Part::Close(sign) | Part::Join(sign) => text.push_str(sign),
                Part::Parameter(number) => {
                    let start = text.len();
                    text.push_str(&format!("${number}"));
                    parameters.push((start, text.len().saturating_sub(start), number));
                }
            }
        }
        Checked { text, parameters }
    }
}
