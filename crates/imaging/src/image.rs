//! One plane of numbers, with what is known of them.

use std::fmt;

use sutura_dicom::{
    DicomFile, Tag,
    pixels::{
        FrameMap, PixelDescription, SampleKind,
        decode::{self, Frame, Samples},
        display,
        lut::Modality,
    },
};

use crate::error::ImagingError;

/// One plane of an image: numbers after the modality rescale, row after row.
///
/// Numbers are kept in 32 bits; everything is computed in 64. What is no finite number is replaced by the least finite one and counted.
#[derive(Clone, PartialEq)]
pub struct Image {
    rows: usize,
    columns: usize,
    values: Vec<f32>,
    replaced: usize,
    /// What separates neighbouring values, where they were whole numbers.
    pub(crate) step: Option<f64>,
    /// The least and the greatest number that could have been stored, after the rescale.
    pub(crate) storable: Option<(f64, f64)>,
    pub(crate) unit: &'static str,
    /// How it is shown, where that is not how its numbers are: the luminance of a palette's colours.
    shown: Option<Image8>,
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Pixels can be a face.
        f.debug_struct("Image").field("rows", &self.rows).field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl Image {
    /// Most pixels of an image: 64 million (8,192 by 8,192), three times the largest detector.
    pub const MOST_PIXELS: usize = 1 << 26;

    /// An image of numbers of which nothing is known.
    ///
    /// # Errors
    /// When there are not exactly rows x columns numbers, none, or too many.
    pub fn new(rows: usize, columns: usize, mut values: Vec<f32>) -> Result<Self, ImagingError> {
        let pixels = rows.checked_mul(columns).ok_or(ImagingError::TooLarge)?;
        if pixels > Self::MOST_PIXELS {
            return Err(ImagingError::TooLarge);
        }
        if pixels == 0 || pixels != values.len() {
            return Err(ImagingError::Shape { rows, columns, values: values.len() });
        }
        let replaced = values.iter().filter(|value| !value.is_finite()).count();
        if replaced > 0 {
            let least = values.iter().copied().filter(|value| value.is_finite()).reduce(f32::min).unwrap_or(0.0);
            values.iter_mut().filter(|value| !value.is_finite()).for_each(|value| *value = least);
        }
        Ok(Self { rows, columns, values, replaced, step: None, storable: None, unit: "1", shown: None })
    }

    /// The image of a decoded frame. Of colour, its luminance (ITU-R BT.601); of a palette, the index: [`Image::shown_as_in`] says how that is shown.
    ///
    /// # Errors
    /// As [`Image::new`].
    pub fn of_frame(frame: &Frame, description: &PixelDescription, rescale: &Rescale) -> Result<Self, ImagingError> {
        if frame.rows.checked_mul(frame.columns).is_none_or(|pixels| pixels > Self::MOST_PIXELS) {
            return Err(ImagingError::TooLarge);
        }
        let samples = frame.samples.max(1);
        if samples >= 3 {
            let mut all = Vec::with_capacity(frame.data.len());
            frame.data.for_each(|sample| all.push(sample as f32));
            let is_rgb = description.photometric == "RGB";
            let plane = all.chunks_exact(samples).map(|pixel| if is_rgb { luminance(pixel) } else { pixel[0] }).collect();
            let mut image = Self::new(frame.rows, frame.columns, plane)?;
            image.storable = storable(description);
            return Ok(image);
        }
        let values = match (&rescale.modality, &frame.data) {
            (Modality::Identity, Samples::U8(samples)) => samples.iter().map(|sample| f32::from(*sample)).collect(),
            (Modality::Identity, Samples::U16(samples)) => samples.iter().map(|sample| f32::from(*sample)).collect(),
            (Modality::Identity, Samples::I16(samples)) => samples.iter().map(|sample| f32::from(*sample)).collect(),
            (modality, samples) => modality.values_f32(samples),
        };
        let mut image = Self::new(frame.rows, frame.columns, values)?;
        let step = match &rescale.modality {
            Modality::Rescale { slope, .. } => slope.abs(),
            Modality::Identity | Modality::Table(_) => 1.0,
        };
        let whole = !matches!(frame.data, Samples::F32(_) | Samples::F64(_));
        image.step = (whole && step.is_finite() && step > 0.0).then_some(step);
        image.storable = match &rescale.modality {
            Modality::Table(table) => Some((0.0, f64::from(table.maximum()))),
            linear => storable(description).map(|(low, high)| {
                let (low, high) = (linear.value(low), linear.value(high));
                (low.min(high), low.max(high))
            }),
        };
        image.unit = if rescale.is_hounsfield { "[hnsf'U]" } else { "1" };
        Ok(image)
    }

    /// The image of a frame of a file, counted from 0, with the modality rescale of that frame.
    ///
    /// # Errors
    /// When the pixels cannot be decoded.
    pub fn read(file: &DicomFile, frame: usize) -> Result<Self, ImagingError> {
        let description = PixelDescription::of(file)?;
        let map = FrameMap::with(file, &description)?;
        let decoded = decode::frame(file, &description, &map, frame)?;
        Ok(Self::of_frame(&decoded, &description, &Rescale::of(file, frame))?.shown_as_in(file, &description, &decoded))
    }

    /// The same, of which 8 bits are what a viewer shows: of a palette's indices the luminance of their colours.
    #[must_use]
    pub fn shown_as_in(mut self, file: &DicomFile, description: &PixelDescription, frame: &Frame) -> Self {
        if let Some((_, colors)) = display::colors_of_palette(file, description, frame)
            && let Samples::U8(colors) = &colors.data
        {
            let grey = colors.as_chunks::<3>().0.iter().map(|color| luminance(&color.map(f32::from)).round() as u8).collect();
            self.shown = Image8::new(self.rows, self.columns, grey).ok();
        }
        self
    }

    /// Rows; at least one.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns; at least one.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The numbers, row after row; all finite.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The numbers of one row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.columns..(row + 1) * self.columns]
    }

    /// How many pixels were no finite number.
    pub fn replaced(&self) -> usize {
        self.replaced
    }

    /// The UCUM unit of the numbers: Hounsfield units where the file says so, else `1`.
    pub fn unit(&self) -> &'static str {
        self.unit
    }

    /// Says which numbers could have been stored: what saturation is measured against.
    pub fn with_storable(mut self, least: f64, greatest: f64) -> Self {
        self.storable = (least < greatest).then_some((least, greatest));
        self
    }

    /// The image in 8 bits: as it is shown, where that is known; from the 0.5th to the 99.5th percentile; or as it is where its numbers are those of 8 bits already.
    pub fn to_8_bits(&self) -> Image8 {
        if let Some(shown) = &self.shown {
            return shown.clone();
        }
        if self.storable == Some((0.0, 255.0)) {
            return Image8 { rows: self.rows, columns: self.columns, values: self.values.iter().map(|value| *value as u8).collect() };
        }
        let mut sample: Vec<f32> = self.values.iter().copied().step_by((self.values.len() / 65536).max(1)).collect();
        sample.sort_unstable_by(f32::total_cmp);
        let at = |share: f64| f64::from(sample[((sample.len() - 1) as f64 * share).round() as usize]);
        self.windowed(at(0.005), at(0.995))
    }

    /// The image in 8 bits: `low` and below is black, `high` and above is white.
    pub fn windowed(&self, low: f64, high: f64) -> Image8 {
        let width = if high > low { high - low } else { 1.0 };
        let values = self.values.iter().map(|value| ((f64::from(*value) - low) / width * 255.0).round() as u8).collect();
        Image8 { rows: self.rows, columns: self.columns, values }
    }
}

/// An image of 8 bits, to look at or to look for text in.
#[derive(Clone, PartialEq, Eq)]
pub struct Image8 {
    rows: usize,
    columns: usize,
    values: Vec<u8>,
}

impl fmt::Debug for Image8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Pixels can be a face.
        f.debug_struct("Image8").field("rows", &self.rows).field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl Image8 {
    /// An image of numbers of 8 bits.
    ///
    /// # Errors
    /// When there are not exactly rows x columns numbers, none, or too many.
    pub fn new(rows: usize, columns: usize, values: Vec<u8>) -> Result<Self, ImagingError> {
        let pixels = rows.checked_mul(columns).filter(|pixels| *pixels <= Image::MOST_PIXELS).ok_or(ImagingError::TooLarge)?;
        if pixels == 0 || pixels != values.len() {
            return Err(ImagingError::Shape { rows, columns, values: values.len() });
        }
        Ok(Self { rows, columns, values })
    }

    /// Rows; at least one.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns; at least one.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The numbers, row after row.
    pub fn values(&self) -> &[u8] {
        &self.values
    }
}

/// How stored numbers become values (PS3.3 C.11.1), and whether these are Hounsfield units.
#[derive(Debug, Clone, PartialEq)]
pub struct Rescale {
    /// The transformation.
    pub modality: Modality,
    /// Whether the values are Hounsfield units.
    pub is_hounsfield: bool,
}

impl Rescale {
    /// The transformation of a frame, counted from 0: of its functional groups, else of those of all frames, else of the data set.
    pub fn of(file: &DicomFile, frame: usize) -> Self {
        let data_set = file.data_set();
        let modality = Modality::of(file, frame);
        let is_hounsfield = match data_set.text(Tag(0x0028_1054)) {
            Some(kind) => kind == "HU",
            None => modality != Modality::Identity && data_set.text(Tag(0x0008_0060)).as_deref() == Some("CT"),
        };
        Self { modality, is_hounsfield }
    }
}

fn storable(description: &PixelDescription) -> Option<(f64, f64)> {
    let bits = u32::try_from(description.bits_stored).ok().filter(|bits| (1..=32).contains(bits))?;
    if !matches!(description.kind, SampleKind::Integer) {
        return None;
    }
    let count = (1u64 << bits) as f64;
    Some(if description.signed { (-count / 2.0, count / 2.0 - 1.0) } else { (0.0, count - 1.0) })
}

fn luminance(pixel: &[f32]) -> f32 {
    0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]
}
