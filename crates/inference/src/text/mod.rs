//! Token classification: a model that says of every token of a text whether it identifies somebody, and as what.

mod classifier;
mod labels;
mod spans;
mod windows;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::UNIX_EPOCH,
};

pub use classifier::{DEFAULT_THRESHOLD, Options, TokenClassifier};
pub use spans::MODEL_RULE;
use sutura_privacy::text::Model;

use crate::error::InferenceError;

/// Opens a model of language for a text stage: a folder with `model.onnx`, `tokenizer.json` and `config.json`. `runtime` is the library, else
/// `ORT_DYLIB_PATH` says it. A model that is in use already is given again: it is large, and may be shared.
///
/// # Errors
/// As [`TokenClassifier::open`].
pub fn open(path: &Path, runtime: Option<&Path>) -> Result<Arc<dyn Model>, InferenceError> {
    /// Path and state of the files, and the model while somebody has it.
    type InUse = (PathBuf, Vec<u8>, Weak<TokenClassifier>);
    static IN_USE: Mutex<Vec<InUse>> = Mutex::new(Vec::new());
    let mark = fingerprint(path);
    let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
    in_use.retain(|(.., model)| model.strong_count() > 0);
    let same = in_use.iter().find(|(known, known_mark, _)| known == path && *known_mark == mark);
    if let Some(model) = same.and_then(|(.., model)| model.upgrade()) {
        return Ok(model);
    }
    let options = Options { runtime: runtime.map(Path::to_owned), ..Options::default() };
    let model = Arc::new(TokenClassifier::open(path, &options)?);
    in_use.push((path.to_owned(), mark, Arc::downgrade(&model)));
    Ok(model)
}

/// What tells one state of a model's files from another without reading the weights: names, sizes and times of what lies beside it.
pub fn fingerprint(path: &Path) -> Vec<u8> {
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    let mut files: Vec<_> = [folder.to_owned(), folder.join("onnx")]
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flat_map(|entries| entries.flatten().take(1000))
        .filter_map(|entry| {
            let known = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            let time = known.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
            Some(format!("{} {} {}\n", entry.file_name().display(), known.len(), time.as_nanos()))
        })
        .collect();
    files.sort();
    files.concat().into_bytes()
}
