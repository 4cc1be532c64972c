//! Exports and imports of the WebAssembly guest. The other side is `module-engine/src/wasm.rs`.

#![expect(
    unsafe_code,
    reason = "exports, imports and the bytes behind a pointer are unsafe by nature; the host copies every one of them with checks"
)]

use std::cell::OnceCell;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::script::{PANIC, Script, Transport};

/// Set by the host when the time is used up.
static INTERRUPT: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static SCRIPT: OnceCell<Script> = const { OnceCell::new() };
}

#[link(wasm_import_module = "gotrs")]
unsafe extern "C" {
    /// Asks the host; answers with the length of the answer, which waits to be taken.
    safe fn host_call(operation: u32, address: *const u8, length: usize) -> usize;
    /// Writes the waiting answer to `address`, which has room for it.
    fn host_take(address: *mut u8);
}

struct Imports;

impl Transport for Imports {
    fn ask(&self, operation: u32, request: &str) -> Vec<u8> {
        let length = host_call(operation, request.as_ptr(), request.len());
        let mut answer = Vec::with_capacity(length);
        // SAFETY: the host writes exactly `length` bytes, for which there is room, and they are initialised then.
        unsafe {
            host_take(answer.as_mut_ptr());
            answer.set_len(length);
        }
        answer
    }

    fn is_interrupted(&self) -> bool {
        INTERRUPT.load(Ordering::Relaxed) != 0
    }
}

/// Makes the JavaScript context. Runs at build time: its result is the memory that every invocation starts from.
#[unsafe(no_mangle)]
extern "C" fn guest_init() {
    let initialised = Script::new(Imports).and_then(|script| {
        SCRIPT
            .with(|cell| cell.set(script))
            .map_err(|_again| "initialised twice".to_owned())
    });
    if let Err(problem) = initialised {
        Imports.ask(PANIC, &problem);
    }
}

/// Where the host may write a 1 to interrupt.
#[unsafe(no_mangle)]
extern "C" fn guest_interrupt_address() -> *const AtomicU32 {
    &raw const INTERRUPT
}

/// Allows less depth of calls than usual, for this instance.
#[unsafe(no_mangle)]
extern "C" fn guest_limit_stack(bytes: usize) {
    SCRIPT.with(|script| {
        if let Some(script) = script.get() {
            script.limit_stack(bytes);
        }
    });
}

/// Room for the request. Never freed: an instance serves one request.
#[unsafe(no_mangle)]
extern "C" fn guest_alloc(length: usize) -> *mut u8 {
    Vec::leak(vec![0_u8; length]).as_mut_ptr()
}

/// Runs one request, which lies in the room from [`guest_alloc`]. Answers with address and length of the reply.
#[unsafe(no_mangle)]
extern "C" fn guest_run(address: *const u8, length: usize) -> u64 {
    // SAFETY: the host passes back what `guest_alloc` gave it, filled.
    let request = unsafe { std::slice::from_raw_parts(address, length) };
    let reply = SCRIPT.with(|script| match script.get() {
        Some(script) => script.run(request),
        None => "#not initialised".to_owned(),
    });
    let reply = Vec::leak(reply.into_bytes());
    ((reply.as_ptr() as u64) << 32) | reply.len() as u64
}
