//! tenant-runtime
