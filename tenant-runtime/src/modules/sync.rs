//! Brings the live modules to what the control plane says, level-triggered: every step compares the whole wanted state
//! with the whole real one, so a lost event, a kill or a reconnect loses nothing.

pub mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domain::diagnostic::Diagnostic;
use domain::digest::Sha256Digest;
use domain::name::ModuleName;
use domain::watch::{Acknowledgement, ModuleReference, ModuleResult, WatchEvent};
use futures_util::StreamExt as _;
use service_kit::Chain;
use service_kit::internal::PartState;
use tokio::sync::watch;

use crate::app::AppState;
use crate::modules::cache::{Cache, CachedModule, Index};
use crate::modules::loader::{self, LoadError};
use crate::modules::watch::{ControlPlane, SILENCE, WatchError};
use crate::modules::{LoadedModule, LoadedModules, Origin, stock};
use plan::Wanted;

/// The name of this part on the board behind `/readyz`.
pub const PART: &str = "modules";

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A version that could not be used; it is not tried again until the content changes or the process restarts.
#[derive(Debug, Clone)]
struct RefusedModule {
    sha256: Sha256Digest,
    diagnostics: Vec<Diagnostic>,
}

/// The one owner of what is loaded; requests only see what it publishes.
pub struct Sync {
    app: AppState,
    control_plane: ControlPlane,
    cache: Cache,
    instance: String,
    stock: BTreeMap<ModuleName, Arc<LoadedModule>>,
    tenant: BTreeMap<ModuleName, Arc<LoadedModule>>,
    refused: BTreeMap<ModuleName, RefusedModule>,
    wanted: Option<Wanted>,
    generation: u64,
    /// `tenant` differs from what is published. Kept here, because bringing in may be interrupted half-way.
    dirty: bool,
    /// Told of when the code of a module is suspended or runs again.
    suspensions: watch::Receiver<u64>,
    /// Modules that the control plane takes for suspended here.
    told_suspended: BTreeSet<ModuleName>,
}

/// Why a connection to the control plane is given up; a new one is made after a pause.
#[derive(Debug, thiserror::Error)]
enum Interruption {
    #[error("the control plane cannot be followed")]
    Watch(#[from] WatchError),
    #[error("a module could not be brought in now")]
    Load(#[source] LoadError),
    #[error("no word from the control plane for {} seconds", SILENCE.as_secs())]
    Silent,
}

impl Sync {
    /// Nothing loaded yet.
    pub fn new(app: AppState, control_plane: ControlPlane, cache: Cache, instance: String) -> Self {
        Self {
            suspensions: app.modules.subscribe_to_suspensions(),
            told_suspended: BTreeSet::new(),
            app,
            control_plane,
            cache,
            instance,
            stock: BTreeMap::new(),
            tenant: BTreeMap::new(),
            refused: BTreeMap::new(),
            wanted: None,
            generation: 0,
            dirty: false,
        }
    }

    /// Loads stock and cached modules, then follows the control plane until the shutdown.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let stopping = self.app.tasks.stopping();
        stopping.run_until_cancelled(self.follow()).await;
        Ok(())
    }

    async fn follow(&mut self) {
        self.start().await;
        let mut pauses = Pauses::new();
        loop {
            let interruption = self.connection(&mut pauses).await;
            tracing::warn!(error = %Chain(&interruption), "following the control plane was interrupted, trying again");
            self.app.readiness.set(
                PART,
                PartState::Stale {
                    reason: format!(
                        "the control plane is away since {}; serving the modules of generation {}",
                        self.app.clock.now().format("%Y-%m-%d %H:%M:%S UTC"),
                        self.generation
                    ),
                },
            );
            if !matches!(
                interruption,
                Interruption::Watch(WatchError::Ended) | Interruption::Silent
            ) {
                // Something may have been missed, or a presigned URL is too old: ask for everything.
                self.wanted = None;
            }
            tokio::time::sleep(pauses.next()).await;
        }
    }

    /// What can be had without the control plane.
    async fn start(&mut self) {
        for (file, text) in stock::sources() {
            if let Some(module) = self.load_stubbornly(&file, Origin::Stock, text).await {
                self.stock.insert(module.spec().name().clone(), module);
            }
        }
        let cache = self.cache.clone();
        let cached = self
            .app
            .tasks
            .spawn_blocking("read the module cache", move || {
                let index = cache.read_index();
                let texts: Vec<_> = index
                    .modules
                    .iter()
                    .filter_map(|(name, module)| {
                        Some((
                            name.clone(),
                            module.clone(),
                            cache.read_text(module.sha256)?,
                        ))
                    })
                    .collect();
                (index.generation, texts)
            })
            .await;
        if let Ok((generation, texts)) = cached {
            for (name, module, text) in texts {
                let origin = Origin::Tenant {
                    version: module.version,
                    sha256: module.sha256,
                };
                if let Some(loaded) = self.load_stubbornly(name.as_str(), origin, text).await {
                    self.tenant.insert(name, loaded);
                }
            }
            self.generation = generation;
        }
        self.publish();
        self.app.readiness.set(
            PART,
            PartState::Stale {
                reason: format!(
                    "the control plane was not reached yet; serving the modules of generation {}",
                    self.generation
                ),
            },
        );
    }

    /// Loads something that cannot be asked for again, waiting for the database where it must.
    async fn load_stubbornly(
        &self,
        what: &str,
        origin: Origin,
        text: String,
    ) -> Option<Arc<LoadedModule>> {
        let mut pauses = Pauses::new();
        loop {
            match loader::load(&self.app, origin.clone(), text.clone()).await {
                Ok(module) => return Some(Arc::new(module)),
                Err(LoadError::Refused(diagnostics)) => {
                    tracing::error!(
                        module.name = what,
                        findings = %loader::one_line(&diagnostics),
                        "a module that should be good was refused"
                    );
                    return None;
                }
                Err(error) => {
                    tracing::warn!(module.name = what, error = %Chain(&error), "a module cannot be loaded now, trying again");
                    self.app.readiness.set(
                        PART,
                        PartState::NotReady {
                            reason: format!("waiting to load {what}: {error}"),
                        },
                    );
                    tokio::time::sleep(pauses.next()).await;
                }
            }
        }
    }

    /// One connection, until it breaks.
    async fn connection(&mut self, pauses: &mut Pauses) -> Interruption {
        match self.try_connection(pauses).await {
            Ok(never) => match never {},
            Err(interruption) => interruption,
        }
    }

    async fn try_connection(
        &mut self,
        pauses: &mut Pauses,
    ) -> Result<std::convert::Infallible, Interruption> {
        // Without a wanted state (first connection, or doubt) the stream begins with a snapshot.
        let after = self.wanted.as_ref().map(|wanted| wanted.generation);
        let mut events = self.control_plane.watch(&self.instance, after).await?;
        let mut first = true;
        loop {
            let silent = tokio::time::Instant::now() + SILENCE;
            let event = loop {
                tokio::select! {
                    event = tokio::time::timeout_at(silent, events.next()) => break event,
                    // The sender lives as long as the app, so this ends with a change only.
                    _changed = self.suspensions.changed() => self.tell_suspensions().await?,
                }
            };
            let event = match event {
                Err(_elapsed) => return Err(Interruption::Silent),
                Ok(None) => return Err(WatchError::Ended.into()),
                Ok(Some(event)) => event?,
            };
            self.bring_in(&event, first).await?;
            first = false;
            pauses.reset();
            self.app.readiness.set(PART, PartState::Ready);
        }
    }

    async fn bring_in(&mut self, event: &WatchEvent, first: bool) -> Result<(), Interruption> {
        let Some(wanted) = Wanted::after(self.wanted.take(), event) else {
            // A change without a snapshot before it: the next connection starts with one.
            return Err(WatchError::Ended.into());
        };
        let plan = wanted.plan(
            |name| self.loaded_digest(name),
            |name| self.refused.get(name).map(|it| it.sha256),
            self.tenant.keys(),
        );
        for name in &plan.remove {
            self.refused.remove(name);
            self.dirty |= self.tenant.remove(name).is_some();
            tracing::info!(module.name = %name, generation = wanted.generation, "module removed");
        }
        for reference in &plan.load {
            self.load(reference).await?;
        }
        for name in &plan.settled {
            self.refused.remove(name);
        }
        let grown = self.generation != wanted.generation;
        self.generation = wanted.generation;
        let changed = std::mem::take(&mut self.dirty) || grown;
        if changed {
            self.publish();
        }
        let speaks_of = if first {
            wanted.names()
        } else {
            Wanted::named_by(event)
        };
        let heartbeat = matches!(event, WatchEvent::Bookmark { .. });
        let acknowledgement = (first || !heartbeat || grown).then(|| Acknowledgement {
            instance: self.instance.clone(),
            generation: wanted.generation,
            results: speaks_of
                .iter()
                .filter_map(|name| self.result(&wanted, name))
                .collect(),
        });
        self.wanted = Some(wanted);
        if let Some(acknowledgement) = acknowledgement {
            self.acknowledge(acknowledgement).await?;
        }
        if changed {
            self.write_index().await;
        }
        Ok(())
    }

    /// Tells the control plane of modules whose code was suspended, or runs again. Before the first event there is nothing to
    /// tell: the first acknowledgement speaks of every module.
    async fn tell_suspensions(&mut self) -> Result<(), Interruption> {
        let Some(wanted) = &self.wanted else {
            return Ok(());
        };
        let names = wanted.names();
        let results: Vec<ModuleResult> = names
            .iter()
            .filter_map(|name| self.result(wanted, name))
            .filter(|result| {
                result.suspension.is_some() || self.told_suspended.contains(&result.name)
            })
            .collect();
        if results.is_empty() {
            return Ok(());
        }
        let acknowledgement = Acknowledgement {
            instance: self.instance.clone(),
            generation: wanted.generation,
            results,
        };
        self.acknowledge(acknowledgement).await
    }

    async fn acknowledge(&mut self, acknowledgement: Acknowledgement) -> Result<(), Interruption> {
        self.control_plane.acknowledge(&acknowledgement).await?;
        for result in acknowledgement.results {
            if result.suspension.is_some() {
                self.told_suspended.insert(result.name);
            } else {
                self.told_suspended.remove(&result.name);
            }
        }
        Ok(())
    }

    /// Fetches, checks and loads one version; a refusal is remembered and keeps the last good version.
    async fn load(&mut self, reference: &ModuleReference) -> Result<(), Interruption> {
        let name = &reference.name;
        let text = match self.control_plane.fetch(reference).await {
            Ok(text) => text,
            Err(
                error @ (WatchError::TooLarge(_)
                | WatchError::Digest { .. }
                | WatchError::NotText(_)),
            ) => {
                tracing::error!(module.name = %name, error = %Chain(&error), "a module came damaged");
                self.refuse(
                    reference,
                    vec![loader::finding("damaged", error.to_string())],
                );
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let origin = Origin::Tenant {
            version: reference.version,
            sha256: reference.sha256,
        };
        let loaded = match loader::load(&self.app, origin, text.clone()).await {
            Ok(module) if module.spec().name() == name => module,
            Ok(module) => {
                let found = module.spec().name().clone();
                self.refuse(
                    reference,
                    vec![loader::finding(
                        "wrong-name",
                        format!("the file is named {found}, but it was announced as {name}"),
                    )],
                );
                return Ok(());
            }
            Err(LoadError::Refused(diagnostics)) => {
                self.refuse(reference, diagnostics);
                return Ok(());
            }
            Err(error) => return Err(Interruption::Load(error)),
        };
        tracing::info!(module.name = %name, module.version = reference.version, "module loaded");
        self.tenant.insert(name.clone(), Arc::new(loaded));
        self.refused.remove(name);
        self.dirty = true;
        self.write_text(reference.sha256, text).await;
        Ok(())
    }

    fn refuse(&mut self, reference: &ModuleReference, diagnostics: Vec<Diagnostic>) {
        tracing::warn!(
            module.name = %reference.name,
            module.version = reference.version,
            findings = %loader::one_line(&diagnostics),
            "module refused, the last good version stays"
        );
        metrics::counter!("modules_refused_total").increment(1);
        let refused = RefusedModule {
            sha256: reference.sha256,
            diagnostics,
        };
        self.refused.insert(reference.name.clone(), refused);
    }

    fn loaded_digest(&self, name: &ModuleName) -> Option<Sha256Digest> {
        match self.tenant.get(name)?.origin {
            Origin::Tenant { sha256, .. } => Some(sha256),
            Origin::Stock => None,
        }
    }

    /// How the wanted version of a module fared here.
    fn result(&self, wanted: &Wanted, name: &ModuleName) -> Option<ModuleResult> {
        let sha256 = wanted.modules.get(name)?.sha256;
        let refused = self
            .refused
            .get(name)
            .filter(|refused| refused.sha256 == sha256);
        let (ok, diagnostics) = match refused {
            Some(refused) => (false, refused.diagnostics.clone()),
            None => (
                true,
                self.tenant
                    .get(name)
                    .map(|module| module.warnings.clone())
                    .unwrap_or_default(),
            ),
        };
        Some(ModuleResult {
            name: name.clone(),
            sha256,
            ok,
            diagnostics,
            // Also of the version before, when that one still serves: its owner should know.
            suspension: self
                .tenant
                .get(name)
                .and_then(|module| module.supervision.suspension()),
        })
    }

    fn publish(&self) {
        let mut live = self.stock.clone();
        live.extend(
            self.tenant
                .iter()
                .map(|(name, module)| (name.clone(), Arc::clone(module))),
        );
        metrics::gauge!("modules_live").set(u32::try_from(live.len()).unwrap_or(u32::MAX));
        self.app
            .modules
            .publish(LoadedModules::new(self.generation, live));
    }

    async fn write_text(&self, sha256: Sha256Digest, text: String) {
        let cache = self.cache.clone();
        self.blocking("write a module to the cache", move || {
            cache.write_text(sha256, &text)
        })
        .await;
    }

    async fn write_index(&self) {
        let modules = self
            .tenant
            .iter()
            .filter_map(|(name, module)| match module.origin {
                Origin::Tenant { version, sha256 } => {
                    Some((name.clone(), CachedModule { version, sha256 }))
                }
                Origin::Stock => None,
            })
            .collect();
        let index = Index {
            generation: self.generation,
            modules,
        };
        let cache = self.cache.clone();
        self.blocking("write the index of the module cache", move || {
            cache.write_index(&index)
        })
        .await;
    }

    /// A cache that cannot be written costs static stability, not service.
    async fn blocking<F>(&self, what: &'static str, work: F)
    where
        F: FnOnce() -> std::io::Result<()> + Send + 'static,
    {
        match self.app.tasks.spawn_blocking(what, work).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(task = what, %error, "the module cache cannot be written");
            }
            Err(error) => {
                tracing::error!(task = what, error = %Chain(&error), "the module cache cannot be written");
            }
        }
    }
}

/// Pauses between attempts: doubling, with jitter, so that a thousand runtimes do not come back at the same moment.
struct Pauses {
    next: Duration,
}

impl Pauses {
    const fn new() -> Self {
        Self { next: FIRST_PAUSE }
    }

    const fn reset(&mut self) {
        self.next = FIRST_PAUSE;
    }

    fn next(&mut self) -> Duration {
        let pause = self.next.mul_f64(rand::random_range(0.5..1.0));
        self.next = (self.next * 2).min(LONGEST_PAUSE);
        pause
    }
}
