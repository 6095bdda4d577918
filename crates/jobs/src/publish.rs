//! Outputs appear together or not at all, as far as a file system can do that.
//!
//! While a run goes on, its outputs are in hidden folders beside their places. At the end they are renamed into place
//! one after the other, and `manifest.json` comes last: without it an output is not complete, and the next run makes it anew.

use std::{
    fs::{self, File, TryLockError},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use sutura_engine::sink;

use crate::error::{JobError, Result};

/// Name of the manifest in the output folder.
pub(crate) const MANIFEST: &str = "manifest.json";
const STAGE: &str = ".staging-";
const OLD: &str = ".replaced-";
/// What the engine's sinks write into until it is whole; its name goes on with that of the stage.
const WRITING: &str = ".tmp-";
/// Characters of a run's UUID.
const RUN_ID: usize = 36;

/// Keeps other runs out of an output folder as long as it lives.
#[derive(Debug)]
pub(crate) struct OutputLock(#[expect(dead_code, reason = "held for its lock")] File);

impl OutputLock {
    /// Takes the folder, making it if needed.
    pub(crate) fn take(output: &Path) -> Result<Self> {
        fs::create_dir_all(output).map_err(|error| JobError::io(output, error))?;
        let path = output.join(".lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(|error| JobError::io(&path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(JobError::Busy { output: output.to_owned() }),
            Err(TryLockError::Error(error)) => Err(JobError::io(&path, error)),
        }
    }
}

/// The outputs of one run on their way to their places.
#[derive(Debug)]
pub(crate) struct Staging {
    run_id: String,
    moves: Vec<(PathBuf, PathBuf)>,
    done: bool,
}

impl Staging {
    /// Nothing staged yet.
    pub(crate) fn new(run_id: &str) -> Self {
        Self { run_id: run_id.to_owned(), moves: Vec::new(), done: false }
    }

    /// A hidden place for what is going to be at `place`. What dead runs left beside it is swept away.
    pub(crate) fn add(&mut self, place: &Path) -> Result<PathBuf> {
        let name = place.file_name().and_then(|name| name.to_str());
        let (Some(name), Some(parent)) = (name, place.parent()) else {
            return Err(JobError::Config(format!("{}: cannot be an output; give a folder with a name", place.display())));
        };
        // The parent of a bare name is the empty path, which no system call takes.
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        fs::create_dir_all(parent).map_err(|error| JobError::io(parent, error))?;
        sweep(parent, name).map_err(|error| JobError::io(parent, error))?;
        if !is_ours(place) {
            return Err(JobError::ForeignFolder { path: place.to_owned() });
        }
        let staged = parent.join(format!("{STAGE}{name}-{}", self.run_id));
        self.moves.push((staged.clone(), place.to_owned()));
        Ok(staged)
    }

    /// The hidden places, in order.
    pub(crate) fn staged(&self) -> impl Iterator<Item = &Path> {
        self.moves.iter().map(|(staged, _)| staged.as_path())
    }

    /// Renames everything into place, then `manifest` (already staged or not yet there) is written last.
    pub(crate) fn publish(&mut self, manifest_path: &Path, manifest: &[u8]) -> Result<()> {
        // From here until the new manifest is written the output does not count as complete.
        match fs::remove_file(manifest_path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(JobError::io(manifest_path, error)),
            _ => {}
        }
        let mut replaced: Vec<(PathBuf, PathBuf)> = Vec::new();
        let mut published: Vec<&PathBuf> = Vec::new();
        for (staged, place) in &self.moves {
            let moved = self.replace(staged, place, &mut replaced);
            if let Err(error) = moved {
                // Back to what was there before.
                for place in published {
                    let _ = fs::remove_dir_all(place);
                }
                for (old, place) in replaced {
                    let _ = fs::rename(old, place);
                }
                return Err(JobError::io(place, error));
            }
            published.push(place);
        }
        write_file(manifest_path, manifest)?;
        self.done = true;
        for (old, _) in replaced {
            let _ = fs::remove_dir_all(old);
        }
        Ok(())
    }

    fn replace(&self, staged: &Path, place: &Path, replaced: &mut Vec<(PathBuf, PathBuf)>) -> io::Result<()> {
        let name = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if place.exists() {
            let old = place.with_file_name(format!("{OLD}{name}-{}", self.run_id));
            fs::rename(place, &old)?;
            replaced.push((old, place.to_owned()));
        }
        fs::rename(staged, place)?;
        sync_folder(place.parent().unwrap_or(Path::new(".")))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.done {
            for (staged, _) in &self.moves {
                let _ = fs::remove_dir_all(staged);
            }
        }
    }
}

/// Removes what dead runs left beside the output of a run that has nothing to do; what cannot be removed stays.
pub(crate) fn sweep_beside(place: &Path) {
    if let (Some(parent), Some(name)) = (place.parent(), place.file_name().and_then(|name| name.to_str())) {
        let _ = sweep(parent, name);
    }
}

/// Removes what dead runs left beside an output. The caller holds the output's lock.
fn sweep(parent: &Path, name: &str) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let file_name = entry.file_name();
        let Some(text) = file_name.to_str() else { continue };
        let run_of = |text, mark| str::strip_prefix(text, mark)?.strip_prefix(name)?.strip_prefix('-');
        let being_written = text
            .strip_prefix(WRITING)
            .and_then(|stage| run_of(stage, STAGE))
            .is_some_and(|run| run.len() > RUN_ID && run.as_bytes()[RUN_ID] == b'-');
        let ours = being_written || [STAGE, OLD].into_iter().any(|mark| run_of(text, mark).is_some_and(|run| run.len() == RUN_ID));
        if ours {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Whether a folder may be replaced: it is not there, is empty, or has the manifest of a sink.
fn is_ours(place: &Path) -> bool {
    match fs::read_dir(place) {
        Err(error) => error.kind() == ErrorKind::NotFound,
        Ok(mut entries) => entries.next().is_none() || place.join(sink::MANIFEST).is_file(),
    }
}

/// Writes a file so that it is there whole or not at all.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> {
        let parent = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent)?;
        let staged = path.with_extension(format!("{}.tmp", path.extension().unwrap_or_default().to_string_lossy()));
        fs::write(&staged, bytes)?;
        // What only its owner may read stays so.
        if let Ok(before) = fs::metadata(path) {
            fs::set_permissions(&staged, before.permissions())?;
        }
        File::open(&staged)?.sync_all()?;
        fs::rename(&staged, path)?;
        sync_folder(parent)
    };
    write().map_err(|error| JobError::io(path, error))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "01900000-0000-7000-8000-000000000000";

    fn staged(staging: &mut Staging, place: &Path, content: &str) {
        let stage = staging.add(place).unwrap();
        fs::create_dir_all(&stage).unwrap();
        fs::write(stage.join(sink::MANIFEST), content).unwrap();
    }

    #[test]
    fn outputs_appear_together_and_replace_the_old_ones() {
        let folder = tempfile::tempdir().unwrap();
        let places = [folder.path().join("a"), folder.path().join("b")];
        for content in ["first", "second"] {
            let mut staging = Staging::new(RUN);
            for place in &places {
                staged(&mut staging, place, content);
            }
            staging.publish(&folder.path().join(MANIFEST), content.as_bytes()).unwrap();
            assert!(places.iter().all(|place| fs::read_to_string(place.join(sink::MANIFEST)).unwrap() == content));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing hidden is left");
    }

    #[test]
    fn what_a_killed_run_was_writing_is_swept_away() {
        let folder = tempfile::tempdir().unwrap();
        let dead = folder.path().join(format!(".tmp-.staging-a-{RUN}-77-1795260737289743494-6"));
        let other = folder.path().join(format!(".tmp-.staging-a-b-{RUN}-77-1795260737289743494-6"));
        for place in [&dead, &other] {
            fs::create_dir_all(place.join("data")).unwrap();
        }
        let _ = Staging::new(RUN).add(&folder.path().join("a-b")).unwrap();
        assert!(dead.exists() && !other.exists());
        fs::create_dir_all(other.join("data")).unwrap();
        let _ = Staging::new(RUN).add(&folder.path().join("a")).unwrap();
        assert!(!dead.exists() && other.exists(), "only its own");
    }

    #[test]
    fn a_run_that_is_given_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut staging = Staging::new(RUN);
        staged(&mut staging, &folder.path().join("a"), "x");
        drop(staging);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn leftovers_of_dead_runs_are_swept_and_foreign_folders_stay() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join(format!(".staging-a-{RUN}"));
        fs::create_dir(&left).unwrap();
        Staging::new("other").add(&folder.path().join("a")).unwrap();
        assert!(!left.exists());
        let foreign = folder.path().join("b");
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join("thesis.txt"), "x").unwrap();
        assert!(matches!(Staging::new(RUN).add(&foreign), Err(JobError::ForeignFolder { .. })));
    }

    #[test]
    fn two_runs_do_not_share_an_output() {
        let folder = tempfile::tempdir().unwrap();
        let first = OutputLock::take(folder.path()).unwrap();
        assert!(matches!(OutputLock::take(folder.path()), Err(JobError::Busy { .. })));
        drop(first);
        OutputLock::take(folder.path()).unwrap();
    }
}
