//! Exports that are folders: made beside their place and moved there when they are whole.

use std::{
    fs, io,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use indicatif::ProgressBar;
use sutura_synthetic::SyntheticError;

use super::Staging;
use crate::commands::lock::FolderLock;
use crate::failure::{Failure, Outcome};

/// Told how many patients or studies are written; says whether to go on.
pub(super) type Written<'a> = &'a dyn Fn(u64) -> ControlFlow<()>;

/// Writes the folders `parts` and `truth.json` into a hidden folder and moves them to `folder`.
pub(super) async fn write<T: Send + 'static>(
    folder: PathBuf,
    parts: &[&str],
    bar: ProgressBar,
    export: impl FnOnce(&Path, Written<'_>) -> Result<T, SyntheticError> + Send + 'static,
) -> Outcome<T> {
    let _lock = FolderLock::take(&folder)?;
    let shown = folder.display().to_string();
    let failed = |error: io::Error| Failure::io(&shown, &error);
    if let Some(path) = taken(&folder, parts).map_err(failed)? {
        return Err(SyntheticError::OtherFeed { path }.into());
    }
    let staging = Staging::beside(&folder).map_err(failed)?;
    let stop = Arc::new(AtomicBool::new(false));
    let _guard = StopWhenDropped(stop.clone());
    let (place, ticks) = (staging.0.clone(), bar.clone());
    let work = tokio::task::spawn_blocking(move || {
        export(&place, &|written| {
            ticks.set_position(written);
            if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    });
    let truth = work.await.map_err(|error| Failure::failed(format!("generating stopped: {error}")))??;
    bar.finish_and_clear();
    publish(&staging.0, &folder, parts).map_err(failed)?;
    Ok(truth)
}

/// Ends the work on another thread when nobody waits for it any more.
struct StopWhenDropped(Arc<AtomicBool>);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A part of an export that is there already and not empty: a reader of the folder would count both.
fn taken(folder: &Path, parts: &[&str]) -> io::Result<Option<PathBuf>> {
    for part in parts.iter().map(|part| folder.join(part)) {
        if part.exists() && fs::read_dir(&part)?.next().is_some() {
            return Ok(Some(part));
        }
    }
    Ok(None)
}

/// Moves the folders to their place, the truth last.
fn publish(staging: &Path, folder: &Path, parts: &[&str]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let truth = folder.join("truth.json");
    if truth.exists() {
        fs::remove_file(&truth)?;
    }
    for (from, to) in parts.iter().map(|part| (staging.join(part), folder.join(part))) {
        if to.exists() {
            // Only an empty one can be removed.
            fs::remove_dir(&to)?;
        }
        if from.exists() {
            fs::rename(from, to)?;
        }
    }
    fs::rename(staging.join("truth.json"), truth)
}
