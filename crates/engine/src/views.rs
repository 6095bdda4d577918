//! Views (ViewDefinitions) as files, and in the place of a table's name in SQL.

use std::{fs::File, io::Read, path::Path, sync::Arc};

use sutura_core::{Format, ViewText};

use crate::error::{EngineError, Result};

/// Most bytes of a view.
const MOST_BYTES: u64 = 4 << 20;

/// Reads the file of a view. Its path is its origin.
pub fn read_view(path: &Path) -> Result<ViewText> {
    let bad = |reason: String| EngineError::BadLocation { location: path.display().to_string(), reason };
    let unreadable = |error: std::io::Error| bad(format!("the view cannot be read: {error}"));
    let mut text = Vec::new();
    File::open(path).map_err(unreadable)?.take(MOST_BYTES + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(bad(format!("larger than {} MiB, the most that a view may have", MOST_BYTES >> 20)));
    }
    Ok(ViewText { origin: path.display().to_string(), name: None, text })
}

/// Whether the second argument of `read_<format>` is a view: the path of a `.json` file, or the definition itself.
pub(crate) fn is_view(argument: &str) -> bool {
    is_inline(argument) || Path::new(argument).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

pub(crate) fn is_inline(argument: &str) -> bool {
    argument.trim_start().starts_with('{')
}

/// The format with that view, and the name of the view's table: one that no table of a format can have.
pub(crate) fn format_with(format: &dyn Format, argument: &str) -> Result<(Arc<dyn Format>, String)> {
    let view = if is_inline(argument) {
        ViewText { origin: "in the query".to_owned(), name: None, text: argument.as_bytes().to_vec() }
    } else {
        read_view(Path::new(argument))?
    };
    let name = format!("view {}", view.origin);
    let format = format.with_views(&[ViewText { name: Some(name.clone()), ..view }])?;
    Ok((format, name))
}
