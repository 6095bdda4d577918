//! Text in the pixels: where it is, and painting over it (PS3.15 section E.3.1).

mod paint;

use sutura_dicom::{
    DicomFile, Tag, TransferSyntax, Vr, burned,
    pixels::{
        FrameMap, PixelDescription, PixelError,
        decode::{self, Frame},
        display,
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
const TEXT_LIKELY: &str = "burned-in-text-likely";
const RECOGNIZABLE_FEATURES: Tag = Tag(0x0028_0302);
/// Bytes of pixels that are held to paint on them.
const MOST_BYTES: usize = 2 << 30;

/// Finds areas of a decoded frame that look like text.
pub type TextFinder = dyn Fn(&PixelDescription, &Frame) -> Vec<PixelBox> + Send + Sync;

/// Says where text is likely though nobody asked to clean the pixels.
pub(crate) fn warn(file: &DicomFile, proof: &mut Proof) {
    if file.pixel_data().is_some() && (burned::may_hold_text(file) || !burned::regions(file, 100, 100).is_empty()) {
        proof.warn(TEXT_LIKELY);
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
/// painted over or looked for everywhere: a rule that knows of a part of the image says nothing of the rest.
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
    let is_sure = rules.iter().any(|rule| rule.is_sure);
    let detects = how == CleanPixels::Detect;
    let may_hold_text = burned::may_hold_text(file);
    let looks = !detects && !is_sure && (may_hold_text || !areas.is_empty());
    let by_rules = areas.len();
    let mut is_looked_at = false;
    if (detects && !is_sure) || (looks && finder.is_some()) {
        let finder = finder.ok_or(DeidError::NoTextFinder)?;
        let found = find(file, &description, finder, &areas)?;
        if !found.is_empty() && !detects {
            return Err(DeidError::BurnedText);
        }
        areas.extend(found);
        is_looked_at = true;
    }
    // What says itself that there is text has to be covered somewhere.
    if looks && file.data_set().text(BURNED_IN_ANNOTATION).as_deref() == Some("YES") && !(is_looked_at && by_rules > 0) {
        return Err(DeidError::BurnedText);
    }
    if !areas.is_empty() {
        let mut canvas = if element.is_fragments() {
            decoded(file, &description, &FrameMap::with(file, &description)?)?
        } else {
            native(owned, element.tag(), &description)?
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
    let has_found = areas.len() > by_rules;
    if is_sure {
        owned.data_set.set_text(BURNED_IN_ANNOTATION, Vr::CS, "NO");
    } else if may_hold_text || has_found {
        // Where text was found there may be more, and none was found where some may be: nobody says that there is none.
        proof.warn(TEXT_LIKELY);
        match (has_found, owned.data_set.get(BURNED_IN_ANNOTATION).is_some()) {
            (true, true) => owned.data_set.set_text(BURNED_IN_ANNOTATION, Vr::CS, "YES"),
            (false, true) if owned.data_set.text(BURNED_IN_ANNOTATION) != "YES" => {
                owned.data_set.remove(BURNED_IN_ANNOTATION);
            }
            _ => {}
        }
    } else {
        warn(file, proof);
    }
    Ok(detects || is_sure || (by_rules > 0 && is_looked_at))
}

/// What looks like text in any frame and is not covered yet.
fn find(file: &DicomFile, description: &PixelDescription, finder: &TextFinder, covered: &[Area]) -> Result<Vec<Area>, DeidError> {
    let map = FrameMap::with(file, description)?;
    if map.len() < description.frames {
        return Err(PixelError::Short.into());
    }
    let mut found: Vec<Area> = Vec::new();
    for number in 0..description.frames {
        let frame = decode::frame(file, description, &map, number)?;
        // A palette's indices say nothing of what is seen.
        let shown = display::colors_of_palette(file, description, &frame);
        let (seen_as, seen) = shown.as_ref().map_or((description, &frame), |(description, frame)| (description, frame));
        for place in finder(seen_as, seen).into_iter().filter(|place| is_left(*place, covered)) {
            // The same text in one frame after the other is one area.
            match found.iter_mut().find(|area| area.place == place && area.first + area.frames == number) {
                Some(area) => area.frames += 1,
                None => found.push(Area { first: number, frames: 1, place, by: DETECTED }),
            }
        }
    }
    Ok(found)
}

/// Whether something of an area is in none of those that are covered in every frame. What was found is wider by a pixel than what is seen.
fn is_left(place: PixelBox, covered: &[Area]) -> bool {
    let middle = |from: u32, length: u32| if length > 2 { from + 1..from + length - 1 } else { from..from + length };
    let is_in = |area: &Area, x: u32, y: u32| {
        let PixelBox { x: left, y: top, width, height } = area.place;
        (left..left.saturating_add(width)).contains(&x) && (top..top.saturating_add(height)).contains(&y)
    };
    let columns = middle(place.x, place.width);
    middle(place.y, place.height).any(|y| columns.clone().any(|x| !covered.iter().any(|area| is_in(area, x, y))))
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
        "NO" => Ok(()),
        "YES" => {
            proof.warn("recognizable-features");
            Ok(())
        }
        _ => {
            if is_photograph(file) {
                proof.warn("recognizable-features");
            }
            Ok(())
        }
    }
}

/// Whether an image was taken by a camera, by its kind: whatever its modality says.
fn is_photograph(file: &DicomFile) -> bool {
    /// Endoscopic, microscopic and photographic images and videos of visible light.
    const VISIBLE: [&str; 3] = ["1.2.840.10008.5.1.4.1.1.77.1.1", "1.2.840.10008.5.1.4.1.1.77.1.2", "1.2.840.10008.5.1.4.1.1.77.1.4"];
    let data_set = file.data_set();
    let sop_class = data_set.text(Tag(0x0008_0016)).unwrap_or_default();
    let is_of = |class: &str| sop_class.strip_prefix(class).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    data_set.text(Tag(0x0008_0060)).as_deref() == Some("XC") || VISIBLE.into_iter().any(is_of)
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
