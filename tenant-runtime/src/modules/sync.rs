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
use tokio::time::Instant;

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
/// A control plane that takes a watch says at once what is; one that does not is asked again.
const FIRST_WORD: Duration = Duration::from_secs(10);
/// A tenant that the control plane does not know is one that somebody else has just made, most likely: it has this long to adopt it
/// before the runtime serves without modules of the tenant's own.
const ADOPTION: Duration = Duration::from_secs(5);

/// A version that could not be used.
#[derive(Debug, Clone)]
struct RefusedModule {
    sha256: Sha256Digest,
    diagnostics: Vec<Diagnostic>,
    again: Again,
}

/// When a version that was refused is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    /// When its content changes or the process restarts: the same would come of it.
    Never,
    /// At the next word of the control plane: its text may be back in the object store.
    NextEvent,
}

/// Whether what the tenant's modules are was ever heard here. Before that, requests would be answered without them: hooks that check
/// what people enter would not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Knowledge {
    /// From the control plane, or from the folder where the last list is kept.
    Some,
    /// Not yet; the control plane has not known the tenant since then.
    None { unknown_since: Option<Instant> },
}

impl Knowledge {
    const NONE: Self = Self::None {
        unknown_since: None,
    };

    /// The control plane says that it does not know the tenant.
    const fn unknown(&mut self, now: Instant) {
        if let Self::None {
            unknown_since: since @ None,
        } = self
        {
            *since = Some(now);
        }
    }

    /// Whether requests may be answered with what is loaded.
    fn suffices(self, now: Instant) -> bool {
        match self {
            Self::Some => true,
            Self::None { unknown_since } => {
                unknown_since.is_some_and(|since| now.duration_since(since) >= ADOPTION)
            }
        }
    }
}

/// The one owner of what is loaded; requests only see what it publishes.
pub struct Sync {
    app: AppState,
    /// `None` where there is none: then the stock modules are all there will be.
    control_plane: Option<ControlPlane>,
    cache: Cache,
    instance: String,
    stock: BTreeMap<ModuleName, Arc<LoadedModule>>,
    tenant: BTreeMap<ModuleName, Arc<LoadedModule>>,
    refused: BTreeMap<ModuleName, RefusedModule>,
    wanted: Option<Wanted>,
    knowledge: Knowledge,
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
    #[error("no word from the control plane for {} seconds", .0.as_secs())]
    Silent(Duration),
}

impl Sync {
    /// Nothing loaded yet.
    pub fn new(
        app: AppState,
        control_plane: Option<ControlPlane>,
        cache: Cache,
        instance: String,
    ) -> Self {
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
            knowledge: Knowledge::NONE,
            generation: 0,
            dirty: false,
        }
    }

    /// Loads stock and cached modules, then follows the control plane until the shutdown.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let stopping = self.app.tasks.stopping();
        let control_plane = self.control_plane.take();
        let work = async {
            self.start().await;
            match control_plane {
                Some(control_plane) => self.follow(&control_plane).await,
                None => {
                    tracing::info!(
                        "no control plane is configured, serving the modules that are here"
                    );
                    self.app.readiness.set(PART, PartState::Ready);
                    std::future::pending::<()>().await;
                }
            }
        };
        stopping.run_until_cancelled(work).await;
        Ok(())
    }

    async fn follow(&mut self, control_plane: &ControlPlane) {
        self.app
            .readiness
            .set(PART, self.standing("the control plane was not reached yet"));
        let mut pauses = Pauses::new();
        loop {
            let interruption = self.connection(control_plane, &mut pauses).await;
            tracing::warn!(error = %Chain(&interruption), "following the control plane was interrupted, trying again");
            let why = match &interruption {
                Interruption::Watch(error @ WatchError::NoSuchTenant) => {
                    self.knowledge.unknown(Instant::now());
                    error.to_string()
                }
                interruption => format!(
                    "{}, at {}",
                    Chain(interruption),
                    self.app.clock.now().format("%Y-%m-%d %H:%M:%S UTC"),
                ),
            };
            self.app.readiness.set(PART, self.standing(&why));
            if !matches!(
                interruption,
                Interruption::Watch(WatchError::Ended) | Interruption::Silent(_)
            ) {
                // Something may have been missed, or a presigned URL is too old: ask for everything.
                self.wanted = None;
            }
            tokio::time::sleep(pauses.next()).await;
        }
    }

    /// How this part stands while the control plane is not followed.
    fn standing(&self, why: &str) -> PartState {
        if self.knowledge.suffices(Instant::now()) {
            PartState::Stale {
                reason: format!(
                    "{why}; serving the modules of generation {}",
                    self.generation
                ),
            }
        } else {
            PartState::NotReady {
                reason: format!("waiting for the first list of the tenant's modules: {why}"),
            }
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
                let index = cache.read_index()?;
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
                Some((index, texts))
            })
            .await;
        if let Ok(Some((index, texts))) = cached {
            // With a text gone it would start without a module that it had.
            if texts.len() == index.modules.len() {
                self.knowledge = Knowledge::Some;
            }
            for (name, module, text) in texts {
                let origin = Origin::Tenant {
                    version: module.version,
                    sha256: module.sha256,
                };
                if let Some(loaded) = self.load_stubbornly(name.as_str(), origin, text).await {
                    self.tenant.insert(name, loaded);
                }
            }
            self.generation = index.generation;
        }
        self.publish();
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
    async fn connection(
        &mut self,
        control_plane: &ControlPlane,
        pauses: &mut Pauses,
    ) -> Interruption {
        match self.try_connection(control_plane, pauses).await {
            Ok(never) => match never {},
            Err(interruption) => interruption,
        }
    }

    async fn try_connection(
        &mut self,
        control_plane: &ControlPlane,
        pauses: &mut Pauses,
    ) -> Result<std::convert::Infallible, Interruption> {
        // Without a wanted state (first connection, or doubt) the stream begins with a snapshot.
        let after = self.wanted.as_ref().map(|wanted| wanted.generation);
        let opening = control_plane.watch(&self.instance, after);
        let mut events = tokio::time::timeout(FIRST_WORD, opening)
            .await
            .map_err(|_elapsed| Interruption::Silent(FIRST_WORD))??;
        let mut first = true;
        loop {
            let patience = if first { FIRST_WORD } else { SILENCE };
            let silent = Instant::now() + patience;
            let event = loop {
                tokio::select! {
                    event = tokio::time::timeout_at(silent, events.next()) => break event,
                    // The sender lives as long as the app, so this ends with a change only.
                    _changed = self.suspensions.changed() => self.tell_suspensions(control_plane).await?,
                }
            };
            let event = match event {
                Err(_elapsed) => return Err(Interruption::Silent(patience)),
                Ok(None) => return Err(WatchError::Ended.into()),
                Ok(Some(event)) => event?,
            };
            self.bring_in(control_plane, &event, first).await?;
            first = false;
            pauses.reset();
            self.app.readiness.set(PART, PartState::Ready);
        }
    }

    async fn bring_in(
        &mut self,
        control_plane: &ControlPlane,
        event: &WatchEvent,
        first: bool,
    ) -> Result<(), Interruption> {
        let Some(wanted) = Wanted::after(self.wanted.take(), event) else {
            // A change without a snapshot before it: the next connection starts with one.
            return Err(WatchError::Ended.into());
        };
        let plan = wanted.plan(
            |name| self.loaded_digest(name),
            |name| {
                let refused = self.refused.get(name)?;
                (refused.again == Again::Never).then_some(refused.sha256)
            },
            self.tenant.keys(),
        );
        for name in &plan.remove {
            self.refused.remove(name);
            self.dirty |= self.tenant.remove(name).is_some();
            tracing::info!(module.name = %name, generation = wanted.generation, "module removed");
        }
        for reference in &plan.load {
            self.load(control_plane, reference).await?;
        }
        for name in &plan.settled {
            self.refused.remove(name);
        }
        let grown = self.generation != wanted.generation;
        self.generation = wanted.generation;
        let changed = std::mem::take(&mut self.dirty) || grown;
        if changed {
            self.publish();
            // Before it is said, and so before whoever hears it may take the folder for up to date.
            self.write_index().await;
        } else if self.knowledge != Knowledge::Some {
            // That there are none is worth keeping too.
            self.write_index().await;
        }
        self.knowledge = Knowledge::Some;
        let heartbeat = matches!(event, WatchEvent::Bookmark { .. });
        let speaks_of = if first || (heartbeat && changed) {
            wanted.names()
        } else {
            Wanted::named_by(event)
        };
        let acknowledgement = (first || !heartbeat || changed).then(|| Acknowledgement {
            instance: self.instance.clone(),
            generation: wanted.generation,
            results: speaks_of
                .iter()
                .filter_map(|name| self.result(&wanted, name))
                .collect(),
        });
        self.wanted = Some(wanted);
        if let Some(acknowledgement) = acknowledgement {
            self.acknowledge(control_plane, acknowledgement).await?;
        }
        Ok(())
    }

    /// Tells the control plane of modules whose code was suspended, or runs again. Before the first event there is nothing to
    /// tell: the first acknowledgement speaks of every module.
    async fn tell_suspensions(&mut self, control_plane: &ControlPlane) -> Result<(), Interruption> {
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
        self.acknowledge(control_plane, acknowledgement).await
    }

    async fn acknowledge(
        &mut self,
        control_plane: &ControlPlane,
        acknowledgement: Acknowledgement,
    ) -> Result<(), Interruption> {
        control_plane.acknowledge(&acknowledgement).await?;
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
    async fn load(
        &mut self,
        control_plane: &ControlPlane,
        reference: &ModuleReference,
    ) -> Result<(), Interruption> {
        let name = &reference.name;
        let text = match control_plane.fetch(reference).await {
            Ok(text) => text,
            // One text that is lost must not keep the tenant from serving.
            Err(error @ WatchError::Missing(_)) => {
                let finding = loader::finding("missing", error.to_string());
                self.refuse(reference, vec![finding], Again::NextEvent);
                return Ok(());
            }
            Err(
                error @ (WatchError::TooLarge(_)
                | WatchError::Digest { .. }
                | WatchError::NotText(_)),
            ) => {
                tracing::error!(module.name = %name, error = %Chain(&error), "a module came damaged");
                self.refuse(
                    reference,
                    vec![loader::finding("damaged", error.to_string())],
                    Again::Never,
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
                    Again::Never,
                );
                return Ok(());
            }
            Err(LoadError::Refused(diagnostics)) => {
                self.refuse(reference, diagnostics, Again::Never);
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

    fn refuse(&mut self, reference: &ModuleReference, diagnostics: Vec<Diagnostic>, again: Again) {
        let refused = RefusedModule {
            sha256: reference.sha256,
            diagnostics,
            again,
        };
        let diagnostics = &refused.diagnostics;
        let before = self.refused.get(&reference.name);
        if before.is_some_and(|before| {
            before.sha256 == refused.sha256 && before.diagnostics == *diagnostics
        }) {
            // Tried again, and nothing has changed.
            return;
        }
        tracing::warn!(
            module.name = %reference.name,
            module.version = reference.version,
            findings = %loader::one_line(diagnostics),
            "module refused, the last good version stays"
        );
        metrics::counter!("modules_refused_total").increment(1);
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
