//! Lists in pages: `limit` and `cursor` in, `items` and `next` out.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use service_kit::Problem;
use service_kit::extract::Query;
use uuid::Uuid;

/// Items of a page unless asked otherwise.
const DEFAULT_LIMIT: u16 = 50;
/// Most items of a page.
const MAX_LIMIT: u16 = 200;

/// Which page is wanted.
#[derive(Debug, Clone, Copy)]
pub struct PageRequest<C = Uuid> {
    /// Begin after the item of this id (or name, or number).
    pub cursor: Option<C>,
    limit: u16,
}

#[derive(Deserialize)]
struct RawPage<C> {
    cursor: Option<C>,
    limit: Option<u16>,
}

impl<S: Send + Sync, C: DeserializeOwned> FromRequestParts<S> for PageRequest<C> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(raw) = Query::<RawPage<C>>::from_request_parts(parts, state).await?;
        let limit = raw.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Problem::bad_request(format!(
                "limit is {limit}; it must be between 1 and {MAX_LIMIT}."
            )));
        }
        Ok(Self {
            cursor: raw.cursor,
            limit,
        })
    }
}

impl<C> PageRequest<C> {
    /// How many items to read: one more than the page has, to see whether another follows.
    pub fn fetch(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The page of what was fetched.
    pub fn page<T>(&self, mut items: Vec<T>, id: impl Fn(&T) -> C) -> Page<T, C> {
        let limit = usize::from(self.limit);
        let is_last = items.len() <= limit;
        items.truncate(limit);
        Page {
            next: items.last().filter(|_| !is_last).map(id),
            items,
        }
    }
}

/// One page of a list.
#[derive(Debug, Serialize)]
pub struct Page<T, C = Uuid> {
    /// What is on it.
    pub items: Vec<T>,
    /// The cursor of the next page, if there is one.
    pub next: Option<C>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_is_the_last_item_of_a_page_that_is_not_the_last() {
        let request = PageRequest {
            cursor: None,
            limit: 2,
        };
        let ids: Vec<Uuid> = (1..=3).map(Uuid::from_u128).collect();
        let page = request.page(ids.clone(), |id| *id);
        assert_eq!((page.items.len(), page.next), (2, Some(ids[1])));
        let page = request.page(ids[..2].to_vec(), |id| *id);
        assert_eq!((page.items.len(), page.next), (2, None));
        assert_eq!(request.page(Vec::new(), |id: &Uuid| *id).next, None);
    }
}
