//! Pixels in another coding without loss, proved the same.

use serde::{Deserialize, Serialize};
use sutura_dicom::{
    DicomFile, Limits, Tag, TransferSyntax, Vr,
    codec::{self, Lossless},
    pixels::{FrameMap, PixelDescription, PixelError, SampleKind, decode},
    write::OwnedFile,
};

/// How pixels are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coding {
    /// As they come; painted images uncompressed.
    #[default]
    Keep,
    /// Uncompressed, little endian.
    Native,
    /// RLE Lossless.
    Rle,
    /// JPEG-LS Lossless.
    JpegLs,
    /// JPEG 2000 Lossless.
    #[serde(rename = "jpeg-2000")]
    Jpeg2000,
}

impl Coding {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Keep, Self::Native, Self::Rle, Self::JpegLs, Self::Jpeg2000];

    /// The word in options and accounts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Native => "native",
            Self::Rle => "rle",
            Self::JpegLs => "jpeg-ls",
            Self::Jpeg2000 => "jpeg-2000",
        }
    }
}

/// What became of pixels that were to be encoded anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encoded {
    /// They are in the coding that was asked for, and were decoded to the same.
    Anew(Vec<u8>),
    /// They are in that coding already, or there are none.
    AsTheyWere,
    /// The coding has no place for them, or they cannot be decoded.
    NotPossible,
}

/// Encodes the pixels of a file. What is encoded anew was decoded again, and every frame is the same.
pub fn encode(released: &[u8], into: Coding, limits: &Limits) -> Encoded {
    let lossless = match into {
        Coding::Keep => return Encoded::AsTheyWere,
        Coding::Native => None,
        Coding::Rle => Some(Lossless::Rle),
        Coding::JpegLs => Some(Lossless::JpegLs),
        Coding::Jpeg2000 => Some(Lossless::Jpeg2000),
    };
    let Ok(file) = DicomFile::parse(released.to_vec(), limits) else { return Encoded::NotPossible };
    let wanted = TransferSyntax::of(lossless.map_or("1.2.840.10008.1.2.1", Lossless::uid));
    if file.pixel_data().is_none() || file.transfer_syntax().uid == wanted.uid {
        return Encoded::AsTheyWere;
    }
    match written(&file, lossless, wanted, limits) {
        Ok(Some(bytes)) => Encoded::Anew(bytes),
        _ => Encoded::NotPossible,
    }
}

fn written(file: &DicomFile, into: Option<Lossless>, syntax: TransferSyntax, limits: &Limits) -> Result<Option<Vec<u8>>, PixelError> {
    let Some(element) = file.pixel_data() else { return Ok(None) };
    let description = PixelDescription::of(file)?;
    let map = FrameMap::with(file, &description)?;
    if description.kind != SampleKind::Integer || description.bits_allocated < 8 || map.len() < description.frames {
        return Ok(None);
    }
    let mut owned = OwnedFile::of(file);
    let data_set = &mut owned.data_set;
    match into {
        None => {
            let mut all = Vec::new();
            for number in 0..description.frames {
                let frame = decode::frame(file, &description, &map, number)?.data.to_le_bytes();
                if all.len().saturating_add(frame.len()) > limits.bytes {
                    return Err(PixelError::TooLarge);
                }
                all.extend_from_slice(&frame);
            }
            let vr = if description.bits_allocated <= 8 { Vr::OB } else { Vr::OW };
            data_set.set_bytes(element.tag(), vr, all);
        }
        Some(into) => {
            // No offset table: each frame is one fragment.
            let mut fragments = vec![bytes::Bytes::new()];
            for number in 0..description.frames {
                let frame = decode::frame(file, &description, &map, number)?;
                fragments.push(codec::encode(&frame, description.bits_stored, into)?.into());
            }
            data_set.set_fragments(element.tag(), fragments);
        }
    }
    for table in [0x7FE0_0001, 0x7FE0_0002, 0x7FE0_0003] {
        data_set.remove(Tag(table));
    }
    data_set.set_u16(Tag(0x0028_0102), &[(description.bits_stored - 1) as u16]);
    if description.samples > 1 {
        data_set.set_u16(Tag(0x0028_0006), &[u16::from(into == Some(Lossless::Rle))]);
        // What a decoder gives: chroma for every pixel, and colours where the codec has turned them back.
        let photometric = match description.photometric.as_str() {
            "YBR_FULL_422" | "YBR_PARTIAL_422" | "YBR_PARTIAL_420" => "YBR_FULL",
            "YBR_ICT" | "YBR_RCT" => "RGB",
            other => other,
        };
        data_set.set_text(Tag(0x0028_0004), Vr::CS, photometric);
    }
    owned.syntax = syntax;
    let Ok(bytes) = owned.to_bytes() else { return Ok(None) };
    Ok(is_same(file, &description, &map, &bytes, limits).then_some(bytes))
}

/// Whether every frame of a file, read again, is that of before.
fn is_same(file: &DicomFile, description: &PixelDescription, map: &FrameMap, bytes: &[u8], limits: &Limits) -> bool {
    let limits = Limits { bytes: limits.bytes.max(bytes.len()), ..*limits };
    let Ok(again) = DicomFile::parse(bytes.to_vec(), &limits) else { return false };
    let Ok(described) = PixelDescription::of(&again) else { return false };
    let Ok(placed) = FrameMap::with(&again, &described) else { return false };
    described.frames == description.frames
        && placed.len() >= description.frames
        && (0..description.frames).all(|number| {
            let before = decode::frame(file, description, map, number);
            let after = decode::frame(&again, &described, &placed, number);
            before.is_ok() && before == after
        })
}
