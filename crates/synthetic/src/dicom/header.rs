//! The data set of an image: patient, study, series, equipment, plane, pixels.

use sutura_dicom::{
    Tag, TransferSyntax, Vr,
    codec::encode,
    pixels::decode::{Frame, Samples},
    write::{OwnedDataSet, OwnedFile},
};

use super::{
    plan::{Series, Study, View},
    truth::BoxTruth,
};
use crate::{
    SyntheticError,
    calendar::{DAY, Moment, date_from_days},
    hl7v2::facilities::{FACILITIES, clinician},
    people::{Person, Sex},
};

/// How values are stored.
pub(super) struct Storage {
    /// Bits that count.
    pub(super) bits: u32,
    /// What is added to a stored value to have that of the modality.
    pub(super) intercept: f64,
    /// Whether low values are bright.
    pub(super) inverted: bool,
}

impl Storage {
    pub(super) fn of(study: &Study, view: View) -> Self {
        match view {
            View::Chest { .. } => Self { bits: 12, intercept: -1024.0, inverted: false },
            View::Sector => Self { bits: 8, intercept: 0.0, inverted: false },
            // One facility's plates are the other way round.
            View::Radiograph { .. } => Self { bits: 12, intercept: 0.0, inverted: study.facility == 1 },
            View::Head { .. } | View::Breast { .. } => Self { bits: 12, intercept: 0.0, inverted: false },
        }
    }

    /// Values as they are stored.
    pub(super) fn samples(&self, pixels: &[f32]) -> Samples {
        let most = ((1u32 << self.bits) - 1) as f32;
        let stored = pixels.iter().map(|value| {
            let value = (value - self.intercept as f32).round().clamp(0.0, most);
            if self.inverted { most - value } else { value }
        });
        if self.bits == 8 {
            Samples::U8(stored.map(|value| value as u8).collect())
        } else {
            Samples::U16(stored.map(|value| value as u16).collect())
        }
    }
}

/// Position of the first pixel and the directions of rows and columns of a slice; none of projections.
pub(super) fn plane(series: &Series, image: usize) -> Option<([f64; 3], [f64; 6])> {
    let half = series.spacing * (series.columns as f64 - 1.0) / 2.0;
    let along = (image as f64 - (series.images as f64 - 1.0) / 2.0) * series.step;
    match series.view {
        View::Chest { .. } | View::Head { sagittal: false } => Some(([-half, -half, along], [1.0, 0.0, 0.0, 0.0, 1.0, 0.0])),
        View::Head { sagittal: true } => Some(([along, -half, half], [0.0, 1.0, 0.0, 0.0, 0.0, -1.0])),
        _ => None,
    }
}

/// Writes an image as a file.
pub(super) fn file(
    study: &Study,
    number: usize,
    image: usize,
    pixels: &[f32],
    text: &[BoxTruth],
) -> Result<(Vec<u8>, &'static str), SyntheticError> {
    let series = &study.series[number - 1];
    let mut set = OwnedDataSet::new();
    patient(&mut set, study);
    general(&mut set, study, series, number, image);
    let storage = Storage::of(study, series.view);
    kind(&mut set, study, series, image);
    if let Some((position, directions)) = plane(series, image) {
        set.set_uid(Tag(0x0020_0052), &study.uid(0, 1));
        set.set_decimals(Tag(0x0020_0032), &position);
        set.set_decimals(Tag(0x0020_0037), &directions);
        set.set_decimals(Tag(0x0018_0050), &[series.step]);
        set.set_decimals(Tag(0x0018_0088), &[series.step]);
        let location = if directions[5] == 0.0 { position[2] } else { position[0] };
        set.set_decimals(Tag(0x0020_1041), &[location]);
        set.set_text(Tag(0x0018_5100), Vr::CS, "HFS");
        set.set_text(Tag(0x0020_1040), Vr::LO, "");
    }
    if series.view == View::Sector {
        ultrasound(&mut set, series);
    }
    set.set_text(Tag(0x0028_0301), Vr::CS, if text.is_empty() { "NO" } else { "YES" });
    let syntax = pixel_data(&mut set, series, &storage, pixels)?;
    let mut file = OwnedFile::new(set);
    file.syntax = TransferSyntax::of(syntax);
    Ok((file.to_bytes().map_err(|_| SyntheticError::Image)?, syntax))
}

fn patient(set: &mut OwnedDataSet, study: &Study) {
    let person = &study.person;
    set.set_text(Tag(0x0008_0005), Vr::CS, "ISO_IR 192");
    set.set_text(Tag(0x0010_0010), Vr::PN, &name(person));
    set.set_text(Tag(0x0010_0020), Vr::LO, &record_number(study));
    set.set_text(Tag(0x0010_0021), Vr::LO, FACILITIES[study.facility].code);
    let (year, month, day) = person.birth_date();
    set.set_text(Tag(0x0010_0030), Vr::DA, &format!("{year:04}{month:02}{day:02}"));
    let sex = match person.sex {
        Sex::Female => "F",
        Sex::Male => "M",
        Sex::Other => "O",
        Sex::Unknown => "",
    };
    set.set_text(Tag(0x0010_0040), Vr::CS, sex);
    set.set_text(Tag(0x0010_1010), Vr::AS, &format!("{:03}Y", person.age_on(study.at.day()).clamp(0, 120)));
}

/// The medical record number, as feeds and records have it.
pub(super) fn record_number(study: &Study) -> String {
    format!("{:08}", study.person.medical_record_number(study.facility))
}

fn name(person: &Person) -> String {
    let middle = person.middle.map_or_else(String::new, |middle| format!("^{middle}"));
    format!("{}^{}{middle}", person.family, person.given)
}

/// `YYYYMMDD` and `HHMMSS`.
pub(super) fn date_and_time(at: Moment) -> (String, String) {
    let (year, month, day) = date_from_days(at.day());
    let second = at.0.rem_euclid(DAY);
    (format!("{year:04}{month:02}{day:02}"), format!("{:02}{:02}{:02}", second / 3600, second / 60 % 60, second % 60))
}

fn general(set: &mut OwnedDataSet, study: &Study, series: &Series, number: usize, image: usize) {
    let facility = &FACILITIES[study.facility];
    let (date, time) = date_and_time(study.at);
    let (series_date, series_time) = date_and_time(study.at.plus(120 * number as i64));
    let (image_date, image_time) = date_and_time(study.at.plus(120 * number as i64 + image as i64));
    set.set_text(Tag(0x0008_0020), Vr::DA, &date);
    set.set_text(Tag(0x0008_0030), Vr::TM, &time);
    set.set_text(Tag(0x0008_0021), Vr::DA, &series_date);
    set.set_text(Tag(0x0008_0031), Vr::TM, &series_time);
    for (day, hour) in [(0x0008_0022, 0x0008_0032), (0x0008_0023, 0x0008_0033)] {
        set.set_text(Tag(day), Vr::DA, &image_date);
        set.set_text(Tag(hour), Vr::TM, &image_time);
    }
    set.set_text(Tag(0x0008_0050), Vr::SH, &format!("{}{:08}", facility.prefix, study.number + 1));
    set.set_text(Tag(0x0008_0060), Vr::CS, study.modality);
    let maker = match study.modality {
        "CT" => ("Northfield Imaging", "Helix 64"),
        "MR" => ("Northfield Imaging", "Meridian 3T"),
        "US" => ("Ostwind Medical", "Echo S9"),
        "MG" => ("Ostwind Medical", "Clara 2D"),
        _ => ("Plate & Partner", "Wallstand CR"),
    };
    set.set_text(Tag(0x0008_0070), Vr::LO, maker.0);
    set.set_text(Tag(0x0008_1090), Vr::LO, maker.1);
    set.set_text(Tag(0x0018_1000), Vr::LO, &format!("SN{}{:03}", study.modality, study.facility * 37 + 11));
    set.set_text(Tag(0x0018_1020), Vr::LO, "5.2.1");
    set.set_text(Tag(0x0008_0080), Vr::LO, facility.name);
    set.set_text(Tag(0x0008_1010), Vr::SH, &format!("{}_{}1", facility.prefix, study.modality));
    let who = clinician(study.facility, study.clinician);
    set.set_text(Tag(0x0008_0090), Vr::PN, &format!("{}^{}^^Dr.", who.family, who.given));
    let reader = clinician(study.facility, (study.clinician + 7) % crate::hl7v2::facilities::CLINICIANS);
    set.set_text(Tag(0x0008_1050), Vr::PN, &format!("{}^{}^^Dr.", reader.family, reader.given));
    let (described, part) = described(series.view);
    set.set_text(Tag(0x0008_1030), Vr::LO, &format!("{} {part}", study.modality));
    set.set_text(Tag(0x0008_103E), Vr::LO, described);
    set.set_text(Tag(0x0018_1030), Vr::LO, described);
    set.set_text(Tag(0x0018_0015), Vr::CS, part);
    set.set_uid(Tag(0x0020_000D), &study.uid(0, 0));
    set.set_uid(Tag(0x0020_000E), &study.uid(number, 0));
    set.set_uid(Tag(0x0008_0018), &study.uid(number, image + 1));
    set.set_text(Tag(0x0020_0010), Vr::SH, &format!("{}", study.number + 1));
    set.set_integers(Tag(0x0020_0011), &[number as i32]);
    set.set_integers(Tag(0x0020_0012), &[1]);
    set.set_integers(Tag(0x0020_0013), &[image as i32 + 1]);
}

fn described(view: View) -> (&'static str, &'static str) {
    match view {
        View::Chest { sharp: false } => ("Axial soft tissue", "CHEST"),
        View::Chest { sharp: true } => ("Axial lung", "CHEST"),
        View::Head { sagittal: false } => ("T1 axial", "HEAD"),
        View::Head { sagittal: true } => ("T2 sagittal", "HEAD"),
        View::Sector => ("Right upper quadrant", "ABDOMEN"),
        View::Radiograph { lateral: false } => ("PA", "CHEST"),
        View::Radiograph { lateral: true } => ("Lateral", "CHEST"),
        View::Breast { left: false, oblique: false } => ("R CC", "BREAST"),
        View::Breast { left: true, oblique: false } => ("L CC", "BREAST"),
        View::Breast { left: false, oblique: true } => ("R MLO", "BREAST"),
        View::Breast { left: true, oblique: true } => ("L MLO", "BREAST"),
    }
}

/// What only this kind of image has.
fn kind(set: &mut OwnedDataSet, study: &Study, series: &Series, image: usize) {
    let mut class = |uid: &str, image_type: &str| {
        set.set_uid(Tag(0x0008_0016), uid);
        set.set_text(Tag(0x0008_0008), Vr::CS, image_type);
    };
    match series.view {
        View::Chest { sharp } => {
            class("1.2.840.10008.5.1.4.1.1.2", "ORIGINAL\\PRIMARY\\AXIAL");
            set.set_decimals(Tag(0x0018_0060), &[120.0]);
            set.set_integers(Tag(0x0018_1151), &[210]);
            set.set_integers(Tag(0x0018_1152), &[105]);
            set.set_decimals(Tag(0x0018_1120), &[0.0]);
            set.set_decimals(Tag(0x0018_1100), &[series.spacing * series.columns as f64]);
            set.set_text(Tag(0x0018_1210), Vr::SH, if sharp { "LUNG" } else { "SOFT" });
            set.set_text(Tag(0x0028_1054), Vr::LO, "HU");
        }
        View::Head { sagittal } => {
            class("1.2.840.10008.5.1.4.1.1.4", if sagittal { "ORIGINAL\\PRIMARY\\M\\SE" } else { "ORIGINAL\\PRIMARY\\M\\GR" });
            set.set_text(Tag(0x0018_0020), Vr::CS, if sagittal { "SE" } else { "GR" });
            set.set_text(Tag(0x0018_0021), Vr::CS, "NONE");
            set.set_text(Tag(0x0018_0022), Vr::CS, "");
            set.set_text(Tag(0x0018_0023), Vr::CS, "2D");
            set.set_decimals(Tag(0x0018_0080), &[if sagittal { 4200.0 } else { 420.0 }]);
            set.set_decimals(Tag(0x0018_0081), &[if sagittal { 98.0 } else { 8.0 }]);
            set.set_decimals(Tag(0x0018_0087), &[3.0]);
            set.set_integers(Tag(0x0018_0091), &[1]);
            set.set_text(Tag(0x0018_1312), Vr::CS, "COL");
        }
        View::Sector => {
            class("1.2.840.10008.5.1.4.1.1.6.1", "ORIGINAL\\PRIMARY\\ABDOMINAL\\0001");
            set.set_integers(Tag(0x0020_0013), &[image as i32 + 1]);
        }
        View::Radiograph { lateral } => {
            class("1.2.840.10008.5.1.4.1.1.1", "ORIGINAL\\PRIMARY");
            set.set_text(Tag(0x0018_5101), Vr::CS, if lateral { "LL" } else { "PA" });
            set.set_decimals(Tag(0x0018_0060), &[110.0]);
            set.set_text(Tag(0x0020_0020), Vr::CS, if lateral { "A\\F" } else { "L\\F" });
        }
        View::Breast { left, oblique } => {
            class("1.2.840.10008.5.1.4.1.1.1.2", "DERIVED\\PRIMARY");
            set.set_text(Tag(0x0008_0068), Vr::CS, "FOR PRESENTATION");
            set.set_text(Tag(0x0020_0062), Vr::CS, if left { "L" } else { "R" });
            set.set_text(Tag(0x0018_5101), Vr::CS, if oblique { "MLO" } else { "CC" });
            set.set_text(Tag(0x0020_0020), Vr::CS, if left { "A\\R" } else { "P\\L" });
            set.set_text(Tag(0x2050_0020), Vr::CS, "IDENTITY");
            set.set_decimals(Tag(0x0018_0060), &[28.0]);
            set.set_decimals(Tag(0x0018_11A0), &[54.0]);
        }
    }
    let spacing = [series.spacing; 2];
    match series.view {
        View::Chest { .. } | View::Head { .. } => set.set_decimals(Tag(0x0028_0030), &spacing),
        View::Radiograph { .. } | View::Breast { .. } => set.set_decimals(Tag(0x0018_1164), &spacing),
        View::Sector => {}
    }
    let window = match series.view {
        View::Chest { sharp: false } => [40.0, 400.0],
        View::Chest { sharp: true } => [-600.0, 1500.0],
        View::Head { .. } => [500.0, 1000.0],
        View::Sector => [128.0, 256.0],
        View::Radiograph { .. } if Storage::of(study, series.view).inverted => [2400.0, 3200.0],
        View::Radiograph { .. } | View::Breast { .. } => [1700.0, 3200.0],
    };
    set.set_decimals(Tag(0x0028_1050), &window[..1]);
    set.set_decimals(Tag(0x0028_1051), &window[1..]);
}

/// The first row below the lines that the device writes at the top.
pub(super) const SECTOR_TOP: usize = 64;
/// The row behind the last of the image.
pub(super) const SECTOR_BOTTOM: usize = 440;

/// Where the image is in what the device shows (PS3.3 C.8.5.5): the text is outside.
fn ultrasound(set: &mut OwnedDataSet, series: &Series) {
    let mut region = OwnedDataSet::new();
    region.set_u16(Tag(0x0018_6012), &[1]);
    region.set_u16(Tag(0x0018_6014), &[1]);
    region.set_u32(Tag(0x0018_6016), &[0]);
    region.set_u32(Tag(0x0018_6018), &[0]);
    region.set_u32(Tag(0x0018_601A), &[SECTOR_TOP as u32]);
    region.set_u32(Tag(0x0018_601C), &[series.columns as u32 - 1]);
    region.set_u32(Tag(0x0018_601E), &[SECTOR_BOTTOM as u32 - 1]);
    region.set_u16(Tag(0x0018_6024), &[3]);
    region.set_u16(Tag(0x0018_6026), &[3]);
    let centimetres = series.spacing / 10.0;
    region.set_f64(Tag(0x0018_602C), &[centimetres]);
    region.set_f64(Tag(0x0018_602E), &[centimetres]);
    set.set_items(Tag(0x0018_6011), vec![region]);
}

fn pixel_data(set: &mut OwnedDataSet, series: &Series, storage: &Storage, pixels: &[f32]) -> Result<&'static str, SyntheticError> {
    let allocated = if storage.bits == 8 { 8 } else { 16 };
    set.set_u16(Tag(0x0028_0002), &[1]);
    set.set_text(Tag(0x0028_0004), Vr::CS, if storage.inverted { "MONOCHROME1" } else { "MONOCHROME2" });
    set.set_u16(Tag(0x0028_0010), &[series.rows as u16]);
    set.set_u16(Tag(0x0028_0011), &[series.columns as u16]);
    set.set_u16(Tag(0x0028_0100), &[allocated]);
    set.set_u16(Tag(0x0028_0101), &[storage.bits as u16]);
    set.set_u16(Tag(0x0028_0102), &[storage.bits as u16 - 1]);
    set.set_u16(Tag(0x0028_0103), &[0]);
    set.set_text(Tag(0x0028_2110), Vr::CS, "00");
    if storage.intercept != 0.0 {
        set.set_decimals(Tag(0x0028_1052), &[storage.intercept]);
        set.set_decimals(Tag(0x0028_1053), &[1.0]);
    }
    let frame = Frame { rows: series.rows, columns: series.columns, samples: 1, data: storage.samples(pixels) };
    let Some(coding) = series.coding else {
        set.set_bytes(Tag(0x7FE0_0010), if allocated == 8 { Vr::OB } else { Vr::OW }, frame.data.to_le_bytes());
        return Ok("1.2.840.10008.1.2.1");
    };
    let coded = encode(&frame, storage.bits as usize, coding).map_err(|_| SyntheticError::Image)?;
    set.set_fragments(Tag(0x7FE0_0010), vec![Vec::new().into(), coded.into()]);
    Ok(coding.uid())
}
