//! YAML text as a tree in which every value knows its place.
//!
//! Built from the parser's events, so that nesting, size and aliases are bounded while reading, and one wrong value
//! does not hide the next.

mod lambda_map;
mod scalar;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span};

use crate::findings::Findings;
use crate::spec::Place;
use crate::{MAX_BYTES, MAX_NESTING};

pub(crate) use lambda_map::map_lambda;

/// Most values in a file, aliases counted as often as they are used. The largest real module has some thousands.
pub(crate) const MAX_VALUES: u32 = 100_000;
/// Most anchors. Each must be remembered to the end of the file, and a hundred thousand of them take their time.
const MAX_ANCHORS: usize = 1_000;
/// Most keys of one mapping: no mapping of the format needs a part of it.
const MAX_KEYS: usize = 10_000;
/// Up to so many keys of a mapping are compared one by one; most mappings are that small.
const FEW_KEYS: usize = 16;

/// One value.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) content: Content,
    /// First byte of the value in the file, for lambdas.
    pub(crate) byte: usize,
    /// How many values it is, itself included.
    weight: u32,
    /// How much text it is, what its aliases stand for included.
    bytes: usize,
}

/// What a value is.
#[derive(Debug)]
pub(crate) enum Content {
    Scalar {
        text: String,
        style: ScalarStyle,
        is_text: bool,
    },
    List(Vec<Rc<Node>>),
    Mapping(Vec<Entry>),
}

/// One `key: value`.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_place: Place,
    pub(crate) value: Rc<Node>,
}

/// Reads the one document of `source`. Nothing comes back when the text is not YAML or exceeds a limit; the reason is
/// then in `findings`.
pub(crate) fn read(source: &str, findings: &Findings) -> Option<Rc<Node>> {
    if source.len() > MAX_BYTES {
        let message = format!(
            "the file has {} bytes; at most {MAX_BYTES} are allowed",
            source.len()
        );
        findings.error("file-too-large", Place::WHOLE_FILE, "", message, None);
        return None;
    }
    let mut options = Options::default();
    // The parser must not build what is refused below.
    options.flow_nesting_limit = MAX_NESTING;
    options.block_nesting_limit = MAX_NESTING;
    let mut tree = TreeBuilder::new(source, findings);
    for event in Parser::new_from_str_with_options(source, options) {
        let step = match event {
            Ok((event, span)) => tree.take(event, span),
            Err(error) => {
                tree.report_syntax(&error);
                Err(Refused)
            }
        };
        if step.is_err() {
            return None;
        }
    }
    let root = tree.root.take();
    if root.is_none() {
        let help = "start with `module:`; docs/modules/reference.md has an example".to_owned();
        findings.error(
            "empty-file",
            Place::WHOLE_FILE,
            "",
            "the file is empty",
            Some(help),
        );
    }
    root
}

/// The finding is reported; reading ends.
struct Refused;

/// A list or mapping that is not closed yet.
struct Open {
    place: Place,
    byte: usize,
    anchor: usize,
    weight: u32,
    bytes: usize,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Rc<Node>>),
    Mapping {
        entries: Vec<Entry>,
        key: Option<(String, Place)>,
        merges: Vec<Rc<Node>>,
        /// The keys of a mapping that has more than a few.
        seen: HashSet<String>,
    },
}

struct TreeBuilder<'s> {
    source: &'s str,
    findings: &'s Findings,
    stack: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    documents: u32,
    values: u32,
    /// Text that aliases repeat.
    repeated: usize,
}

impl<'s> TreeBuilder<'s> {
    fn new(source: &'s str, findings: &'s Findings) -> Self {
        Self {
            source,
            findings,
            stack: Vec::new(),
            anchors: HashMap::new(),
            root: None,
            documents: 0,
            values: 0,
            repeated: 0,
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Refused> {
        let place = place_of(self.source, span);
        match event {
            Event::DocumentStart(..) => {
                self.documents = self.documents.saturating_add(1);
                if self.documents > 1 {
                    let help =
                        "one file is one module; put the other into a file of its own".to_owned();
                    let message = "there is a second document in this file";
                    self.findings
                        .error("several-documents", place, "", message, Some(help));
                    return Err(Refused);
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = style != ScalarStyle::Plain
                    || tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
                let byte = span.start.byte_offset().unwrap_or(0);
                let bytes = text.len();
                let content = Content::Scalar {
                    text: text.into_owned(),
                    style,
                    is_text,
                };
                let node = Rc::new(Node {
                    place,
                    content,
                    byte,
                    weight: 1,
                    bytes,
                });
                self.finish(node, anchor)?;
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open(place, span, anchor, OpenKind::List(Vec::new()))?;
            }
            Event::MappingStart(_, anchor, _) => {
                let kind = OpenKind::Mapping {
                    entries: Vec::new(),
                    key: None,
                    merges: Vec::new(),
                    seen: HashSet::new(),
                };
                self.open(place, span, anchor, kind)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    let message = "an alias cannot stand inside the value that it names";
                    self.findings.error("yaml-syntax", place, "", message, None);
                    return Err(Refused);
                };
                self.repeat(&node, place)?;
                self.finish(node, 0)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn open(
        &mut self,
        place: Place,
        span: Span,
        anchor: usize,
        kind: OpenKind,
    ) -> Result<(), Refused> {
        if self.stack.len() >= MAX_NESTING {
            self.report_depth(place);
            return Err(Refused);
        }
        let byte = span.start.byte_offset().unwrap_or(0);
        self.stack.push(Open {
            place,
            byte,
            anchor,
            weight: 1,
            bytes: 0,
            kind,
        });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Refused> {
        let Some(open) = self.stack.pop() else {
            return Ok(());
        };
        let mut place = open.place;
        let content = match open.kind {
            OpenKind::List(items) => {
                if let Some(first) = items.first().filter(|first| first.place.line == place.line) {
                    place.length = first.place.length.max(1);
                }
                Content::List(items)
            }
            OpenKind::Mapping {
                mut entries,
                merges,
                ..
            } => {
                for merged in &merges {
                    merge(&mut entries, merged);
                }
                // A finding about a mapping as a whole points at its first key.
                if let Some(first) = entries.first() {
                    place = first.key_place;
                }
                Content::Mapping(entries)
            }
        };
        let node = Rc::new(Node {
            place,
            content,
            byte: open.byte,
            weight: open.weight,
            bytes: open.bytes,
        });
        // Its parts are counted already.
        self.values = self.values.saturating_sub(open.weight.saturating_sub(1));
        self.finish(node, open.anchor)
    }

    /// Counts what an alias repeats: some hundred aliases of one long text would be gigabytes once they are values.
    fn repeat(&mut self, node: &Node, place: Place) -> Result<(), Refused> {
        self.repeated = self.repeated.saturating_add(node.bytes);
        if self.repeated <= MAX_BYTES {
            return Ok(());
        }
        let message = format!("aliases repeat more than {MAX_BYTES} bytes of text");
        let help = "write long texts where they are used, or shorten them".to_owned();
        self.findings
            .error("too-many-values", place, "", message, Some(help));
        Err(Refused)
    }

    /// Puts a finished value where it belongs.
    fn finish(&mut self, node: Rc<Node>, anchor: usize) -> Result<(), Refused> {
        self.values = self.values.saturating_add(node.weight);
        if self.values > MAX_VALUES {
            let help = "aliases count as often as they are used".to_owned();
            let message = format!("the file has more than {MAX_VALUES} values");
            self.findings
                .error("too-many-values", node.place, "", message, Some(help));
            return Err(Refused);
        }
        if anchor != 0 {
            if self.anchors.len() >= MAX_ANCHORS {
                let message = format!("the file has more than {MAX_ANCHORS} anchors");
                self.findings
                    .error("too-many-values", node.place, "", message, None);
                return Err(Refused);
            }
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.weight = open.weight.saturating_add(node.weight);
        open.bytes = open.bytes.saturating_add(node.bytes);
        match &mut open.kind {
            OpenKind::List(items) => items.push(node),
            OpenKind::Mapping {
                entries,
                key,
                merges,
                seen,
            } => match key.take() {
                None => match &node.content {
                    Content::Scalar { text, .. } => *key = Some((text.clone(), node.place)),
                    _ => {
                        self.findings.error(
                            "wrong-type",
                            node.place,
                            "",
                            "a key must be a word",
                            None,
                        );
                        *key = Some((String::new(), node.place));
                    }
                },
                Some((name, _)) if name == "<<" => merges.push(node),
                Some((_, key_place)) if entries.len() >= MAX_KEYS => {
                    let message = format!("a mapping has more than {MAX_KEYS} keys");
                    self.findings
                        .error("too-many-values", key_place, "", message, None);
                    return Err(Refused);
                }
                Some((name, key_place)) => {
                    let is_new = if entries.len() < FEW_KEYS {
                        !entries.iter().any(|entry| entry.key == name)
                    } else {
                        if seen.is_empty() {
                            seen.extend(entries.iter().map(|entry| entry.key.clone()));
                        }
                        seen.insert(name.clone())
                    };
                    if is_new {
                        entries.push(Entry {
                            key: name,
                            key_place,
                            value: node,
                        });
                    } else {
                        let message = format!("\"{}\" is written twice here", shorten(&name));
                        let help = "keep one of the two".to_owned();
                        self.findings
                            .error("duplicate-key", key_place, "", message, Some(help));
                    }
                }
            },
        }
        Ok(())
    }

    fn report_depth(&self, place: Place) {
        let message = format!("lists and mappings are nested more than {MAX_NESTING} deep");
        self.findings
            .error("nesting-too-deep", place, "", message, None);
    }

    fn report_syntax(&self, error: &ScanError) {
        let marker = error.marker();
        let place = Place::new(marker.line(), marker.col().saturating_add(1), 1);
        let info = error.info();
        if self.stack.len() >= MAX_NESTING || info.contains("nesting") || info.contains("recursion")
        {
            self.report_depth(place);
            return;
        }
        let help = syntax_help(self.source, place);
        self.findings.error(
            "yaml-syntax",
            place,
            "",
            format!("this is not valid YAML: {info}"),
            help,
        );
    }
}

/// Keys of a merged mapping (`<<: *base`) that are not written here.
fn merge(entries: &mut Vec<Entry>, merged: &Rc<Node>) {
    match &merged.content {
        Content::Mapping(others) => {
            let written: HashSet<String> = entries.iter().map(|entry| entry.key.clone()).collect();
            entries.extend(
                others
                    .iter()
                    .filter(|other| !written.contains(&other.key))
                    .cloned(),
            );
        }
        Content::List(several) => {
            for one in several {
                if matches!(one.content, Content::Mapping(_)) {
                    merge(entries, one);
                }
            }
        }
        Content::Scalar { .. } => {}
    }
}

/// What most often is the matter where YAML breaks.
fn syntax_help(source: &str, place: Place) -> Option<String> {
    let at = usize::try_from(place.line).ok()?.saturating_sub(1);
    let line = source.lines().nth(at)?;
    let leading: String = line.chars().take_while(|c| c.is_whitespace()).collect();
    if leading.contains('\t') {
        return Some("indent with spaces; YAML does not allow tabs".to_owned());
    }
    if line.matches(": ").count() > 1
        || line.contains(": @")
        || line.contains(": `")
        || line.contains(": %")
    {
        return Some(
            "put the text in double quotes: a colon, @, ` or % means something in YAML".to_owned(),
        );
    }
    None
}

/// The marked text in lines, columns and length, all from 1 and in characters; the first line only.
fn place_of(source: &str, span: Span) -> Place {
    let start = span.start.byte_offset().unwrap_or(0);
    let end = span.end.byte_offset().unwrap_or(start);
    let text = source.get(start..end).unwrap_or("");
    let first_line = text.split(['\n', '\r']).next().unwrap_or("").trim_end();
    Place::new(
        span.start.line(),
        span.start.col().saturating_add(1),
        first_line.chars().count(),
    )
}

/// A quoted piece of the author's text, short enough for a message.
pub(crate) fn shorten(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut short: String = text.chars().take(LONGEST).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push_str("...");
    }
    short
}
