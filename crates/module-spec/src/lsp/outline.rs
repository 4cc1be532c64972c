//! The keys of a file and where the cursor is among them, found without parsing: an editor asks while the file is broken.
//!
//! Indentation says what belongs to what, as in YAML's block style; flow style (`{a: [b]}`) is followed character by
//! character. What cannot be understood is skipped; the answer is then poorer, never an error.

use crate::keys::{DOCUMENT, Shape, Table};
use crate::lines::lines;

/// The keys found, mapping by mapping, and the cursor.
#[derive(Debug, Default)]
pub(super) struct Outline {
    pub(super) mappings: Vec<Mapping>,
    pub(super) cursor: Option<Cursor>,
}

/// One mapping.
#[derive(Debug)]
pub(super) struct Mapping {
    pub(super) table: Option<&'static Table>,
    pub(super) keys: Vec<KeyToken>,
}

/// A key and what stands behind it on its line.
#[derive(Debug)]
pub(super) struct KeyToken {
    pub(super) name: String,
    pub(super) at: Span,
    pub(super) value: Option<(String, Span)>,
}

/// Part of a line, in characters from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) line: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Where the cursor is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor {
    pub(super) kind: CursorKind,
    /// First character of the word that is being written.
    pub(super) start: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum CursorKind {
    /// A key of this table is expected; `mapping` already has some.
    Key {
        table: Option<&'static Table>,
        mapping: Option<usize>,
    },
    /// A value of this shape; an entry of its list when `item` is set.
    Value { shape: Shape, item: bool },
    /// In the code of a lambda.
    Code,
}

/// A key by mapping and position.
type Owner = (usize, usize);

#[derive(Debug, Clone, Copy)]
enum Frame {
    Mapping { indent: usize, mapping: usize },
    Item { indent: usize, owner: Option<Owner> },
}

impl Frame {
    const fn indent(self) -> usize {
        match self {
            Self::Mapping { indent, .. } | Self::Item { indent, .. } => indent,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Flow {
    Mapping { mapping: usize, key: Option<usize> },
    List { owner: Option<Owner> },
}

/// Looks through `source`; `cursor` is a line and a column in characters, from 0.
pub(super) fn outline(source: &str, cursor: Option<(usize, usize)>) -> Outline {
    let mut scan = Scan {
        outline: Outline::default(),
        frames: Vec::new(),
        flow: Vec::new(),
        block: None,
        quote: None,
        cursor,
        line: 0,
    };
    for (number, line) in lines(source).enumerate() {
        scan.line = number;
        scan.take_line(&line.chars().collect::<Vec<char>>());
    }
    scan.outline
}

struct Scan {
    outline: Outline,
    frames: Vec<Frame>,
    flow: Vec<Flow>,
    /// Inside a block scalar: the indentation of its key.
    block: Option<(usize, Option<Owner>)>,
    /// Inside a quoted text of several lines: its quote.
    quote: Option<(char, Option<Owner>)>,
    cursor: Option<(usize, usize)>,
    line: usize,
}

impl Scan {
    /// The cursor's column, when it is on this line.
    fn here(&self) -> Option<usize> {
        self.cursor
            .filter(|(line, _)| *line == self.line)
            .map(|(_, column)| column)
    }

    fn set_cursor(&mut self, kind: CursorKind, start: usize) {
        self.outline.cursor = Some(Cursor { kind, start });
    }

    fn take_line(&mut self, line: &[char]) {
        let indent = line.iter().take_while(|c| c.is_whitespace()).count();
        let blank = indent == line.len();
        if let Some((deeper_than, owner)) = self.block {
            let inside = if blank {
                self.here().is_none_or(|column| column > deeper_than)
            } else {
                indent > deeper_than
            };
            if inside {
                if let Some(column) = self.here() {
                    self.cursor_in_value(owner, word_start(line, column), false);
                }
                return;
            }
            self.block = None;
        }
        if let Some((quote, owner)) = self.quote {
            if let Some(column) = self.here() {
                self.cursor_in_value(owner, word_start(line, column), false);
            }
            let Some(end) = closing_quote(line, 0, quote) else {
                return;
            };
            self.quote = None;
            if !self.flow.is_empty() {
                self.take_flow(line, end.saturating_add(1));
            }
            return;
        }
        if !self.flow.is_empty() {
            let top = self.frames.last().map_or(0, |frame| frame.indent());
            let closes = matches!(line.get(indent), Some('}' | ']'));
            if blank || closes || indent > top {
                self.take_flow(line, indent);
                return;
            }
            // A bracket was never closed; what is indented less is not in it any more.
            self.flow.clear();
        }
        let first = line.get(indent).copied();
        if blank || first == Some('#') {
            if let (true, Some(column)) = (blank, self.here()) {
                self.cursor_on_new_line(column, column);
            }
            return;
        }
        if indent == 0 && (starts_with(line, "---") || starts_with(line, "...")) {
            return;
        }
        self.take_block(line, indent);
    }

    /// A line in block style from `at` on.
    fn take_block(&mut self, line: &[char], mut at: usize) {
        let mut in_item = false;
        while line.get(at) == Some(&'-') && line.get(at.saturating_add(1)).is_none_or(|c| *c == ' ')
        {
            self.pop_deeper(at);
            let owner = match self.frames.last().copied() {
                Some(Frame::Item { indent, owner }) if indent == at => {
                    self.frames.pop();
                    owner
                }
                Some(Frame::Mapping { mapping, .. }) => self.last_key(mapping),
                _ => None,
            };
            self.frames.push(Frame::Item { indent: at, owner });
            at = skip_blanks(line, at.saturating_add(1));
            in_item = true;
        }
        let Some((name, key_end, behind)) = key_at(line, at) else {
            self.take_bare(line, at, in_item);
            return;
        };
        let mapping = self.mapping_at(at);
        let key = self.add_key(mapping, name, at, key_end);
        if let Some(column) = self.here()
            && (at..=key_end).contains(&column)
        {
            let table = self.table_of(mapping);
            let kind = CursorKind::Key {
                table,
                mapping: Some(mapping),
            };
            self.set_cursor(kind, at);
        }
        let indent = self.frames.last().map_or(0, |frame| frame.indent());
        let value = skip_blanks(line, behind);
        self.take_value(line, value, indent, (mapping, key));
        if let Some(column) = self.here()
            && column >= behind
            && self.outline.cursor.is_none()
        {
            let is_list = line.get(value) == Some(&'[');
            let start = if column >= value { value } else { column };
            self.cursor_in_value(Some((mapping, key)), start, is_list);
        }
    }

    /// Text that is no key: an entry of a list, the rest of a text, or a key that is being written.
    fn take_bare(&mut self, line: &[char], at: usize, in_item: bool) {
        let owner = match self.frames.last() {
            Some(Frame::Item { owner, .. }) if in_item => *owner,
            _ => None,
        };
        if in_item && matches!(line.get(at), Some('{' | '[')) {
            self.flow.clear();
            self.open_flow(line.get(at) == Some(&'{'), owner, true);
            self.take_flow(line, at.saturating_add(1));
            return;
        }
        let Some(column) = self.here() else { return };
        if !in_item {
            self.cursor_on_new_line(at, at.min(column));
            return;
        }
        match owner.map(|owner| self.shape_of(owner)) {
            Some(Some(Shape::List(table))) => {
                let kind = CursorKind::Key {
                    table: Some(table),
                    mapping: None,
                };
                self.set_cursor(kind, at.min(column));
            }
            _ => self.cursor_in_value(owner, at.min(column), true),
        }
    }

    /// What stands behind a key.
    fn take_value(&mut self, line: &[char], at: usize, indent: usize, owner: Owner) {
        let at = skip_properties(line, at);
        match line.get(at) {
            None | Some('#') => {}
            Some('|' | '>') => self.block = Some((indent, Some(owner))),
            Some(open @ ('{' | '[')) => {
                self.flow.clear();
                self.open_flow(*open == '{', Some(owner), false);
                self.take_flow(line, at.saturating_add(1));
            }
            Some(quote @ ('"' | '\'')) => match closing_quote(line, at.saturating_add(1), *quote) {
                Some(end) => self.add_value(owner, line, at, end.saturating_add(1)),
                None => self.quote = Some((*quote, Some(owner))),
            },
            Some(_) => self.add_value(owner, line, at, plain_end(line, at, false)),
        }
    }

    /// A line, or the rest of one, in flow style.
    fn take_flow(&mut self, line: &[char], mut at: usize) {
        loop {
            at = skip_blanks(line, at);
            let letter = line.get(at).copied();
            let end = match letter {
                Some('"' | '\'') => {
                    closing_quote(line, at.saturating_add(1), letter.unwrap_or('"'))
                        .map_or(line.len(), |end| end.saturating_add(1))
                }
                Some('{' | '}' | '[' | ']' | ',' | ':') | None => at,
                Some(_) => plain_end(line, at, true),
            };
            if let Some(column) = self.here()
                && self.outline.cursor.is_none()
                && column <= end
            {
                self.cursor_in_flow(at.min(column));
            }
            let Some(letter) = letter else { return };
            let next = at.saturating_add(1);
            match letter {
                '#' => return,
                '{' | '[' => {
                    let (owner, item) = match self.flow.last() {
                        Some(Flow::Mapping { mapping, key }) => {
                            (key.map(|key| (*mapping, key)), false)
                        }
                        Some(Flow::List { owner }) => (*owner, true),
                        None => (None, false),
                    };
                    self.open_flow(letter == '{', owner, item);
                    at = next;
                }
                '}' | ']' => {
                    self.flow.pop();
                    if self.flow.is_empty() {
                        return;
                    }
                    at = next;
                }
                ',' => {
                    if let Some(Flow::Mapping { key, .. }) = self.flow.last_mut() {
                        *key = None;
                    }
                    at = next;
                }
                ':' => at = next,
                _ => {
                    self.take_flow_word(line, at, end);
                    at = end.max(next);
                }
            }
        }
    }

    fn take_flow_word(&mut self, line: &[char], at: usize, end: usize) {
        let Some(Flow::Mapping { mapping, key }) = self.flow.last().copied() else {
            return;
        };
        match key {
            Some(key) => self.add_value((mapping, key), line, at, end),
            None if line.get(skip_blanks(line, end)) == Some(&':') => {
                let key = self.add_key(mapping, unquoted(line, at, end), at, end);
                if let Some(Flow::Mapping { key: current, .. }) = self.flow.last_mut() {
                    *current = Some(key);
                }
            }
            None => {}
        }
    }

    fn open_flow(&mut self, is_mapping: bool, owner: Option<Owner>, item: bool) {
        let flow = if is_mapping {
            let table = owner.and_then(|owner| table_below(self.shape_of(owner)?, item));
            Flow::Mapping {
                mapping: self.new_mapping(table),
                key: None,
            }
        } else {
            Flow::List { owner }
        };
        self.flow.push(flow);
    }

    fn cursor_in_flow(&mut self, start: usize) {
        match self.flow.last().copied() {
            Some(Flow::Mapping { mapping, key: None }) => {
                let table = self.table_of(mapping);
                let kind = CursorKind::Key {
                    table,
                    mapping: Some(mapping),
                };
                self.set_cursor(kind, start);
            }
            Some(Flow::Mapping {
                mapping,
                key: Some(key),
            }) => self.cursor_in_value(Some((mapping, key)), start, false),
            Some(Flow::List { owner }) => self.cursor_in_value(owner, start, true),
            None => {}
        }
    }

    fn cursor_in_value(&mut self, owner: Option<Owner>, start: usize, item: bool) {
        let Some(shape) = owner.and_then(|owner| self.shape_of(owner)) else {
            return;
        };
        let kind = match shape {
            Shape::Lambda | Shape::Expression => CursorKind::Code,
            shape => CursorKind::Value { shape, item },
        };
        self.set_cursor(kind, start);
    }

    /// The cursor where a key could begin, at this indentation.
    fn cursor_on_new_line(&mut self, indent: usize, start: usize) {
        let mut frames = self.frames.clone();
        while frames.last().is_some_and(|frame| {
            frame.indent() > indent
                || frame.indent() == indent && matches!(frame, Frame::Item { .. })
        }) {
            frames.pop();
        }
        let (table, mapping) = match frames.last().copied() {
            None => match self.outline.mappings.first() {
                Some(root) => (root.table, Some(0)),
                None => (Some(&DOCUMENT), None),
            },
            Some(Frame::Item { owner, .. }) => {
                let shape = owner.and_then(|owner| self.shape_of(owner));
                (shape.and_then(|shape| table_below(shape, true)), None)
            }
            Some(Frame::Mapping {
                indent: own,
                mapping,
            }) => match self.open_key(mapping).filter(|_| own < indent) {
                Some(owner) => {
                    let shape = self.shape_of(owner);
                    (shape.and_then(|shape| table_below(shape, false)), None)
                }
                None => (self.table_of(mapping), Some(mapping)),
            },
        };
        self.set_cursor(CursorKind::Key { table, mapping }, start);
    }

    fn pop_deeper(&mut self, indent: usize) {
        while self
            .frames
            .last()
            .is_some_and(|frame| frame.indent() > indent)
        {
            self.frames.pop();
        }
    }

    /// The mapping that a key at this indentation belongs to.
    fn mapping_at(&mut self, indent: usize) -> usize {
        self.pop_deeper(indent);
        while let Some(Frame::Item { indent: own, .. }) = self.frames.last()
            && *own == indent
        {
            self.frames.pop();
        }
        let table = match self.frames.last().copied() {
            Some(Frame::Mapping {
                indent: own,
                mapping,
            }) => match self.open_key(mapping).filter(|_| own != indent) {
                Some(owner) => self
                    .shape_of(owner)
                    .and_then(|shape| table_below(shape, false)),
                None => return mapping,
            },
            Some(Frame::Item { owner, .. }) => {
                owner.and_then(|owner| table_below(self.shape_of(owner)?, true))
            }
            None if self.outline.mappings.is_empty() => Some(&DOCUMENT),
            None => return 0,
        };
        let mapping = self.new_mapping(table);
        self.frames.push(Frame::Mapping { indent, mapping });
        mapping
    }

    fn new_mapping(&mut self, table: Option<&'static Table>) -> usize {
        // A file that is one mapping in flow style.
        let is_root = self.outline.mappings.is_empty();
        self.outline.mappings.push(Mapping {
            table: table.or_else(|| is_root.then_some(&DOCUMENT)),
            keys: Vec::new(),
        });
        self.outline.mappings.len().saturating_sub(1)
    }

    fn table_of(&self, mapping: usize) -> Option<&'static Table> {
        self.outline.mappings.get(mapping)?.table
    }

    fn shape_of(&self, (mapping, key): Owner) -> Option<Shape> {
        let mapping = self.outline.mappings.get(mapping)?;
        let name = &mapping.keys.get(key)?.name;
        Some(mapping.table?.key(name)?.shape)
    }

    /// The last key of a mapping, while nothing stands behind it yet.
    fn open_key(&self, mapping: usize) -> Option<Owner> {
        let (_, key) = self.last_key(mapping)?;
        let token = self.outline.mappings.get(mapping)?.keys.get(key)?;
        token.value.is_none().then_some((mapping, key))
    }

    fn last_key(&self, mapping: usize) -> Option<Owner> {
        let keys = &self.outline.mappings.get(mapping)?.keys;
        Some((mapping, keys.len().checked_sub(1)?))
    }

    fn add_key(&mut self, mapping: usize, name: String, start: usize, end: usize) -> usize {
        let line = self.line;
        let Some(mapping) = self.outline.mappings.get_mut(mapping) else {
            return 0;
        };
        mapping.keys.push(KeyToken {
            name,
            at: Span { line, start, end },
            value: None,
        });
        mapping.keys.len().saturating_sub(1)
    }

    fn add_value(&mut self, (mapping, key): Owner, line: &[char], start: usize, end: usize) {
        let span = Span {
            line: self.line,
            start,
            end,
        };
        let keys = self.outline.mappings.get_mut(mapping).map(|m| &mut m.keys);
        if let Some(key) = keys.and_then(|keys| keys.get_mut(key)) {
            key.value = Some((unquoted(line, start, end), span));
        }
    }
}

/// The table of a mapping behind a key of this shape, or of an entry of its list.
fn table_below(shape: Shape, item: bool) -> Option<&'static Table> {
    match shape {
        Shape::Mapping(table) if !item => Some(table),
        Shape::List(table) if item => Some(table),
        Shape::Choices if item => Some(&crate::keys::CHOICE),
        _ => None,
    }
}

fn starts_with(line: &[char], prefix: &str) -> bool {
    line.len() >= prefix.len() && line.iter().zip(prefix.chars()).all(|(a, b)| *a == b)
}

fn skip_blanks(line: &[char], at: usize) -> usize {
    let blanks = line.iter().skip(at).take_while(|c| c.is_whitespace());
    at.saturating_add(blanks.count())
}

/// Steps over anchors and tags.
fn skip_properties(line: &[char], mut at: usize) -> usize {
    while matches!(line.get(at), Some('&' | '!')) {
        let word = line.iter().skip(at).take_while(|c| !c.is_whitespace());
        at = skip_blanks(line, at.saturating_add(word.count()));
    }
    at
}

/// The first character of the word that ends at `column`.
pub(super) fn word_start(line: &[char], column: usize) -> usize {
    let column = column.min(line.len());
    let word = line
        .iter()
        .take(column)
        .rev()
        .take_while(|c| c.is_alphanumeric() || **c == '_');
    column.saturating_sub(word.count())
}

fn closing_quote(line: &[char], from: usize, quote: char) -> Option<usize> {
    let mut at = from;
    loop {
        let letter = *line.get(at)?;
        let next = line.get(at.saturating_add(1));
        if letter == '\\' && quote == '"'
            || letter == quote && quote == '\'' && next == Some(&quote)
        {
            at = at.saturating_add(2);
        } else if letter == quote {
            return Some(at);
        } else {
            at = at.saturating_add(1);
        }
    }
}

/// Where a plain text ends: at a comment, at `: `, in flow style also at brackets and commas.
fn plain_end(line: &[char], from: usize, flow: bool) -> usize {
    let mut end = from;
    for (at, letter) in line.iter().enumerate().skip(from) {
        let next = line.get(at.saturating_add(1));
        let is_colon = *letter == ':'
            && next.is_none_or(|c| c.is_whitespace() || flow && matches!(c, ',' | '}' | ']'));
        let is_comment = *letter == '#' && at > end;
        if is_comment || is_colon && flow || flow && matches!(letter, ',' | '{' | '}' | '[' | ']') {
            break;
        }
        if !letter.is_whitespace() {
            end = at.saturating_add(1);
        }
    }
    end
}

/// A key in block style: its name, where it ends and what is behind its colon.
fn key_at(line: &[char], at: usize) -> Option<(String, usize, usize)> {
    let end = match line.get(at)? {
        quote @ ('"' | '\'') => {
            closing_quote(line, at.saturating_add(1), *quote)?.saturating_add(1)
        }
        '{' | '[' | '#' | '|' | '>' => return None,
        _ => {
            let word = line.iter().enumerate().skip(at);
            word.take_while(|(at, letter)| {
                let next = line.get(at.saturating_add(1));
                !(**letter == ':' && next.is_none_or(|c| c.is_whitespace()))
            })
            .count()
            .saturating_add(at)
        }
    };
    (line.get(end) == Some(&':')).then(|| (unquoted(line, at, end), end, end.saturating_add(1)))
}

fn unquoted(line: &[char], start: usize, end: usize) -> String {
    let text: String = line
        .iter()
        .skip(start)
        .take(end.saturating_sub(start))
        .collect();
    let text = text.trim();
    let inner = ['"', '\'']
        .iter()
        .find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
    inner.unwrap_or(text).to_owned()
}
