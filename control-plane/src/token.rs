//! Tokens as text: opaque random ones, of which only a hash is stored, and ones that are an id and its signature,
//! which are made again when needed and stored nowhere.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::keys::{Keys, Purpose};

const ID_LEN: usize = 16;
const CODE_LEN: usize = 32;

/// A random token of 256 bits.
pub fn generate() -> SecretString {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()).into()
}

/// What is stored of a token. A plain hash is enough: the token is random, so there is nothing to guess.
pub fn hash(token: &SecretString) -> Vec<u8> {
    Sha256::digest(token.expose_secret().as_bytes()).to_vec()
}

/// The token of an id: `prefix` and base64url of the id and its signature.
pub fn sign_id(keys: &Keys, purpose: Purpose, prefix: &str, id: Uuid) -> SecretString {
    let mut bytes = [0; ID_LEN + CODE_LEN];
    bytes[..ID_LEN].copy_from_slice(id.as_bytes());
    bytes[ID_LEN..].copy_from_slice(&keys.sign(purpose, id.as_bytes()));
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)).into()
}

/// The id of a token that [`sign_id`] made; `None` for anything else.
pub fn verify_id(keys: &Keys, purpose: Purpose, prefix: &str, token: &str) -> Option<Uuid> {
    let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(prefix)?).ok()?;
    let (id, code) = bytes.split_first_chunk::<ID_LEN>()?;
    keys.verify(purpose, id, code)
        .then(|| Uuid::from_bytes(*id))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> Keys {
        Keys::new("0123456789abcdef0123456789abcdef".to_owned().into()).unwrap()
    }

    #[test]
    fn a_signed_id_is_read_again_only_for_its_purpose_and_prefix() {
        let id = Uuid::from_u128(7);
        let token = sign_id(&keys(), Purpose::RuntimeToken, "gotrs_rt_", id);
        let text = token.expose_secret();
        assert_eq!(
            verify_id(&keys(), Purpose::RuntimeToken, "gotrs_rt_", text),
            Some(id)
        );
        assert_eq!(verify_id(&keys(), Purpose::ApiKey, "gotrs_rt_", text), None);
        assert_eq!(
            verify_id(&keys(), Purpose::RuntimeToken, "gotrs_", text),
            None
        );
    }

    proptest! {
        #[test]
        fn no_other_text_is_a_token(text in "\\PC{0,90}") {
            prop_assert_eq!(verify_id(&keys(), Purpose::ApiKey, "", &text), None);
        }

        #[test]
        fn a_token_with_one_bit_changed_is_none(position in 0_usize..48, bit in 0_u8..8) {
            let token = sign_id(&keys(), Purpose::ApiKey, "", Uuid::from_u128(9));
            let mut bytes = URL_SAFE_NO_PAD.decode(token.expose_secret()).unwrap();
            bytes[position] ^= 1 << bit;
            let changed = URL_SAFE_NO_PAD.encode(bytes);
            prop_assert_eq!(verify_id(&keys(), Purpose::ApiKey, "", &changed), None);
        }
    }
}
