//! Text in the pixels is found and covered, in images whose texts are known.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use sutura_deid::dicom::{CleanPixels, DicomDeidentifier, Options, PixelBox};
use sutura_dicom::{
    DicomFile, Limits, Tag, Vr,
    pixels::{PixelDescription, decode::Frame, lut::Modality},
    write::{OwnedDataSet, OwnedFile},
};
use sutura_imaging::{Image, Rescale, burned::text_boxes};
use sutura_privacy::{Deidentifier, KeyRing, Policy, Scope};

fn data() -> Option<PathBuf> {
    let given = std::env::var_os("SUTURA_TEST_DATA");
    let folder = given.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder.join("dicom"));
    }
    println!("SKIPPED: test data not found at {}; set SUTURA_TEST_DATA", folder.display());
    None
}

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
    let Some(folder) = data() else { return };
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
