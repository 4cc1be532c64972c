//! From a line and column of code back to the line and column of the file that it was written in.

use granit_parser::ScalarStyle;

use super::{Content, Node};
use crate::lambda::Segment;

/// Where each run of characters of a scalar stands in the file.
///
/// The scalar's text and the file's are walked side by side. What is not white space is found exactly, in every
/// style; white space that YAML made of something else (a folded line break) belongs to the place where
/// it would have been.
pub(crate) fn map_lambda(source: &str, node: &Node) -> Vec<Segment> {
    let Content::Scalar { text, style, .. } = &node.content else {
        return Vec::new();
    };
    let mut walk = Walk::new(source, node);
    match style {
        ScalarStyle::Literal | ScalarStyle::Folded => walk.skip_block_header(),
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
            walk.step();
        }
        ScalarStyle::Plain => {}
    }
    let (mut line, mut column) = (1_u32, 1_u32);
    for letter in text.chars() {
        let file = walk.find(letter, *style);
        walk.record((line, column), file);
        if letter == '\n' {
            line = line.saturating_add(1);
            column = 1;
        } else {
            column = column.saturating_add(1);
        }
    }
    walk.segments
}

struct Walk<'s> {
    rest: std::iter::Peekable<std::str::Chars<'s>>,
    line: u32,
    column: u32,
    segments: Vec<Segment>,
}

impl<'s> Walk<'s> {
    fn new(source: &'s str, node: &Node) -> Self {
        Self {
            rest: source.get(node.byte..).unwrap_or("").chars().peekable(),
            line: node.place.line,
            column: node.place.column,
            segments: Vec::new(),
        }
    }

    fn step(&mut self) -> Option<char> {
        let letter = self.rest.next()?;
        // A carriage return alone ends a line too; before a line feed it belongs to its end.
        let ends = letter == '\n' || letter == '\r' && self.rest.peek() != Some(&'\n');
        if ends {
            self.line = self.line.saturating_add(1);
            self.column = 1;
        } else {
            self.column = self.column.saturating_add(1);
        }
        Some(letter)
    }

    /// `|2-  # comment` up to its line break.
    fn skip_block_header(&mut self) {
        if self.rest.peek().is_some_and(|c| matches!(c, '|' | '>')) {
            let line = self.line;
            while self.line == line && self.step().is_some() {}
        }
    }

    /// The place of the next character of the text.
    fn find(&mut self, letter: char, style: ScalarStyle) -> (u32, u32) {
        let double_quoted = style == ScalarStyle::DoubleQuoted;
        loop {
            let here = (self.line, self.column);
            let Some(&next) = self.rest.peek() else {
                return here;
            };
            if double_quoted && next == '\\' {
                self.step();
                if self.step_escape() {
                    return here;
                }
                continue;
            }
            if next == letter {
                self.step();
                if style == ScalarStyle::SingleQuoted && letter == '\'' {
                    self.step();
                }
                return here;
            }
            if letter.is_whitespace() || !next.is_whitespace() {
                // A line break that was folded into this white space; or something unforeseen, where staying is best.
                return here;
            }
            self.step();
        }
    }

    /// Steps over an escape, the backslash being behind us. Whether it stands for a character.
    fn step_escape(&mut self) -> bool {
        let digits = match self.step() {
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            Some(end @ ('\n' | '\r')) => {
                if end == '\r' && self.rest.peek() == Some(&'\n') {
                    self.step();
                }
                // The next line goes on where its text begins.
                while matches!(self.rest.peek(), Some(' ' | '\t')) {
                    self.step();
                }
                return false;
            }
            _ => 0,
        };
        for _ in 0..digits {
            self.step();
        }
        true
    }

    fn record(&mut self, code: (u32, u32), file: (u32, u32)) {
        let continues = self.segments.last().is_some_and(|last| {
            last.code.0 == code.0
                && last.file.0 == file.0
                && code.1.checked_sub(last.code.1) == file.1.checked_sub(last.file.1)
        });
        if !continues {
            self.segments.push(Segment { code, file });
        }
    }
}
