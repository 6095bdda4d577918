//! A frame as PNG, and which frames are not shown without leave.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

use sutura_dicom::{
    DicomFile, Tag,
    pixels::{FrameMap, PixelDescription, PixelError, decode, display},
};
use sutura_imaging::{Image, Image8, Rescale, burned, picture};

use crate::failure::{Failure, Outcome};

/// Writes a frame, counted from 1.
pub(super) fn write(file: &str, parsed: &DicomFile, number: usize, path: &Path, reveal: bool) -> Outcome<()> {
    let failed = |error: PixelError| Failure::failed(format!("{file}: no preview: {error} [{}]", error.code()));
    let description = PixelDescription::of(parsed).map_err(failed)?;
    let map = FrameMap::with(parsed, &description).map_err(failed)?;
    if number > map.len() {
        return Err(Failure::configuration(format!("{file}: there is no frame {number}; the file has {}", map.len())));
    }
    let frame = decode::frame(parsed, &description, &map, number - 1).map_err(failed)?;
    let shown = display::picture_of(parsed, &description, &map, number - 1, &frame).map_err(failed)?;
    if !reveal {
        if let Some(reason) = stated(parsed) {
            return Err(refused(file, reason));
        }
        // Looked for in what would be written, and in the whole range of values.
        let found = text_in(&shown).map_err(|error| Failure::failed(format!("{file}: no preview: {error}")))?
            || Image::of_frame(&frame, &description, &Rescale::of(parsed, number - 1))
                .is_ok_and(|image| !burned::text_boxes(&image.to_8_bits()).is_empty());
        if found {
            return Err(refused(file, "areas of the frame look like text, which may be a name"));
        }
    }
    let png = if shown.samples == 3 {
        picture::png_rgb(shown.rows, shown.columns, &shown.data)
    } else {
        Image8::new(shown.rows, shown.columns, shown.data).and_then(|image| picture::png(&image))
    };
    let png = png.map_err(|error| Failure::failed(format!("{file}: no preview: {error}")))?;
    create(path, &png).map_err(|error| {
        let name = path.display();
        match error.kind() {
            io::ErrorKind::AlreadyExists => Failure::configuration(format!("{name}: exists; name another file for the preview")),
            _ => Failure::io(&name.to_string(), &error),
        }
    })
}

fn refused(file: &str, reason: &str) -> Failure {
    Failure::configuration(format!(
        "{file}: no preview: {reason}; say --allow-phi --purpose TEXT to see it, or cover it first by de-identifying the file"
    ))
}

/// Why an image may show who it is of, by what the file says of itself.
fn stated(file: &DicomFile) -> Option<&'static str> {
    let is = |tag: u32, text: &str| file.data_set().text(Tag(tag)).is_some_and(|value| value.eq_ignore_ascii_case(text));
    if is(0x0028_0301, "YES") {
        return Some("the file says that text is burned in (Burned In Annotation)");
    }
    if is(0x0028_0302, "YES") {
        return Some("the file says that a face can be recognized (Recognizable Visual Features)");
    }
    if is(0x0008_0060, "XC") {
        return Some("it is a photograph, which may show a face");
    }
    None
}

/// Whether a picture has areas that look like text. Of colour its luminance is looked at (ITU-R BT.601).
fn text_in(shown: &display::Picture) -> Result<bool, sutura_imaging::ImagingError> {
    let grey = match shown.samples {
        3 => shown
            .data
            .as_chunks::<3>()
            .0
            .iter()
            .map(|[r, g, b]| ((299 * u32::from(*r) + 587 * u32::from(*g) + 114 * u32::from(*b)) / 1000) as u8)
            .collect(),
        _ => shown.data.clone(),
    };
    Ok(!burned::text_boxes(&Image8::new(shown.rows, shown.columns, grey)?).is_empty())
}

/// A new file for its owner only; nothing half written stays.
fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes).inspect_err(|_| {
        let _ = fs::remove_file(path);
    })
}
