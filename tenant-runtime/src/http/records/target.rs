//! What a path means.

use std::sync::Arc;

use crate::modules::{LoadedModule, LoadedModules};

/// A module and what of it.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) module: Arc<LoadedModule>,
    /// Path of its list.
    pub(super) base: String,
    pub(super) place: Place,
}

/// What of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    List,
    New,
    Export,
    One(String),
    Edit(String),
    Delete(String),
    Status(String),
}

/// Paths of programs.
const API: &str = "/api/v1/modules/";

/// The module and place of a path as it was sent (still percent-encoded, so that a key may contain a slash).
pub(super) fn resolve(modules: &LoadedModules, path: &str) -> Option<Target> {
    let path = path.trim_end_matches('/');
    if let Some(rest) = path.strip_prefix(API) {
        let (name, rest) = rest.split_once('/')?;
        let rest = rest.strip_prefix("records")?;
        let module = modules.find(name)?;
        let place = place(rest)?;
        return Some(Target {
            module: Arc::clone(module),
            base: format!("{API}{name}/records"),
            place,
        });
    }
    // A module's own prefix may be longer than one segment; the longest that fits wins.
    let by_prefix = || {
        path.match_indices('/')
            .map(|(at, _)| at)
            .chain([path.len()])
            .rev()
            .find_map(|at| {
                let (base, rest) = path.split_at_checked(at)?;
                let module = modules.find_by_prefix(base)?;
                Some(Target {
                    module: Arc::clone(module),
                    base: base.to_owned(),
                    place: place(rest)?,
                })
            })
    };
    let by_name = || {
        let rest = path.strip_prefix("/admin/")?;
        let (name, rest) = rest
            .find('/')
            .and_then(|at| rest.split_at_checked(at))
            .unwrap_or((rest, ""));
        let module = modules.find(name)?;
        Some(Target {
            module: Arc::clone(module),
            base: format!("/admin/{name}"),
            place: place(rest)?,
        })
    };
    by_prefix().or_else(by_name)
}

/// What stands behind the list's path: nothing, or segments with a slash before each.
fn place(rest: &str) -> Option<Place> {
    let mut segments = rest.split('/');
    if !segments.next()?.is_empty() {
        return None;
    }
    let segments: Vec<&str> = segments.collect();
    Some(match segments.as_slice() {
        [] => Place::List,
        ["new"] => Place::New,
        ["export"] => Place::Export,
        [id] => Place::One(decode(id)?),
        [id, "edit"] => Place::Edit(decode(id)?),
        [id, "delete"] => Place::Delete(decode(id)?),
        [id, "status"] => Place::Status(decode(id)?),
        _ => return None,
    })
}

/// Text of a percent-encoded segment; `None` when it is no text that a key could be.
fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let pair = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.is_empty() && text.len() <= 1_000 && !text.contains('\0'))
}

/// A key as a segment.
pub(super) fn encode(key: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'@') && key != "." && key != ".."
        {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_the_list_is_a_place_or_nothing() {
        for (rest, expected) in [
            ("", Some(Place::List)),
            ("/new", Some(Place::New)),
            ("/7", Some(Place::One("7".to_owned()))),
            ("/a%2Fb%20c/edit", Some(Place::Edit("a/b c".to_owned()))),
            ("/7/delete", Some(Place::Delete("7".to_owned()))),
            ("/7/status", Some(Place::Status("7".to_owned()))),
            ("/7/unknown", None),
            ("/7/edit/more", None),
            ("x", None),
            ("/%zz", None),
            ("/%00", None),
            ("/%ff", None),
        ] {
            assert_eq!(place(rest), expected, "{rest}");
        }
    }

    proptest::proptest! {
        #[test]
        fn keys_come_back_from_their_paths(key in "[^\\x00]{1,30}") {
            proptest::prop_assert_eq!(decode(&encode(&key)), Some(key));
        }
    }
}
