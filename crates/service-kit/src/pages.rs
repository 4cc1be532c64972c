//! The page engine: Tera templates, components and assets.
