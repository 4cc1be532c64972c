//! Password verifiers in PostgreSQL's SCRAM-SHA-256 form, so that a password itself never stands in a statement
//! (and so in no server log).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::credentials::random_bytes;

/// PostgreSQL's own number. Our passwords are 256 random bits: more rounds would add nothing.
const ITERATIONS: u32 = 4096;

/// A verifier for `password` with a new salt.
pub(crate) fn verifier(password: &str) -> String {
    verifier_with(password, &random_bytes::<16>(), ITERATIONS)
}

/// Whether `stored` (as in `pg_authid.rolpassword`) is a verifier for `password`.
pub(crate) fn matches(stored: &str, password: &str) -> bool {
    let Some((iterations, rest)) = stored
        .strip_prefix("SCRAM-SHA-256$")
        .and_then(|rest| rest.split_once(':'))
    else {
        return false;
    };
    let (Ok(iterations), Some((salt, _))) = (iterations.parse(), rest.split_once('$')) else {
        return false;
    };
    BASE64
        .decode(salt)
        .is_ok_and(|salt| verifier_with(password, &salt, iterations) == stored)
}

/// RFC 5802; our passwords are ASCII, so `SASLprep` changes nothing.
fn verifier_with(password: &str, salt: &[u8], iterations: u32) -> String {
    let mut block = mac(password.as_bytes(), &[salt, &1_u32.to_be_bytes()]);
    let mut salted = block;
    for _ in 1..iterations {
        block = mac(password.as_bytes(), &[&block]);
        for (sum, byte) in salted.iter_mut().zip(block) {
            *sum ^= byte;
        }
    }
    let stored_key = Sha256::digest(mac(&salted, &[b"Client Key"]));
    let server_key = mac(&salted, &[b"Server Key"]);
    format!(
        "SCRAM-SHA-256${iterations}:{}${}:{}",
        BASE64.encode(salt),
        BASE64.encode(stored_key),
        BASE64.encode(server_key)
    )
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677, section 3: user `user`, password `pencil`.
    #[test]
    fn keys_are_those_of_the_standard() {
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = verifier_with("pencil", &salt, 4096);
        assert_eq!(
            verifier,
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
             wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
        assert!(matches(&verifier, "pencil"));
        assert!(!matches(&verifier, "crayon"));
    }

    #[test]
    fn what_is_no_verifier_matches_nothing() {
        for stored in [
            "",
            "md5abc",
            "SCRAM-SHA-256$",
            "SCRAM-SHA-256$x:y$z",
            "SCRAM-SHA-256$1:***$a:b",
        ] {
            assert!(!matches(stored, ""), "{stored}");
        }
    }
}
