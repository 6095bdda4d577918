//! The ONNX Runtime: a library of the user's, loaded when it is first needed.
//!
//! Nothing is downloaded and nothing is linked: a program that uses no model needs no library. Loading a library runs its code, so the path is the user's
//! word, never taken from data.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use ort::environment::Environment;

use crate::error::InferenceError;

/// The variable with the path of the library.
pub const RUNTIME_VARIABLE: &str = "ORT_DYLIB_PATH";

/// The library and its environment, loaded once for the process and never unloaded.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

/// The loaded ONNX Runtime. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Runtime {
    path: PathBuf,
    pub(crate) environment: Environment,
}

impl Runtime {
    /// Loads the library at `path` (a file, or a folder with libonnxruntime in it), else at `ORT_DYLIB_PATH`, else gives the one that is loaded already.
    ///
    /// # Errors
    /// When no path is known, the library cannot be loaded or is older than 1.24, or another one is loaded already.
    pub fn load(path: Option<&Path>) -> Result<Self, InferenceError> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        let from_environment = || std::env::var_os(RUNTIME_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        let path = match (path.map(Path::to_owned).or_else(from_environment), &*loaded) {
            (Some(path), _) => library_in(&path)?,
            (None, Some(runtime)) => return Ok(runtime.clone()),
            (None, None) => return Err(InferenceError::NoRuntime),
        };
        if let Some(runtime) = &*loaded {
            return if runtime.path == path { Ok(runtime.clone()) } else { Err(InferenceError::OtherRuntime(path)) };
        }
        let not_loaded = |reason: String| InferenceError::NotLoaded { path: path.clone(), reason };
        let builder = ort::init_from(&path).map_err(|error| not_loaded(error.to_string()))?;
        let environment = builder.with_name("sutura").with_telemetry(false).build().map_err(|error| not_loaded(error.to_string()))?;
        // What it logs goes past the program's own log, and may quote what it is given.
        environment.set_log_level(ort::logging::LogLevel::Fatal);
        let runtime = Self { path, environment };
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    /// The library.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The library at a path, as an absolute path without links: the loader looks for relative ones elsewhere.
fn library_in(path: &Path) -> Result<PathBuf, InferenceError> {
    let not_readable = |error: std::io::Error| InferenceError::NotReadable { path: path.to_owned(), kind: error.kind() };
    let found = fs::canonicalize(path).map_err(not_readable)?;
    if !found.is_dir() {
        return Ok(found);
    }
    let mut names: Vec<PathBuf> = fs::read_dir(&found).map_err(not_readable)?.flatten().map(|entry| entry.path()).collect();
    names.retain(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_library));
    names.sort();
    let reason = || "the folder has no libonnxruntime".to_owned();
    names.into_iter().next().ok_or_else(|| InferenceError::NotLoaded { path: found, reason: reason() })
}

/// `libonnxruntime.so.1.31.1`, `libonnxruntime.1.31.1.dylib`, `onnxruntime.dll`; not the libraries of its execution providers.
fn is_library(name: &str) -> bool {
    let of_mac = name.strip_prefix("libonnxruntime.").is_some_and(|rest| rest == "dylib" || rest.strip_suffix(".dylib").is_some());
    of_mac || name.starts_with("libonnxruntime.so") || name == "onnxruntime.dll"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_known_by_name() {
        for name in
            ["libonnxruntime.so", "libonnxruntime.so.1.31.1", "libonnxruntime.1.31.1.dylib", "libonnxruntime.dylib", "onnxruntime.dll"]
        {
            assert!(is_library(name), "{name}");
        }
        for name in ["libonnxruntime_providers_shared.so", "libonnxruntime.txt", "onnxruntime.lib"] {
            assert!(!is_library(name), "{name}");
        }
    }

    #[test]
    fn what_is_no_runtime_is_said() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Runtime::load(Some(folder.path())), Err(InferenceError::NotLoaded { .. })));
        let file = folder.path().join("libonnxruntime.so");
        fs::write(&file, "no library").unwrap();
        assert!(matches!(Runtime::load(Some(folder.path())), Err(InferenceError::NotLoaded { .. })));
        assert!(matches!(Runtime::load(Some(&folder.path().join("none"))), Err(InferenceError::NotReadable { .. })));
    }
}
