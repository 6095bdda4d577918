//! Images to look at: 8 bits of grey or of red, green and blue.

use super::{
    FrameMap, PixelDescription, PixelError, SampleKind,
    decode::{self, Frame, Samples},
    lut::{Modality, Voi, is_inverse},
    palette::Palette,
};
use crate::{codec, file::DicomFile, syntax::PixelCoding, tag::Tag};

/// An image to look at.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// 1 (grey) or 3 (red, green, blue).
    pub samples: usize,
    /// Samples of 8 bits, pixel after pixel.
    pub data: Vec<u8>,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Pixels can be a face.
        write!(f, "Picture({}x{}x{})", self.rows, self.columns, self.samples)
    }
}

/// A frame, counted from 0, as a viewer would show it at first: with its first VOI table or window, or where it has none from its least value to its largest; color as RGB.
///
/// # Errors
/// As [`decode::frame`]; [`PixelError::Unsupported`] for retired kinds of color.
pub fn picture(file: &DicomFile, description: &PixelDescription, map: &FrameMap, number: usize) -> Result<Picture, PixelError> {
    let frame = decode::frame(file, description, map, number)?;
    picture_of(file, description, map, number, &frame)
}

/// The same of a frame that is decoded.
///
/// # Errors
/// As [`picture`].
pub fn picture_of(
    file: &DicomFile,
    description: &PixelDescription,
    map: &FrameMap,
    number: usize,
    frame: &Frame,
) -> Result<Picture, PixelError> {
    let picture = |samples, data| Picture { rows: frame.rows, columns: frame.columns, samples, data };
    match (description.photometric.as_str(), frame.samples) {
        ("PALETTE COLOR", 1) => {
            let palette = Palette::of(file.data_set())?;
            Ok(picture(3, palette.colors(&frame.data)))
        }
        (_, 1) => Ok(picture(1, grey(file, description, number, frame))),
        (photometric, 3) => {
            let coded = map.bytes(file, number).unwrap_or_default();
            let kind = color(photometric, description.coding, &coded).ok_or(PixelError::Unsupported)?;
            let mut data = eight_bits(&frame.data, description);
            for pixel in data.as_chunks_mut::<3>().0 {
                *pixel = kind.rgb(*pixel);
            }
            Ok(picture(3, data))
        }
        _ => Err(PixelError::Unsupported),
    }
}

/// The colours of a frame of palette indices, with what then describes them; `None` of every other frame, and where there is no palette that can be read.
pub fn colors_of_palette(file: &DicomFile, description: &PixelDescription, frame: &Frame) -> Option<(PixelDescription, Frame)> {
    if description.photometric != "PALETTE COLOR" || frame.samples != 1 {
        return None;
    }
    let data = Palette::of(file.data_set()).ok()?.colors(&frame.data);
    let described = PixelDescription {
        samples: 3,
        bits_allocated: 8,
        bits_stored: 8,
        high_bit: 7,
        signed: false,
        planar: false,
        photometric: "RGB".to_owned(),
        ..description.clone()
    };
    Some((described, Frame { rows: frame.rows, columns: frame.columns, samples: 3, data: Samples::U8(data) }))
}

fn grey(file: &DicomFile, description: &PixelDescription, number: usize, frame: &Frame) -> Vec<u8> {
    let modality = Modality::of(file, number);
    let voi = match Voi::of(file, number) {
        Voi::None => Voi::Window(whole(file, &modality, frame)),
        voi => voi,
    };
    let inverse = is_inverse(file, description);
    let shown = |stored: f64| {
        let level = voi.level(modality.value(stored)).unwrap_or(0.0);
        let level = if inverse { 1.0 - level } else { level };
        (level * 255.0 + 0.5) as u8
    };
    // Of many samples of few values each value is worked out once.
    match &frame.data {
        Samples::U8(values) => {
            let table: Vec<u8> = (0..=u8::MAX).map(|value| shown(f64::from(value))).collect();
            values.iter().map(|value| table[usize::from(*value)]).collect()
        }
        Samples::U16(values) if values.len() > 1 << 16 => {
            let table: Vec<u8> = (0..=u16::MAX).map(|value| shown(f64::from(value))).collect();
            values.iter().map(|value| table[usize::from(*value)]).collect()
        }
        Samples::I16(values) if values.len() > 1 << 16 => {
            let table: Vec<u8> = (0..=u16::MAX).map(|value| shown(f64::from(value.cast_signed()))).collect();
            values.iter().map(|value| table[usize::from(value.cast_unsigned())]).collect()
        }
        other => {
            let mut data = Vec::with_capacity(other.len());
            other.for_each(|value| data.push(shown(value)));
            data
        }
    }
}

/// The window from the least to the largest value that is no padding.
fn whole(file: &DicomFile, modality: &Modality, frame: &Frame) -> super::lut::Window {
    let padding = file.data_set().number(Tag(0x0028_0120));
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    frame.data.for_each(|stored| {
        if Some(stored) != padding {
            let value = modality.value(stored);
            if value.is_finite() {
                (least, most) = (least.min(value), most.max(value));
            }
        }
    });
    if least > most {
        (least, most) = (0.0, 0.0);
    }
    let width = (most - least).max(f64::MIN_POSITIVE);
    super::lut::Window { center: least + width / 2.0, width, function: super::lut::Function::LinearExact }
}

/// What three samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Color {
    Rgb,
    /// Luma and chroma with all values.
    Full,
    /// Luma from 16 to 235, chroma from 16 to 240.
    Partial,
}

/// What the samples of a photometric interpretation are once they are decoded.
fn color(photometric: &str, coding: PixelCoding, coded: &[u8]) -> Option<Color> {
    let is_jpeg = matches!(coding, PixelCoding::JpegBaseline | PixelCoding::JpegExtended);
    match photometric {
        // A data set may say what the pixels were before they were coded.
        "RGB" if is_jpeg && codec::jpeg::says_ybr(coded) => Some(Color::Full),
        "RGB" => Some(Color::Rgb),
        // The codec has undone its transform, if it says that there is one.
        "YBR_ICT" | "YBR_RCT" => match coding {
            PixelCoding::Jpeg2000 | PixelCoding::HtJpeg2000 if !codec::jpeg2000::has_transform(coded) => Some(Color::Full),
            _ => Some(Color::Rgb),
        },
        "YBR_FULL" | "YBR_FULL_422" => match coding {
            // Under its own syntax a transform that the code stream names is undone, whatever the data set says.
            PixelCoding::Jpeg2000 | PixelCoding::HtJpeg2000 if codec::jpeg2000::has_transform(coded) => Some(Color::Rgb),
            _ => Some(Color::Full),
        },
        "YBR_PARTIAL_422" | "YBR_PARTIAL_420" => Some(Color::Partial),
        "XYB" => Some(Color::Rgb),
        _ => None,
    }
}

impl Color {
    #[inline]
    fn rgb(self, pixel: [u8; 3]) -> [u8; 3] {
        let [y, b, r] = pixel.map(f32::from);
        let (b, r) = (b - 128.0, r - 128.0);
        let rounded = |value: f32| (value + 0.5).floor() as u8;
        match self {
            Self::Rgb => pixel,
            // ITU-R BT.601 as PS3.3 C.7.6.3.1.2 has it.
            Self::Full => [y + 1.402 * r, y - (0.114 * 1.772 / 0.587) * b - (0.299 * 1.402 / 0.587) * r, y + 1.772 * b].map(rounded),
            Self::Partial => {
                let y = (y - 16.0) * (255.0 / 219.0);
                [y + 1.5960 * r, y - 0.3918 * b - 0.8130 * r, y + 2.0172 * b].map(rounded)
            }
        }
    }
}

/// Samples as 8 bits: the upper ones of those that count.
fn eight_bits(samples: &Samples, description: &PixelDescription) -> Vec<u8> {
    let shift = description.bits_stored.saturating_sub(8);
    match samples {
        Samples::U8(values) => values.clone(),
        Samples::U16(values) => values.iter().map(|value| (value >> shift.min(15)) as u8).collect(),
        other => {
            let scale = if description.kind == SampleKind::Integer { 1.0 / (shift as f64).exp2() } else { 255.0 };
            let mut data = Vec::with_capacity(other.len());
            other.for_each(|value| data.push((value * scale) as u8));
            data
        }
    }
}
