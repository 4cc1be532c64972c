//! Random numbers from the entropy that the host gives to an invocation: same entropy, same numbers.

use std::cell::{Cell, RefCell};

use sha2::{Digest as _, Sha256};

use super::crypto::hex;

thread_local! {
    static ENTROPY: RefCell<String> = const { RefCell::new(String::new()) };
    static DRAWN: Cell<u64> = const { Cell::new(0) };
    /// State of xoshiro256++, which serves `Math.random()`.
    static STATE: Cell<[u64; 4]> = const { Cell::new([1, 2, 3, 4]) };
}

pub(super) fn seed(entropy: &str) {
    let digest = Sha256::digest(["math:", entropy].concat().as_bytes());
    let mut state = [0_u64; 4];
    for (word, bytes) in state.iter_mut().zip(digest.chunks_exact(8)) {
        *word = bytes
            .iter()
            .fold(0, |word, byte| (word << 8) | u64::from(*byte));
    }
    // All zeroes is the one state that xoshiro never leaves.
    state[0] |= 1;
    STATE.set(state);
    ENTROPY.set(entropy.to_owned());
}

/// The next number for `Math.random()`: 0 ≤ x < 1 with 53 bits.
#[expect(
    clippy::cast_precision_loss,
    reason = "53 bits are exactly what a double holds"
)]
pub(super) fn fraction() -> f64 {
    let mut s = STATE.get();
    let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
    let t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = s[3].rotate_left(45);
    STATE.set(s);
    (result >> 11) as f64 / (1_u64 << 53) as f64
}

/// A UUID of version 4. From a digest of the entropy, not from the numbers of `Math.random()`, which give their state away.
pub(super) fn uuid() -> String {
    let number = DRAWN.get();
    DRAWN.set(number + 1);
    let digest = ENTROPY
        .with_borrow(|entropy| Sha256::digest(format!("uuid:{number}:{entropy}").as_bytes()));
    let mut bytes = [0_u8; 16];
    for (byte, random) in bytes.iter_mut().zip(digest.iter()) {
        *byte = *random;
    }
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    [
        &bytes[..4],
        &bytes[4..6],
        &bytes[6..8],
        &bytes[8..10],
        &bytes[10..],
    ]
    .map(hex)
    .join("-")
}
