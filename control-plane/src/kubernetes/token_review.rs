//! Tokens of runtimes in the cluster: projected for the control plane's audience, checked by the API server.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::id::TenantId;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, Client};
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};
use tenant_crd::names;

use super::tenants::{Tenants, tenant_id};
use crate::runtime_token::{RuntimeTokens, VerifyTokenError};

/// Name of the service account of every tenant's runtimes, in the tenant's namespace.
const SERVICE_ACCOUNT: &str = "runtime";
/// An answer is good for so long: a token that was withdrawn opens doors no longer than this.
const KEPT: Duration = Duration::from_mins(1);
/// Answers in memory, also those about wrong tokens.
const MOST_KEPT: u64 = 20_000;
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
    answers: Cache<[u8; 32], Option<Arc<str>>>,
}

impl TokenReviewer {
    /// Takes tokens that were made for `audience`.
    pub fn new(client: &Client, tenants: Tenants, audience: &str) -> Self {
        Self {
            reviews: Api::all(client.clone()),
            tenants,
            audience: audience.to_owned(),
            answers: Cache::builder()
                .max_capacity(MOST_KEPT)
                .time_to_live(KEPT)
                .build(),
        }
    }

    async fn slug(&self, token: &str) -> Result<Option<Arc<str>>, VerifyTokenError> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(answer) = self.answers.get(&digest) {
            return Ok(answer);
        }
        let review = TokenReview {
            metadata: ObjectMeta::default(),
            spec: TokenReviewSpec {
                audiences: Some(vec![self.audience.clone()]),
                token: Some(token.to_owned()),
            },
            status: None,
        };
        let params = PostParams::default();
        let asking = self.reviews.create(&params, &review);
        let answer = tokio::time::timeout(TIMEOUT, asking)
            .await
            .map_err(|elapsed| VerifyTokenError(elapsed.into()))?
            .map_err(|error| VerifyTokenError(error.into()))?;
        let slug = answer
            .status
            .as_ref()
            .and_then(|status| slug_of(status, &self.audience))
            .map(Arc::from);
        self.answers.insert(digest, slug.clone());
        Ok(slug)
    }
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
    let (namespace, account) = status
        .user
        .as_ref()?
        .username
        .as_deref()?
        .strip_prefix("system:serviceaccount:")?
        .split_once(':')?;
    (account == SERVICE_ACCOUNT)
        .then(|| namespace.strip_prefix(names::NAMESPACE_PREFIX))
        .flatten()
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
