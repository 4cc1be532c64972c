//! Lists in pages: `limit` and `cursor` in, `items` and `next` out.

use axum::extract::FromRequestParts;
use http::request::Parts;
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
pub struct PageRequest {
    /// Begin after the item of this id.
    pub cursor: Option<Uuid>,
    limit: u16,
}

#[derive(Deserialize)]
struct RawPage {
    cursor: Option<Uuid>,
    limit: Option<u16>,
}

impl<S: Send + Sync> FromRequestParts<S> for PageRequest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(raw) = Query::<RawPage>::from_request_parts(parts, state).await?;
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

impl PageRequest {
    /// How many items to read: one more than the page has, to see whether another follows.
    pub fn fetch(self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The page of what was fetched.
    pub fn page<T>(self, mut items: Vec<T>, id: impl Fn(&T) -> Uuid) -> Page<T> {
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
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// The cursor of the next page, if there is one.
    pub next: Option<Uuid>,
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
