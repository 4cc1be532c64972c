//! Access tokens: JWTs that live 15 minutes, signed with a key that only this tenant has.

use chrono::{DateTime, TimeDelta, Utc};
use domain::id::TenantId;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret as _, SecretSlice};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How long an access token is good for.
pub const LIFETIME: TimeDelta = TimeDelta::minutes(15);

/// Who a token is for. Agents and customer users are different subjects: a token of one is never taken for the other.
const AGENTS: &str = "agent";

/// A key of the table `gotrs_signing_key`.
#[derive(Debug, Clone)]
pub struct SigningKey {
    /// Goes into the token's header.
    pub id: Uuid,
    /// HMAC-SHA-256 key.
    pub secret: SecretSlice<u8>,
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    aud: String,
    sub: String,
    /// The session: when it is revoked, so is the token.
    pub sid: Uuid,
    iat: i64,
    exp: i64,
}

/// A token could not be made; a fault of ours.
#[derive(Debug, thiserror::Error)]
#[error("signing an access token")]
pub struct SignTokenError(#[source] jsonwebtoken::errors::Error);

/// Makes an access token of an agent's session.
pub fn sign(
    key: &SigningKey,
    tenant: TenantId,
    agent: i32,
    session: Uuid,
    now: DateTime<Utc>,
) -> Result<String, SignTokenError> {
    let header = Header {
        kid: Some(key.id.to_string()),
        ..Header::new(Algorithm::HS256)
    };
    let claims = Claims {
        iss: tenant.to_string(),
        aud: AGENTS.to_owned(),
        sub: agent.to_string(),
        sid: session,
        iat: now.timestamp(),
        exp: (now + LIFETIME).timestamp(),
    };
    let secret = EncodingKey::from_secret(key.secret.expose_secret());
    jsonwebtoken::encode(&header, &claims, &secret).map_err(SignTokenError)
}

/// The claims of a good token; `None` for every other text.
pub fn verify(
    keys: &[SigningKey],
    tenant: TenantId,
    token: &str,
    now: DateTime<Utc>,
) -> Option<Claims> {
    let header = jsonwebtoken::decode_header(token).ok()?;
    let kid = header.kid?;
    let key = keys.iter().find(|key| key.id.to_string() == kid)?;
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&[AGENTS]);
    validation.set_issuer(&[tenant.to_string()]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // Time is a parameter here; the library would ask the system.
    validation.validate_exp = false;
    let secret = DecodingKey::from_secret(key.secret.expose_secret());
    let claims = jsonwebtoken::decode::<Claims>(token, &secret, &validation)
        .ok()?
        .claims;
    (now.timestamp() < claims.exp).then_some(claims)
}

/// Whether the token is of our making by its form, but signed with a key that is not among `keys`.
pub fn names_unknown_key(keys: &[SigningKey], token: &str) -> bool {
    jsonwebtoken::decode_header(token)
        .ok()
        .filter(|header| header.alg == Algorithm::HS256)
        .and_then(|header| header.kid?.parse::<Uuid>().ok())
        .is_some_and(|kid| keys.iter().all(|key| key.id != kid))
}

#[cfg(test)]
mod tests {
    use domain::clock::{Clock as _, MockClock};

    use super::*;

    fn key(byte: u8) -> SigningKey {
        SigningKey {
            id: Uuid::from_u128(u128::from(byte)),
            secret: vec![byte; 32].into(),
        }
    }

    #[test]
    fn a_token_is_good_for_fifteen_minutes_of_its_own_tenant_and_key() {
        let now = MockClock::default().now();
        let (tenant, session) = (TenantId::generate(), Uuid::from_u128(9));
        let token = sign(&key(1), tenant, 7, session, now).unwrap();
        let keys = [key(2), key(1)];
        assert_eq!(verify(&keys, tenant, &token, now).unwrap().sid, session);
        assert!(verify(&keys, tenant, &token, now + TimeDelta::seconds(899)).is_some());
        assert!(verify(&keys, tenant, &token, now + LIFETIME).is_none());
        assert!(verify(&keys, TenantId::generate(), &token, now).is_none());
        assert!(verify(&[key(2)], tenant, &token, now).is_none());
        let same_id_other_secret = SigningKey {
            secret: vec![3; 32].into(),
            ..key(1)
        };
        assert!(verify(&[same_id_other_secret], tenant, &token, now).is_none());
    }

    #[test]
    fn a_token_for_customers_or_without_signature_is_not_taken() {
        let now = MockClock::default().now();
        let tenant = TenantId::generate();
        let claims = Claims {
            iss: tenant.to_string(),
            aud: "customer".to_owned(),
            sub: "7".to_owned(),
            sid: Uuid::from_u128(9),
            iat: now.timestamp(),
            exp: (now + LIFETIME).timestamp(),
        };
        let header = Header {
            kid: Some(key(1).id.to_string()),
            ..Header::new(Algorithm::HS256)
        };
        let customer =
            jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&[1; 32])).unwrap();
        assert!(verify(&[key(1)], tenant, &customer, now).is_none());
        let agent = sign(&key(1), tenant, 7, claims.sid, now).unwrap();
        let mut parts: Vec<&str> = agent.split('.').collect();
        parts[2] = "";
        assert!(verify(&[key(1)], tenant, &parts.join("."), now).is_none());
        assert!(verify(&[key(1)], tenant, "", now).is_none());
    }
}
