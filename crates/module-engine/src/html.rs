//! Cleaning of HTML that lambdas return.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};

/// Tags for text, lists, tables and badges. No images (they tell a third party who reads what), no forms, no frames.
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

/// Properties of `style`: widths and colours.
const STYLES: &[&str] = &[
    "width",
    "min-width",
    "max-width",
    "color",
    "background-color",
    "border-color",
];

static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut cleaner = Builder::empty();
    cleaner
        .tags(TAGS.iter().copied().collect())
        .clean_content_tags(HashSet::from([
            "script", "style", "template", "noscript", "iframe", "title", "textarea",
        ]))
        .generic_attributes(HashSet::from(["class", "title", "style"]))
        .tag_attributes(HashMap::from([
            ("a", HashSet::from(["href"])),
            ("td", HashSet::from(["colspan", "rowspan"])),
            ("th", HashSet::from(["colspan", "rowspan", "scope"])),
            ("time", HashSet::from(["datetime"])),
        ]))
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        // Links within the tenant's own pages: `/admin/...`, but not `//other.example`.
        .url_relative(UrlRelative::Custom(Box::new(own_path)))
        .attribute_filter(|_, attribute, value| match attribute {
            "style" => clean_style(value).map(Cow::Owned),
            // Browsers drop some of them before they look for the scheme; whoever reads differently sees another reference.
            "href" if value.chars().any(char::is_control) => None,
            _ => Some(Cow::Borrowed(value)),
        })
        .link_rel(Some("noopener noreferrer"));
    cleaner
});

/// Cleans HTML against the allow-list of the module format: tags for text, lists, tables, badges and links with http, https or
/// mailto; `class`, `title`, `href`, and `style` limited to widths and colours.
///
/// Cleaning the result again changes nothing: a browser that reads it sees the tree that was checked.
pub fn sanitize_html(html: &str) -> String {
    if is_plain_text(html) {
        return html.to_owned();
    }
    let mut clean = CLEANER.clean(html).to_string();
    // Most of what lambdas write is clean as it is, and then so is what comes out.
    if clean == html {
        return clean;
    }
    for _ in 0..MAX_ROUNDS {
        let again = CLEANER.clean(&clean).to_string();
        if again == clean {
            return clean;
        }
        clean = again;
    }
    // What never comes to rest is shown as it was written.
    CLEANER.clean(&ammonia::clean_text(html)).to_string()
}

/// A tree that is written and read again can be another one: misnested tags around a table move, as the rules of HTML say.
const MAX_ROUNDS: usize = 8;

/// Whether a parser and a writer of HTML leave a text as it is: it has no markup, nothing that is written as a character reference,
/// and nothing that a parser drops or replaces. Most cells are such a text, and parsing costs more than computing them.
fn is_plain_text(html: &str) -> bool {
    !html.contains(['<', '>', '&', '\0', '\r', '\u{a0}', '\u{feff}'])
}

/// Keeps a reference only when it stays on the tenant's own site.
fn own_path(url: &str) -> Option<Cow<'_, str>> {
    is_own_path(url).then_some(Cow::Borrowed(url))
}

/// Whether a reference stays on the tenant's own site. Browsers drop tabs and line ends from URLs and read `\` as `/`.
pub(crate) fn is_own_path(url: &str) -> bool {
    let plain = !url.chars().any(|c| c.is_control() || c == '\\');
    plain
        && (url.starts_with('#')
            || url.starts_with('?')
            || (url.starts_with('/') && !url.starts_with("//")))
}

/// Keeps the declarations that are allowed; `None` when nothing is left.
fn clean_style(style: &str) -> Option<String> {
    let kept: Vec<String> = style
        .split(';')
        .filter_map(|declaration| {
            let (property, value) = declaration.split_once(':')?;
            let property = property.trim().to_ascii_lowercase();
            let value = value.trim();
            (STYLES.contains(&property.as_str()) && is_plain_style_value(value))
                .then(|| format!("{property}:{value}"))
        })
        .collect();
    (!kept.is_empty()).then(|| kept.join(";"))
}

/// Numbers with units, names and `#` colours, and the colour functions. No `url(...)`, `var(...)`, `expression(...)`, escapes or comments.
fn is_plain_style_value(value: &str) -> bool {
    const FUNCTIONS: [&str; 4] = ["rgb", "rgba", "hsl", "hsla"];
    if value.is_empty()
        || value.len() > 64
        || !value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || " #.%,()-".contains(c))
    {
        return false;
    }
    match value.split_once('(') {
        None => !value.contains(')'),
        Some((function, rest)) => {
            FUNCTIONS.contains(&function.to_ascii_lowercase().as_str())
                && rest.ends_with(')')
                && rest.matches(['(', ')']).count() == 1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_lists_tables_badges_and_links_pass() {
        for good in [
            "<span class=\"badge\" title=\"x\">ok</span>",
            "<ul><li>a</li></ul>",
            "<table><tbody><tr><td colspan=\"2\">1</td></tr></tbody></table>",
            "<div style=\"width:40%;background-color:#ff0000\"></div>",
            "<span style=\"color:rgb(1, 2, 3)\">c</span>",
        ] {
            assert_eq!(sanitize_html(good), good);
        }
        for url in [
            "https://example.org/a?b=1",
            "mailto:a@example.org",
            "/admin/queue/1",
            "#top",
        ] {
            assert_eq!(
                sanitize_html(&format!("<a href=\"{url}\">x</a>")),
                format!("<a href=\"{url}\" rel=\"noopener noreferrer\">x</a>")
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn plain_text_comes_out_as_the_parser_would_leave_it(text in "[\\PC\n\t\r\0 \u{a0}\u{b}\u{c}\u{85}\u{feff}\u{fffe}<>&;\"'a]{0,12}") {
            if is_plain_text(&text) {
                proptest::prop_assert_eq!(CLEANER.clean(&text).to_string(), text);
            }
        }
    }

    /// Found by the fuzzer, too.
    #[test]
    fn references_have_no_control_characters() {
        for href in ["\u{1c}https://a.example", "https://a.example/\n", "/a\tb"] {
            assert_eq!(
                sanitize_html(&format!("<a href=\"{href}\">x</a>")),
                "<a rel=\"noopener noreferrer\">x</a>",
                "{href:?}"
            );
        }
    }

    /// Found by the fuzzer: what was cleaned once was read as something else the second time.
    #[test]
    fn what_is_clean_stays_as_it_is() {
        for html in [
            "<b>x<table><dt>y</b></table>",
            "<dt>rt1</t)</script><b>x<table><><dt>rt</b></table",
            "<a href=/a><table><a href=/b>x",
            "<pre>\n\n\nx</pre>",
            "&#xd;x",
        ] {
            let clean = sanitize_html(html);
            assert_eq!(sanitize_html(&clean), clean, "{html}");
            assert!(clean.contains('x') || clean.contains("rt"), "{html}");
        }
        let restless = format!("<pre>{}x</pre>", "\n".repeat(20));
        assert_eq!(
            sanitize_html(&sanitize_html(&restless)),
            sanitize_html(&restless)
        );
    }

    #[test]
    fn nothing_that_acts_or_loads_passes() {
        for (bad, clean) in [
            ("<script>alert(1)</script>x", "x"),
            ("<b onclick=alert(1)>x</b>", "<b>x</b>"),
            ("<iframe src=https://example.org></iframe>x", "x"),
            ("<img src=https://example.org/pixel.gif>x", "x"),
            ("<form action=/x><input name=a></form>x", "x"),
            ("<svg><script>1</script></svg>x", "x"),
            (
                "<a href=\"javascript:alert(1)\">x</a>",
                "<a rel=\"noopener noreferrer\">x</a>",
            ),
            (
                "<a href=\"JaVa\tScript:alert(1)\">x</a>",
                "<a rel=\"noopener noreferrer\">x</a>",
            ),
            (
                "<a href=\"data:text/html,x\">x</a>",
                "<a rel=\"noopener noreferrer\">x</a>",
            ),
            (
                "<a href=\"//example.org\">x</a>",
                "<a rel=\"noopener noreferrer\">x</a>",
            ),
            (
                "<a href=\"/\\example.org\">x</a>",
                "<a rel=\"noopener noreferrer\">x</a>",
            ),
            (
                "<a href=\"/\t/example.org\">x</a>",
                "<a rel=\"noopener noreferrer\">x</a>",
            ),
            ("<p style=\"position:fixed;top:0\">x</p>", "<p>x</p>"),
            (
                "<p style=\"color:red;background:url(https://example.org)\">x</p>",
                "<p style=\"color:red\">x</p>",
            ),
            ("<p style=\"width:expression(1)\">x</p>", "<p>x</p>"),
            ("<p style=\"background-color:\\75rl(x)\">x</p>", "<p>x</p>"),
            ("<style>p{}</style>x", "x"),
            ("<meta http-equiv=refresh>x<base href=//a>", "x"),
            (
                "<p id=csrf name=x data-hx-get=/a hx-get=/b x-data=1>x</p>",
                "<p>x</p>",
            ),
        ] {
            assert_eq!(sanitize_html(bad), clean, "{bad}");
        }
    }
}
