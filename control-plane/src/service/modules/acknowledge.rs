//! What runtimes say: loaded or refused.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use domain::id::TenantId;
use domain::name::ModuleName;
use domain::watch::{Acknowledgement, ModuleResult};
use service_kit::Problem;
use service_kit::problem::ProblemItem;

use crate::app::AppState;
use crate::db::tenant;
use crate::db::{DbError, module, module_replica};

/// Findings of one module that are kept; the rest says nothing new.
const MAX_DIAGNOSTICS: usize = 100;
/// Characters of one text, of a finding or a reason, that are kept.
const MAX_TEXT: usize = 1_000;
/// Findings of all modules of one acknowledgement that are kept: what one replica may have us store.
const MAX_ALL_DIAGNOSTICS: usize = 1_000;
/// Replicas of one tenant that are kept, those that were heard of last: three times as many as may watch at once, and each
/// new pod has a new name.
pub(super) const MAX_REPLICAS: usize = 3 * super::feed::MAX_WATCHERS;
/// Modules that one acknowledgement may speak of: twice as many as a tenant may have ([`super::error::MAX_MODULES`]).
const MAX_RESULTS: usize = 1_000;

/// The name of a runtime among its tenant's: a pod's name, or what the supervisor calls the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance(String);

/// A text that cannot be a runtime's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an instance is named by 1 to {max} letters, digits, '-', '_', '.' and ':'", max = Instance::MAX_LEN)]
pub struct ParseInstanceError;

impl Instance {
    /// As long as a pod's name may be.
    pub const MAX_LEN: usize = 253;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Instance {
    type Err = ParseInstanceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_good = (1..=Self::MAX_LEN).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
        if is_good {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseInstanceError)
        }
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why an acknowledgement is not taken.
#[derive(Debug, thiserror::Error)]
pub enum AcknowledgeError {
    /// Not a name.
    #[error(transparent)]
    Instance(#[from] ParseInstanceError),
    /// Speaks of more modules than a tenant can have.
    #[error("an acknowledgement speaks of at most {MAX_RESULTS} modules")]
    TooManyResults,
    /// Speaks of what is not yet.
    #[error("generation {given} has not been made yet; the newest is {newest}")]
    UnknownGeneration {
        /// What was said.
        given: u64,
        /// What is.
        newest: u64,
    },
    /// The database.
    #[error("the acknowledgement could not be stored")]
    Database(#[from] DbError),
}

impl From<AcknowledgeError> for Problem {
    fn from(error: AcknowledgeError) -> Self {
        let item = |pointer: &'static str, code: &'static str| {
            Self::unprocessable(vec![ProblemItem::field(pointer, code, error.to_string())])
        };
        match error {
            AcknowledgeError::Instance(_) => item("/instance", "invalid_instance"),
            AcknowledgeError::TooManyResults => item("/results", "too_many"),
            AcknowledgeError::UnknownGeneration { .. } => item("/generation", "unknown_generation"),
            AcknowledgeError::Database(error) => error.into(),
        }
    }
}

/// Stores what a runtime says and wakes those who wait for it.
pub async fn acknowledge(
    state: &AppState,
    tenant_id: TenantId,
    acknowledgement: Acknowledgement,
) -> Result<(), AcknowledgeError> {
    let instance: Instance = acknowledgement.instance.parse()?;
    if acknowledgement.results.len() > MAX_RESULTS {
        return Err(AcknowledgeError::TooManyResults);
    }
    let now = state.clock.now();
    let generation = acknowledgement.generation;
    let results = each_once(acknowledgement.results);
    let mut tx = state.pool.begin().await.map_err(DbError::from)?;
    let newest = module::generation(&mut tx, tenant_id).await?;
    if generation > newest {
        return Err(AcknowledgeError::UnknownGeneration {
            given: generation,
            newest,
        });
    }
    module_replica::set_generation(&mut tx, tenant_id, instance.as_str(), generation, now).await?;
    module_replica::keep_newest(&mut tx, tenant_id, MAX_REPLICAS).await?;
    module_replica::put_words(
        &mut tx,
        tenant_id,
        instance.as_str(),
        generation,
        &results,
        now,
    )
    .await?;
    module_replica::notify_acknowledged(&mut tx, tenant_id).await?;
    // The tenant's conditions speak of its modules too.
    tenant::notify_changed(&mut tx, tenant_id).await?;
    let made_at = module::generation_made_at(&mut tx, tenant_id, generation).await?;
    tx.commit().await.map_err(DbError::from)?;
    for result in &results {
        let outcome = match (result.ok, &result.suspension) {
            (false, _) => "refused",
            (true, Some(_)) => "suspended",
            (true, None) => "loaded",
        };
        metrics::counter!("module_acknowledgements_total", "outcome" => outcome).increment(1);
        if !result.ok {
            tracing::warn!(
                tenant.id = %tenant_id,
                instance = %instance,
                module.name = %result.name,
                generation,
                code = result.diagnostics.first().map_or("-", |finding| finding.code.as_str()),
                "a runtime refused a module"
            );
        }
        if let Some(suspension) = &result.suspension {
            tracing::warn!(
                tenant.id = %tenant_id,
                instance = %instance,
                module.name = %result.name,
                until = %suspension.until,
                "a runtime does not run the code of a module"
            );
        }
    }
    if let Some(took) = made_at.and_then(|made_at| (now - made_at).to_std().ok())
        && generation == newest
        && took < super::watch::HEARTBEAT
        && results.iter().all(|result| result.suspension.is_none())
    {
        // Later words are those of runtimes that came back, and suspensions come of use: neither tells of delivery.
        metrics::histogram!("module_delivery_seconds").record(took.as_secs_f64());
    }
    Ok(())
}

/// The last result of each module, with a bounded number of findings, each of a bounded length. By name: pure.
fn each_once(results: Vec<ModuleResult>) -> Vec<ModuleResult> {
    let mut kept: BTreeMap<ModuleName, ModuleResult> = BTreeMap::new();
    for result in results {
        kept.insert(result.name.clone(), result);
    }
    let mut room = MAX_ALL_DIAGNOSTICS;
    kept.into_values()
        .map(|mut result| {
            // A refusal is never left without its first reason.
            let most = room.clamp(1, MAX_DIAGNOSTICS);
            result.diagnostics.truncate(most);
            room = room.saturating_sub(result.diagnostics.len());
            for finding in &mut result.diagnostics {
                cut(&mut finding.code);
                cut(&mut finding.message);
                cut(&mut finding.path);
                if let Some(help) = &mut finding.help {
                    cut(help);
                }
            }
            if let Some(suspension) = &mut result.suspension {
                cut(&mut suspension.reason);
            }
            result
        })
        .collect()
}

fn cut(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(MAX_TEXT) {
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_of_a_word_is_bounded_however_much_is_said() {
        let finding = domain::diagnostic::Diagnostic {
            severity: domain::diagnostic::Severity::Error,
            code: "x".to_owned(),
            message: "ä".repeat(MAX_TEXT + 1),
            help: Some("h".repeat(100_000)),
            line: 1,
            column: 1,
            length: 1,
            path: "p".repeat(100_000),
        };
        let word = |name: &str| ModuleResult {
            name: name.parse().unwrap(),
            sha256: domain::digest::Sha256Digest::of(name.as_bytes()),
            ok: false,
            diagnostics: vec![finding.clone(); 150],
            suspension: None,
        };
        let mut words: Vec<_> = (0..20).map(|n| word(&format!("m{n:02}"))).collect();
        words.push(word("m00"));
        let kept = each_once(words);
        assert_eq!(kept.len(), 20);
        let counts: Vec<_> = kept.iter().map(|kept| kept.diagnostics.len()).collect();
        assert_eq!(counts[..10], [MAX_DIAGNOSTICS; 10]);
        assert_eq!(counts[10..], [1; 10], "each says why");
        let kept = &kept[0].diagnostics[0];
        assert_eq!(kept.message.chars().count(), MAX_TEXT);
        assert_eq!(kept.path.len(), MAX_TEXT);
        assert_eq!(kept.help.as_ref().unwrap().len(), MAX_TEXT);
    }

    #[test]
    fn instances_are_names() {
        for good in ["runtime-1", "acme-7d9f.x:8080", &"a".repeat(253)] {
            assert!(good.parse::<Instance>().is_ok(), "{good}");
        }
        for bad in ["", "a b", "ä", "a/b", "a\n", &"a".repeat(254)] {
            assert!(bad.parse::<Instance>().is_err(), "{bad:?}");
        }
    }
}
