//! HTML that lambdas return: cleaned once is cleaned for good, and what is left is plain to somebody who reads it byte by byte.

#![no_main]

use libfuzzer_sys::fuzz_target;
use module_engine::html::sanitize_html;

const TAGS: &[&str] = &[
    "a",
    "abbr",
    "b",
    "bdi",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "details",
    "div",
    "dl",
    "dt",
    "em",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "small",
    "span",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "time",
    "tr",
    "u",
    "ul",
    "var",
    "wbr",
];
const ATTRIBUTES: &[&str] = &[
    "class", "title", "style", "href", "rel", "colspan", "rowspan", "scope", "datetime",
];

const STYLES: &[&str] = &[
    "width",
    "min-width",
    "max-width",
    "color",
    "background-color",
    "border-color",
];

fuzz_target!(|html: &str| {
    let clean = sanitize_html(html);
    assert_eq!(sanitize_html(&clean), clean, "cleaned again");
    let mut rest = clean.as_str();
    while let Some((_, tag)) = rest.split_once('<') {
        rest = check_tag(tag.strip_prefix('/').unwrap_or(tag), &clean);
    }
});

/// Reads a tag behind its `<` and gives what follows it.
fn check_tag<'h>(tag: &'h str, html: &str) -> &'h str {
    let end = tag.find([' ', '>']).expect("a tag ends");
    let (name, mut rest) = tag.split_at(end);
    assert!(TAGS.contains(&name), "<{name}> in {html}");
    while let Some(attribute) = rest.strip_prefix(' ') {
        let (name, value) = attribute.split_once("=\"").expect("a value in quotes");
        assert!(ATTRIBUTES.contains(&name), "{name} in {html}");
        let (value, behind) = value.split_once('"').expect("a value ends");
        match name {
            "href" => check_reference(value, html),
            "style" => check_style(value, html),
            _ => {}
        }
        rest = behind;
    }
    rest.strip_prefix('>').expect("a tag is closed")
}

fn check_reference(value: &str, html: &str) {
    let value = value.replace("&amp;", "&");
    let lower = value.trim().to_ascii_lowercase();
    let is_own = (lower.starts_with('/') && !lower.starts_with("//"))
        || lower.starts_with('#')
        || lower.starts_with('?');
    let is_allowed = ["http:", "https:", "mailto:"]
        .iter()
        .any(|scheme| lower.starts_with(scheme));
    assert!(is_own || is_allowed, "{value:?} in {html}");
    assert!(
        !is_own || !lower.contains(['\\', '\t', '\n', '\r']),
        "{html}"
    );
}

fn check_style(value: &str, html: &str) {
    for declaration in value.split(';') {
        let (property, value) = declaration.split_once(':').expect("a declaration");
        assert!(STYLES.contains(&property), "{property} in {html}");
        let is_plain = |c: char| c.is_ascii_alphanumeric() || " #.%,()-".contains(c);
        assert!(value.chars().all(is_plain), "{value:?} in {html}");
        if let Some((function, _)) = value.to_ascii_lowercase().split_once('(') {
            let colours = ["rgb", "rgba", "hsl", "hsla"];
            assert!(colours.contains(&function), "{function} in {html}");
        }
    }
}
