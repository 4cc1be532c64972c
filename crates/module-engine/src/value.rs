//! Values that lambdas return.

use serde::Serialize;
use serde_json::Value;

use crate::html::{is_own_path, sanitize_html};

/// What a lambda returned: raw for the JSON API, and as something a page can show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct CellValue(Value);

/// How a page shows a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Display {
    /// `undefined`, `null` and the empty text.
    Empty,
    /// Text that the page escapes.
    Text {
        /// The text.
        text: String,
    },
    /// HTML that was cleaned here; the page inserts it as it is.
    Html {
        /// Cleaned HTML.
        html: String,
    },
    /// The typed value `{text, tone, icon, href}`, for the page's own badge.
    Badge {
        /// The text; the page escapes it.
        text: String,
        /// Which colour.
        tone: Tone,
        /// Name of an icon.
        #[serde(skip_serializing_if = "Option::is_none")]
        icon: Option<String>,
        /// Where it leads: http, https, mailto or a path of this site.
        #[serde(skip_serializing_if = "Option::is_none")]
        href: Option<String>,
    },
}

/// The colours of a badge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// No meaning.
    #[default]
    Neutral,
    /// Fine.
    Success,
    /// Look at it.
    Warning,
    /// Wrong.
    Danger,
    /// Good to know.
    Info,
    /// The colour of the tenant.
    Accent,
}

impl Tone {
    fn from_name(name: &str) -> Self {
        match name {
            "success" | "ok" => Self::Success,
            "warning" | "warn" => Self::Warning,
            "danger" | "error" => Self::Danger,
            "info" => Self::Info,
            "accent" => Self::Accent,
            _ => Self::Neutral,
        }
    }

    /// Its name in classes and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Success => "success",
            Self::Warning => "warning",
            Self::Danger => "danger",
            Self::Info => "info",
            Self::Accent => "accent",
        }
    }
}

impl CellValue {
    /// A value from JSON.
    pub fn new(raw: Value) -> Self {
        Self(raw)
    }

    /// As the lambda returned it, for the JSON API.
    pub fn raw(&self) -> &Value {
        &self.0
    }

    /// The raw value.
    pub fn into_raw(self) -> Value {
        self.0
    }

    /// How a page shows it. Texts are HTML by convention and are cleaned against the allow-list.
    pub fn display(&self) -> Display {
        match &self.0 {
            Value::Null => Display::Empty,
            Value::String(text) if text.is_empty() => Display::Empty,
            Value::String(html) => Display::Html {
                html: sanitize_html(html),
            },
            Value::Object(object) => {
                let text_of = |key: &str| match object.get(key) {
                    Some(Value::String(text)) => Some(text.clone()),
                    Some(value @ (Value::Number(_) | Value::Bool(_))) => Some(value.to_string()),
                    _ => None,
                };
                if let Some(html) = text_of("html") {
                    return Display::Html {
                        html: sanitize_html(&html),
                    };
                }
                match text_of("text") {
                    Some(text) => Display::Badge {
                        text,
                        tone: text_of("tone")
                            .map(|name| Tone::from_name(&name))
                            .unwrap_or_default(),
                        icon: text_of("icon").filter(|icon| is_icon_name(icon)),
                        href: text_of("href").filter(|href| is_safe_href(href)),
                    },
                    None => Display::Text {
                        text: self.0.to_string(),
                    },
                }
            }
            Value::Array(items) => {
                let texts: Vec<String> = items.iter().map(plain_text).collect();
                if texts.is_empty() {
                    Display::Empty
                } else {
                    Display::Text {
                        text: texts.join(", "),
                    }
                }
            }
            value => Display::Text {
                text: plain_text(value),
            },
        }
    }

    /// Safe HTML for places that know no badges: mail, export, a page without the component.
    pub fn to_html(&self) -> String {
        match self.display() {
            Display::Empty => String::new(),
            Display::Text { text } => ammonia::clean_text(&text),
            Display::Html { html } => html,
            Display::Badge {
                text,
                tone,
                icon: _,
                href,
            } => {
                let badge = format!(
                    "<span class=\"badge badge-{}\">{}</span>",
                    tone.as_str(),
                    ammonia::clean_text(&text)
                );
                match href {
                    Some(href) => sanitize_html(&format!(
                        "<a href=\"{}\">{badge}</a>",
                        ammonia::clean_text(&href)
                    )),
                    None => badge,
                }
            }
        }
    }
}

fn plain_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn is_icon_name(name: &str) -> bool {
    name.len() <= 64
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_safe_href(href: &str) -> bool {
    let absolute = ["https://", "http://", "mailto:"]
        .iter()
        .any(|scheme| href.starts_with(scheme));
    (absolute && !href.chars().any(char::is_control)) || is_own_path(href)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_of_value_has_a_display() {
        for (raw, html) in [
            (json!(null), ""),
            (json!(""), ""),
            (json!("a <b>b</b><script>c</script>"), "a <b>b</b>"),
            (json!(3.5), "3.5"),
            (json!(true), "true"),
            (json!(["a<", 2]), "a&lt;,&#32;2"),
            (
                json!({"text": "<Late>", "tone": "danger"}),
                "<span class=\"badge badge-danger\">&lt;Late&gt;</span>",
            ),
            (json!({"html": "<i>x</i><img src=y>"}), "<i>x</i>"),
        ] {
            assert_eq!(CellValue::new(raw.clone()).to_html(), html, "{raw}");
        }
    }

    #[test]
    fn a_badge_links_only_where_links_may_lead() {
        for (href, kept) in [
            ("/admin/queue/1", true),
            ("https://example.org", true),
            ("javascript:alert(1)", false),
            ("//example.org", false),
        ] {
            let value = CellValue::new(json!({"text": "x", "href": href, "icon": "circle-check"}));
            match value.display() {
                Display::Badge {
                    href: found, icon, ..
                } => {
                    assert_eq!(found.is_some(), kept, "{href}");
                    assert_eq!(icon.as_deref(), Some("circle-check"));
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(value.to_html().contains("href"), kept, "{href}");
        }
    }
}
