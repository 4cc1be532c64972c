//! A guest that says anything, for `fuzz/` and the property tests below. In no program that ships.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use domain::limits::LambdaLimits;

use crate::call::Purpose;
use crate::engine::Engine;
use crate::executor::{Executor, Halt};
use crate::host::Host;
use crate::session::{Operation, Session};

/// One invocation from the guest's side.
pub struct Guest<'a>(Option<Session<'a>>);

impl std::fmt::Debug for Guest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guest").finish_non_exhaustive()
    }
}

impl<'a> Guest<'a> {
    /// Of an event, which may do everything, or of a computed field, which only reads.
    pub fn new(host: &'a dyn Host, may_act: bool, limits: LambdaLimits) -> Self {
        let purpose = if may_act {
            Purpose::Event
        } else {
            Purpose::ComputedField
        };
        Self(Some(Session::new(host, limits, purpose, Instant::now())))
    }

    /// Calls the host with a number and bytes. `None` when that ended the guest: then every later call is `None`, too.
    pub fn call(&mut self, number: u32, request: &[u8]) -> Option<Vec<u8>> {
        let session = self.0.as_mut()?;
        let answer = Operation::from_number(number)
            .and_then(|operation| session.answer(operation, request).ok());
        if answer.is_none() {
            self.0 = None;
        }
        answer
    }
}

/// An engine whose guest gives these replies, one after the other, whatever it is asked.
pub fn engine_that_replies(replies: impl IntoIterator<Item = Vec<u8>>) -> Arc<Engine> {
    Engine::over(Replies(Mutex::new(replies.into_iter().collect())))
}

struct Replies(Mutex<VecDeque<Vec<u8>>>);

impl Executor for Replies {
    fn execute(&self, _: &[u8], _: Session<'_>) -> Result<Vec<u8>, Halt> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
            .ok_or_else(|| Halt::Crashed("nothing more to say".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use module_spec::Hook;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};
    use serde_json::json;

    use super::*;
    use crate::call::{Call, Item};
    use crate::compiled::CompiledModule;
    use crate::dry_run::DryRunHost;

    const MODULE: &str = "\
module: {name: m, singular: M, plural: Ms, storage: managed}
fields: [{name: name, type: string}]
computed_fields: [{name: c, lambda: return 1}]
hooks: {before_save: return item}
";
    const CHECKED: &str = r#"{"checked":[null,null]}"#;

    /// Right requests and replies, to be spoilt.
    const WELL_FORMED: &[&str] = &[
        r#"{"sql":"SELECT 1","args":[1,null,"a"]}"#,
        r#"{"level":"info","message":"m"}"#,
        r#"{"key":"@k"}"#,
        r#"{"stack":"at a"}"#,
        r#"{"table":"queue","where":{"id":{"gte":1}},"columns":["id"],"order":["-id"],"limit":1,"count":false}"#,
        r#"{"effect":"records.create","module":"m","args":[{"name":"a"}]}"#,
        r#"{"effect":"tickets.get","args":[1]}"#,
        r#"{"effect":"notify","args":[{"to":"a@b.example","subject":"s","body":"b"}]}"#,
        CHECKED,
        r#"{"checked":[{"name":"SyntaxError","message":"m","stack":"    at <anonymous> (0:1:2)\n"}]}"#,
        r#"{"cells":[[{"v":{"text":"a","html":"<b>"}}]]}"#,
        r#"{"cells":[[{"e":{"name":null,"message":"m","stack":""}}]]}"#,
        r#"{"cells":[[{"l":"bytes"}]]}"#,
        r#"{"item":{"name":"a"},"failures":[{"field":"name","message":"m"}]}"#,
        r#"{"v":1}"#,
    ];

    /// Any bytes, or something well formed of which a part is replaced.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let spoilt = (
            select(WELL_FORMED),
            any::<Index>(),
            0..6_usize,
            vec(any::<u8>(), 0..4),
        );
        prop_oneof![
            1 => vec(any::<u8>(), 0..80),
            1 => select(WELL_FORMED).prop_map(|text| text.as_bytes().to_vec()),
            3 => spoilt.prop_map(|(text, at, length, instead)| {
                let mut bytes = text.as_bytes().to_vec();
                let start = at.index(bytes.len());
                let end = start.saturating_add(length).min(bytes.len());
                bytes.splice(start..end, instead);
                bytes
            }),
        ]
    }

    proptest! {
        #[test]
        fn each_call_of_a_guest_is_answered_in_form_or_ends_it(
            may_act in any::<bool>(),
            calls in vec((prop_oneof![9 => 0..8_u32, 1 => any::<u32>()], bytes()), 1..12),
        ) {
            let host = DryRunHost::new();
            let mut guest = Guest::new(&host, may_act, LambdaLimits::DEFAULT);
            let mut ended = false;
            for (number, request) in calls {
                let answer = guest.call(number, &request);
                prop_assert!(!ended || answer.is_none());
                ended |= answer.is_none();
                if let Some(answer) = answer {
                    let answer: Item = serde_json::from_slice(&answer).unwrap();
                    let keys: Vec<&str> = answer.keys().map(String::as_str).collect();
                    prop_assert!(matches!(keys.as_slice(), ["ok" | "error" | "limit"]), "{keys:?}");
                }
            }
            prop_assert!(may_act || host.effects().is_empty());
        }

        #[test]
        fn whatever_a_guest_replies_is_a_value_or_a_typed_error(reply in bytes()) {
            let spec = Arc::new(module_spec::parse(MODULE).0.unwrap());
            let host = DryRunHost::new();
            let row: Item = [("name".to_owned(), json!("a"))].into_iter().collect();
            // As the answer of the check at upload.
            if let Err(findings) = CompiledModule::compile(&engine_that_replies([reply.clone()]), Arc::clone(&spec)) {
                prop_assert!(!findings.is_empty() && findings.iter().all(|finding| finding.line > 0));
            }
            let compiled = || {
                let engine = engine_that_replies([CHECKED.as_bytes().to_vec(), reply.clone()]);
                CompiledModule::compile(&engine, Arc::clone(&spec)).unwrap()
            };
            let rows = std::slice::from_ref(&row);
            if let Ok(cells) = compiled().computed_fields(rows, &["c"], &host, LambdaLimits::DEFAULT) {
                let cells: Vec<_> = cells.into_iter().flatten().collect();
                prop_assert_eq!(cells.len(), 1);
                for value in cells.into_iter().flatten() {
                    let _ = value.to_html();
                }
            }
            let _ = compiled().hook(Hook::BeforeSave, &row, &host, LambdaLimits::DEFAULT);
            let module = compiled();
            let lambda = module.spec().computed_fields().first().unwrap().lambda();
            let _ = module.invoke(Call::Conditions { conditions: &[lambda], item: &row }, &host, LambdaLimits::DEFAULT);
        }
    }
}
