//! Replay: the sealed originals of a run's rejects are opened with the job's key and read again, such as after a reader
//! option was changed. What is accepted now goes through the same steps and sinks, into a folder of its own beside the
//! run's outputs, so that nothing published is touched and a second replay replaces the first.
//!
//! While it goes on, the opened originals are in a folder that only the owner can read, in memory where the system has
//! such a folder (`/dev/shm`); it is removed at the end.

use std::{
    fs,
    path::{Path, PathBuf},
};

use arrow::array::{Array, AsArray, BinaryArray, Int64Array, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sutura_core::record::{COL_OFFSET, COL_SOURCE};
use sutura_privacy::KeyRing;
use sutura_quality::Gate;

use crate::{
    Job,
    error::{JobError, Result},
    functions::as_text,
    manifest::Manifest,
    model::{GatesSection, StepSection},
    privacy::Privacy,
    record::RunReport,
    rejects,
    run::RunOptions,
};

/// Folder of replays in the output folder; each is named for the run whose rejects it read.
pub const REPLAYS: &str = "replays";

/// What a replay did.
#[derive(Debug, Clone)]
pub struct ReplayReport {
    /// Rejects of the last run.
    pub rejects: u64,
    /// Rejects whose whole original was there to be read again.
    pub replayed: u64,
    /// Where the outputs are.
    pub output: PathBuf,
    /// The run over the originals: its account says how many are accepted now.
    pub run: RunReport,
}

impl Job {
    /// Reads the rejects of the last complete run again.
    ///
    /// # Errors
    /// When there is no complete run, no sealed original, or the key is another one; and whatever a run can fail with.
    pub async fn replay(&self, options: RunOptions) -> Result<ReplayReport> {
        let section = self.spec.rejects.as_ref().filter(|section| section.originals);
        let Some(section) = section else {
            return Err(JobError::Config("the job keeps no originals: add a [rejects] table with originals = true".into()));
        };
        let output = self.local_output()?;
        let Some(manifest) = Manifest::read(&output) else {
            return Err(JobError::Config(format!("{}: there is no complete run to replay", output.display())));
        };
        let Some(privacy) = Privacy::open(&self.spec)? else {
            return Err(JobError::Config("opening the originals needs the [privacy] table with the key".into()));
        };
        let originals = private_folder()?;
        let mut job = self.clone();
        let (mut rejects, mut replayed) = (0, 0);
        for source in &mut job.spec.sources {
            let folder = originals.path().join(&source.name);
            fs::create_dir(&folder).map_err(|error| JobError::io(&folder, error))?;
            let extension = self.format_of(source).and_then(|format| format.extensions().first().copied()).unwrap_or("dat");
            let kept = Path::new(&section.path).join(&source.name);
            let files = kept_files(&manifest, &source.name, &kept)?;
            let (seen, opened) = open_all(&files, &folder, extension, &privacy.keys)?;
            rejects += seen;
            replayed += opened;
            source.path = folder.to_string_lossy().into_owned();
            source.allow_empty = true;
        }
        // The vault and key are opened again by the run.
        drop(privacy);
        let place = output.join(REPLAYS).join(&manifest.run_id);
        job.redirect(&place);
        let run = job.run(RunOptions { force: true, ..options }).await?;
        Ok(ReplayReport { rejects, replayed, output: place, run })
    }

    /// Sends every output below `place`, and lets no gate stop a handful of records that were bad before.
    fn redirect(&mut self, place: &Path) {
        let below = |name: &str| place.join(name).to_string_lossy().into_owned();
        self.spec.job.output = place.to_string_lossy().into_owned();
        for sink in &mut self.spec.sinks {
            sink.path = Some(below(&sink.name()));
        }
        if let Some(rejects) = &mut self.spec.rejects {
            rejects.path = below("rejects");
        }
        self.spec.gates = GatesSection::default();
        for step in &mut self.spec.steps {
            if let StepSection::Quality(step) = step
                && let Some(gate) = step.gate.as_mut().filter(|gate| gate.action == Gate::Stop)
            {
                gate.action = Gate::Warn;
            }
        }
    }
}

/// A folder that only the owner can read, in memory where possible.
fn private_folder() -> Result<tempfile::TempDir> {
    let builder = || {
        let mut builder = tempfile::Builder::new();
        builder.prefix("sutura-replay-");
        builder
    };
    builder().tempdir_in("/dev/shm").or_else(|_| builder().tempdir()).map_err(|error| JobError::io(&std::env::temp_dir(), error))
}

/// The reject files of a source that the last run wrote, all there and whole.
fn kept_files(manifest: &Manifest, source: &str, kept: &Path) -> Result<Vec<PathBuf>> {
    let missing = |what: String| JobError::RejectsMissing(what);
    let name = format!("rejects_{source}");
    let Some(sink) = manifest.sinks.iter().find(|sink| sink.name == name) else {
        return Err(missing(format!("the last run kept no rejects of the source {source} ({} should hold them)", kept.display())));
    };
    let mut files = Vec::new();
    for file in &sink.files {
        let path = kept.join(&file.path);
        match fs::metadata(&path) {
            Ok(found) if found.len() == file.bytes => files.push(path),
            Ok(found) => {
                let (is, was) = (found.len(), file.bytes);
                return Err(missing(format!("{}: the file of rejects has {is} bytes and had {was}", path.display())));
            }
            Err(error) => return Err(missing(format!("{}: the file of {} rejects cannot be read: {error}", path.display(), file.rows))),
        }
    }
    Ok(files)
}

/// Opens the originals of one source into files; says how many rejects there are and how many were whole.
fn open_all(files: &[PathBuf], folder: &Path, extension: &str, keys: &KeyRing) -> Result<(u64, u64)> {
    let (mut seen, mut opened) = (0, 0);
    for file in files {
        let unreadable = |error: &dyn std::fmt::Display| JobError::Config(format!("{}: cannot be read: {error}", file.display()));
        let handle = fs::File::open(file).map_err(|error| JobError::io(file, error))?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(handle).and_then(ParquetRecordBatchReaderBuilder::build);
        for batch in reader.map_err(|error| unreadable(&error))? {
            let batch = batch.map_err(|error| unreadable(&error))?;
            let originals = Originals::of(&batch).ok_or_else(|| unreadable(&"it is no reject table with originals"))?;
            for row in 0..batch.num_rows() {
                seen += 1;
                let Some((sealed, source, offset)) = originals.row(row) else { continue };
                let plain = keys.open(sealed, &rejects::place(source), rejects::offset(offset))?;
                // A reject over the reader's limit holds its beginning only, which would be read as something else.
                if plain.len() as i64 != originals.lengths.value(row) {
                    continue;
                }
                let path = folder.join(format!("{seen:09}.{extension}"));
                fs::write(&path, &*plain).map_err(|error| JobError::io(&path, error))?;
                opened += 1;
            }
        }
    }
    Ok((seen, opened))
}

/// The columns of a reject table that a replay needs.
struct Originals<'a> {
    sealed: &'a BinaryArray,
    sources: arrow::array::StringViewArray,
    offsets: &'a Int64Array,
    lengths: &'a Int64Array,
}

impl<'a> Originals<'a> {
    fn of(batch: &'a RecordBatch) -> Option<Self> {
        let integers = |name| batch.column_by_name(name)?.as_primitive_opt::<arrow::datatypes::Int64Type>();
        Some(Self {
            sealed: batch.column_by_name(rejects::BYTES)?.as_binary_opt::<i32>()?,
            sources: as_text(batch.column_by_name(COL_SOURCE)?).ok()?,
            offsets: integers(COL_OFFSET)?,
            lengths: integers(sutura_core::record::COL_LENGTH)?,
        })
    }

    fn row(&self, row: usize) -> Option<(&[u8], &str, i64)> {
        (!self.sealed.is_null(row)).then(|| (self.sealed.value(row), self.sources.value(row), self.offsets.value(row)))
    }
}
