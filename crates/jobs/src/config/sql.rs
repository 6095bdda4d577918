//! Which tables a query reads, known before anything runs.

use sutura_engine::{EngineError, query};

use crate::build::plain;

/// The tables a SELECT statement reads, as they are written in jobs (`feed.messages`, `step_name`).
///
/// # Errors
/// A message for people when the text is not exactly one SELECT statement.
pub fn tables_of(query: &str) -> Result<Vec<String>, String> {
    query::tables_of(query).map_err(|error| match error {
        EngineError::BadCall { reason, .. } => reason,
        error => format!("the query cannot be parsed: {}", plain(error)),
    })
}
