//! Text in the pixels: where it is, and painting over it (PS3.15 section E.3.1).

mod paint;

use sutura_dicom::{
    DicomFile, Tag, TransferSyntax, Vr, burned,
    pixels::{
        FrameMap, PixelDescription, PixelError,
        decode::{self, Frame},
    },
    write::{OwnedFile, OwnedValue},
};

use super::{
    deface::{FaceMask, Found},
    options::CleanPixels,
    proof::{CleanedBox, Proof},
};
use crate::error::DeidError;
use paint::Canvas;

pub use sutura_dicom::burned::PixelBox;

const BURNED_IN_ANNOTATION: Tag = Tag(0x0028_0301);
const RECOGNIZABLE_FEATURES: Tag = Tag(0x0028_0302);
/// Frames of a file that are looked at for text that no rule knows of.
const FRAMES_LOOKED_AT: usize = 8;
/// Bytes of pixels that are held to paint on them.
const MOST_BYTES: usize = 2 << 30;

/// Finds areas of a decoded frame that look like text.
pub type TextFinder = dyn Fn(&PixelDescription, &Frame) -> Vec<PixelBox> + Send + Sync;

/// Says where text is likely though nobody asked to clean the pixels.
pub(crate) fn warn(file: &DicomFile, proof: &mut Proof) {
    if file.pixel_data().is_none() {
        return;
    }
    if file.data_set().text(BURNED_IN_ANNOTATION).as_deref() == Some("YES") || !burned::regions(file, 100, 100).is_empty() {
        proof.warn("burned-in-text-likely");
    }
}

/// What was done to the pixels of a file.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PixelsDone {
    /// Text was painted over, or looked for in every frame.
    pub(crate) cleaned: bool,
    /// A face was taken off the volume that the file is a slice of.
    pub(crate) defaced: bool,
}

/// An area to paint over: in which frames, and what said so.
struct Area {
    first: usize,
    frames: usize,
    place: PixelBox,
    by: &'static str,
}

/// Paints over what the rules of the device say, and with [`CleanPixels::Detect`] over what looks like text.
///
/// Pixels that nothing is painted on stay as they are coded. Where something is, compressed frames are decoded and all are written natively. Says whether text was
/// painted over or looked for everywhere.
///
/// # Errors
/// When the pixels cannot be decoded, or by [`CleanPixels::Regions`] there is text that no rule says the place of.
pub(crate) fn clean(
    file: &DicomFile,
    owned: &mut OwnedFile,
    how: CleanPixels,
    finder: Option<&TextFinder>,
    proof: &mut Proof,
) -> Result<bool, DeidError> {
    let Some(element) = file.pixel_data() else { return Ok(false) };
    let description = PixelDescription::of(file)?;
    let rules = burned::regions(file, description.columns as u32, description.rows as u32);
    let mut areas: Vec<Area> = Vec::new();
    for rule in &rules {
        areas.extend(rule.boxes.iter().map(|place| Area { first: 0, frames: description.frames, place: *place, by: rule.name }));
    }
    let detects = how == CleanPixels::Detect;
    let says_so = file.data_set().text(BURNED_IN_ANNOTATION).as_deref() == Some("YES");
    if !detects && areas.is_empty() && burned::may_hold_text(file) {
        if says_so || has_text(file, &description, finder)? {
            return Err(DeidError::BurnedText);
        }
        proof.warn("burned-in-text-likely");
    }
    let map = if detects || (element.is_fragments() && !areas.is_empty()) { Some(FrameMap::with(file, &description)?) } else { None };
    if let (true, Some(map)) = (detects, &map) {
        let finder = finder.ok_or(DeidError::NoTextFinder)?;
        if map.len() < description.frames {
            return Err(PixelError::Short.into());
        }
        for number in 0..description.frames {
            let frame = decode::frame(file, &description, map, number)?;
            for place in finder(&description, &frame) {
                // The same text in one frame after the other is one area.
                match areas.iter_mut().find(|area| area.by == DETECTED && area.place == place && area.first + area.frames == number) {
                    Some(area) => area.frames += 1,
                    None => areas.push(Area { first: number, frames: 1, place, by: DETECTED }),
                }
            }
        }
    }
    if !areas.is_empty() {
        let mut canvas = match &map {
            Some(map) if element.is_fragments() => decoded(file, &description, map)?,
            _ => native(owned, element.tag(), &description)?,
        };
        for area in &areas {
            for number in area.first..area.first + area.frames {
                canvas.paint(number, area.place);
            }
            let PixelBox { x, y, width, height } = canvas.inside(area.place);
            if width > 0 && height > 0 {
                proof.boxes.push(CleanedBox { frame: area.first as u32, frames: area.frames as u32, x, y, width, height, by: area.by });
            }
        }
        put(owned, element.tag(), element.is_fragments(), &description, canvas);
    }
    if rules.iter().any(|rule| rule.is_sure) {
        owned.data_set.set_text(BURNED_IN_ANNOTATION, Vr::CS, "NO");
    } else {
        // Where text was found there may be more: nobody says that there is none.
        if areas.iter().any(|area| area.by == DETECTED) {
            proof.warn("burned-in-text-likely");
            if owned.data_set.get(BURNED_IN_ANNOTATION).is_some() {
                owned.data_set.set_text(BURNED_IN_ANNOTATION, Vr::CS, "YES");
            }
        }
        warn(file, proof);
    }
    Ok(detects || !areas.is_empty())
}

/// Whether something that looks like text is in some of the frames.
fn has_text(file: &DicomFile, description: &PixelDescription, finder: Option<&TextFinder>) -> Result<bool, DeidError> {
    let Some(finder) = finder else { return Ok(false) };
    let map = FrameMap::with(file, description)?;
    // What is written on a sequence of images is on most of them.
    for number in (0..description.frames).step_by(description.frames.div_ceil(FRAMES_LOOKED_AT)) {
        if !finder(description, &decode::frame(file, description, &map, number)?).is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

const DETECTED: &str = "detected";

/// Takes the face off a slice. Says whether there was a face in the volume, or something was taken off this slice.
pub(crate) fn deface(file: &DicomFile, owned: &mut OwnedFile, face: &FaceMask, proof: &mut Proof) -> Result<bool, DeidError> {
    let Some(element) = file.pixel_data() else { return Ok(false) };
    let mut is_defaced = face.found == Found::Face;
    match face.found {
        Found::Face => {}
        Found::NoNose => proof.warn("no-nose-found"),
        Found::NoHead => proof.warn("no-head-found"),
    }
    if !face.covers(file) {
        return Err(DeidError::Face("the file is not a slice of the volume that the mask was made of"));
    }
    let description = PixelDescription::of(file)?;
    if let Some(goes) = face.of_slice(file, &description) {
        // What was painted before is native by now.
        let is_coded = matches!(owned.data_set.get(element.tag()).map(|element| &element.value), Some(OwnedValue::Fragments(_)));
        let mut canvas = if is_coded {
            decoded(file, &description, &FrameMap::with(file, &description)?)?
        } else {
            native(owned, element.tag(), &description)?
        };
        let fill = FaceMask::fill(file, canvas.lowest(&description));
        canvas.fill(&goes, fill);
        put(owned, element.tag(), is_coded, &description, canvas);
        proof.record(&[element.tag()], "defaced", "clean-recognizable-features");
        is_defaced = true;
    }
    if face.found == Found::Face {
        owned.data_set.set_text(RECOGNIZABLE_FEATURES, Vr::CS, "NO");
    }
    Ok(is_defaced)
}

/// Looks at faces that nobody took off: photographs, and what says itself that somebody can be known by it.
///
/// # Errors
/// When they must not be there: the option is on, or the law counts full-face photographs among identifiers.
pub(crate) fn look_for_faces(file: &DicomFile, must_not: bool, proof: &mut Proof) -> Result<(), DeidError> {
    let data_set = file.data_set();
    let says = data_set.text(RECOGNIZABLE_FEATURES).unwrap_or_default();
    match says.as_ref() {
        _ if file.pixel_data().is_none() => Ok(()),
        "YES" if must_not => Err(DeidError::Face("the image says that somebody can be known by it, and nothing was taken off")),
        "YES" => {
            proof.warn("recognizable-features");
            Ok(())
        }
        "NO" => Ok(()),
        _ => {
            if data_set.text(Tag(0x0008_0060)).as_deref() == Some("XC") {
                proof.warn("recognizable-features");
            }
            Ok(())
        }
    }
}

/// Native pixels as they will be written: little endian.
fn native(owned: &OwnedFile, tag: Tag, description: &PixelDescription) -> Result<Canvas, DeidError> {
    let bytes = owned.data_set.get(tag).map(|element| element.value.bytes().to_vec()).unwrap_or_default();
    if bytes.len() * 8 < description.native_frame_bits().saturating_mul(description.frames) {
        return Err(PixelError::Short.into());
    }
    Canvas::new(bytes, description, description.planar, description.subsampled)
}

/// Writes every frame natively, as it decodes.
pub(super) fn write_decoded(
    file: &DicomFile,
    owned: &mut OwnedFile,
    tag: Tag,
    description: &PixelDescription,
    map: &FrameMap,
) -> Result<(), DeidError> {
    put(owned, tag, true, description, decoded(file, description, map)?);
    Ok(())
}

/// Every frame decoded, samples pixel after pixel.
fn decoded(file: &DicomFile, description: &PixelDescription, map: &FrameMap) -> Result<Canvas, DeidError> {
    let frame_bytes = description.frame_samples() * description.bits_allocated.div_ceil(8);
    if description.bits_allocated == 1 || frame_bytes.saturating_mul(description.frames) > MOST_BYTES {
        return Err(DeidError::PixelLayout);
    }
    if map.len() < description.frames {
        return Err(PixelError::Short.into());
    }
    let mut bytes = Vec::with_capacity(frame_bytes * description.frames + 1);
    for number in 0..description.frames {
        let frame = decode::frame(file, description, map, number)?.data.to_le_bytes();
        if frame.len() != frame_bytes {
            return Err(DeidError::PixelLayout);
        }
        bytes.extend_from_slice(&frame);
    }
    Canvas::new(bytes, description, false, false)
}

/// The painted pixels in the place of those of before, with what describes them.
fn put(owned: &mut OwnedFile, tag: Tag, was_coded: bool, description: &PixelDescription, canvas: Canvas) {
    let vr = match (tag, description.bits_allocated) {
        (Tag(0x7FE0_0008), _) => Vr::OF,
        (Tag(0x7FE0_0009), _) => Vr::OD,
        (_, 0..=8) => Vr::OB,
        _ => Vr::OW,
    };
    let data_set = &mut owned.data_set;
    data_set.set_bytes(tag, vr, canvas.into_bytes());
    if !was_coded {
        return;
    }
    owned.syntax = TransferSyntax::of("1.2.840.10008.1.2.1");
    // Offsets of fragments that are no more.
    for table in [0x7FE0_0001, 0x7FE0_0002, 0x7FE0_0003] {
        data_set.remove(Tag(table));
    }
    data_set.set_u16(Tag(0x0028_0102), &[(description.bits_stored - 1) as u16]);
    if description.samples > 1 {
        data_set.set_u16(Tag(0x0028_0006), &[0]);
        let photometric = match description.photometric.as_str() {
            "YBR_FULL_422" | "YBR_PARTIAL_422" | "YBR_PARTIAL_420" => "YBR_FULL",
            "YBR_ICT" | "YBR_RCT" => "RGB",
            other => other,
        };
        data_set.set_text(Tag(0x0028_0004), Vr::CS, photometric);
    }
    debug_assert!(matches!(data_set.get(tag).map(|element| &element.value), Some(OwnedValue::Bytes(_))));
}
