//! From stored values to numbers with a meaning, and to grey: Modality LUT, VOI LUT and windows, presentation LUT shape (PS3.3 C.11.1, C.11.2, C.11.6).

use super::{PixelDescription, decode::Samples};
use crate::{
    element::{DataSet, Element},
    file::DicomFile,
    tag::Tag,
    vr::Vr,
};

/// A table of values: LUT Descriptor and LUT Data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The value that the first entry is of. Lower values have that entry too, higher than the last have the last.
    pub first: i64,
    /// Entries; never none.
    pub entries: Vec<u16>,
    /// Bits of an entry.
    pub bits: u32,
}

impl Table {
    /// The table of an item of Modality LUT Sequence or VOI LUT Sequence.
    pub fn of(item: DataSet<'_>) -> Option<Self> {
        Self::read(item.get(Tag(0x0028_3002))?, item.get(Tag(0x0028_3006))?)
    }

    pub(super) fn read(descriptor: Element<'_>, data: Element<'_>) -> Option<Self> {
        // The number of entries has no sign, whatever the others have.
        let count = match descriptor.number_at(0)? as i64 & 0xFFFF {
            0 => 1 << 16,
            count => count as usize,
        };
        let (first, bits) = (descriptor.number_at(1)? as i64, descriptor.number_at(2)? as u32 & 0xFFFF);
        if !(1..=16).contains(&bits) {
            return None;
        }
        let bytes = data.bytes();
        let is_big = data.is_big_endian();
        // Entries of a byte are packed, or in words all the same.
        let mut entries: Vec<u16> = if bits <= 8 && bytes.len() < 2 * count && data.vr() != Vr::US {
            bytes.iter().take(count).map(|byte| u16::from(*byte)).collect()
        } else {
            let word = |two: &[u8; 2]| if is_big { u16::from_be_bytes(*two) } else { u16::from_le_bytes(*two) };
            bytes.as_chunks::<2>().0.iter().take(count).map(word).collect()
        };
        if bits < 16 {
            for entry in &mut entries {
                *entry &= (1 << bits) - 1;
            }
        }
        (!entries.is_empty()).then_some(Self { first, entries, bits })
    }

    /// The entry of a value.
    #[inline]
    pub fn entry(&self, value: i64) -> u16 {
        let place = value.saturating_sub(self.first).clamp(0, self.entries.len() as i64 - 1);
        self.entries.get(place as usize).copied().unwrap_or(0)
    }

    /// The largest number that its bits hold.
    pub fn maximum(&self) -> u16 {
        ((1u32 << self.bits) - 1) as u16
    }
}

/// From stored values to those of the modality, such as Hounsfield units.
#[derive(Debug, Clone, PartialEq)]
pub enum Modality {
    /// Nothing is said, or that nothing changes.
    Identity,
    /// Rescale Slope and Intercept.
    Rescale {
        /// What a stored value is multiplied with.
        slope: f64,
        /// What is added then.
        intercept: f64,
    },
    /// A table.
    Table(Table),
}

impl Modality {
    /// What is in force for a frame, counted from 0: of its functional groups, else of those of all frames, else of the data set.
    #[allow(clippy::float_cmp)] // One and zero are exact where they are written.
    pub fn of(file: &DicomFile, frame: usize) -> Self {
        let source = group(file, frame, 0x0028_9145);
        if let Some(table) = source.item(Tag(0x0028_3000)).and_then(Table::of) {
            return Self::Table(table);
        }
        let slope = source.number(Tag(0x0028_1053)).filter(|slope| *slope != 0.0).unwrap_or(1.0);
        let intercept = source.number(Tag(0x0028_1052)).unwrap_or(0.0);
        if slope == 1.0 && intercept == 0.0 { Self::Identity } else { Self::Rescale { slope, intercept } }
    }

    /// The modality's value of a stored one.
    #[inline]
    pub fn value(&self, stored: f64) -> f64 {
        match self {
            Self::Identity => stored,
            Self::Rescale { slope, intercept } => stored * slope + intercept,
            Self::Table(table) => f64::from(table.entry(stored as i64)),
        }
    }

    /// Values of all samples, for work on them.
    pub fn values_f32(&self, samples: &Samples) -> Vec<f32> {
        let mut values = Vec::with_capacity(samples.len());
        match self {
            Self::Identity => samples.for_each(|stored| values.push(stored as f32)),
            Self::Rescale { slope, intercept } => samples.for_each(|stored| values.push((stored * slope + intercept) as f32)),
            Self::Table(table) => samples.for_each(|stored| values.push(f32::from(table.entry(stored as i64)))),
        }
        values
    }

    /// The same with all digits.
    pub fn values_f64(&self, samples: &Samples) -> Vec<f64> {
        let mut values = Vec::with_capacity(samples.len());
        samples.for_each(|stored| values.push(self.value(stored)));
        values
    }
}

/// How a window maps values (C.11.2.1.2, C.11.2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Function {
    /// From centre less half a width to centre and half a width, less half a step at each side.
    #[default]
    Linear,
    /// The same without steps.
    LinearExact,
    /// A curve that bends at the ends.
    Sigmoid,
}

/// A window: which values of the modality are shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// The value in the middle.
    pub center: f64,
    /// How many values there are from black to white.
    pub width: f64,
    /// How.
    pub function: Function,
}

impl Window {
    /// Where a value lies between black (0) and white (1).
    #[inline]
    pub fn level(&self, value: f64) -> f64 {
        let level = match self.function {
            // A width of one is a threshold.
            Function::Linear if self.width <= 1.0 => f64::from(u8::from(value > self.center - 0.5)),
            Function::Linear => (value - (self.center - 0.5)) / (self.width - 1.0) + 0.5,
            Function::LinearExact => (value - self.center) / self.width + 0.5,
            Function::Sigmoid => 1.0 / (1.0 + (-4.0 * (value - self.center) / self.width).exp()),
        };
        level.clamp(0.0, 1.0)
    }
}

/// From the modality's values to those that are shown.
#[derive(Debug, Clone, PartialEq)]
pub enum Voi {
    /// Nothing is said.
    None,
    /// A window: the first of several.
    Window(Window),
    /// A table: the first of several. It goes before a window.
    Table(Table),
}

impl Voi {
    /// What is in force for a frame, counted from 0.
    pub fn of(file: &DicomFile, frame: usize) -> Self {
        let source = group(file, frame, 0x0028_9132);
        if let Some(table) = source.item(Tag(0x0028_3010)).and_then(Table::of) {
            return Self::Table(table);
        }
        let function = match source.text(Tag(0x0028_1056)).as_deref() {
            Some("LINEAR_EXACT") => Function::LinearExact,
            Some("SIGMOID") => Function::Sigmoid,
            _ => Function::Linear,
        };
        let least = if function == Function::Linear { 1.0 } else { f64::MIN_POSITIVE };
        match (source.number(Tag(0x0028_1050)), source.number(Tag(0x0028_1051))) {
            (Some(center), Some(width)) if width >= least => Self::Window(Window { center, width, function }),
            _ => Self::None,
        }
    }

    /// Where a value of the modality lies between black (0) and white (1); `None` where nothing says it.
    #[inline]
    pub fn level(&self, value: f64) -> Option<f64> {
        match self {
            Self::None => None,
            Self::Window(window) => Some(window.level(value)),
            Self::Table(table) => Some(f64::from(table.entry(value as i64)) / f64::from(table.maximum())),
        }
    }
}

/// Whether the least value is white: Presentation LUT Shape, else the photometric interpretation.
pub fn is_inverse(file: &DicomFile, description: &PixelDescription) -> bool {
    match file.data_set().text(Tag(0x2050_0020)).as_deref() {
        Some("INVERSE") => true,
        Some("IDENTITY") => false,
        _ => description.photometric == "MONOCHROME1",
    }
}

/// The item of a functional group: of the frame, else of all frames, else the data set itself.
fn group(file: &DicomFile, frame: usize, sequence: u32) -> DataSet<'_> {
    let data_set = file.data_set();
    let own = file.frame_group(frame);
    let shared = data_set.item(Tag(0x5200_9229));
    match (own.and_then(|groups| groups.item(Tag(sequence))), shared.and_then(|groups| groups.item(Tag(sequence)))) {
        (Some(item), _) | (None, Some(item)) => item,
        (None, None) => data_set,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_those_of_the_standard() {
        // The example of C.11.2.1.2.1: 100 bits of grey from width 100 around 50.
        let window = Window { center: 50.0, width: 100.0, function: Function::Linear };
        assert_eq!((window.level(-1.0), window.level(0.0), window.level(99.0), window.level(120.0)), (0.0, 0.0, 1.0, 1.0));
        assert!((window.level(49.5) - 0.5).abs() < 1e-12);
        let exact = Window { function: Function::LinearExact, ..window };
        assert_eq!((exact.level(0.0), exact.level(50.0), exact.level(100.0)), (0.0, 0.5, 1.0));
        let curve = Window { function: Function::Sigmoid, ..window };
        assert!((curve.level(50.0) - 0.5).abs() < 1e-12 && curve.level(0.0) > 0.1 && curve.level(100.0) < 0.9);
        let threshold = Window { center: 10.0, width: 1.0, function: Function::Linear };
        assert_eq!((threshold.level(9.5), threshold.level(9.6)), (0.0, 1.0));
    }

    #[test]
    fn values_outside_of_a_table_have_its_ends() {
        let table = Table { first: -2, entries: vec![5, 6, 7], bits: 12 };
        assert_eq!([-9, -2, -1, 0, 9].map(|value| table.entry(value)), [5, 5, 6, 7, 7]);
        assert_eq!(table.entry(i64::MAX), 7);
        assert!((Modality::Table(table).value(-1.0) - 6.0).abs() < 1e-12);
    }
}
