//! One JavaScript context that answers one request.

mod crypto;
mod native;
mod random;

use std::rc::Rc;

use rquickjs::context::{EvalOptions, intrinsic};
use rquickjs::{CatchResultExt, CaughtError, Context, Ctx, Function, Persistent, Runtime};

/// Depth of calls that QuickJS allows, in bytes of the stack. In WebAssembly rustc reserves 1 MiB for that: without an explicit
/// value below it QuickJS's own check never fires and overflow is a trap without a line.
pub const STACK_BYTES: usize = 320 * 1024;

/// What a script may allocate before QuickJS looks for circular garbage the first time. A look goes through everything, the
/// built-in objects too, and takes as long as ten rows of a batch; most invocations end before they have allocated this much.
const GARBAGE_BYTES: usize = 4 * 1024 * 1024;

/// Number of the request by which a script says that it cannot go on; its text says why. All other numbers are the prelude's.
/// The other side is `module-engine/src/session.rs`.
pub const PANIC: u32 = 0;

/// The way out.
pub trait Transport {
    /// Asks the host and waits for its answer.
    fn ask(&self, operation: u32, request: &str) -> Vec<u8>;

    /// Whether the time is used up: QuickJS then stops at its next look and still knows the line. Whoever does not look is
    /// stopped from outside a little later.
    fn is_interrupted(&self) -> bool;
}

/// QuickJS with the prelude, before any lambda.
pub struct Script {
    context: Context,
    /// `(request) -> reply`, both JSON: the prelude's only export.
    dispatch: Persistent<Function<'static>>,
    transport: Rc<dyn Transport>,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Script").finish_non_exhaustive()
    }
}

impl Script {
    /// Makes the JavaScript context; the error says why there is none.
    pub fn new(transport: impl Transport + 'static) -> Result<Self, String> {
        let transport: Rc<dyn Transport> = Rc::new(transport);
        let runtime = Runtime::new().map_err(|error| error.to_string())?;
        runtime.set_max_stack_size(STACK_BYTES);
        runtime.set_interrupt_handler(Some(Box::new({
            let transport = Rc::clone(&transport);
            move || transport.is_interrupted()
        })));
        // Left out: Performance, WeakRef (time and garbage collection would show), DOMException.
        let context = Context::builder()
            .with::<intrinsic::Date>()
            .with::<intrinsic::Eval>()
            .with::<intrinsic::RegExpCompiler>()
            .with::<intrinsic::RegExp>()
            .with::<intrinsic::Json>()
            .with::<intrinsic::Proxy>()
            .with::<intrinsic::MapSet>()
            .with::<intrinsic::TypedArrays>()
            .with::<intrinsic::Promise>()
            .build(&runtime)
            .map_err(|error| error.to_string())?;
        let dispatch = context.with(|ctx| {
            load_prelude(&ctx, &transport)
                .catch(&ctx)
                .map_err(|error| error.to_string())
        })?;
        // What making the context has left goes into no image.
        runtime.run_gc();
        runtime.set_gc_threshold(GARBAGE_BYTES);
        Ok(Self {
            context,
            dispatch,
            transport,
        })
    }

    /// Allows less depth of calls than [`STACK_BYTES`].
    pub fn limit_stack(&self, bytes: usize) {
        self.context
            .runtime()
            .set_max_stack_size(bytes.min(STACK_BYTES));
    }

    /// Runs one request and answers with its reply.
    ///
    /// The first letter of a reply says what it is: `=` JSON of the prelude, `!` the stack where it was interrupted, `#` a failure
    /// of the script itself.
    pub fn run(&self, request: &[u8]) -> String {
        let is_interrupted = || self.transport.is_interrupted();
        self.context.with(|ctx| {
            let replied = self.dispatch(&ctx, request);
            match replied.catch(&ctx) {
                // Promises swallow the interruption; a reply that comes after it is too late all the same.
                Ok(_) if is_interrupted() => "!".to_owned(),
                Ok(reply) => format!("={reply}"),
                Err(CaughtError::Exception(error)) if is_interrupted() => {
                    format!("!{}", error.stack().unwrap_or_default())
                }
                Err(_) if is_interrupted() => "!".to_owned(),
                Err(error) => format!("#{error}"),
            }
        })
    }

    fn dispatch(&self, ctx: &Ctx<'_>, request: &[u8]) -> rquickjs::Result<String> {
        let request = ctx.json_parse(request)?;
        let dispatch = self.dispatch.clone().restore(ctx)?;
        dispatch.call((request,))
    }
}

fn load_prelude(
    ctx: &Ctx<'_>,
    transport: &Rc<dyn Transport>,
) -> rquickjs::Result<Persistent<Function<'static>>> {
    let mut options = EvalOptions::default();
    options.filename = Some("prelude".to_owned());
    let prelude: Function<'_> = ctx.eval_with_options(include_str!("prelude.js"), options)?;
    let dispatch: Function<'_> = prelude.call((native::object(ctx, transport)?,))?;
    Ok(Persistent::save(ctx, dispatch))
}
