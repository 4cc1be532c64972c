//! The module format: YAML text in, a validated [`ModuleSpec`] and every finding out.
//!
//! [`parse`] is the entry point. It is synchronous and pure, knows no database and runs no JavaScript: whether a
//! table exists is the runtime's question, whether a lambda compiles is `module-engine`'s. Both ask
//! [`ModuleSpec::finding_at`] and [`Lambda::position`] for places in the author's file.
//!
//! ```
//! let (spec, findings) = module_spec::parse(
//!     "module: {name: laptop, singular: Laptop, plural: Laptops, storage: managed}\n\
//!      fields:\n\
//!      - {name: serial, type: string, required: true}\n",
//! );
//! assert!(findings.is_empty());
//! assert_eq!(spec.unwrap().table().as_str(), "x_laptop");
//! ```

#![warn(missing_docs)]
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod cron;
mod diff;
mod findings;
mod keys;
mod lambda;
mod lines;
pub mod lsp;
mod parse;
mod pattern;
mod reader;
mod reference;
mod render;
mod schema;
mod spec;
mod text;
mod validate;
mod write;
mod yaml;

pub use cron::{Cron, ParseCronError};
pub use diff::{Change, ChangeKind, diff};
pub use lambda::Lambda;
pub use parse::{MAX_BYTES, MAX_NESTING, Parsed, parse, parse_all};
pub use pattern::Pattern;
pub use reference::reference;
pub use render::render_text;
pub use schema::json_schema;
pub use spec::*;
pub use text::Text;
pub use write::to_yaml;
