//! The modules that are live: embedded stock ones, replaced or joined by what the tenant uploaded.

pub mod cache;
pub mod loaded;
pub mod loader;
pub mod menu;
pub mod stock;
pub mod sync;
pub mod token;
pub mod watch;

pub use loaded::{LoadedModule, LoadedModules, Modules, Origin};
