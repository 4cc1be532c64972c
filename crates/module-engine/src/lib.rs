//! module-engine
