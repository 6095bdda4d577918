//! `sutura generate`: made-up feeds and records with known truth.
//!
//! A feed is made in a hidden folder beside its place and moved there when it is whole, so that an
//! interrupt leaves nothing behind that could be taken for a feed.

pub(super) mod ccda;
pub(crate) mod dicom;
pub(super) mod fhir;
mod folders;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sutura_synthetic::{Compression, Feed, FeedOptions, LineEnd, Shape, SyntheticError, Truth};

use super::block_on;
use crate::{
    args::{FeedCompression, FeedLineEnd, FeedShape, GenerateHl7v2Args},
    failure::{CLEAN, Failure, Outcome},
    output::{self, Console},
    progress,
};

/// Runs the command.
pub(crate) fn run(args: &GenerateHl7v2Args, console: Console) -> Outcome {
    let options = FeedOptions {
        messages: args.messages,
        per_file: args.per_file,
        seed: args.seed,
        malformed_share: args.malformed_share,
        duplicate_share: args.duplicate_share,
        population: args.population,
        first_day: args.first_day.clone(),
        shape: match args.shape {
            FeedShape::Separated => Shape::Separated,
            FeedShape::Mllp => Shape::Mllp,
            FeedShape::Batch => Shape::Batch,
        },
        line_end: match args.line_end {
            FeedLineEnd::Cr => LineEnd::Cr,
            FeedLineEnd::Lf => LineEnd::Lf,
        },
        compression: match args.compress {
            FeedCompression::None => Compression::None,
            FeedCompression::Gzip => Compression::Gzip,
            FeedCompression::Zstd => Compression::Zstd,
        },
    };
    let truth = block_on(feed(options, args.out.clone(), console))?;
    if args.json {
        output::print_json(&truth)?;
    } else {
        let bytes: u64 = truth.files.iter().map(|file| file.bytes).sum();
        let said = format!(
            "{} messages in {} files, {:.1} MB, in {}\n{} records a reader must find = {} to accept + {} to reject; the whole truth is in truth.json\n",
            truth.messages,
            truth.files.len(),
            bytes as f64 / 1e6,
            args.out.display(),
            truth.records,
            truth.accepted,
            truth.rejected,
        );
        output::print_summary(console, &said)?;
    }
    Ok(CLEAN)
}

/// Writes a feed into a folder.
pub(super) async fn feed(options: FeedOptions, folder: PathBuf, console: Console) -> Outcome<Truth> {
    let bar = progress::messages(console, options.messages, "generating");
    let feed = Feed::new(options)?;
    let shown = folder.display().to_string();
    let staging = Staging::beside(&folder).map_err(|error| Failure::io(&shown, &error))?;
    let (place, ticks) = (staging.0.clone(), bar.clone());
    let work = tokio::task::spawn_blocking(move || feed.write_to(&place, &|written| ticks.set_position(written)));
    let truth = work.await.map_err(|error| Failure::failed(format!("generating stopped: {error}")))??;
    bar.finish_and_clear();
    let names: Vec<String> = truth.files.iter().map(|file| file.name.clone()).collect();
    publish(&staging.0, &folder, &names).map_err(|error| Failure::io(&shown, &error))?;
    Ok(truth)
}

/// A hidden folder that is gone when the work is given up. The generator then cannot make another file
/// in it, and ends.
struct Staging(PathBuf);

impl Staging {
    fn beside(folder: &Path) -> io::Result<Self> {
        let folder = std::path::absolute(folder)?;
        let name = folder.file_name().map_or_else(|| "feed".to_owned(), |name| name.to_string_lossy().into_owned());
        let parent = folder.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(parent)?;
        let staging = parent.join(format!(".{name}.sutura-{}", std::process::id()));
        fs::create_dir_all(&staging)?;
        Ok(Self(staging))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // A file may be made between listing and removing; a second try finds it.
        for _ in 0..3 {
            if fs::remove_dir_all(&self.0).is_ok() || !self.0.exists() {
                break;
            }
        }
    }
}

/// Moves the files to their place, the truth last. A folder with files of a longer feed is refused:
/// a reader of the folder would count both.
fn publish(staging: &Path, folder: &Path, names: &[String]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let bare = [".gz", ".zst"].iter().find_map(|packed| name.strip_suffix(packed)).unwrap_or(&name);
        if name.starts_with("feed_") && Path::new(bare).extension().is_some_and(|end| end == "hl7") && !names.contains(&name) {
            return Err(io::Error::other("the folder holds files of another feed; choose an empty folder or remove them"));
        }
    }
    let old_truth = folder.join("truth.json");
    if old_truth.exists() {
        fs::remove_file(old_truth)?;
    }
    for name in names.iter().map(String::as_str).chain(["truth.json"]) {
        fs::rename(staging.join(name), folder.join(name))?;
    }
    Ok(())
}

impl From<SyntheticError> for Failure {
    fn from(error: SyntheticError) -> Self {
        match error {
            SyntheticError::BadOption { option, reason } => Self::configuration(format!("--{}: {reason}", option.replace('_', "-"))),
            SyntheticError::OtherFeed { .. } => Self::configuration(error),
            other => Self::failed(crate::failure::chain(&other)),
        }
    }
}
