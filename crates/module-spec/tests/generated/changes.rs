//! Properties of the differences between two modules.
