//! tenant-database
