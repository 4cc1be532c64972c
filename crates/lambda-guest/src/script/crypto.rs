//! Digests and base64 over the UTF-8 bytes of texts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

pub(super) fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

pub(super) fn hmac_sha256(key: &str, text: &str) -> String {
    // A key of any length is valid for HMAC; the error case cannot happen and would give an empty text.
    Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_or_else(
        |_| String::new(),
        |mut mac| {
            mac.update(text.as_bytes());
            hex(&mac.finalize().into_bytes())
        },
    )
}

pub(super) fn base64_encode(text: &str) -> String {
    STANDARD.encode(text.as_bytes())
}

pub(super) fn base64_decode(text: &str) -> Result<String, String> {
    let bytes = STANDARD
        .decode(text.trim().as_bytes())
        .map_err(|error| format!("not valid base64: {error}"))?;
    String::from_utf8(bytes)
        .map_err(|error| format!("the bytes behind this base64 are not text: {error}"))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for digit in [byte >> 4, byte & 0x0f] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    text
}
