//! gotrs
