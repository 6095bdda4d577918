//! What a study is of: whose, when, which series, with which artifacts and codings. Everything follows from the seed and the study's number.

use sutura_dicom::codec::Lossless;

use super::{
    anatomy::Body,
    options::{DicomDetail, DicomOptions},
    truth::ArtifactKind,
};
use crate::{
    calendar::{DAY, Moment},
    fhir::Frame,
    people::{Person, Sex},
    rng::{Rng, splitmix},
};

const STREAM_STUDY: u64 = 31;
/// Days from the first day of a feed within which studies are made.
const FEED_DAYS: i64 = 365;

/// What a series shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// CT of the chest; `sharp`: with the kernel for lungs, which has more noise.
    Chest { sharp: bool },
    /// MR of the head, axial and T1-weighted or sagittal and T2-weighted.
    Head { sagittal: bool },
    /// A scan of the abdomen.
    Sector,
    /// A radiograph of the chest.
    Radiograph { lateral: bool },
    /// A mammogram.
    Breast { left: bool, oblique: bool },
}

/// A series.
#[derive(Debug, Clone, Copy)]
pub(super) struct Series {
    pub(super) view: View,
    pub(super) images: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Millimetres from pixel to pixel, and from slice to slice.
    pub(super) spacing: f64,
    pub(super) step: f64,
    /// Standard deviation of the noise.
    pub(super) noise: f64,
    pub(super) artifact: Option<(ArtifactKind, f64)>,
    pub(super) coding: Option<Lossless>,
}

/// A study.
pub(super) struct Study {
    pub(super) number: u64,
    pub(super) person: Person,
    pub(super) facility: usize,
    pub(super) modality: &'static str,
    pub(super) at: Moment,
    pub(super) clinician: u64,
    pub(super) body: Body,
    pub(super) series: Vec<Series>,
    seed: u64,
}

impl Study {
    /// The study of that number.
    pub(super) fn plan(options: &DicomOptions, frame: &Frame, number: u64) -> Self {
        let mut rng = Rng::for_item(options.seed, STREAM_STUDY, number);
        let rng = &mut rng;
        let person = Person::derive(options.seed, number % options.patients, frame.first_day);
        // Not before birth: the people of a feed are born before its first day.
        let day = i64::from(frame.first_day) + rng.below(FEED_DAYS as u64) as i64;
        let at = Moment(day * DAY + rng.between(7 * 3600, 18 * 3600));
        let age = person.age_on(day as i32);
        let modality = match number % 5 {
            0 => "CT",
            1 => "MR",
            2 => "US",
            4 if person.sex == Sex::Female && age >= 40 => "MG",
            _ => "CR",
        };
        let body = Body::draw(rng, age < 16);
        let views: &[View] = match modality {
            "CT" => &[View::Chest { sharp: false }, View::Chest { sharp: true }],
            "MR" => &[View::Head { sagittal: false }, View::Head { sagittal: true }],
            "US" => &[View::Sector],
            "MG" => &[
                View::Breast { left: false, oblique: false },
                View::Breast { left: true, oblique: false },
                View::Breast { left: false, oblique: true },
                View::Breast { left: true, oblique: true },
            ],
            _ => &[View::Radiograph { lateral: false }, View::Radiograph { lateral: true }],
        };
        let series = views.iter().map(|view| series(*view, options, rng)).collect();
        let facility = if rng.percent(85) { person.region } else { rng.below(crate::people::REGIONS as u64) as usize };
        let clinician = rng.below(crate::hl7v2::facilities::CLINICIANS);
        Self { number, person, facility, modality, at, clinician, body, series, seed: options.seed }
    }

    /// A unique identifier under 2.25 (PS3.5 annex B.2). Parts: 0 for the study, the number of the series from 1, that of the image from 1.
    pub(super) fn uid(&self, series: usize, image: usize) -> String {
        let mut state = self.seed ^ 0xD1C0_4D1C_04D1_C04D;
        for part in [self.number, series as u64, image as u64] {
            state ^= part.wrapping_mul(0xD6E8_FEB8_6659_FD93);
            state = splitmix(&mut state);
        }
        let (high, low) = (splitmix(&mut state), splitmix(&mut state));
        // The version and the variant of a random UUID.
        let bits = (u128::from(high) << 64 | u128::from(low)) & !(0xF << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        format!("2.25.{bits}")
    }

    /// The random numbers of an image.
    pub(super) fn rng(&self, series: usize, image: usize) -> Rng {
        Rng::for_item(self.seed ^ self.number.rotate_left(24), STREAM_STUDY + 1 + series as u64, image as u64)
    }
}

fn series(view: View, options: &DicomOptions, rng: &mut Rng) -> Series {
    let is_full = options.detail == DicomDetail::Full;
    let by_detail = |small: usize, full: usize| if is_full { full } else { small };
    let (images, rows, columns, field, step, noise) = match view {
        View::Chest { sharp } => (
            by_detail(12, 40),
            by_detail(128, 512),
            by_detail(128, 512),
            420.0,
            if is_full { 5.0 } else { 16.0 },
            if sharp { 38.0 } else { 14.0 },
        ),
        View::Head { .. } => (by_detail(10, 24), by_detail(128, 256), by_detail(128, 256), 256.0, if is_full { 6.0 } else { 14.0 }, 14.0),
        View::Sector => (3, 480, 640, 192.0, 0.0, 0.0),
        View::Radiograph { .. } => (1, by_detail(512, 2048), by_detail(420, 1680), 350.0, 0.0, 22.0),
        View::Breast { .. } => (1, by_detail(512, 2294), by_detail(400, 1914), 180.0, 0.0, 18.0),
    };
    // Doses differ.
    let noise = noise * rng.between(70, 150) as f64 / 100.0;
    let artifact = rng.percent(u64::from(options.artifact_percent)).then(|| artifact(view, rng));
    let noise = if let Some((ArtifactKind::Noise, factor)) = artifact { noise * factor } else { noise };
    let coding = rng.percent(u64::from(options.compressed_percent)).then(|| {
        let drawn = rng.below(10);
        match drawn {
            0..=3 => Lossless::Rle,
            // JPEG 2000 takes its time.
            8.. if rows * columns <= 256 * 256 => Lossless::Jpeg2000,
            _ => Lossless::JpegLs,
        }
    });
    Series { view, images, rows, columns, spacing: field / columns as f64, step, noise, artifact, coding }
}

fn artifact(view: View, rng: &mut Rng) -> (ArtifactKind, f64) {
    let share = |rng: &mut Rng, low: i64, high: i64| rng.between(low, high) as f64 / 100.0;
    let drawn = rng.below(6);
    match (view, drawn) {
        (_, 0) => (ArtifactKind::Blank, 0.0),
        (View::Head { .. }, 1) => (ArtifactKind::Bias, share(rng, 20, 70)),
        (View::Head { .. }, 2) => (ArtifactKind::Ghost, share(rng, 10, 35)),
        (View::Head { .. }, 3) => (ArtifactKind::Motion, share(rng, 8, 20)),
        (View::Chest { .. }, 1..=3) => (ArtifactKind::Ring, share(rng, 4000, 16_000)),
        (View::Radiograph { .. } | View::Breast { .. }, 1..=3) => (ArtifactKind::Saturation, share(rng, 160, 300)),
        (View::Sector, _) | (_, 4) => (ArtifactKind::Blur, rng.between(1, 3) as f64),
        _ => (ArtifactKind::Noise, share(rng, 300, 800)),
    }
}
