//! Sources that are nested deeper than any parser's stack. Each must have a typed end in time, closed or not; and what is nested as
//! people nest must still be accepted.

use std::time::{Duration, Instant};

use domain::limits::LambdaLimits;
use module_engine::call::{Call, Item};
use module_engine::compiled::CompiledModule;
use module_engine::error::InvokeError;

use crate::attack::{compile, run_innocent};
use crate::hosts::Answering;

/// What a lambda may have.
const MAX_BYTES: usize = 64 * 1024;
/// The check itself may take 2 s.
const PATIENCE: Duration = Duration::from_secs(20);

struct Nesting {
    before: &'static str,
    open: &'static str,
    innermost: &'static str,
    close: &'static str,
    after: &'static str,
}

impl Nesting {
    fn source(&self, depth: usize, closed: bool) -> String {
        let close = if closed {
            self.close.repeat(depth)
        } else {
            String::new()
        };
        let after = if closed { self.after } else { "" };
        [
            self.before,
            &self.open.repeat(depth),
            self.innermost,
            &close,
            after,
        ]
        .concat()
    }
}

const fn nesting(
    before: &'static str,
    open: &'static str,
    innermost: &'static str,
    close: &'static str,
    after: &'static str,
) -> Nesting {
    Nesting {
        before,
        open,
        innermost,
        close,
        after,
    }
}

const NESTINGS: &[Nesting] = &[
    nesting("return ", "[", "1", "]", ""),
    nesting("return ", "(", "1", ")", ""),
    nesting("return ", "{a:", "1", "}", ""),
    nesting("return ", "`${", "1", "}`", ""),
    nesting("return ", "function(){return ", "1", "}", ""),
    nesting("return ", "()=>", "1", "", ""),
    nesting("return ", "async()=>", "1", "", ""),
    nesting("return ", "(a=", "1", ")=>1", ""),
    nesting("return ", "class{a=", "1", "}", ""),
    nesting("return ", "class extends ", "Object", "{}", ""),
    nesting("", "class A{static{", "", "}}", ""),
    nesting("return ", "String(", "1", ")", ""),
    nesting("return ", "String`${", "1", "}`", ""),
    nesting("return item", "[item", "", "]", ""),
    nesting("return ", "new ", "Object", "", ""),
    nesting("return ", "- ", "1", "", ""),
    nesting("return ", "!", "1", "", ""),
    nesting("return ", "typeof ", "1", "", ""),
    nesting("return ", "1?", "1", ":1", ""),
    nesting("return ", "1**", "1", "", ""),
    nesting("let a; return ", "a=", "1", "", ""),
    nesting("return ", "[...", "[]", "]", ""),
    nesting("let ", "[", "a", "]", " = item"),
    nesting("let ", "{a:", "b", "}", " = item"),
    nesting("return (", "[", "a", "]", " = item)"),
    nesting("return (", "{a:", "b", "}", ") => 1"),
    nesting("return /", "(", "a", ")", "/"),
    nesting("return /", "(?=", "a", ")", "/"),
    nesting("return /", "(?<!", "a", ")", "/"),
    nesting("return /", "[", "a", "]", "/v"),
    nesting("", "{", "", "}", ""),
    nesting("", "if(1)", ";", "", ""),
    nesting("", "if(1){", "", "}else{}", ""),
    nesting("", "for(;;)", "break", "", ""),
    nesting("", "while(1)", "break", "", ""),
    nesting("", "do ", ";", " while(0)", ""),
    nesting("", "try{", "", "}catch{}", ""),
    nesting("", "try{}finally{", "", "}", ""),
    nesting("", "switch(1){default:", "", "}", ""),
    nesting("", "with(item)", ";", "", ""),
    nesting("", "function f(){", "", "}", ""),
    nesting("", "class A{m(){", "", "}}", ""),
];

/// How it may end: at the check, or, when QuickJS does take so much, in an invocation.
const ENDS: [&str; 8] = [
    "SyntaxError",
    "stack overflow",
    "Maximum call stack size exceeded",
    "called itself too deeply",
    "used more than 32 MiB of memory",
    "took longer than 300 ms",
    "gives",
    "TypeError",
];

fn end_of(module: &CompiledModule) -> String {
    let item = Item::new();
    let call = Call::Lambda {
        lambda: module.spec().computed_fields()[0].lambda(),
        item: &item,
    };
    let limits = LambdaLimits {
        wall_ms: 300,
        ..LambdaLimits::DEFAULT
    };
    match module.invoke(call, &Answering::default(), limits) {
        Ok(_) => "gives something".to_owned(),
        Err(error @ (InvokeError::Limit(_) | InvokeError::Script(_))) => error.to_string(),
        Err(other) => format!("{other:?}"),
    }
}

#[test]
fn what_is_nested_as_deep_as_it_can_be_has_a_typed_end() {
    let mut wrong = Vec::new();
    for nesting in NESTINGS {
        for (bytes, closed) in [
            (MAX_BYTES / 4, true),
            (MAX_BYTES / 4, false),
            (MAX_BYTES, true),
            (MAX_BYTES, false),
        ] {
            let around = nesting.before.len() + nesting.innermost.len() + nesting.after.len();
            let level = nesting.open.len() + if closed { nesting.close.len() } else { 0 };
            let source = nesting.source((bytes - around) / level, closed);
            let started = Instant::now();
            let end = match compile(&source) {
                Ok(module) => end_of(&module),
                Err(finding) => finding,
            };
            if ENDS.iter().any(|known| end.contains(known)) {
                continue;
            }
            assert!(started.elapsed() < PATIENCE, "{source:.40}");
            wrong.push(format!(
                "{source:.40} ({bytes} bytes, closed: {closed}): {end:.200}"
            ));
        }
        run_innocent(&Answering::default());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Longer than a lambda may be: no parser of JavaScript gets to see it.
#[test]
fn what_is_nested_a_hundred_thousand_times_is_refused_for_its_length() {
    for nesting in NESTINGS {
        for closed in [true, false] {
            let finding = compile(&nesting.source(100_000, closed)).expect_err(nesting.open);
            assert!(
                ["lambda-too-long", "too-large"]
                    .iter()
                    .any(|code| finding.contains(code)),
                "{finding:.200}"
            );
        }
    }
}

#[test]
fn what_people_nest_is_accepted() {
    let refused: Vec<String> = NESTINGS
        .iter()
        .map(|nesting| nesting.source(12, true))
        .filter_map(|source| Some(format!("{source}: {}", compile(&source).err()?)))
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

/// Long, but not nested: a parser that recursed here would refuse what generated code looks like.
#[test]
fn what_is_only_long_is_accepted() {
    let many = |text: &str| text.repeat(60_000 / text.len());
    for source in [
        ["return ", &many("1+"), "1"].concat(),
        ["return [", &many("1,"), "]"].concat(),
        ["return item", &many(".a")].concat(),
        ["return item", &many("?.a")].concat(),
        ["return ", &many("1,"), "1"].concat(),
        ["return '", &many("x"), "'"].concat(),
        many("if (item.n === 1) item.n = 2;\n"),
        ["let n = 0;", &many("{ n++; }\n"), "return n"].concat(),
    ] {
        if let Err(finding) = compile(&source) {
            panic!("{source:.40}: {finding:.200}");
        }
    }
}
