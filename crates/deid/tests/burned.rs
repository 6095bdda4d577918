//! Text in the pixels is found and covered, in images whose texts are known.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod support;

use std::{fs, sync::Arc};

use sutura_deid::dicom::{CleanPixels, DicomDeidentifier, Options, PixelBox};
use sutura_dicom::{
    DicomFile, Limits, Tag, Vr,
    pixels::{PixelDescription, decode::Frame, lut::Modality},
    write::{OwnedDataSet, OwnedFile},
};
use sutura_imaging::{Image, Rescale, burned::text_boxes};
use sutura_privacy::{Deidentifier, KeyRing, Policy, Scope};

fn find(description: &PixelDescription, frame: &Frame) -> Vec<PixelBox> {
    let stored = Rescale { modality: Modality::Identity, is_hounsfield: false };
    let Ok(image) = Image::of_frame(frame, description, &stored) else { return Vec::new() };
    let as_box = |found: &sutura_imaging::burned::TextBox| PixelBox {
        x: found.left as u32,
        y: found.top as u32,
        width: found.width() as u32,
        height: found.height() as u32,
    };
    text_boxes(&image.to_8_bits()).iter().map(as_box).collect()
}

#[test]
fn known_texts_are_covered() {
    let Some(folder) = support::data().map(|folder| folder.join("dicom")) else { return };
    let folder = folder.join("made/burned");
    let expected: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let privacy =
        Deidentifier::new(Policy::builtin("gdpr-pseudonymised").unwrap(), &KeyRing::generate().unwrap(), Scope::new("p", "d"), None)
            .unwrap();
    let options = Options { clean_pixels: CleanPixels::Detect, ..Options::default() };
    let deidentifier = DicomDeidentifier::new(options, &privacy).unwrap().with_text_finder(Arc::new(find));
    let (mut texts, mut covered) = (0, 0);
    for (name, entry) in expected.as_object().unwrap().iter().filter(|(_, entry)| entry["boxes"].is_array()) {
        let file = DicomFile::parse(fs::read(folder.join(name)).unwrap(), &Limits::default()).unwrap();
        let released = deidentifier.deidentify(&file).unwrap();
        let boxes = &released.proof.boxes;
        for text in entry["boxes"].as_array().unwrap() {
            let corners: Vec<u32> = text["box_xyxy"].as_array().unwrap().iter().map(|corner| corner.as_u64().unwrap() as u32).collect();
            let [left, top, right, bottom] = corners[..] else { panic!("{name}") };
            texts += 1;
            let inside =
                |x: u32, y: u32| boxes.iter().any(|area| area.x <= x && x < area.x + area.width && area.y <= y && y < area.y + area.height);
            let hidden = (top..bottom).flat_map(|y| (left..right).map(move |x| (x, y))).filter(|(x, y)| inside(*x, *y)).count();
            covered += usize::from(hidden as f64 > 0.9 * f64::from((right - left) * (bottom - top)));
        }
        println!("{name}: {:?}", boxes.iter().map(|area| area.by).collect::<Vec<_>>());
        // A person has to look: what detection finds is not all.
        assert_eq!(released.proof.warnings, ["burned-in-text-likely"]);
        assert!(released.proof.options.contains(&"clean-pixels"));
    }
    println!("{covered} of {texts} texts covered");
    assert!(texts == 16 && covered >= 15, "{covered} of {texts}");
}

/// An image with a bar in it that the finder below takes for text.
fn image(modality: &str, sop_class: &str, has_text: bool) -> OwnedFile {
    let mut data_set = OwnedDataSet::new();
    data_set.set_uid(Tag(0x0008_0016), sop_class);
    data_set.set_uid(Tag(0x0008_0018), "1.2.3");
    data_set.set_text(Tag(0x0008_0060), Vr::CS, modality);
    data_set.set_text(Tag(0x0028_0004), Vr::CS, "MONOCHROME2");
    for (tag, value) in [(0x0002u32, 1), (0x0010, 20), (0x0011, 30), (0x0100, 8), (0x0101, 8), (0x0102, 7), (0x0103, 0)] {
        data_set.set_u16(Tag(0x0028_0000 | tag), &[value]);
    }
    let first = if has_text { 255 } else { 7 };
    data_set.set_bytes(Tag::PIXEL_DATA, Vr::OB, (0..600).map(|place| if place == 0 { first } else { 7 }).collect::<Vec<u8>>());
    OwnedFile::new(data_set)
}

/// What is claimed of a file: its codes, the words of its proof, and whether it says that there is no text.
#[test]
fn what_was_not_done_is_not_claimed() {
    const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
    const SAVED: &str = "1.2.840.10008.5.1.4.1.1.7";
    const SLIDE: &str = "1.2.840.10008.5.1.4.1.1.77.1.6";
    let privacy = |policy: &str| {
        let vault = Arc::new(sutura_privacy::MemoryVault::new().unwrap());
        Deidentifier::new(Policy::builtin(policy).unwrap(), &KeyRing::generate().unwrap(), Scope::new("p", "d"), Some(vault)).unwrap()
    };
    let any_bright = |_: &PixelDescription, frame: &Frame| {
        let bytes = frame.data.to_le_bytes();
        let place = PixelBox { x: 0, y: 0, width: 2, height: 2 };
        if bytes.contains(&255) { vec![place] } else { Vec::new() }
    };
    let release = |file: &OwnedFile, clean_pixels, policy: &str| {
        let options = Options { clean_pixels, ..Options::default() };
        let deidentifier = DicomDeidentifier::new(options, &privacy(policy)).unwrap().with_text_finder(Arc::new(any_bright));
        deidentifier.deidentify(&DicomFile::parse(file.to_bytes().unwrap(), &Limits::default()).unwrap())
    };
    let gdpr = "gdpr-pseudonymised";
    let codes = |bytes: Vec<u8>| -> Vec<String> {
        let file = DicomFile::parse(bytes, &Limits::default()).unwrap();
        file.data_set().items(Tag(0x0012_0064)).map(|item| item.text(Tag(0x0008_0100)).unwrap().into_owned()).collect()
    };
    // Nothing was painted, nothing was looked at.
    let done = release(&image("CT", CT, true), CleanPixels::Regions, gdpr).unwrap();
    assert_eq!((done.proof.options.as_slice(), codes(done.bytes).as_slice()), (&["basic"][..], &["113100".to_owned()][..]));
    // All frames were looked at.
    let done = release(&image("CT", CT, false), CleanPixels::Detect, gdpr).unwrap();
    assert_eq!((done.proof.options.as_slice(), done.proof.warnings.len()), (&["basic", "clean-pixels"][..], 0));
    assert_eq!(codes(done.bytes), ["113100", "113101"]);
    // Text that no rule knows of is not released as if it were none.
    for (modality, sop_class) in [("OT", SAVED), ("CT", SAVED), ("ES", CT), ("XA", CT), ("DX", CT)] {
        assert_eq!(release(&image(modality, sop_class, true), CleanPixels::Regions, gdpr).unwrap_err().code(), "burned-in-text");
        let done = release(&image(modality, sop_class, false), CleanPixels::Regions, gdpr).unwrap();
        assert_eq!((done.proof.options.as_slice(), done.proof.warnings.as_slice()), (&["basic"][..], &["burned-in-text-likely"][..]));
        assert!(release(&image(modality, sop_class, true), CleanPixels::Detect, gdpr).unwrap().proof.boxes.len() == 1);
    }
    let mut said = image("CT", CT, false);
    said.data_set.set_text(Tag(0x0028_0301), Vr::CS, "YES");
    assert_eq!(release(&said, CleanPixels::Regions, gdpr).unwrap_err().code(), "burned-in-text");
    assert_eq!(release(&said, CleanPixels::Detect, gdpr).unwrap().proof.warnings, ["burned-in-text-likely"]);
    // The label of a slide is nothing but text.
    let mut label = image("SM", SLIDE, true);
    label.data_set.set_text(Tag(0x0008_0008), Vr::CS, "ORIGINAL\\PRIMARY\\LABEL\\NONE");
    let mut overview = image("SM", SLIDE, true);
    overview.data_set.set_text(Tag(0x0048_0010), Vr::CS, "YES");
    for (file, rule) in [(label, "slide-label"), (overview, "specimen-label")] {
        let done = release(&file, CleanPixels::Regions, gdpr).unwrap();
        assert_eq!(done.proof.boxes[0].by, rule);
        let again = DicomFile::parse(done.bytes.clone(), &Limits::default()).unwrap();
        assert!(again.pixel_data().unwrap().bytes().iter().all(|byte| *byte == 7), "{rule}");
        assert_eq!((again.data_set().text(Tag(0x0028_0301)).as_deref(), codes(done.bytes).len()), (Some("NO"), 2));
    }
    // A photograph that somebody can be known by.
    let mut photograph = image("XC", "1.2.840.10008.5.1.4.1.1.77.1.4", false);
    photograph.data_set.set_text(Tag(0x0028_0302), Vr::CS, "YES");
    assert!(release(&photograph, CleanPixels::No, gdpr).unwrap().proof.warnings.contains(&"recognizable-features"));
    assert_eq!(release(&photograph, CleanPixels::No, "hipaa-safe-harbor").unwrap_err().code(), "face-not-found");
    let options = Options { clean_recognizable_features: true, ..Options::default() };
    let deidentifier = DicomDeidentifier::new(options, &privacy(gdpr)).unwrap();
    let parsed = |file: &OwnedFile| DicomFile::parse(file.to_bytes().unwrap(), &Limits::default()).unwrap();
    assert_eq!(deidentifier.deidentify(&parsed(&photograph)).unwrap_err().code(), "face-not-found");
    // Of no part of the head, and no face was taken off.
    let mut chest = image("CT", CT, false);
    chest.data_set.set_text(Tag(0x0018_0015), Vr::CS, "CHEST");
    assert_eq!(deidentifier.deidentify(&parsed(&chest)).unwrap().proof.options, ["basic"]);
    for part in [
        "CRANIUM",
        "MANDIBLE",
        "MAXILLA",
        "TMJ",
        "DENTAL",
        "NASAL",
        "PARANASALS",
        "CSPINE",
        "WHOLE_BODY",
        "HEADNECK",
        "CAROTID",
        "PAROTID",
        "",
    ] {
        chest.data_set.set_text(Tag(0x0018_0015), Vr::CS, part);
        assert!(sutura_deid::dicom::deface::may_show_a_face(&parsed(&chest)), "{part}");
    }
}

fn privacy() -> Deidentifier {
    Deidentifier::new(Policy::builtin("gdpr-pseudonymised").unwrap(), &KeyRing::generate().unwrap(), Scope::new("p", "d"), None).unwrap()
}

fn parsed(file: &OwnedFile) -> DicomFile {
    DicomFile::parse(file.to_bytes().unwrap(), &Limits::default()).unwrap()
}

fn options_of(how: CleanPixels) -> Options {
    Options { clean_pixels: how, ..Options::default() }
}

const ULTRASOUND: &str = "1.2.840.10008.5.1.4.1.1.6.1";
const SAVED_SCREEN: &str = "1.2.840.10008.5.1.4.1.1.7";

/// Where the finder below finds text: two pixels by two from each bright one on.
fn bright(_: &PixelDescription, frame: &Frame) -> Vec<PixelBox> {
    let bytes = frame.data.to_le_bytes();
    let places = bytes.iter().enumerate().filter(|(_, byte)| **byte == 255).map(|(place, _)| place);
    places.map(|place| PixelBox { x: (place % 30) as u32, y: (place / 30) as u32, width: 2, height: 2 }).collect()
}

/// An image with bright pixels at places of column and row.
fn with_bright(modality: &str, sop_class: &str, places: &[(usize, usize)]) -> OwnedFile {
    let mut file = image(modality, sop_class, false);
    let mut bytes = file.data_set.get(Tag::PIXEL_DATA).unwrap().value.bytes().to_vec();
    for (x, y) in places {
        bytes[y * 30 + x] = 255;
    }
    file.data_set.set_bytes(Tag::PIXEL_DATA, Vr::OB, bytes);
    file
}

/// A rule that knows of a part of the image says nothing of the rest.
#[test]
fn what_a_rule_leaves_is_looked_at() {
    let release = |file: &OwnedFile, how: CleanPixels| {
        let deidentifier = DicomDeidentifier::new(options_of(how), &privacy()).unwrap().with_text_finder(Arc::new(bright));
        deidentifier.deidentify(&parsed(file))
    };
    let mut regions = with_bright("US", ULTRASOUND, &[(10, 12)]);
    let mut region = OwnedDataSet::new();
    for (tag, value) in [(0x0018_6018u32, 5u32), (0x0018_601A, 5), (0x0018_601C, 25), (0x0018_601E, 18)] {
        region.set_u32(Tag(tag), &[value]);
    }
    regions.data_set.set_items(Tag(0x0018_6011), vec![region]);
    // Below the line at the top, and inside of the region that is stated.
    for file in [&with_bright("US", ULTRASOUND, &[(4, 0), (10, 12)]), &regions] {
        for says in ["", "NO", "YES"] {
            let mut file = file.clone();
            if !says.is_empty() {
                file.data_set.set_text(Tag(0x0028_0301), Vr::CS, says);
            }
            assert_eq!(release(&file, CleanPixels::Regions).unwrap_err().code(), "burned-in-text", "{says}");
            let done = release(&file, CleanPixels::Detect).unwrap();
            assert!(done.proof.boxes.iter().any(|area| area.by == "detected") && done.proof.options.contains(&"clean-pixels"));
            assert!(parsed_bytes(&done.bytes).pixel_data().unwrap().bytes().iter().all(|byte| *byte != 255));
        }
    }
    // Nothing is left: the option was applied, and a person still has to look.
    let mut covered = with_bright("US", ULTRASOUND, &[(4, 0)]);
    covered.data_set.set_text(Tag(0x0028_0301), Vr::CS, "YES");
    let done = release(&covered, CleanPixels::Regions).unwrap();
    assert_eq!((done.proof.options, done.proof.warnings), (vec!["basic", "clean-pixels"], vec!["burned-in-text-likely"]));
    // Nobody looks: it is not said that the pixels are clean, nor believed what the image says.
    let without = DicomDeidentifier::new(options_of(CleanPixels::Regions), &privacy()).unwrap();
    assert_eq!(without.deidentify(&parsed(&covered)).unwrap_err().code(), "burned-in-text");
    covered.data_set.remove(Tag(0x0028_0301));
    assert_eq!(without.deidentify(&parsed(&covered)).unwrap().proof.options, ["basic"]);
    // Every frame is looked at.
    let mut many = with_bright("OT", SAVED_SCREEN, &[]);
    let frames: Vec<u8> = (0..20 * 600).map(|place| if place == 3 * 600 + 100 { 255 } else { 7 }).collect();
    many.data_set.set_text(Tag(0x0028_0008), Vr::IS, "20");
    many.data_set.set_bytes(Tag::PIXEL_DATA, Vr::OB, frames);
    assert_eq!(release(&many, CleanPixels::Regions).unwrap_err().code(), "burned-in-text");
}

fn parsed_bytes(bytes: &[u8]) -> DicomFile {
    DicomFile::parse(bytes.to_vec(), &Limits::default()).unwrap()
}

/// That nothing was found says little of an image that is of a kind that is written on.
#[test]
fn nobody_says_that_there_is_no_text() {
    for how in [CleanPixels::Regions, CleanPixels::Detect, CleanPixels::No] {
        for (modality, sop_class) in [
            ("OT", SAVED_SCREEN),
            ("US", ULTRASOUND),
            ("ES", SAVED_SCREEN),
            ("XA", "1.2.840.10008.5.1.4.1.1.12.1"),
            ("DX", "1.2.840.10008.5.1.4.1.1.1.1"),
        ] {
            let mut file = with_bright(modality, sop_class, &[]);
            file.data_set.set_text(Tag(0x0028_0301), Vr::CS, "NO");
            let deidentifier = DicomDeidentifier::new(options_of(how), &privacy()).unwrap().with_text_finder(Arc::new(bright));
            let done = deidentifier.deidentify(&parsed(&file)).unwrap();
            assert_eq!(done.proof.warnings, ["burned-in-text-likely"], "{how:?} {modality}");
            let says = parsed_bytes(&done.bytes).data_set().text(Tag(0x0028_0301)).map(std::borrow::Cow::into_owned);
            assert_eq!(says.as_deref(), if how == CleanPixels::No { Some("NO") } else { None }, "{how:?} {modality}");
        }
    }
    // A section that says so is believed.
    let mut file = with_bright("CT", "1.2.840.10008.5.1.4.1.1.2", &[]);
    file.data_set.set_text(Tag(0x0028_0301), Vr::CS, "NO");
    let deidentifier = DicomDeidentifier::new(options_of(CleanPixels::Detect), &privacy()).unwrap().with_text_finder(Arc::new(bright));
    let done = deidentifier.deidentify(&parsed(&file)).unwrap();
    assert!(done.proof.warnings.is_empty());
    assert_eq!(parsed_bytes(&done.bytes).data_set().text(Tag(0x0028_0301)).as_deref(), Some("NO"));
}

/// Indices 10 and 11 are next to each other; their colours are black and white.
#[test]
fn palettes_are_seen_as_they_are_shown() {
    let (rows, columns) = (60usize, 120usize);
    let mut values = vec![10u8; rows * columns];
    for letter in 0..5 {
        for (row, column) in (0..9).flat_map(|row| (0..7).map(move |column| (row, column))) {
            if matches!(column, 0 | 1 | 5 | 6) || row == 4 {
                values[(30 + row) * columns + 20 + letter * 10 + column] = 11;
            }
        }
    }
    let mut file = image("OT", SAVED_SCREEN, false);
    let data_set = &mut file.data_set;
    data_set.set_text(Tag(0x0028_0004), Vr::CS, "PALETTE COLOR");
    data_set.set_u16(Tag(0x0028_0010), &[rows as u16]);
    data_set.set_u16(Tag(0x0028_0011), &[columns as u16]);
    let table: Vec<u8> = (0..256u16).flat_map(|index| if index == 11 { [0xFF, 0xFF] } else { [0, 0] }).collect();
    for color in 1..=3u32 {
        data_set.set_u16(Tag(0x0028_1100 | color), &[256, 0, 16]);
        data_set.set_bytes(Tag(0x0028_1200 | color), Vr::OW, table.clone());
    }
    data_set.set_bytes(Tag::PIXEL_DATA, Vr::OB, values);
    let file = parsed(&file);
    let release = |how| DicomDeidentifier::new(options_of(how), &privacy()).unwrap().with_text_finder(Arc::new(find)).deidentify(&file);
    assert_eq!(release(CleanPixels::Regions).unwrap_err().code(), "burned-in-text");
    let done = release(CleanPixels::Detect).unwrap();
    assert_eq!(done.proof.boxes.len(), 1);
    assert!(parsed_bytes(&done.bytes).pixel_data().unwrap().bytes().iter().all(|index| *index != 11));
    // As the quality of images is measured.
    assert_eq!(text_boxes(&Image::read(&file, 0).unwrap().to_8_bits()).len(), 1);
}

/// What a camera took, whatever the file calls it.
#[test]
fn photographs_are_told_by_their_kind() {
    for (sop_class, modality, says, warns) in [
        ("1.2.840.10008.5.1.4.1.1.77.1.4", "DMS", "", true),
        ("1.2.840.10008.5.1.4.1.1.77.1.4.1", "OT", "", true),
        ("1.2.840.10008.5.1.4.1.1.77.1.1", "ES", "", true),
        ("1.2.840.10008.5.1.4.1.1.77.1.2", "GM", "", true),
        ("1.2.840.10008.5.1.4.1.1.77.1.4", "DMS", "NO", false),
        ("1.2.840.10008.5.1.4.1.1.2", "CT", "", false),
    ] {
        let mut file = image(modality, sop_class, false);
        if !says.is_empty() {
            file.data_set.set_text(Tag(0x0028_0302), Vr::CS, says);
        }
        let done = DicomDeidentifier::new(Options::default(), &privacy()).unwrap().deidentify(&parsed(&file)).unwrap();
        assert_eq!(done.proof.warnings.contains(&"recognizable-features"), warns, "{sop_class} {modality} {says}");
    }
}
