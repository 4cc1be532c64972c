//! Accounts as their owners see them.

use domain::id::AccountId;

use crate::app::AppState;
use crate::db::DbResult;
use crate::db::account::{self, Account};

/// An account.
pub async fn find(state: &AppState, id: AccountId) -> DbResult<Option<Account>> {
    let mut db = state.pool.acquire().await?;
    account::find(&mut db, id).await
}
