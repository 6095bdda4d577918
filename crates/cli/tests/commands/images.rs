//! `sutura images` and the tables of image quality.

use std::{fs, path::Path};

use serde_json::Value;
use sutura_dicom::{
    Tag, Vr,
    write::{OwnedDataSet, OwnedFile},
};

use crate::{expect, folder, run, stderr, stdout};

/// A CT image of a bright square, with so much noise; the name is a marker.
fn image(path: &Path, uid: &str, pixel: impl Fn(usize, usize) -> u16) {
    let mut data_set = OwnedDataSet::new();
    data_set.set_uid(Tag(0x0008_0016), "1.2.840.10008.5.1.4.1.1.2");
    data_set.set_uid(Tag(0x0008_0018), uid);
    data_set.set_text(Tag(0x0008_0060), Vr::CS, "CT");
    data_set.set_text(Tag(0x0010_0010), Vr::PN, "MARKER^NAME");
    data_set.set_text(Tag(0x0010_0020), Vr::LO, "MARKER-ID");
    data_set.set_text(Tag(0x0028_0004), Vr::CS, "MONOCHROME2");
    for (tag, number) in [(0x0002, 1), (0x0010, 96), (0x0011, 96), (0x0100, 16), (0x0101, 12), (0x0102, 11), (0x0103, 0)] {
        data_set.set_u16(Tag(0x0028_0000 | tag), &[number]);
    }
    let pixels = (0..96 * 96).flat_map(|place| pixel(place / 96, place % 96).to_le_bytes()).collect::<Vec<u8>>();
    data_set.set_bytes(Tag(0x7FE0_0010), Vr::OW, pixels);
    fs::write(path, OwnedFile::new(data_set).to_bytes().unwrap()).unwrap();
}

fn square(row: usize, column: usize) -> u16 {
    if (24..72).contains(&row) && (24..72).contains(&column) { 1200 + ((row * 31 + column * 17) % 40) as u16 } else { 20 }
}

#[test]
fn images_are_measured_judged_and_counted() {
    let folder = folder();
    let inside = folder.path().join("in");
    fs::create_dir(&inside).unwrap();
    image(&inside.join("one.dcm"), "1.2.1", square);
    image(&inside.join("blank"), "1.2.2", |_, _| 7);
    fs::write(inside.join("broken.dcm"), b"DICM but nothing else of it, MARKER").unwrap();
    let output = run(folder.path(), &["images", "in", "out", "--json"]);
    expect(&output, 3);
    let said: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&said["files"]["in"], &said["files"]["measured"], &said["images"]), (&3.into(), &2.into(), &2.into()), "{said}");
    assert_eq!(said["outcomes"]["quarantine"], 1, "an image of one value is put aside: {said}");
    assert!(said["statistics"]["CT"]["max"]["p90"].is_number(), "{said}");
    let flagged = fs::read_to_string(folder.path().join("out/flagged.ndjson")).unwrap();
    assert!(flagged.contains("/blank\"") && flagged.contains("\"metric\":\"blank\""), "{flagged}");
    assert!(fs::read_to_string(folder.path().join("out/rejects.ndjson")).unwrap().contains("broken.dcm"));
    for entry in fs::read_dir(folder.path().join("out")).unwrap() {
        let (path, bytes) = entry.map(|entry| (entry.path(), fs::read(entry.path()).unwrap())).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"MARKER"), "{}", path.display());
    }
    let png = fs::read(folder.path().join("out/score-histogram.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    // What is there is not replaced, and pixels are not shown without leave.
    expect(&run(folder.path(), &["images", "in", "out"]), 2);
    expect(&run(folder.path(), &["images", "in", "out", "--overwrite", "--thumbnails"]), 2);
    let shown = run(folder.path(), &["images", "in", "out", "--overwrite", "--thumbnails", "--allow-phi", "--purpose", "a test"]);
    expect(&shown, 3);
    assert!(
        stderr(&shown).contains("3 files in = 2 measured + 0 without pictures + 0 not decoded + 1 rejected; 2 images"),
        "{}",
        stderr(&shown)
    );
    assert!(fs::read_to_string(folder.path().join("out/report.html")).unwrap().contains("<image"));
}

#[test]
fn a_gate_stops_and_a_wrong_one_is_refused() {
    let folder = folder();
    image(&folder.path().join("one.dcm"), "1.2.1", square);
    fs::write(folder.path().join("gate.toml"), "[[modality.CT]]\nmetric = \"max\"\nabove = 100\noutcome = \"stop\"\n").unwrap();
    expect(&run(folder.path(), &["images", "one.dcm", "out", "--gate", "gate.toml"]), 1);
    assert!(folder.path().join("out/report.html").exists());
    fs::write(folder.path().join("gate.toml"), "[[limits]]\nmetric = \"scor\"\nbelow = 4\noutcome = \"warn\"\n").unwrap();
    let wrong = run(folder.path(), &["images", "one.dcm", "other", "--gate", "gate.toml"]);
    expect(&wrong, 2);
    assert!(stderr(&wrong).contains("\"score\""), "{}", stderr(&wrong));
}

#[test]
fn quality_is_asked_in_sql() {
    let folder = folder();
    image(&folder.path().join("one.dcm"), "1.2.1", square);
    let query = "select modality, image_rows, foreground_share from read_dicom('one.dcm', 'image_quality')";
    let output = run(folder.path(), &["sql", query, "--format", "csv"]);
    expect(&output, 0);
    assert!(stdout(&output).contains("CT,96,0.25"), "{}", stdout(&output));
}

#[test]
fn generated_studies_are_read_and_measured() {
    let folder = folder();
    let made = run(folder.path(), &["generate", "dicom", "--studies", "5", "--seed", "3", "--out", "made"]);
    expect(&made, 0);
    let truth: Value = serde_json::from_slice(&fs::read(folder.path().join("made/truth.json")).unwrap()).unwrap();
    let instances = truth["instances"].as_u64().unwrap();
    assert!(instances > 20, "{instances}");
    let query = "select count(*) as n, count(distinct study_instance_uid) as studies, min(rows) > 0 as ok from read_dicom('made/images')";
    let counted = run(folder.path(), &["sql", query, "--format", "csv"]);
    expect(&counted, 0);
    assert!(stdout(&counted).contains(&format!("{instances},5,true")), "{}", stdout(&counted));
    let measured = run(folder.path(), &["images", "made/images", "out", "--json"]);
    let said: Value = serde_json::from_str(&stdout(&measured)).unwrap();
    assert_eq!((&said["files"]["measured"], &said["images"]), (&instances.into(), &instances.into()), "{said}");
    // Twice the same.
    expect(&run(folder.path(), &["generate", "dicom", "--studies", "5", "--seed", "3", "--out", "again"]), 0);
    let same =
        |name: &str| fs::read(folder.path().join("made").join(name)).unwrap() == fs::read(folder.path().join("again").join(name)).unwrap();
    assert!(truth["files"].as_array().unwrap().iter().all(|file| same(file["name"].as_str().unwrap())));
    expect(&run(folder.path(), &["generate", "dicom", "--out", "made"]), 2);
}
