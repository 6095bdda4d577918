//! Writing studies and the truth about them, image after image.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    ops::ControlFlow,
    path::Path,
};

use super::{
    anatomy::{self, T1, T2},
    artifact,
    header::{self, SECTOR_BOTTOM, SECTOR_TOP},
    letters,
    options::DicomOptions,
    plan::{Series, Study, View},
    truth::{ArtifactKind, BoxTruth, DicomTruth, InstanceTruth},
};
use crate::{SyntheticError, fhir::Frame, files::remove_if_there, hl7v2::facilities::FACILITIES};

/// Studies in one folder.
const PER_FOLDER: u64 = 1000;

/// Studies that can be written.
#[derive(Debug, Clone)]
pub struct DicomExport {
    options: DicomOptions,
    frame: Frame,
}

impl DicomExport {
    /// Checks the options.
    ///
    /// # Errors
    /// When an option has a value that cannot be.
    pub fn new(options: DicomOptions) -> Result<Self, SyntheticError> {
        let frame = options.frame()?;
        Ok(Self { options, frame })
    }

    /// Writes `images/` (a thousand studies in a folder: `images/0000/study_00000000/1/0001.dcm`) and `truth.json` into a folder, which is made when it is not
    /// there. `progress` is told the studies written so far, and may end the work.
    ///
    /// The truth is written last and appears whole or not at all.
    ///
    /// # Errors
    /// When `images` is there already and not empty, a file cannot be written, or `progress` breaks.
    pub fn write_to(&self, folder: &Path, progress: &dyn Fn(u64) -> ControlFlow<()>) -> Result<DicomTruth, SyntheticError> {
        let images = folder.join("images");
        fs::create_dir_all(folder).map_err(failed(folder))?;
        if images.exists() && fs::read_dir(&images).map_err(failed(&images))?.next().is_some() {
            return Err(SyntheticError::OtherFeed { path: images });
        }
        let truth_path = folder.join("truth.json");
        remove_if_there(&truth_path).map_err(failed(&truth_path))?;
        let mut truth = DicomTruth {
            options: self.options.clone(),
            studies: 0,
            series: 0,
            instances: 0,
            bytes: 0,
            patients: 0,
            by_modality: BTreeMap::new(),
            by_transfer_syntax: BTreeMap::new(),
            artifacts: BTreeMap::new(),
            files: Vec::new(),
        };
        let mut people = BTreeSet::new();
        for number in 0..self.options.studies {
            let study = Study::plan(&self.options, &self.frame, number);
            people.insert(study.person.number);
            truth.studies += 1;
            for series in 1..=study.series.len() {
                let name = format!("images/{:04}/study_{number:08}/{series}", number / PER_FOLDER);
                write_series(folder, &name, &study, series, &mut truth)?;
            }
            if progress(truth.studies).is_break() {
                return Err(SyntheticError::Stopped);
            }
        }
        truth.patients = people.len() as u64;
        let json = serde_json::to_vec_pretty(&truth).map_err(|error| failed(&truth_path)(error.into()))?;
        let part = folder.join(".truth.json.part");
        fs::write(&part, json).map_err(failed(&part))?;
        fs::rename(&part, &truth_path).map_err(failed(&truth_path))?;
        Ok(truth)
    }
}

fn write_series(folder: &Path, name: &str, study: &Study, number: usize, truth: &mut DicomTruth) -> Result<(), SyntheticError> {
    let series = &study.series[number - 1];
    let path = folder.join(name);
    fs::create_dir_all(&path).map_err(failed(&path))?;
    truth.series += 1;
    if let Some((kind, _)) = series.artifact {
        *truth.artifacts.entry(kind).or_default() += 1;
    }
    for image in 0..series.images {
        let (pixels, text) = draw(study, number, image);
        let (bytes, transfer_syntax) = header::file(study, number, image, &pixels, &text)?;
        let name = format!("{name}/{:04}.dcm", image + 1);
        let path = folder.join(&name);
        fs::write(&path, &bytes).map_err(failed(&path))?;
        truth.instances += 1;
        truth.bytes += bytes.len() as u64;
        *truth.by_modality.entry(study.modality).or_default() += 1;
        *truth.by_transfer_syntax.entry(transfer_syntax).or_default() += 1;
        truth.files.push(InstanceTruth {
            name,
            patient: study.person.number,
            study: study.uid(0, 0),
            series: study.uid(number, 0),
            instance: study.uid(number, image + 1),
            modality: study.modality,
            transfer_syntax,
            rows: series.rows,
            columns: series.columns,
            position: header::plane(series, image).map(|(position, _)| position),
            noise: series.noise,
            artifact: series.artifact.map(|(kind, _)| kind),
            amount: series.artifact.map_or(0.0, |(_, amount)| amount),
            text,
        });
    }
    Ok(())
}

/// The values of an image, and the texts in them.
fn draw(study: &Study, number: usize, image: usize) -> (Vec<f32>, Vec<BoxTruth>) {
    let series = &study.series[number - 1];
    let mut rng = study.rng(number, image);
    let mut pixels = tissue(study, series, image);
    // Speckle is there before the image is blurred or lost: it comes from the waves, not from the display.
    if series.view == View::Sector {
        artifact::speckle(&mut pixels, &mut rng);
    }
    // Blank plates are without signal, not without noise.
    if let Some((kind, amount)) = series.artifact {
        artifact::apply(&mut pixels, series.columns, kind, amount);
        if kind == ArtifactKind::Blank && matches!(series.view, View::Chest { .. }) {
            pixels.fill(-1000.0);
        }
    }
    match series.view {
        View::Sector => {}
        View::Head { .. } => artifact::noise(&mut pixels, series.noise as f32, true, &mut rng),
        _ => artifact::noise(&mut pixels, series.noise as f32, false, &mut rng),
    }
    let text = if series.view == View::Sector { annotations(study, series, image, &mut pixels) } else { Vec::new() };
    (pixels, text)
}

/// The tissue without noise.
fn tissue(study: &Study, series: &Series, image: usize) -> Vec<f32> {
    let (rows, columns) = (series.rows, series.columns);
    let part = |place: usize, of: usize| place as f64 / (of as f64 - 1.0);
    let body = &study.body;
    let mut pixels = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        for column in 0..columns {
            let value = match series.view {
                View::Chest { .. } | View::Head { .. } => {
                    let Some((origin, directions)) = header::plane(series, image) else { continue };
                    let (across, down) = (column as f64 * series.spacing, row as f64 * series.spacing);
                    let place = [0, 1, 2].map(|axis| origin[axis] + across * directions[axis] + down * directions[axis + 3]);
                    match series.view {
                        View::Head { sagittal } => anatomy::head(body, if sagittal { T2 } else { T1 }, place),
                        _ => anatomy::chest(body, place),
                    }
                }
                View::Radiograph { lateral } => {
                    anatomy::radiograph(body, 2.0 * part(column, columns) - 1.0, 2.0 * part(row, rows) - 1.0, lateral)
                }
                View::Breast { left, oblique } => {
                    let inward = if left { part(column, columns) } else { 1.0 - part(column, columns) };
                    anatomy::mammogram(body, inward, 2.0 * part(row, rows) - 1.0, oblique)
                }
                View::Sector => {
                    if !(SECTOR_TOP..SECTOR_BOTTOM).contains(&row) {
                        pixels.push(0.0);
                        continue;
                    }
                    // The probe is tilted a little from image to image.
                    let across = 2.0 * part(column, columns) - 1.0 + 0.04 * image as f64;
                    let depth = (row - SECTOR_TOP) as f64 / (SECTOR_BOTTOM - SECTOR_TOP) as f64;
                    anatomy::sector(body, across, depth).map_or(0.0, |echo| 255.0 * echo)
                }
            };
            pixels.push(value as f32);
        }
    }
    pixels
}

/// What the ultrasound device writes on its images: who, where and when at the top, settings at the bottom.
fn annotations(study: &Study, series: &Series, image: usize, pixels: &mut [f32]) -> Vec<BoxTruth> {
    let person = &study.person;
    let (date, time) = header::date_and_time(study.at);
    let lines = [
        (10, 10, format!("{}, {}", person.family, person.given), true),
        (10, 32, format!("ID {}", header::record_number(study)), true),
        (300, 10, FACILITIES[study.facility].code.to_owned(), true),
        (300, 32, format!("{}-{}-{} {}:{}", &date[..4], &date[4..6], &date[6..], &time[..2], &time[2..4]), true),
        (10, 452, format!("C5-1  {} CM  GN {}  FR 2{}HZ", 12 + image, 40 + 3 * image, image), false),
    ];
    lines
        .into_iter()
        .filter_map(|(left, top, text, identifying)| letters::write(pixels, series.columns, left, top, &text, identifying))
        .collect()
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> SyntheticError + use<> {
    let path = path.to_owned();
    move |source| SyntheticError::Io { path, source }
}
