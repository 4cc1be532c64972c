//! What requests see of the modules: an immutable snapshot, replaced as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use domain::diagnostic::Diagnostic;
use domain::digest::Sha256Digest;
use domain::name::ModuleName;
use module_engine::compiled::CompiledModule;
use module_spec::ModuleSpec;
use tokio::sync::watch;

use crate::data::TableModel;
use crate::data::readable::ReadableTables;
use crate::modules::supervision::Supervision;

/// Where a module comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Embedded in this program.
    Stock,
    /// Uploaded by the tenant.
    Tenant {
        /// Its version in the registry.
        version: u32,
        /// Its content.
        sha256: Sha256Digest,
    },
}

/// One module, ready to serve: valid, compiled, and checked against the tenant's schema.
#[derive(Debug)]
pub struct LoadedModule {
    /// Where it comes from.
    pub origin: Origin,
    /// Its lambdas in the sandbox, and the spec they belong to.
    pub compiled: CompiledModule,
    /// Its table as it really is.
    pub table: TableModel,
    /// What the author should know although it works.
    pub warnings: Vec<Diagnostic>,
    /// Its circuit breaker, and how many of its lambdas run. Loaded again, it starts anew.
    pub supervision: Supervision,
}

impl LoadedModule {
    /// What the module says.
    pub fn spec(&self) -> &ModuleSpec {
        self.compiled.spec()
    }

    /// Whether the tenant uploaded it.
    pub fn is_own(&self) -> bool {
        matches!(self.origin, Origin::Tenant { .. })
    }
}

/// Every live module at one moment.
#[derive(Debug, Default)]
pub struct LoadedModules {
    /// The tenant's generation that is brought in; 0 before the control plane was heard.
    pub generation: u64,
    /// Grows with every swap in this process; open pages compare it.
    pub revision: u64,
    /// What lambdas may read. It starts anew with every swap: loading a module changes tables.
    pub readable: Arc<ReadableTables>,
    modules: BTreeMap<ModuleName, Arc<LoadedModule>>,
    by_prefix: BTreeMap<String, ModuleName>,
}

impl LoadedModules {
    /// A snapshot of these modules.
    pub fn new(generation: u64, modules: BTreeMap<ModuleName, Arc<LoadedModule>>) -> Self {
        let by_prefix = modules
            .values()
            .filter_map(|module| {
                Some((
                    module.spec().route_prefix()?.to_owned(),
                    module.spec().name().clone(),
                ))
            })
            .collect();
        Self {
            generation,
            revision: 0,
            readable: Arc::default(),
            modules,
            by_prefix,
        }
    }

    /// The module of this name.
    pub fn find(&self, name: &str) -> Option<&Arc<LoadedModule>> {
        let name: ModuleName = name.parse().ok()?;
        self.modules.get(&name)
    }

    /// The module that asks for this `route_prefix`.
    pub fn find_by_prefix(&self, prefix: &str) -> Option<&Arc<LoadedModule>> {
        self.modules.get(self.by_prefix.get(prefix)?)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<LoadedModule>> {
        self.modules.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.modules.len()
    }

    /// Whether there is none: before the first load.
    pub fn is_empty(&self) -> bool {
        self.modules.is_empty()
    }
}

/// The place where the current snapshot is published. Readers take it once per request, so that a request sees one
/// state from beginning to end.
#[derive(Debug)]
pub struct Modules {
    current: ArcSwap<LoadedModules>,
    // A watch channel keeps only the newest value: slow subscribers skip, none can pile up memory.
    changed: watch::Sender<u64>,
    suspensions: watch::Sender<u64>,
    /// Of this process: revisions of another one mean something else.
    start: u32,
}

impl Modules {
    /// Without any module.
    pub fn new() -> Self {
        Self {
            current: ArcSwap::default(),
            changed: watch::Sender::new(0),
            suspensions: watch::Sender::new(0),
            start: rand::random(),
        }
    }

    /// The modules as they are now.
    pub fn current(&self) -> Arc<LoadedModules> {
        self.current.load_full()
    }

    /// Replaces them all; open pages are told.
    pub fn publish(&self, mut next: LoadedModules) {
        next.revision = self.current.load().revision + 1;
        let revision = next.revision;
        self.current.store(Arc::new(next));
        self.count_suspended();
        self.changed.send_replace(revision);
    }

    /// Takes note that the code of a module was suspended, or runs again.
    pub fn suspension_changed(&self) {
        self.count_suspended();
        self.suspensions.send_modify(|changes| *changes += 1);
    }

    /// Tells of every later [`Modules::suspension_changed`].
    pub fn subscribe_to_suspensions(&self) -> watch::Receiver<u64> {
        self.suspensions.subscribe()
    }

    fn count_suspended(&self) {
        let modules = self.current();
        let suspended = modules
            .iter()
            .filter(|module| module.supervision.suspension().is_some())
            .count();
        metrics::gauge!("modules_suspended").set(u32::try_from(suspended).unwrap_or(u32::MAX));
    }

    /// What a page remembers of the state that it was made of.
    pub fn tag(&self, revision: u64) -> String {
        format!("{:08x}-{revision}", self.start)
    }

    /// Tells of every later [`Modules::publish`] by its revision.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// How many listen.
    pub fn subscribers(&self) -> usize {
        self.changed.receiver_count()
    }
}

impl Default for Modules {
    fn default() -> Self {
        Self::new()
    }
}
