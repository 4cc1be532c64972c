//! The page engine: Tera templates, components and assets.
//!
//! A page is a struct that implements [`Page`]; its fields are the variables of its template. [`Pages`] holds the
//! templates of this crate (layouts, components, error pages) and those of one service. Everything is escaped;
//! HTML is only ever written in templates. `templates/README.md` lists the components.

mod assets;
mod blocks;
mod context;
mod error_pages;
mod functions;
mod headers;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use rust_embed::RustEmbed;
use serde::Serialize;
use tera::{Context, Tera};

pub use assets::{asset, asset_path, assets};
pub use context::{
    CsrfToken, Density, NavItem, NavSection, RequestContext, RequestTime, Shell, Theme, User,
};
pub use error_pages::{ErrorPages, error_pages};
pub use functions::percent_encode;
pub use headers::{CONTENT_SECURITY_POLICY, security_headers};

use crate::{Chain, Problem};

/// A page: the struct is what the template may use, by the names of its fields.
pub trait Page: Serialize {
    /// Name of the template, such as `pages/tenants.html`.
    const TEMPLATE: &'static str;
}

/// Templates that cannot be used; found at start, not when a page is asked for.
#[derive(Debug, thiserror::Error)]
pub enum PagesError {
    /// A template that is not UTF-8.
    #[error("the template {0} is not UTF-8")]
    NotText(String),
    /// Tera found syntax errors, or names that do not exist.
    #[error("the templates cannot be compiled")]
    Compile(#[source] tera::Error),
}

/// Why a page could not be rendered: our fault, such as a variable that the struct does not have.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The struct cannot be turned into variables.
    #[error("the variables of {template} cannot be read")]
    Variables {
        /// Which template.
        template: &'static str,
        /// Why.
        #[source]
        source: tera::Error,
    },
    /// The template failed.
    #[error("rendering {template} failed")]
    Template {
        /// Which template.
        template: &'static str,
        /// Why, with the place in the template.
        #[source]
        source: tera::Error,
    },
}

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/templates"]
#[include = "*.html"]
struct KitTemplates;

/// All templates of one service. Clones are the same set.
#[derive(Clone)]
pub struct Pages {
    inner: Arc<Inner>,
}

struct Inner {
    tera: Tera,
    blocks: blocks::Blocks,
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

impl Pages {
    /// Compiles the templates of this crate and those of a service. A service's template replaces one of ours that has
    /// the same name.
    pub fn new<T: RustEmbed>() -> Result<Self, PagesError> {
        let mut sources = BTreeMap::new();
        read_templates::<KitTemplates>(&mut sources)?;
        read_templates::<T>(&mut sources)?;
        let mut tera = Tera::default();
        functions::register(&mut tera);
        tera.add_raw_templates(&sources)
            .map_err(PagesError::Compile)?;
        Ok(Self {
            inner: Arc::new(Inner {
                tera,
                blocks: blocks::Blocks::find(&sources),
            }),
        })
    }

    /// The answer: the whole page or, for HTMX, the block of it that is named like the element it asked for
    /// (`HX-Target`), else the block `content`. A failure is logged and answered with a problem.
    pub fn render<P: Page>(&self, page: &P, request: &RequestContext) -> Response {
        match self.try_render(page, request) {
            Ok(text) => respond(text),
            Err(error) => {
                tracing::error!(error = %Chain(&error), "a page could not be rendered");
                Problem::internal().into_response()
            }
        }
    }

    /// The text of [`Pages::render`].
    pub fn try_render<P: Page>(
        &self,
        page: &P,
        request: &RequestContext,
    ) -> Result<String, RenderError> {
        let mut context = variables(P::TEMPLATE, page)?;
        context.insert("request", request);
        let block = request.fragment.as_deref().map(|target| {
            let has_block = self.inner.blocks.has(P::TEMPLATE, target);
            if has_block { target } else { "content" }
        });
        match block {
            Some(block) => self.inner.tera.render_block(P::TEMPLATE, block, &context),
            None => self.inner.tera.render(P::TEMPLATE, &context),
        }
        .map_err(|source| RenderError::Template {
            template: P::TEMPLATE,
            source,
        })
    }

    /// Renders something that is not an answer to a browser, such as a mail. Names that end in `.html` are escaped,
    /// others (`.txt`) are not.
    pub fn render_text(
        &self,
        template: &'static str,
        values: &impl Serialize,
    ) -> Result<String, RenderError> {
        let context = variables(template, values)?;
        self.inner
            .tera
            .render(template, &context)
            .map_err(|source| RenderError::Template { template, source })
    }
}

fn variables(template: &'static str, values: &impl Serialize) -> Result<Context, RenderError> {
    Context::from_serialize(values).map_err(|source| RenderError::Variables { template, source })
}

fn read_templates<T: RustEmbed>(sources: &mut BTreeMap<String, String>) -> Result<(), PagesError> {
    for name in T::iter() {
        let Some(file) = T::get(&name) else { continue };
        match String::from_utf8(file.data.into_owned()) {
            Ok(text) => sources.insert(name.into_owned(), text),
            Err(_not_text) => return Err(PagesError::NotText(name.into_owned())),
        };
    }
    Ok(())
}

/// Pages are personal and change: nobody in between may keep them, and a fragment is not the page.
fn respond(text: String) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::VARY,
        HeaderValue::from_static("HX-Request, HX-Target, Accept, Cookie"),
    );
    (headers, Html(text)).into_response()
}

/// Tells HTMX to go to another page (a redirect would be followed unseen and its answer put into the fragment).
pub const HX_REDIRECT: HeaderName = HeaderName::from_static("hx-redirect");

#[cfg(test)]
mod tests;
