//! Tokens of runtimes in the cluster: projected for the control plane's audience, checked by the API server.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use domain::id::TenantId;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, Client};
use moka::sync::Cache;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tenant_crd::names;
use tokio::sync::Semaphore;

use super::tenants::{Tenants, tenant_id};
use crate::runtime_token::{RuntimeTokens, VerifyTokenError};

/// Name of the service account of every tenant's runtimes, in the tenant's namespace.
const SERVICE_ACCOUNT: &str = "runtime";
/// An answer is good for so long: a token that was withdrawn opens doors no longer than this.
const KEPT: Duration = Duration::from_mins(1);
/// Answers in memory. Those about wrong tokens, which anybody can make, have a place of their own and push out no good ones.
const MOST_KEPT: u64 = 20_000;
const MOST_WRONG_KEPT: u64 = 1_000;
/// Questions to the API server at once: everything else that the control plane asks it for has to get through too.
const REVIEWS_AT_ONCE: usize = 16;
/// Longest wait for the API server.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A token is far shorter; whatever is longer is not sent on.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Asks the API server whose token it is.
pub struct TokenReviewer {
    reviews: Api<TokenReview>,
    tenants: Tenants,
    audience: String,
    /// The slug by the digest of the token: tokens themselves are kept nowhere.
    answers: Cache<[u8; 32], Arc<str>>,
    /// Digests of tokens that are nobody's.
    wrong: Cache<[u8; 32], ()>,
    reviewing: Semaphore,
}

impl TokenReviewer {
    /// Takes tokens that were made for `audience`.
    pub fn new(client: &Client, tenants: Tenants, audience: &str) -> Self {
        Self {
            reviews: Api::all(client.clone()),
            tenants,
            audience: audience.to_owned(),
            answers: cache(MOST_KEPT),
            wrong: cache(MOST_WRONG_KEPT),
            reviewing: Semaphore::new(REVIEWS_AT_ONCE),
        }
    }

    async fn slug(&self, token: &str) -> Result<Option<Arc<str>>, VerifyTokenError> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(slug) = self.answers.get(&digest) {
            return Ok(Some(slug));
        }
        let is_of_nobody = || {
            let slug = claimed_slug(token, &self.audience);
            slug.is_none_or(|slug| self.tenants.named(&slug).is_none())
        };
        if self.wrong.contains_key(&digest) || is_of_nobody() {
            return Ok(None);
        }
        let answer = tokio::time::timeout(TIMEOUT, self.review(token))
            .await
            .map_err(|elapsed| VerifyTokenError(elapsed.into()))??;
        let slug = answer
            .status
            .as_ref()
            .and_then(|status| slug_of(status, &self.audience))
            .map(Arc::from);
        match &slug {
            Some(slug) => self.answers.insert(digest, Arc::clone(slug)),
            None => self.wrong.insert(digest, ()),
        }
        Ok(slug)
    }

    async fn review(&self, token: &str) -> Result<TokenReview, VerifyTokenError> {
        let _place = self
            .reviewing
            .acquire()
            .await
            .map_err(|closed| VerifyTokenError(closed.into()))?;
        let review = TokenReview {
            metadata: ObjectMeta::default(),
            spec: TokenReviewSpec {
                audiences: Some(vec![self.audience.clone()]),
                token: Some(token.to_owned()),
            },
            status: None,
        };
        self.reviews
            .create(&PostParams::default(), &review)
            .await
            .map_err(|error| VerifyTokenError(error.into()))
    }
}

fn cache<V: Clone + Send + Sync + 'static>(most: u64) -> Cache<[u8; 32], V> {
    Cache::builder()
        .max_capacity(most)
        .time_to_live(KEPT)
        .build()
}

/// What a token says of itself; see RFC 7519.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    aud: Audiences,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Several(Vec<String>),
}

/// Whose runtime's token it says that it is. No proof, but whatever says something else is worth no question: pure.
fn claimed_slug(token: &str, audience: &str) -> Option<String> {
    let mut parts = token.split('.');
    let (Some(_header), Some(payload), Some(_signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    let is_ours = match &claims.aud {
        Audiences::One(one) => one == audience,
        Audiences::Several(all) => all.iter().any(|one| one == audience),
    };
    is_ours
        .then(|| slug_of_account(&claims.sub).map(str::to_owned))
        .flatten()
}

/// The slug in the name of an account, if it is that of a tenant's runtimes.
fn slug_of_account(name: &str) -> Option<&str> {
    let (namespace, account) = name
        .strip_prefix("system:serviceaccount:")?
        .split_once(':')?;
    (account == SERVICE_ACCOUNT)
        .then(|| namespace.strip_prefix(names::NAMESPACE_PREFIX))
        .flatten()
}

/// Of which tenant's runtime the API server speaks: pure.
fn slug_of<'a>(status: &'a TokenReviewStatus, audience: &str) -> Option<&'a str> {
    // A server that does not know audiences leaves them out; it must say that it has looked at ours.
    let is_ours = status
        .audiences
        .iter()
        .flatten()
        .any(|given| given == audience);
    if status.authenticated != Some(true) || !is_ours {
        return None;
    }
    slug_of_account(status.user.as_ref()?.username.as_deref()?)
}

#[async_trait]
impl RuntimeTokens for TokenReviewer {
    async fn tenant(&self, token: &str) -> Result<Option<TenantId>, VerifyTokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Ok(None);
        }
        let Some(slug) = self.slug(token).await? else {
            return Ok(None);
        };
        // The Tenant of today: the one of another day may have had the same name. Of several with one id only the first has it.
        let named = self.tenants.named(&slug).as_ref().and_then(tenant_id);
        Ok(named.filter(|id| {
            let first = self.tenants.find(*id);
            first.is_some_and(|first| first.metadata.name.as_deref() == Some(&*slug))
        }))
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::authentication::v1::UserInfo;

    use super::*;

    #[test]
    fn what_does_not_even_say_that_it_is_a_runtimes_is_asked_nobody_about() {
        let token = |payload: &str| format!("e30.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(payload));
        let claimed = |text: &str| claimed_slug(text, "ours");
        let sub = "system:serviceaccount:tenant-acme:runtime";
        for audience in [r#""ours""#, r#"["theirs", "ours"]"#] {
            let payload = format!(r#"{{"sub": "{sub}", "aud": {audience}, "exp": 1}}"#);
            assert_eq!(claimed(&token(&payload)).as_deref(), Some("acme"));
        }
        let good = token(&format!(r#"{{"sub": "{sub}", "aud": "ours"}}"#));
        for wrong in [
            String::new(),
            "gotrs_rt_abc".to_owned(),
            good.replace('.', ":"),
            format!("{good}.more"),
            "a.%.c".to_owned(),
            token("[]"),
            token(&format!(r#"{{"sub": "{sub}"}}"#)),
            token(&format!(r#"{{"sub": "{sub}", "aud": "theirs"}}"#)),
            token(&format!(r#"{{"sub": "{sub}", "aud": []}}"#)),
            token(r#"{"sub": "system:serviceaccount:kube-system:runtime", "aud": "ours"}"#),
            token(r#"{"sub": "system:serviceaccount:tenant-acme:default", "aud": "ours"}"#),
        ] {
            assert_eq!(claimed(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_runtimes_with_a_token_for_us_are_taken() {
        let review = |authenticated, audience: &str, name: &str| TokenReviewStatus {
            audiences: Some(vec![audience.to_owned()]),
            authenticated,
            user: Some(UserInfo {
                username: Some(name.to_owned()),
                ..UserInfo::default()
            }),
            ..TokenReviewStatus::default()
        };
        let good = "system:serviceaccount:tenant-acme:runtime";
        let slug = |status: &TokenReviewStatus| slug_of(status, "ours").map(str::to_owned);
        assert_eq!(
            slug(&review(Some(true), "ours", good)).as_deref(),
            Some("acme")
        );
        let mut without_audience = review(Some(true), "ours", good);
        without_audience.audiences = None;
        for wrong in [
            review(Some(false), "ours", good),
            review(None, "ours", good),
            review(Some(true), "https://kubernetes.default.svc", good),
            without_audience,
            review(
                Some(true),
                "ours",
                "system:serviceaccount:tenant-acme:default",
            ),
            review(
                Some(true),
                "ours",
                "system:serviceaccount:kube-system:runtime",
            ),
            review(Some(true), "ours", "system:admin"),
            review(Some(true), "ours", "tenant-acme:runtime"),
        ] {
            assert_eq!(slug(&wrong), None, "{wrong:?}");
        }
    }
}
