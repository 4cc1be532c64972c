//! What the prelude can call: the compiler, the host, and what JavaScript would do slowly.

#![expect(
    clippy::needless_pass_by_value,
    reason = "rquickjs calls these with values that it made for the call"
)]

use std::rc::Rc;

use rquickjs::context::EvalOptions;
use rquickjs::function::Func;
use rquickjs::{Ctx, Exception, Object, Value};

use super::{Transport, crypto, random};

/// Makes the object that the prelude is given. Lambdas never see it.
pub(super) fn object<'js>(
    ctx: &Ctx<'js>,
    transport: &Rc<dyn Transport>,
) -> rquickjs::Result<Object<'js>> {
    let native = Object::new(ctx.clone())?;
    native.set("compile", Func::from(compile))?;
    native.set("host", {
        let transport = Rc::clone(transport);
        Func::from(move |ctx: Ctx<'_>, operation: u32, request: String| {
            host(&ctx, &*transport, operation, &request)
        })
    })?;
    native.set("runJobs", {
        let transport = Rc::clone(transport);
        Func::from(move |ctx: Ctx<'_>| run_jobs(&ctx, &*transport))
    })?;
    native.set("nesting", Func::from(|json: String| nesting(&json)))?;
    native.set("bytes", Func::from(|text: String| text.len()))?;
    native.set("seed", Func::from(|entropy: String| random::seed(&entropy)))?;
    native.set("random", Func::from(random::fraction))?;
    native.set("uuid", Func::from(random::uuid))?;
    native.set("sha256", Func::from(|text: String| crypto::sha256(&text)))?;
    native.set(
        "hmacSha256",
        Func::from(|key: String, text: String| crypto::hmac_sha256(&key, &text)),
    )?;
    native.set(
        "base64Encode",
        Func::from(|text: String| crypto::base64_encode(&text)),
    )?;
    native.set("base64Decode", Func::from(base64_decode))?;
    Ok(native)
}

/// Compiles a script and answers with its value. The only way from text to code.
fn compile(ctx: Ctx<'_>, name: String, source: String) -> rquickjs::Result<Value<'_>> {
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some(name);
    ctx.eval_with_options(source, options)
}

fn host(
    ctx: &Ctx<'_>,
    transport: &dyn Transport,
    operation: u32,
    request: &str,
) -> rquickjs::Result<String> {
    String::from_utf8(transport.ask(operation, request)).map_err(|error| {
        Exception::throw_internal(ctx, &format!("the host did not answer in UTF-8: {error}"))
    })
}

/// Runs what promises wait for. Ends when nothing is left, or with the invocation.
fn run_jobs(ctx: &Ctx<'_>, transport: &dyn Transport) {
    while !transport.is_interrupted() && ctx.execute_pending_job() {}
}

/// How deep arrays and objects are nested in a JSON text.
fn nesting(json: &str) -> u32 {
    let (mut depth, mut deepest) = (0_u32, 0_u32);
    let (mut in_text, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn base64_decode(ctx: Ctx<'_>, text: String) -> rquickjs::Result<String> {
    crypto::base64_decode(&text).map_err(|problem| Exception::throw_type(&ctx, &problem))
}
