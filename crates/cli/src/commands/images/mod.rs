//! `sutura images`: the quality of DICOM images.
//!
//! Many threads measure a file each; what they find is added up in one place. A file's numbers do not depend on the others, and sums and
//! percentiles do not depend on their order but in the last bits.

mod report;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use serde::Serialize;
use sutura_core::Format;
use sutura_dicom::{
    DicomFile, Limits,
    pixels::{FrameMap, PixelDescription, PixelError, decode},
};
use sutura_engine::{Engine, EngineOptions, SourceFile};
use sutura_imaging::{
    Catalogue, Image, Image8, ImageGate, Images, MeasureOptions, Measurer, Metric, Outcome as Verdict, Rescale, is_no_picture, modality,
};

use super::{block_on, engine_with, read_text, whole};
use crate::{
    args::images::ImagesArgs,
    failure::{CLEAN, FAILED, Failure, Outcome, TOO_MANY_REJECTS},
    output::{self, Console},
};

/// The worst images that the report shows.
const SHOWN: usize = 24;
/// Images that are named; more are counted only.
const NAMED: usize = 100_000;
/// A side of a thumbnail.
const SIDE: usize = 256;

/// Runs the command.
pub(crate) fn run(args: &ImagesArgs, console: Console) -> Outcome {
    let purpose = args.allow.stated_purpose()?;
    let gate = gate(args.gate.as_deref())?;
    let (inputs, out) = args.places();
    let writer = report::Writer::open(&out, args.overwrite)?;
    let engine = engine_with(EngineOptions::default(), None)?;
    let files = block_on(files(engine, inputs))?;
    if let Some(inside) = files.iter().filter_map(|file| file.local.as_deref()).find(|file| file.starts_with(writer.folder())) {
        return Err(Failure::configuration(format!("{}: the results would go beside what is read; give another folder", inside.display())));
    }
    let jobs = args.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let plan = Plan { gate: &gate, keeps_images: args.thumbnails, max_file: args.max_file };
    let found = measure(&files, &plan, jobs, console);
    let said = Said::of(&found, &gate, purpose);
    writer.publish(&said, &found, &gate)?;
    if args.json {
        output::print_json(&said)?;
    } else {
        said.note(console);
        console.note(&format!("the report is {}", out.join("report.html").display()));
    }
    Ok(match (found.is_stopped, found.rejects.is_empty() && found.undecoded.is_empty(), found.outcomes.contains_key("quarantine")) {
        (true, _, _) => FAILED,
        (false, true, false) => CLEAN,
        _ => TOO_MANY_REJECTS,
    })
}

fn gate(path: Option<&str>) -> Outcome<ImageGate> {
    let Some(path) = path else { return Ok(ImageGate::default()) };
    let gate: ImageGate = toml::from_str(&read_text(path)?).map_err(|error| Failure::configuration(format!("{path}: {error}")))?;
    match gate.problems().first() {
        Some(problem) => Err(Failure::configuration(format!("{path}: {problem}"))),
        None => Ok(gate),
    }
}

async fn files(engine: Engine, inputs: &[String]) -> Outcome<Vec<SourceFile>> {
    let mut all = Vec::new();
    for input in inputs {
        let found = engine.files(input, Images.extensions()).await?;
        if found.iter().filter_map(|file| file.local.as_deref()).any(|path| !path.is_file()) {
            return Err(Failure::configuration(format!("{input}: is neither a file nor a folder")));
        }
        if found.iter().any(|file| file.local.is_none()) {
            return Err(Failure::configuration(format!(
                "{input}: this command reads files; of objects, read_dicom('{input}', 'image_quality') gives the same numbers"
            )));
        }
        all.extend(found);
    }
    all.sort_by(|a, b| a.uri.cmp(&b.uri));
    all.dedup_by(|a, b| a.uri == b.uri);
    Ok(all)
}

/// A file that could not be read.
#[derive(Debug, Serialize)]
struct Rejected {
    source: String,
    code: &'static str,
    offset: u64,
    reason: String,
}

/// An image that the gate did not let pass.
#[derive(Debug, Serialize)]
struct Flagged {
    source: String,
    /// From 1.
    frame: usize,
    modality: String,
    outcome: &'static str,
    breaches: Vec<Breached>,
}

#[derive(Debug, Serialize)]
struct Breached {
    metric: &'static str,
    value: Option<f64>,
    limit: Option<f64>,
}

/// One of the worst images.
struct Shown {
    modality: String,
    score: f64,
    /// Files and frames are told apart by their number, so that the pictures do not depend on threads.
    number: (usize, usize),
    image: Image8,
    histogram: sutura_imaging::Histogram,
}

/// What was found.
#[derive(Default)]
struct Found {
    files: u64,
    without_pixels: u64,
    images: u64,
    catalogue: Catalogue,
    scores: Vec<f64>,
    outcomes: BTreeMap<&'static str, u64>,
    flagged: Vec<Flagged>,
    rejects: Vec<Rejected>,
    /// Files whose pixels could not be decoded; they are among the rejects that are written.
    undecoded: Vec<Rejected>,
    worst: Vec<Shown>,
    is_stopped: bool,
}

/// What is done with every file.
struct Plan<'a> {
    gate: &'a ImageGate,
    keeps_images: bool,
    /// MiB of the largest file that is read.
    max_file: u32,
}

fn measure(files: &[SourceFile], plan: &Plan<'_>, jobs: usize, console: Console) -> Found {
    let found = Mutex::new(Found::default());
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let bar = crate::progress::files(console, files.len() as u64, "measuring");
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(files.len().max(1)) {
            scope.spawn(|| {
                let mut measurer = Measurer::new(MeasureOptions::default());
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(file) = files.get(number) else { break };
                    one(&mut measurer, number, file, plan, &found, &stop);
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.flagged.sort_by(|a, b| (&a.source, a.frame).cmp(&(&b.source, b.frame)));
    found.rejects.sort_by(|a, b| a.source.cmp(&b.source));
    found.undecoded.sort_by(|a, b| a.source.cmp(&b.source));
    found
}

/// Measures the frames of a file.
fn one(measurer: &mut Measurer, number: usize, source: &SourceFile, plan: &Plan<'_>, found: &Mutex<Found>, stop: &AtomicBool) {
    let with = |take: &mut dyn FnMut(&mut Found)| take(&mut found.lock().unwrap_or_else(PoisonError::into_inner));
    let limits = Limits { bytes: (plan.max_file as usize) << 20, ..Limits::default() };
    let rejected = |code, offset, reason: String| {
        let mut rejected = Some(Rejected { source: source.uri.to_string(), code, offset, reason });
        with(&mut |found| {
            found.files += 1;
            found.rejects.extend(rejected.take());
        });
    };
    let mut bytes = Vec::new();
    let read =
        source.local.as_deref().map(|path| whole::open(path).and_then(|mut file| whole::read_on(&mut file, &mut bytes, limits.bytes)));
    let bytes = match read {
        Some(Ok(true)) => bytes,
        Some(Ok(false)) => {
            return rejected("too-large", 0, format!("the file has more than {} MiB; --max-file allows larger ones", plan.max_file));
        }
        Some(Err(error)) => return rejected("io", 0, error.kind().to_string()),
        None => return rejected("io", 0, "not a file".to_owned()),
    };
    let file = match DicomFile::parse(bytes, &limits) {
        Ok(file) => file,
        Err(error) => return rejected(error.kind.code(), error.offset as u64, error.kind.to_string()),
    };
    with(&mut |found| found.files += 1);
    if is_no_picture(&file) {
        return with(&mut |found| found.without_pixels += 1);
    }
    let modality = modality(&file);
    let mut measured = 0;
    let outcome = frames(&file, |frame, image| {
        measured += 1;
        let report = measurer.measure(&image, &modality);
        let verdict = plan.gate.judge(&modality, &report);
        let score = report.value(Metric::Score);
        with(&mut |found| {
            found.images += 1;
            found.catalogue.push(&modality, &report);
            found.scores.extend(score);
            let word = word(verdict.outcome);
            *found.outcomes.entry(word).or_default() += 1;
            if verdict.outcome == Verdict::Stop {
                found.is_stopped = true;
                stop.store(true, Ordering::Relaxed);
            }
            if verdict.outcome != Verdict::Pass && found.flagged.len() < NAMED {
                let breached =
                    |breach: &sutura_imaging::Breach| Breached { metric: breach.metric.name(), value: breach.value, limit: breach.limit };
                let breaches = verdict.breaches.iter().map(breached).collect();
                found.flagged.push(Flagged {
                    source: source.uri.to_string(),
                    frame: frame + 1,
                    modality: modality.clone(),
                    outcome: word,
                    breaches,
                });
            }
            if let Some(score) = score.filter(|_| plan.keeps_images) {
                let key = |shown: &Shown| (shown.score, shown.number);
                let place = found.worst.partition_point(|shown| key(shown) < (score, (number, frame)));
                if place < SHOWN {
                    let image = sutura_imaging::picture::thumbnail(&image.to_8_bits(), SIDE);
                    let shown =
                        Shown { modality: modality.clone(), score, number: (number, frame), image, histogram: report.histogram.clone() };
                    found.worst.insert(place, shown);
                    found.worst.truncate(SHOWN);
                }
            }
        });
        !stop.load(Ordering::Relaxed)
    });
    match outcome {
        Ok(()) => {}
        Err(PixelError::Absent) => with(&mut |found| found.without_pixels += 1),
        Err(error) => {
            let offset = file.pixel_data().map_or(0, |pixels| pixels.offset() as u64);
            let reason = format!("{error}, {measured} frames measured before");
            let mut rejected = Some(Rejected { source: source.uri.to_string(), code: error.code(), offset, reason });
            with(&mut |found| found.undecoded.extend(rejected.take()));
        }
    }
}

/// Decodes the frames of a file one after another, as long as they are wanted.
fn frames(file: &DicomFile, mut take: impl FnMut(usize, Image) -> bool) -> Result<(), PixelError> {
    let description = PixelDescription::of(file)?;
    let map = FrameMap::with(file, &description)?;
    for number in 0..map.len().max(1) {
        let frame = decode::frame(file, &description, &map, number)?;
        // What is not a plane of numbers that can be held is as good as damaged.
        let image = Image::of_frame(&frame, &description, &Rescale::of(file, number)).map_err(|_| PixelError::Unsupported)?;
        let image = image.shown_as_in(file, &description, &frame);
        drop(frame);
        if !take(number, image) {
            return Ok(());
        }
    }
    // Frames that are stated and not there are missed, not passed over.
    if map.len() < description.frames { Err(PixelError::Short) } else { Ok(()) }
}

fn word(outcome: Verdict) -> &'static str {
    match outcome {
        Verdict::Pass => "pass",
        Verdict::Warn => "warn",
        Verdict::Quarantine => "quarantine",
        Verdict::Stop => "stop",
    }
}

/// What images.json holds: counts and numbers, nothing of a person.
#[derive(Debug, Serialize)]
struct Said {
    files: Files,
    images: u64,
    outcomes: BTreeMap<&'static str, u64>,
    gate: ImageGate,
    /// By modality and metric.
    statistics: BTreeMap<String, BTreeMap<&'static str, Statistics>>,
    purpose: Option<String>,
}

#[derive(Debug, Serialize)]
struct Files {
    #[serde(rename = "in")]
    read: u64,
    measured: u64,
    without_pixels: u64,
    rejected: BTreeMap<&'static str, u64>,
    /// Files of which a frame could not be decoded.
    not_decoded: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize)]
struct Statistics {
    count: u64,
    mean: Option<f64>,
    sd: Option<f64>,
    min: Option<f64>,
    p25: Option<f64>,
    p50: Option<f64>,
    p75: Option<f64>,
    p90: Option<f64>,
    max: Option<f64>,
}

impl Said {
    fn of(found: &Found, gate: &ImageGate, purpose: Option<&str>) -> Self {
        let mut rejected = BTreeMap::new();
        found.rejects.iter().for_each(|reject| *rejected.entry(reject.code).or_default() += 1);
        let mut not_decoded = BTreeMap::new();
        found.undecoded.iter().for_each(|reject| *not_decoded.entry(reject.code).or_default() += 1);
        let measured = found.files - (found.rejects.len() + found.undecoded.len()) as u64 - found.without_pixels;
        let statistics = found.catalogue.modalities().map(|(modality, summaries)| {
            let of = |summary: &sutura_imaging::Summary| Statistics {
                count: summary.count(),
                mean: summary.mean(),
                sd: summary.sd(),
                min: summary.min(),
                p25: summary.quantile(0.25),
                p50: summary.quantile(0.5),
                p75: summary.quantile(0.75),
                p90: summary.quantile(0.9),
                max: summary.max(),
            };
            let metrics = sutura_imaging::metric::DEFINITIONS.iter().zip(summaries).filter(|(_, summary)| summary.count() > 0);
            (modality.to_owned(), metrics.map(|(definition, summary)| (definition.name, of(summary))).collect())
        });
        Self {
            files: Files { read: found.files, measured, without_pixels: found.without_pixels, rejected, not_decoded },
            images: found.images,
            outcomes: found.outcomes.clone(),
            gate: gate.clone(),
            statistics: statistics.collect(),
            purpose: purpose.map(str::to_owned),
        }
    }

    fn note(&self, console: Console) {
        let Files { read, measured, without_pixels, rejected, not_decoded } = &self.files;
        let (rejected, failed) = (rejected.values().sum::<u64>(), not_decoded.values().sum::<u64>());
        console.note(&format!(
            "{read} files in = {measured} measured + {without_pixels} without pictures + {failed} not decoded + {rejected} rejected; {} images",
            self.images
        ));
        let outcomes: Vec<String> = self.outcomes.iter().map(|(word, count)| format!("{word} {count}")).collect();
        console.note(&format!("gate: {}", if outcomes.is_empty() { "no images".to_owned() } else { outcomes.join(", ") }));
    }
}
