//! Exports and imports. The other side is `module-engine/src/wasm.rs`.

#![expect(
    unsafe_code,
    reason = "exports, imports and the bytes behind a pointer are unsafe by nature; the host copies every one of them with checks"
)]

mod crypto;
mod native;
mod random;

use std::cell::OnceCell;
use std::sync::atomic::{AtomicU32, Ordering};

use rquickjs::context::{EvalOptions, intrinsic};
use rquickjs::{CatchResultExt, CaughtError, Context, Ctx, Function, Persistent, Runtime};

/// Depth of calls that QuickJS allows, in bytes of the shadow stack. rustc reserves 1 MiB for that: without an explicit value
/// below it QuickJS's own check never fires and overflow is a trap without a line.
const STACK_BYTES: usize = 320 * 1024;

/// What a guest may allocate before QuickJS looks for circular garbage the first time. A look goes through everything, the
/// built-in objects too, and takes as long as ten rows of a batch; most invocations end before they have allocated this much.
const GARBAGE_BYTES: usize = 4 * 1024 * 1024;

/// Set by the host when the time is used up: QuickJS then stops at its next look and still knows the line. Whoever does not look
/// is stopped by the epoch a little later.
static INTERRUPT: AtomicU32 = AtomicU32::new(0);

struct Guest {
    context: Context,
    /// `(operation, request) -> reply`, both JSON: the prelude's only export.
    dispatch: Persistent<Function<'static>>,
}

thread_local! {
    static GUEST: OnceCell<Guest> = const { OnceCell::new() };
}

#[link(wasm_import_module = "gotrs")]
unsafe extern "C" {
    /// Asks the host; answers with the length of the answer, which waits to be taken.
    safe fn host_call(operation: u32, address: *const u8, length: usize) -> usize;
    /// Writes the waiting answer to `address`, which has room for it.
    fn host_take(address: *mut u8);
}

/// Whether the host has said that the time is used up.
fn is_interrupted() -> bool {
    INTERRUPT.load(Ordering::Relaxed) != 0
}

/// Asks the host and waits for its answer.
fn ask_host(operation: u32, request: &str) -> Vec<u8> {
    let length = host_call(operation, request.as_ptr(), request.len());
    let mut answer = Vec::with_capacity(length);
    // SAFETY: the host writes exactly `length` bytes, for which there is room, and they are initialised then.
    unsafe {
        host_take(answer.as_mut_ptr());
        answer.set_len(length);
    }
    answer
}

/// Makes the JavaScript context. Runs at build time: its result is the memory that every invocation starts from.
#[unsafe(no_mangle)]
extern "C" fn guest_init() {
    if let Err(problem) = try_init() {
        ask_host(native::Operation::Panic as u32, &problem);
    }
}

fn try_init() -> Result<(), String> {
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    runtime.set_max_stack_size(STACK_BYTES);
    runtime.set_interrupt_handler(Some(Box::new(is_interrupted)));
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
        load_prelude(&ctx)
            .catch(&ctx)
            .map_err(|error| error.to_string())
    })?;
    // What making the context has left goes into no image.
    runtime.run_gc();
    runtime.set_gc_threshold(GARBAGE_BYTES);
    GUEST
        .with(|guest| guest.set(Guest { context, dispatch }))
        .map_err(|_again| "initialised twice".to_owned())
}

fn load_prelude(ctx: &Ctx<'_>) -> rquickjs::Result<Persistent<Function<'static>>> {
    let mut options = EvalOptions::default();
    options.filename = Some("prelude".to_owned());
    let prelude: Function<'_> = ctx.eval_with_options(include_str!("prelude.js"), options)?;
    let dispatch: Function<'_> = prelude.call((native::object(ctx)?,))?;
    Ok(Persistent::save(ctx, dispatch))
}

/// Where the host may write a 1 to interrupt.
#[unsafe(no_mangle)]
extern "C" fn guest_interrupt_address() -> *const AtomicU32 {
    &raw const INTERRUPT
}

/// Allows less depth of calls than [`STACK_BYTES`], for this instance.
#[unsafe(no_mangle)]
extern "C" fn guest_limit_stack(bytes: usize) {
    GUEST.with(|guest| {
        if let Some(guest) = guest.get() {
            guest
                .context
                .runtime()
                .set_max_stack_size(bytes.min(STACK_BYTES));
        }
    });
}

/// Room for the request. Never freed: an instance serves one request.
#[unsafe(no_mangle)]
extern "C" fn guest_alloc(length: usize) -> *mut u8 {
    Vec::leak(vec![0_u8; length]).as_mut_ptr()
}

/// Runs one request, which lies in the room from [`guest_alloc`]. Answers with address and length of the reply.
///
/// The first letter of a reply says what it is: `=` JSON of the prelude, `!` the stack where it was interrupted, `#` a failure of
/// the guest itself.
#[unsafe(no_mangle)]
extern "C" fn guest_run(address: *const u8, length: usize) -> u64 {
    // SAFETY: the host passes back what `guest_alloc` gave it, filled.
    let request = unsafe { std::slice::from_raw_parts(address, length) };
    let reply = run(request);
    let reply = Vec::leak(reply.into_bytes());
    ((reply.as_ptr() as u64) << 32) | reply.len() as u64
}

fn run(request: &[u8]) -> String {
    GUEST.with(|guest| {
        let Some(guest) = guest.get() else {
            return "#not initialised".to_owned();
        };
        guest.context.with(|ctx| {
            let replied = dispatch(&ctx, guest, request);
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
    })
}

fn dispatch(ctx: &Ctx<'_>, guest: &Guest, request: &[u8]) -> rquickjs::Result<String> {
    let request = ctx.json_parse(request)?;
    let dispatch = guest.dispatch.clone().restore(ctx)?;
    dispatch.call((request,))
}
