//! module-spec
