//! Text in the pixels is found and covered, in images whose texts are known.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use sutura_deid::dicom::{CleanPixels, DicomDeidentifier, Options, PixelBox};
use sutura_dicom::{
    DicomFile, Limits,
    pixels::{PixelDescription, decode::Frame, lut::Modality},
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
        assert_eq!(released.proof.warnings, Vec::<&str>::new());
    }
    println!("{covered} of {texts} texts covered");
    assert!(texts == 16 && covered >= 15, "{covered} of {texts}");
}
