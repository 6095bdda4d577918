//! `listen dicom`, `send dicom` and `inspect` of DICOM files, over real sockets.
#![cfg(unix)]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use sutura_dicom::{
    DicomFile, Limits, Tag, Vr,
    write::{OwnedDataSet, OwnedFile},
};

use crate::{expect, run, stderr, stdout, sutura};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

/// A CT image of 64 x 64 pixels: a disc that is brighter than what is around it, and values that identify, each with CANARY.
fn image(number: u16) -> OwnedDataSet {
    let mut data_set = OwnedDataSet::new();
    data_set.set_uid(Tag(0x0008_0016), CT);
    data_set.set_uid(Tag(0x0008_0018), &format!("1.2.3.4.5.{number}"));
    data_set.set_text(Tag(0x0008_0020), Vr::DA, "20260314");
    data_set.set_text(Tag(0x0008_0060), Vr::CS, "CT");
    data_set.set_text(Tag(0x0009_0010), Vr::LO, "SIEMENS CT VA0  COAD");
    data_set.set_text(Tag(0x0009_0011), Vr::LO, "CANARYCREATOR");
    data_set.set_text(Tag(0x0009_1010), Vr::LO, "CANARYPRIVATE");
    data_set.set_text(Tag(0x0009_1101), Vr::LO, "CANARYPRIVATE");
    data_set.set_text(Tag(0x0010_0010), Vr::PN, "CANARY^JANE");
    data_set.set_text(Tag(0x0010_0020), Vr::LO, "CANARY17");
    // A text in the place of a code.
    data_set.set_text(Tag(0x0018_5100), Vr::CS, "of Mrs. CANARYcode");
    let mut item = OwnedDataSet::new();
    item.set_text(Tag(0x0040_0007), Vr::LO, "CANARYSTEP");
    data_set.set_items(Tag(0x0040_0275), vec![item]);
    data_set.set_uid(Tag(0x0020_000D), "1.2.3.4");
    data_set.set_uid(Tag(0x0020_000E), "1.2.3.4.5");
    data_set.set_u16(Tag(0x0028_0002), &[1]);
    data_set.set_text(Tag(0x0028_0004), Vr::CS, "MONOCHROME2");
    data_set.set_u16(Tag(0x0028_0010), &[64]);
    data_set.set_u16(Tag(0x0028_0011), &[64]);
    data_set.set_u16(Tag(0x0028_0100), &[16]);
    data_set.set_u16(Tag(0x0028_0101), &[12]);
    data_set.set_u16(Tag(0x0028_0102), &[11]);
    data_set.set_u16(Tag(0x0028_0103), &[0]);
    let pixel = |place: i32| if (place / 64 - 32).pow(2) + (place % 64 - 32).pow(2) < 400 { 1000 + number } else { 20 };
    let pixels: Vec<u8> = (0..64 * 64).flat_map(|place| pixel(place).to_le_bytes()).collect();
    data_set.set_bytes(Tag::PIXEL_DATA, Vr::OW, pixels);
    data_set
}

fn bytes(data_set: OwnedDataSet) -> Vec<u8> {
    OwnedFile::new(data_set).to_bytes().unwrap()
}

/// A folder with so many images in `out`.
fn images(count: u16) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("out")).unwrap();
    for number in 0..count {
        fs::write(folder.path().join(format!("out/{number:03}.dcm")), bytes(image(number))).unwrap();
    }
    folder
}

/// A receiver that runs as a process of its own.
struct Receiver {
    child: Child,
    errors: BufReader<std::process::ChildStderr>,
    to: String,
}

impl Receiver {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = sutura(folder);
        command.args(["listen", "dicom", "--address", "127.0.0.1:0", "--min-free", "1"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        errors.read_line(&mut line).unwrap();
        let to = line.strip_prefix("listening on ").and_then(|rest| rest.split_whitespace().next()).map(str::to_owned);
        Self { child, errors, to: to.unwrap_or_else(|| panic!("{line}")) }
    }

    /// Asks it to end; what it wrote to standard output.
    fn end(mut self, signal: &str) -> String {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
        let (mut out, mut rest) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.errors.read_to_string(&mut rest).unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{rest}");
        assert!(!out.contains("CANARY") && !rest.contains("CANARY"), "{out}{rest}");
        out
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

/// Every file of an image below a folder.
fn received(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir() && !path.ends_with("rejects"))
        .flat_map(|path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()))
        .collect();
    files.sort();
    files
}

fn behind_meta(bytes: &[u8]) -> Vec<u8> {
    let file = DicomFile::parse(bytes.to_vec(), &Limits::default()).unwrap();
    bytes[file.data_set_offset()..].to_vec()
}

#[test]
fn what_is_sent_is_received_byte_for_byte_and_queried() {
    let folder = images(12);
    fs::write(folder.path().join("out/README"), "no image").unwrap();
    let receiver = Receiver::start(folder.path(), &["--folder", "in", "--allow", "CT1", "--json"]);
    let to = receiver.to.clone();
    let send = |more: &[&str]| {
        let arguments = ["send", "dicom", "--to", &to, "--called", "SUTURA", "--retries", "0"];
        run(folder.path(), &[&arguments[..], more].concat())
    };
    expect(&send(&["--calling", "CT1", "--echo"]), 0);
    let output = send(&["--calling", "CT1", "--state", "sent.ndjson", "--json", "out"]);
    expect(&output, 0);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((report["counts"]["sent"].as_u64(), report["counts"]["not_an_instance"].as_u64()), (Some(12), Some(1)));
    assert!(stderr(&output).contains("README: passed over"), "{}", stderr(&output));
    // Another run has nothing to send.
    let output = send(&["--calling", "CT1", "--state", "sent.ndjson", "out/003.dcm", "out/004.dcm"]);
    expect(&output, 0);
    assert!(stdout(&output).contains("2 sent by an earlier run"), "{}", stdout(&output));
    // Somebody who is not let in.
    let output = send(&["--calling", "CT2", "out/003.dcm"]);
    expect(&output, 1);
    assert!(stderr(&output).contains("out/003.dcm: not sent"), "{}", stderr(&output));
    expect(&send(&["--calling", "CT2", "--echo"]), 1);
    // What came is a folder like any other, while the receiver runs.
    let query = "select modality, count(*) as files from read_dicom('in/???/*.dcm') group by 1";
    let output = run(folder.path(), &["sql", query, "--format", "ndjson"]);
    expect(&output, 0);
    assert_eq!(stdout(&output).trim(), r#"{"modality":"CT","files":12}"#);
    let output = run(folder.path(), &["sql", "select count(*) as files from read_dicom('in')", "--format", "ndjson"]);
    assert_eq!(stdout(&output).trim(), r#"{"files":12}"#, "{}", stderr(&output));

    let ended: serde_json::Value = serde_json::from_str(&receiver.end("-TERM")).unwrap();
    let counts = &ended["counts"];
    assert_eq!((counts["stored"].as_u64(), counts["echoes"].as_u64(), counts["refused"].as_u64()), (Some(12), Some(1), Some(2)));
    let mut wanted: Vec<Vec<u8>> = (0..12).map(|number| behind_meta(&bytes(image(number)))).collect();
    let mut found: Vec<Vec<u8>> = received(&folder.path().join("in")).iter().map(|path| behind_meta(&fs::read(path).unwrap())).collect();
    wanted.sort();
    found.sort();
    assert!(wanted == found);
    assert_eq!(fs::read_to_string(folder.path().join("in/received.ndjson")).unwrap().lines().count(), 12);
}

#[test]
fn settings_come_from_a_file_and_flags_stand_above_them() {
    let folder = images(1);
    fs::create_dir(folder.path().join("etc")).unwrap();
    let settings = "folder = \"../in\"\ncalled_ae_titles = [\"OTHER\"]\ncalling_ae_titles = [\"CT1\"]\nmin_free_bytes = 0\n";
    fs::write(folder.path().join("etc/receiver.toml"), settings).unwrap();
    let receiver = Receiver::start(folder.path(), &["--config", "etc/receiver.toml", "--allow-any"]);
    let output = run(folder.path(), &["send", "dicom", "out", "--to", &receiver.to, "--called", "OTHER"]);
    expect(&output, 0);
    let output = run(folder.path(), &["send", "dicom", "out", "--to", &receiver.to, "--called", "SUTURA"]);
    expect(&output, 1);
    let said = receiver.end("-INT");
    assert!(said.starts_with("1 instance received") && said.contains("1 associations refused"), "{said}");
    assert_eq!(received(&folder.path().join("in")).len(), 1);
}

#[test]
fn wrong_settings_are_named() {
    let folder = images(1);
    for (arguments, said) in [
        (&["listen", "dicom", "--folder", "in"][..], "--allow TITLE, or --allow-any"),
        (&["listen", "dicom", "--folder", "in", "--allow", "WITH\\BACKSLASH"], "AE title"),
        (&["listen", "dicom", "--folder", "in", "--allow", "A", "--max-pdu", "1"], "--max-pdu"),
        (&["listen", "dicom", "--config", "none.toml"], "none.toml"),
        (&["listen", "dicom"], "--folder"),
        (&["send", "dicom", "out", "--to", "x:y", "--called", "A"], "HOST:PORT"),
        (&["send", "dicom", "missing", "--to", "x:1", "--called", "A"], "missing"),
        (&["send", "dicom", "out", "--to", "127.0.0.1:1", "--called", "SEVENTEEN_LETTERS"], "--called"),
    ] {
        let output = run(folder.path(), arguments);
        expect(&output, 2);
        assert!(stderr(&output).contains(said), "{arguments:?}: {}", stderr(&output));
    }
    fs::write(folder.path().join("wrong.toml"), "foldr = \"x\"\n").unwrap();
    expect(&run(folder.path(), &["listen", "dicom", "--config", "wrong.toml"]), 2);
    // Nobody listens there.
    let output = run(folder.path(), &["send", "dicom", "out", "--to", "127.0.0.1:1", "--called", "A", "--retries", "0"]);
    expect(&output, 1);
    assert!(stderr(&output).contains("out/000.dcm: not sent"), "{}", stderr(&output));
    // A folder without an image is nothing that was sent.
    fs::create_dir(folder.path().join("empty")).unwrap();
    expect(&run(folder.path(), &["send", "dicom", "empty", "--to", "127.0.0.1:1", "--called", "A"]), 1);
}

#[test]
fn inspect_shows_elements_and_hides_who_it_is() {
    let folder = images(1);
    let output = run(folder.path(), &["inspect", "out/000.dcm"]);
    expect(&output, 0);
    let shown = stdout(&output);
    assert!(!shown.contains("CANARY") && !shown.contains("20260314") && !shown.contains("1.2.3.4"), "{shown}");
    for line in [
        "CT Image Storage",
        "explicit VR little endian; pixels native",
        "image: 64 rows x 64 columns, 1 frame, 1 sample, 12 of 16 bits, unsigned, MONOCHROME2, native",
        "(0010,0010) PN 12 PatientName: name ‹masked, 11 characters›",
        "(0008,0060) CS 2 Modality: CT",
        "private block of SIEMENS CT VA0  COAD",
        "private block of free-text ‹masked›",
        "(0040,0275) SQ",
        "    item 1",
        "(7FE0,0010) OW 8192 PixelData",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    let output = run(folder.path(), &["inspect", "out/000.dcm", "--allow-phi", "--purpose", "a test"]);
    expect(&output, 0);
    let shown = stdout(&output);
    assert!(shown.contains("PatientName: CANARY^JANE ‹name›") && shown.contains("private block of CANARYCREATOR"), "{shown}");
    // One JSON object, with the same values hidden.
    let output = run(folder.path(), &["inspect", "out/000.dcm", "--json"]);
    expect(&output, 0);
    assert!(!stdout(&output).contains("CANARY"), "{}", stdout(&output));
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((object["image"]["rows"].as_u64(), object["sop_class"].as_str()), (Some(64), Some("CT Image Storage")));
    let elements = object["data_set"].as_array().unwrap();
    let name = elements.iter().find(|element| element["tag"] == "00100010").unwrap();
    assert_eq!((name["phi"].as_str(), name["masked"].as_bool(), name["characters"].as_u64()), (Some("name"), Some(true), Some(11)));
    let steps = elements.iter().find(|element| element["tag"] == "00400275").unwrap();
    assert_eq!(steps["items"][0][0]["tag"], "00400007");
    // Packed, without preamble, from standard input.
    let whole = bytes(image(0));
    let data_set = behind_meta(&whole);
    let output = crate::run_with(folder.path(), &["inspect", "-"], &data_set);
    expect(&output, 0);
    assert!(stdout(&output).contains("Modality: CT"), "{}", stdout(&output));
    fs::write(folder.path().join("packed.dcm.zst"), zstd::encode_all(&whole[..], 1).unwrap()).unwrap();
    assert!(stdout(&run(folder.path(), &["inspect", "packed.dcm.zst"])).contains("Modality: CT"));
    // A file that breaks off says where.
    fs::write(folder.path().join("cut.dcm"), &whole[..400]).unwrap();
    let output = run(folder.path(), &["inspect", "cut.dcm"]);
    expect(&output, 0);
    assert!(stdout(&output).contains("rejected\n  ! error ") && !stdout(&output).contains("CANARY"), "{}", stdout(&output));
    expect(&run(folder.path(), &["inspect", "out/000.dcm", "--message", "2"]), 2);
}

/// Width, height and samples of a PNG as our writer makes it, without the filter bytes.
fn png(path: &Path) -> (u32, u32, Vec<u8>) {
    let bytes = fs::read(path).unwrap();
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    let (width, height) = (number(16), number(20));
    assert_eq!((&bytes[12..16], &bytes[37..41], bytes[24]), (&b"IHDR"[..], &b"IDAT"[..], 8));
    let mut lines = Vec::new();
    flate2::read::ZlibDecoder::new(&bytes[41..41 + number(33) as usize]).read_to_end(&mut lines).unwrap();
    let line = lines.len() / height as usize;
    assert!(lines.chunks(line).all(|line| line[0] == 0));
    (width, height, lines.chunks(line).flat_map(|line| line[1..].to_vec()).collect())
}

#[test]
fn a_preview_is_the_image_unless_somebody_may_be_seen_on_it() {
    let folder = images(1);
    let path = folder.path().join("image.png");
    let output = run(folder.path(), &["inspect", "out/000.dcm", "--preview", "image.png"]);
    expect(&output, 0);
    let (width, height, samples) = png(&path);
    assert_eq!((width, height, samples.len()), (64, 64, 4096));
    assert_eq!((samples[0], samples[32 * 64 + 32]), (0, 255));
    // What is there is not written over, and there is one frame.
    expect(&run(folder.path(), &["inspect", "out/000.dcm", "--preview", "image.png"]), 2);
    expect(&run(folder.path(), &["inspect", "out/000.dcm", "--preview", "other.png", "--frame", "2"]), 2);

    // Text in the image, as the file says, and as it is seen.
    let mut stated = image(1);
    stated.set_text(Tag(0x0028_0301), Vr::CS, "YES");
    fs::write(folder.path().join("stated.dcm"), bytes(stated)).unwrap();
    let mut written = image(2);
    let mut pixels = vec![0u8; 2 * 64 * 128];
    for letter in 0..6 {
        for row in 0..9 {
            for column in 0..7 {
                if matches!(column, 0 | 1 | 5 | 6) || row == 4 {
                    let place = 2 * ((30 + row) * 128 + 20 + letter * 10 + column);
                    pixels[place..place + 2].copy_from_slice(&1000u16.to_le_bytes());
                }
            }
        }
    }
    written.set_u16(Tag(0x0028_0011), &[128]);
    written.set_bytes(Tag::PIXEL_DATA, Vr::OW, pixels);
    fs::write(folder.path().join("written.dcm"), bytes(written)).unwrap();
    for name in ["stated", "written"] {
        let (file, preview) = (format!("{name}.dcm"), format!("{name}.png"));
        let output = run(folder.path(), &["inspect", &file, "--preview", &preview]);
        expect(&output, 2);
        assert!(stderr(&output).contains("no preview") && !folder.path().join(&preview).exists(), "{}", stderr(&output));
        expect(&run(folder.path(), &["inspect", &file, "--preview", &preview, "--allow-phi", "--purpose", "a test"]), 0);
        assert_eq!(png(&folder.path().join(&preview)).1, 64);
    }
    // Only images have previews.
    fs::write(folder.path().join("feed.hl7"), crate::FEED).unwrap();
    expect(&run(folder.path(), &["inspect", "feed.hl7", "--preview", "feed.png"]), 2);
}
