//! `sutura deidentify`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};
use serde_json::Value;
use sutura_core::{ColumnMeta, PhiClass};
use sutura_dicom::{
    DicomFile, Limits, Tag, Vr,
    pixels::{FrameMap, PixelDescription, decode},
    write::{OwnedDataSet, OwnedFile},
};
use sutura_engine::arrow::{
    array::{ArrayRef, AsArray, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};

use crate::{expect, run, stderr, stdout};

const MARKER: &str = "CANARY";
const GDPR: [&str; 8] = ["--policy", "gdpr-pseudonymised", "--key-file", "study.key", "--project", "lung", "--domain", "research"];
const ROWS: usize = 40;

/// An image of a patient. Whatever may identify somebody holds the marker, or is a UID below 1.2.999.
fn image(patient: &str, study: u32, instance: u32) -> OwnedFile {
    let mut data_set = OwnedDataSet::new();
    data_set.set_uid(Tag(0x0008_0016), "1.2.840.10008.5.1.4.1.1.2");
    data_set.set_uid(Tag(0x0008_0018), &format!("1.2.999.{study}.1.{instance}"));
    data_set.set_text(Tag(0x0008_0020), Vr::DA, "20240301");
    data_set.set_text(Tag(0x0008_0050), Vr::SH, "CANARYACC");
    data_set.set_text(Tag(0x0008_0060), Vr::CS, "CT");
    data_set.set_text(Tag(0x0008_0080), Vr::LO, "CANARY hospital");
    data_set.set_text(Tag(0x0008_1030), Vr::LO, "Chest of CANARYFAMILY");
    data_set.set_text(Tag(0x0010_0010), Vr::PN, "CANARYFAMILY^CANARYGIVEN");
    data_set.set_text(Tag(0x0010_0020), Vr::LO, patient);
    data_set.set_text(Tag(0x0010_0040), Vr::CS, "F");
    data_set.set_text(Tag(0x0018_0015), Vr::CS, "CHEST");
    data_set.set_text(Tag(0x0009_0010), Vr::LO, "CANARY VENDOR");
    data_set.set_text(Tag(0x0009_1001), Vr::LO, "CANARYPRIVATE");
    data_set.set_uid(Tag(0x0020_000D), &format!("1.2.999.{study}"));
    data_set.set_uid(Tag(0x0020_000E), &format!("1.2.999.{study}.1"));
    let mut item = OwnedDataSet::new();
    item.set_text(Tag(0x0040_A123), Vr::PN, "CANARY^Nested");
    data_set.set_items(Tag(0x0040_A730), vec![item]);
    data_set.set_u16(Tag(0x0028_0002), &[1]);
    data_set.set_text(Tag(0x0028_0004), Vr::CS, "MONOCHROME2");
    data_set.set_u16(Tag(0x0028_0010), &[ROWS as u16]);
    data_set.set_u16(Tag(0x0028_0011), &[ROWS as u16]);
    data_set.set_u16(Tag(0x0028_0100), &[16]);
    data_set.set_u16(Tag(0x0028_0101), &[12]);
    data_set.set_u16(Tag(0x0028_0102), &[11]);
    data_set.set_u16(Tag(0x0028_0103), &[0]);
    let pixels: Vec<u8> = (0..ROWS * ROWS).flat_map(|at| ((at * 7 + at / ROWS * 31) as u16 % 4096).to_le_bytes()).collect();
    data_set.set_bytes(Tag::PIXEL_DATA, Vr::OW, pixels);
    OwnedFile::new(data_set)
}

/// A folder with a key, a feed of messages and images of two patients, with and without an extension.
fn folder() -> tempfile::TempDir {
    let folder = crate::folder();
    let root = folder.path();
    expect(&run(root, &["keys", "new", "study.key"]), 0);
    fs::create_dir_all(root.join("in/CANARYFOLDER")).unwrap();
    let write = |name: &str, file: OwnedFile| fs::write(root.join("in").join(name), file.to_bytes().unwrap()).unwrap();
    write("CANARYFOLDER/CANARYIMAGE.dcm", image("CANARYMRN", 1, 1));
    write("CANARYFOLDER/IM0002", image("CANARYMRN", 1, 2));
    write("other.dicom", image("CANARYMRN2", 2, 1));
    folder
}

fn deidentify(root: &Path, arguments: &[&str], code: i32) -> String {
    let output = run(root, &[&["deidentify"], &GDPR[..], arguments].concat());
    expect(&output, code);
    let said = stdout(&output) + &stderr(&output);
    assert!(!said.contains(MARKER) && !said.contains("1.2.999"), "{said}");
    said
}

/// Every file below a folder by its path.
fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                pending.push(entry);
            } else {
                let name = entry.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                found.insert(name, fs::read(&entry).unwrap());
            }
        }
    }
    found
}

fn is_image(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|end| end == "dcm")
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn parse(bytes: &[u8]) -> DicomFile {
    DicomFile::parse(bytes.to_vec(), &Limits::default()).unwrap()
}

fn times(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes.windows(wanted.len()).filter(|window| *window == wanted).count()
}

#[test]
fn nothing_planted_is_left_and_codes_are_those_of_the_messages() {
    let folder = folder();
    let root = folder.path();
    let said = deidentify(root, &["in", "out"], 0);
    assert!(said.contains("3 files in = 3 written + 0 rejected + 0 skipped"), "{said}");
    let made = tree(&root.join("out"));
    for (name, bytes) in &made {
        for planted in [MARKER, "1.2.999", "20240301", "IM0002"] {
            assert!(!name.contains(planted) && times(bytes, planted.as_bytes()) == 0, "{planted} in {name}");
        }
    }
    let images: Vec<&String> = made.keys().filter(|name| is_image(name)).collect();
    assert_eq!((images.len(), made.len()), (3, 6), "{:?}", made.keys());
    // The same code as a query with the same key and project gives the medical record number of a message.
    let query = "select distinct pseudonym(patient_id) as p from read_hl7v2('feed.hl7') order by 1";
    let keys = ["--key-file", "study.key", "--project", "lung", "--domain", "research"];
    let output = run(root, &[&["sql", query, "--format", "ndjson"], &keys[..]].concat());
    expect(&output, 0);
    let mut of_messages: Vec<String> =
        stdout(&output).lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["p"].as_str().unwrap().to_owned()).collect();
    of_messages.sort();
    let mut of_images: Vec<String> =
        images.iter().map(|name| parse(&made[*name]).data_set().text(Tag(0x0010_0020)).unwrap().into_owned()).collect();
    of_images.sort();
    of_images.dedup();
    assert_eq!(of_images, of_messages);
    for name in &images {
        let file = parse(&made[*name]);
        let of = |tag| file.data_set().text(Tag(tag)).unwrap().into_owned();
        assert_eq!(**name, format!("{}/{}/{}/{}.dcm", of(0x0010_0020), of(0x0020_000D), of(0x0020_000E), of(0x0008_0018)));
        assert_eq!(of(0x0012_0062), "YES");
    }
    let account = json(&root.join("out/deidentification.json"));
    assert_eq!(account["files"]["written"], 3, "{account}");
    assert_eq!((&account["patients"], &account["studies"], &account["series"]), (&2.into(), &2.into(), &2.into()));
    assert_eq!(account["options"], serde_json::json!(["basic", "clean-pixels", "modified-dates"]));
    let proved = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(made["proof.parquet"].clone())).unwrap();
    let facts = proved.metadata().file_metadata().key_value_metadata().unwrap().clone();
    assert!(facts.iter().any(|fact| fact.key == "sutura.policy" && fact.value.as_deref() == Some("gdpr-pseudonymised/1")), "{facts:?}");
    let mut instances = BTreeSet::new();
    for batch in proved.build().unwrap() {
        let batch = batch.unwrap();
        let text = format!("{batch:?}");
        assert!(!text.contains(MARKER) && !text.contains("1.2.999"));
        instances.extend(batch.column_by_name("instance").unwrap().as_string::<i32>().iter().flatten().map(str::to_owned));
    }
    let released = made["files.ndjson"].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let released: Vec<Value> = released.map(|line| serde_json::from_slice(line).unwrap()).collect();
    assert_eq!(instances, released.iter().map(|file| file["instance"].as_str().unwrap().to_owned()).collect());
    assert!(released.iter().all(|file| made.contains_key(file["file"].as_str().unwrap())));
    // Whoever does it again, with however many threads, gets the same files.
    deidentify(root, &["in", "again", "--jobs", "1"], 0);
    let again = tree(&root.join("again"));
    assert!(made.iter().filter(|(name, _)| !name.ends_with("parquet")).all(|(name, bytes)| again.get(name) == Some(bytes)));
}

#[test]
fn every_input_is_accounted_for() {
    let folder = folder();
    let root = folder.path();
    let whole = image("CANARYMRN3", 3, 1).to_bytes().unwrap();
    fs::write(root.join("in/cut.dcm"), &whole[..400]).unwrap();
    fs::write(root.join("in/text.dcm"), "CANARY is no image").unwrap();
    fs::write(root.join("in/notes.log"), "CANARY is no image").unwrap();
    fs::write(root.join("in/copy.dcm"), fs::read(root.join("in/other.dicom")).unwrap()).unwrap();
    let mut other = image("CANARYMRN2", 2, 1);
    other.data_set.set_text(Tag(0x0028_1050), Vr::DS, "40");
    fs::write(root.join("in/same_uid.dcm"), other.to_bytes().unwrap()).unwrap();
    let mut directory = image("CANARYMRN3", 3, 2);
    directory.data_set.set_items(Tag(0x0004_1220), Vec::new());
    fs::write(root.join("in/DICOMDIR"), directory.to_bytes().unwrap()).unwrap();
    let said = deidentify(root, &["in", "out"], 3);
    assert!(said.contains("9 files in = 4 written + 3 rejected") && said.contains("+ 2 skipped"), "{said}");
    let account = json(&root.join("out/deidentification.json"));
    assert_eq!(account["skipped"], serde_json::json!({ "duplicate": 1, "unknown-format": 1 }));
    assert_eq!(account["rejects"]["duplicate-instance"], 1, "{account}");
    assert_eq!(account["rejects"]["not-dicom"], 1, "{account}");
    let rejects = fs::read_to_string(root.join("out/rejects.ndjson")).unwrap();
    assert_eq!(rejects.lines().count(), 3);
    assert!(rejects.contains("in/cut.dcm") && !rejects.contains(MARKER), "{rejects}");
    let all = tree(&root.join("out"));
    assert!(all.values().all(|bytes| times(bytes, MARKER.as_bytes()) == 0));
    assert!(!all.keys().any(|name| name.contains(".sutura")), "{:?}", all.keys());
}

#[test]
fn what_is_in_the_way_is_said_before_anything_is_written() {
    let folder = folder();
    let root = folder.path();
    let refused = |arguments: &[&str], words: &str| {
        let output = run(root, &[&["deidentify"], arguments].concat());
        expect(&output, 2);
        let said = stderr(&output);
        assert!(said.contains(words) && !said.contains(MARKER), "{said}");
        assert!(!root.join("out").exists() && !root.join("in/out").exists(), "nothing is made");
    };
    let with = |arguments: &[&str], words: &str| refused(&[&GDPR[..], arguments].concat(), words);
    with(&["in"], "IN OUT");
    with(&["in", "in/out"], "which is read");
    with(&["in/other.dicom", "in"], "is read");
    with(&["in", "out", "--rejects", "in/rejects.ndjson"], "which is read");
    with(&["nowhere", "out"], "no such file");
    with(&["in/*.xyz", "out"], "no file fits");
    with(&["s3://bucket/in", "out"], "local files");
    with(&["in", "s3://bucket/out"], "local folder");
    with(&["in", "out", "--pattern", "{patient}.dcm"], "{sop}");
    with(&["in", "out", "--option", "full-dates,modified-dates"], "exclude");
    with(&["in", "out", "--legal", "colour=blue"], "--legal");
    refused(&["--policy", "gdpr-pseudonymised", "in", "out"], "key");
    let keys = ["--key-file", "study.key", "--project", "lung"];
    refused(&[&["--policy", "hipaa-safe-harbor", "in", "out"], &keys[..]].concat(), "--vault");
    refused(&[&["--policy", "limited-data-set", "in", "out"], &keys[..]].concat(), "agreement");
    with(&["in", "out", "--option", "basic,as-policy"], "exclude");
    let harbor = [&["--policy", "hipaa-safe-harbor", "--vault", "study.vault", "in", "out"], &keys[..]].concat();
    refused(&[&harbor[..], &["--option", "retain-uids"]].concat(), "164.514");
    fs::create_dir(root.join("empty")).unwrap();
    fs::write(root.join("empty/notes"), "nothing").unwrap();
    let output = run(root, &[&["deidentify"], &GDPR[..], &["empty", "nothing"]].concat());
    expect(&output, 2);
    assert!(stderr(&output).contains("nothing among them has a known format"));
    assert!(tree(&root.join("nothing")).is_empty());
}

#[test]
fn an_earlier_release_is_replaced_only_when_told() {
    let folder = folder();
    let root = folder.path();
    deidentify(root, &["in/CANARYFOLDER", "out"], 0);
    let before = tree(&root.join("out"));
    assert!(deidentify(root, &["in", "out"], 2).contains("--overwrite"));
    assert!(tree(&root.join("out")) == before);
    let summary: Value = serde_json::from_str(&deidentify(root, &["in", "out", "--overwrite", "--json", "--quiet"], 0)).unwrap();
    assert_eq!((&summary["files"]["written"], &summary["files"]["replaced"]), (&3.into(), &2.into()));
    assert_eq!(summary, json(&root.join("out/deidentification.json")));
}

#[test]
fn safe_harbor_remembers_its_random_codes() {
    let folder = folder();
    let root = folder.path();
    let release = |out: &str, vault: &str| {
        let arguments = ["deidentify", "--policy", "hipaa-safe-harbor", "--key-file", "study.key", "--project", "lung", "--vault", vault];
        let output = run(root, &[&arguments[..], &["--option", "clean-descriptors", "in", out]].concat());
        expect(&output, 0);
        tree(&root.join(out)).into_iter().filter(|(name, _)| is_image(name)).collect::<BTreeMap<_, _>>()
    };
    let (one, two, other) = (release("one", "a.vault"), release("two", "a.vault"), release("three", "b.vault"));
    assert_eq!(one.len(), 3);
    assert!(one == two && one.keys().ne(other.keys()));
    assert!(one.values().all(|bytes| times(bytes, MARKER.as_bytes()) == 0 && times(bytes, b"1.2.999") == 0));
}

#[test]
fn pixels_encoded_anew_are_the_same() {
    let folder = folder();
    let root = folder.path();
    let pixels = |bytes: &[u8]| {
        let file = parse(bytes);
        let description = PixelDescription::of(&file).unwrap();
        let frame = decode::frame(&file, &description, &FrameMap::with(&file, &description).unwrap(), 0).unwrap();
        (file.transfer_syntax().uid.clone(), frame)
    };
    let original = pixels(&image("x", 1, 1).to_bytes().unwrap());
    for (coding, uid) in [
        ("rle", "1.2.840.10008.1.2.5"),
        ("jpeg-ls", "1.2.840.10008.1.2.4.80"),
        ("jpeg-2000", "1.2.840.10008.1.2.4.90"),
        ("native", "1.2.840.10008.1.2.1"),
    ] {
        let out = format!("out-{coding}");
        let source = if coding == "native" { "out-jpeg-ls/p" } else { "in" };
        deidentify(root, &[source, &out, "--encode", coding, "--pattern", "p/{sop}.dcm"], 0);
        let made = tree(&root.join(&out));
        let images: Vec<_> = made.iter().filter(|(name, _)| is_image(name)).collect();
        assert_eq!(images.len(), 3);
        for (name, bytes) in images {
            let (syntax, frame) = pixels(bytes);
            assert_eq!(syntax, uid, "{name}");
            assert!(frame == original.1, "{coding} {name}");
        }
        assert_eq!(json(&root.join(&out).join("deidentification.json"))["files"]["encoded_anew"], 3);
    }
}

fn data() -> Option<PathBuf> {
    let given = std::env::var_os("SUTURA_TEST_DATA");
    let folder = given.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder.join("dicom"));
    }
    println!("SKIPPED: test data not found at {}; set SUTURA_TEST_DATA", folder.display());
    None
}

#[test]
fn the_shared_files_are_released_without_markers_or_refused() {
    let Some(data) = data() else { return };
    let folder = folder();
    let root = folder.path();
    let phi = data.join("made/phi/phi_all.dcm");
    assert_eq!(times(&fs::read(&phi).unwrap(), b"ZZPHI"), 758);
    deidentify(root, &[phi.to_str().unwrap(), "phi", "--pixels", "detect"], 0);
    for (name, bytes) in tree(&root.join("phi")) {
        for planted in ["ZZPHI", "1.2.826.0.1.3680043.8.498.66.", "19010203"] {
            assert!(!name.contains(planted) && times(&bytes, planted.as_bytes()) == 0, "{planted} in {name}");
        }
    }
    // Broken files cost themselves only.
    let said = deidentify(root, &[data.join("made/corrupt").to_str().unwrap(), "corrupt", "--pixels", "detect"], 3);
    assert!(said.contains("files in = "), "{said}");
    assert!(!said.contains("defect"), "{said}");
    // Text in pixels is found and painted over.
    deidentify(root, &[data.join("made/burned").to_str().unwrap(), "burned", "--pixels", "detect"], 0);
    let account = json(&root.join("burned/deidentification.json"));
    assert!(account["boxes"].as_u64().unwrap() >= 15, "{account}");
}

const MESSAGE: &str = "MSH|^~\\&|LAB|CANARYFACILITY|||20240301101500||ORU^R01^ORU_R01|CANARYCONTROL|P|2.5.1\r\
PID|1||CANARYMRN^^^HOSP^MR||CANARYFAMILY^CANARYGIVEN||19400317|F|||12 CANARY Street^^Boston^MA^02115\r\
OBR|1|||718-7^Hemoglobin^LN\r\
OBX|1|NM|718-7^Hemoglobin^LN||13.5|g/dL|12-16|N|||F\r\
NTE|1||Spoke with Mrs. Canaryfamily on 03/04/2024, call 617-555-0142. CANARYMRN seen.\r";

/// Messages, a resource, resources in lines and a note go out in their own format, and what cannot be read is named.
#[test]
fn messages_resources_and_notes_are_released_in_their_own_format() {
    let folder = folder();
    let root = folder.path();
    let input = root.join("in");
    fs::write(input.join("CANARYFEED.hl7"), format!("{MESSAGE}{}MSH|broken", MESSAGE.replace("13.5", "14.1"))).unwrap();
    let patient =
        r#"{"resourceType":"Patient","id":"CANARYID","name":[{"family":"CANARYFAMILY"}],"gender":"female","birthDate":"1940-03-17"}"#;
    let observation = r#"{"resourceType":"Observation","id":"CANARYOBS","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"718-7"}]},"subject":{"reference":"Patient/CANARYID"}}"#;
    fs::write(input.join("patient.json"), patient).unwrap();
    fs::write(input.join("export.ndjson"), format!("{patient}\n{observation}\nno json CANARY\n")).unwrap();
    fs::write(input.join("note.txt"), "Dr. Stevens saw Mary Johnson, MRN: 257475, on 03/14/2024. BP 120/80.").unwrap();
    fs::write(input.join("table.csv"), "a,b\n1,CANARY\n").unwrap();
    let said = deidentify(root, &["--free-text", "scrub", "in", "out", "--json"], 3);
    let account: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(account["files"]["in"], 8, "{account}");
    assert_eq!(account["rejects"], serde_json::json!({ "columns-unknown": 1 }), "{account}");
    assert_eq!(account["records"]["hl7v2"]["released"], 2, "{account}");
    assert_eq!(account["records"]["fhir"], serde_json::json!({ "in": 4, "released": 3, "rejected": 1 }), "{account}");
    assert_eq!(account["records"]["notes"]["released"], 1, "{account}");
    assert!(account["values"]["removed"].as_u64().unwrap() > 0 && account["values"]["replaced"].as_u64().unwrap() > 0, "{account}");
    let rejects = fs::read_to_string(root.join("out/rejects.ndjson")).unwrap();
    assert!(rejects.lines().any(|line| line.contains("export.ndjson")), "{rejects}");

    let released = tree(&root.join("out"));
    for (path, bytes) in released.iter().filter(|(path, _)| *path != "rejects.ndjson") {
        let text = String::from_utf8_lossy(bytes).to_uppercase();
        for marker in [MARKER, "1940-03-17", "19400317", "617-555-0142", "MARY JOHNSON", "STEVENS", "257475"] {
            assert!(!text.contains(marker), "{marker} in {path}: {text}");
        }
    }
    let of = |folder: &str| -> Vec<String> {
        released.iter().filter(|(path, _)| path.starts_with(folder)).map(|(_, bytes)| String::from_utf8(bytes.clone()).unwrap()).collect()
    };
    let [feed] = &of("hl7v2/")[..] else { panic!("{:?}", released.keys()) };
    assert!(feed.contains("|13.5|g/dL|") && feed.contains("|14.1|g/dL|") && feed.matches("MSH|").count() == 2, "{feed}");
    assert!(feed.contains("Spoke with Mrs. [NAME]"), "{feed}");
    let resources = of("fhir/").concat();
    assert_eq!(resources.matches("\"resourceType\":\"Patient\"").count(), 2, "{resources}");
    let [note] = &of("notes/")[..] else { panic!("{:?}", released.keys()) };
    assert!(note.contains("BP 120/80") && note.contains("[NAME]"), "{note}");
    // The same patient has the same code in the message, the resources and the images.
    let pid = feed.split(['\r', '\n']).find(|line| line.starts_with("PID|")).unwrap();
    let code = pid.split('|').nth(3).unwrap().split('^').next().unwrap();
    assert!(released.keys().any(|path| path.starts_with(&format!("{code}/"))), "{code}: {:?}", released.keys());
}

const COLUMNS: &str = "patient = \"mrn\"\n[columns]\nmrn = \"mrn\"\nbirth_date = { phi = \"date\", formats = [\"month-day-year\"] }\n\
seen = \"date\"\nfamily = \"name\"\nnote = \"free-text\"\nloinc_code = \"clinical\"\nvalue = \"clinical\"\n[tables.labs.columns]\nsex = \"quasi\"\n";

/// A table that says itself what two of its three columns hold.
fn write_people(path: &Path) {
    let field = |name: &str, class, patient| ColumnMeta { patient, ..ColumnMeta::of(class) }.apply(Field::new(name, DataType::Utf8, true));
    let foreign = [("pandas".to_owned(), "CANARY".to_owned())].into();
    let fields = vec![
        field("patient_id", PhiClass::Mrn, true),
        field("birth_date", PhiClass::Date, false),
        Field::new("other", DataType::Utf8, true),
    ];
    let schema = Arc::new(Schema::new_with_metadata(fields, foreign));
    let column = |values: [&str; 2]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let columns = vec![column(["CANARYMRN", "CANARYMRN3"]), column(["1940-03-17", "1950-01-01"]), column(["CANARY", "CANARY"])];
    let mut writer = ArrowWriter::try_new(fs::File::create(path).unwrap(), Arc::clone(&schema), None).unwrap();
    writer.write(&RecordBatch::try_new(schema, columns).unwrap()).unwrap();
    writer.close().unwrap();
}

/// A person in a CSV file, a message, a resource and a Parquet file has one code and one shift; columns of which nobody says what they hold go.
#[test]
fn tables_go_out_with_the_codes_of_the_documents() {
    let folder = folder();
    let root = folder.path();
    let input = root.join("in");
    let patient = r#"{"resourceType":"Patient","id":"CANARYID","identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]},"value":"CANARYMRN"}],"birthDate":"1940-03-17"}"#;
    fs::write(input.join("patient.json"), patient).unwrap();
    fs::write(input.join("feed.hl7"), MESSAGE).unwrap();
    let table = "\u{feff}mrn;family;birth_date;seen;loinc_code;value;sex;CANARYCOLUMN;note\r\n\
        CANARYMRN;CANARYFAMILY;03/17/1940;20240301;718-7;13.5;F;CANARY;\"Canaryfamily; called 617-555-0142\"\r\n\
        too;short\r\n\
        CANARYMRN2;CANARYFAMILY;17 May CANARY;2024-03-01 10:15;718-7;99999999;F;;\r\n";
    fs::write(input.join("labs.csv"), table).unwrap();
    fs::write(root.join("columns.toml"), COLUMNS).unwrap();
    write_people(&input.join("people.parquet"));
    let said = deidentify(root, &["--columns", "columns.toml", "--free-text", "scrub", "in", "out", "--json"], 3);
    let account: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(account["records"]["csv"], serde_json::json!({ "in": 3, "released": 2, "rejected": 1 }), "{account}");
    assert_eq!((&account["records"]["parquet"]["rejected"], &account["values"]["unknown"]), (&0.into(), &3.into()), "{account}");
    let released = tree(&root.join("out"));
    for (path, bytes) in released.iter().filter(|(path, _)| *path != "rejects.ndjson") {
        let text = String::from_utf8_lossy(bytes).to_uppercase();
        for marker in [MARKER, "1940-03-17", "03/17/1940", "617-555-0142", "99999999"] {
            assert!(!text.contains(marker) && !path.contains(marker), "{marker} in {path}");
        }
    }
    let of = |folder: &str| released.iter().find(|(path, _)| path.starts_with(folder)).map(|(path, bytes)| (path.as_str(), bytes)).unwrap();
    let (name, csv) = of("csv/");
    assert!(name.ends_with("-labs.csv"), "{name}");
    let lines: Vec<&str> = std::str::from_utf8(csv).unwrap().split_terminator("\r\n").collect();
    assert_eq!((lines.len(), lines[0]), (3, "mrn;birth_date;seen;loinc_code;value;sex;note"), "{lines:?}");
    let fields: Vec<&str> = lines[1].split(';').collect();
    // One code and one birth date, wherever the person stands.
    let message = String::from_utf8(of("hl7v2/").1.clone()).unwrap();
    let pid: Vec<&str> = message.split('\r').find(|line| line.starts_with("PID|")).unwrap().split('|').collect();
    let resource: Value = serde_json::from_slice(of("fhir/").1).unwrap();
    assert_eq!(pid[3].split('^').next().unwrap(), fields[0]);
    assert_eq!(resource["identifier"][0]["value"], fields[0]);
    assert_eq!((resource["birthDate"].as_str().unwrap(), pid[7], fields[1]), ("1940", "1940", "1940"));
    assert_eq!(message.split('|').nth(6).unwrap()[..8], fields[2].replace('-', ""));
    assert_ne!(fields[2], "2024-03-01");
    let file = fs::File::open(root.join("out").join(of("parquet/").0)).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    assert_eq!(reader.schema().metadata()["sutura.profile"], "gdpr-pseudonymised");
    let facts = reader.metadata().file_metadata().key_value_metadata().unwrap();
    assert!(facts.iter().any(|fact| fact.key == "sutura.key_id"));
    assert!(reader.schema().field(0).metadata()["sutura.deid"].starts_with("pseudonym@"));
    let people = reader.build().unwrap().next().unwrap().unwrap();
    assert_eq!(people.num_columns(), 2);
    let codes = people.column(0).as_string::<i32>();
    let row = codes.iter().position(|code| code == Some(fields[0])).unwrap();
    assert_eq!(people.column(1).as_string::<i32>().value(row).len(), 4);
    // Not a date, eight digits: gone; a blank in a time: still one.
    let fields: Vec<&str> = lines[2].split(';').collect();
    assert_eq!((fields[1], fields[4], fields[6]), ("", "", ""));
    assert!(fields[2].contains('T'), "{}", fields[2]);
    let rejects = fs::read_to_string(root.join("out/rejects.ndjson")).unwrap();
    let reject: Value = serde_json::from_str(rejects.lines().find(|line| line.contains("ragged-row")).unwrap()).unwrap();
    assert_eq!(table.as_bytes()[reject["offset"].as_u64().unwrap() as usize..][..9], *b"too;short");
}

/// A file that cannot be opened is one reject, not the end of the run.
#[cfg(unix)]
#[test]
fn what_cannot_be_read_is_a_reject() {
    let folder = folder();
    let root = folder.path();
    std::os::unix::fs::symlink("ring", root.join("in/ring")).unwrap();
    fs::write(root.join("in/cut.hl7.gz"), [0x1f, 0x8b, 8, 0, 0]).unwrap();
    let said = deidentify(root, &["in", "out"], 3);
    assert!(said.contains("5 files in = 3 written + 2 rejected (not-readable: 2)"), "{said}");
}

/// A configuration of the other anonymizer treats resources with the keys of the project, and nothing else.
#[test]
fn a_configuration_of_microsofts_anonymizer_treats_resources_only() {
    let folder = folder();
    let root = folder.path();
    let rules = r#"{"fhirVersion": "R4", "fhirPathRules": [{"path": "Resource.id", "method": "cryptoHash"},
        {"path": "nodesByType('HumanName')", "method": "redact"}, {"path": "Patient.birthDate", "method": "dateShift"}], "parameters": {"dateShiftScope": "folder"}}"#;
    fs::write(root.join("config.json"), rules).unwrap();
    fs::write(root.join("other.json"), "{}").unwrap();
    let patient =
        r#"{"resourceType":"Patient","id":"CANARYID","name":[{"family":"CANARYFAMILY"}],"gender":"female","birthDate":"1940-03-17"}"#;
    fs::write(root.join("in/people.ndjson"), format!("{patient}\n{}\n", patient.replace("CANARYID", "CANARYID2"))).unwrap();
    fs::write(root.join("in/feed.hl7"), MESSAGE).unwrap();
    fs::write(root.join("in/table.csv"), "mrn\n1\n").unwrap();
    let with = |policy: &str, more: &[&str], code: i32| {
        let output = run(root, &[&["deidentify", "--policy", policy, "in", "out"], more].concat());
        expect(&output, code);
        stdout(&output) + &stderr(&output)
    };
    let keys = ["--key-file", "study.key", "--project", "lung", "--domain", "research"];
    assert!(with("other.json", &[], 2).contains("fhirPathRules"));
    assert!(with("config.json", &[], 2).contains("cryptoHash, dateShift"));
    assert!(with("config.json", &[&keys[..], &["--free-text", "scrub"]].concat(), 2).contains("for policies"));
    let said = with("config.json", &keys, 3);
    assert!(said.contains("1 written + 5 rejected (format-not-treated: 5)"), "{said}");
    assert!(said.contains("fhir: 2 records = 2 released + 0 rejected"), "{said}");
    let released = fs::read_to_string(root.join("out/fhir/000005.ndjson")).unwrap();
    assert!(!released.contains(MARKER) && !released.contains("1940-03-17") && released.contains("female"), "{released}");
    let people: Vec<Value> = released.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&people[0]["birthDate"], people[0]["id"].as_str().unwrap().len()), (&people[1]["birthDate"], 64));
    assert_eq!(json(&root.join("out/deidentification.json"))["policy"], "microsoft-fhir-anonymizer");
}

/// Files of an export hold one type each: an observation finds its patient's record number and name in the file of the patients.
#[test]
fn a_patient_is_one_across_the_files_of_an_export() {
    let folder = folder();
    let root = folder.path();
    let patient = r#"{"resourceType":"Patient","id":"a1","identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]},"value":"CANARYMRN"}],"name":[{"family":"Canaryfamily"}]}"#;
    let observation = r#"{"resourceType":"Observation","id":"o1","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/a1"},"effectiveDateTime":"2024-03-01","note":[{"text":"seen with canaryfamly"}]}"#;
    fs::create_dir_all(root.join("export")).unwrap();
    fs::write(root.join("export/Patient.ndjson"), patient).unwrap();
    fs::write(root.join("export/AObservation.ndjson"), observation).unwrap();
    fs::write(root.join("export/feed.hl7"), MESSAGE).unwrap();
    let said = deidentify(root, &["--free-text", "scrub", "export", "out"], 0);
    assert!(said.contains("3 files in = 3 written"), "{said}");
    let read = |name: &str| fs::read_to_string(root.join("out").join(name)).unwrap();
    let observation: Value = serde_json::from_str(&read("fhir/000001.ndjson")).unwrap();
    let patient: Value = serde_json::from_str(&read("fhir/000002.ndjson")).unwrap();
    let message = read("hl7v2/000003.hl7");
    // MSH-7 is of the same day.
    assert_eq!(observation["effectiveDateTime"].as_str().unwrap().replace('-', ""), message.split('|').nth(6).unwrap()[..8]);
    assert_eq!(observation["subject"]["reference"], format!("Patient/{}", patient["id"].as_str().unwrap()));
    assert_eq!(observation["note"][0]["text"], "seen with [NAME]");
}

/// What the policy withholds by its category does not leave in any format; what stays is marked, and the notice of the law goes with it.
#[test]
fn categories_are_marked_withheld_and_counted() {
    let folder = folder();
    let root = folder.path();
    fs::create_dir_all(root.join("records")).unwrap();
    let condition = |code: &str| {
        format!(
            r#"{{"resourceType":"Condition","id":"c{code}","subject":{{"reference":"Patient/p"}},"code":{{"coding":[{{"system":"http://hl7.org/fhir/sid/icd-10-cm","code":"{code}"}}]}}}}"#
        )
    };
    fs::write(root.join("records/conditions.ndjson"), [condition("F11.20"), condition("B20"), condition("E11.9")].join("\n")).unwrap();
    let diagnosis = |code: &str| format!("{MESSAGE}DG1|1||{code}^x^I10C|||W\r");
    fs::write(root.join("records/feed.hl7"), diagnosis("B20") + &diagnosis("F11.20")).unwrap();
    fs::write(root.join("records/labs.csv"), "mrn,loinc_code,value\nCANARYMRN,56888-1,reactive\nCANARYMRN,718-7,13.5\n").unwrap();
    fs::write(root.join("columns.toml"), "[columns]\nmrn = \"mrn\"\nloinc_code = \"clinical\"\nvalue = \"clinical\"\n").unwrap();
    let policy = "name = \"p\"\nversion = \"1\"\nextends = \"limited-data-set\"\n[legal]\nagreement = \"DUA 7\"\nrecipient = \"University\"\n\
        purpose = \"research\"\n[labels]\nHIV = \"withhold\"\nETH = { action = \"keep\", consent = \"form 7\" }\n";
    fs::write(root.join("policy.toml"), policy).unwrap();
    let keys = ["--key-file", "study.key", "--project", "lung", "--domain", "research", "--columns", "columns.toml"];
    let output = run(root, &[&["deidentify", "--policy", "policy.toml", "records", "out"], &keys[..]].concat());
    expect(&output, 3);
    assert!(stderr(&output).contains("42 CFR 2.32(a)(2)"), "{}", stderr(&output));
    let account = json(&root.join("out/deidentification.json"));
    assert_eq!(account["categories"], serde_json::json!({ "ETH": { "keep": 2 }, "HIV": { "withhold": 2 } }), "{account}");
    assert_eq!(account["records"]["fhir"], serde_json::json!({ "in": 3, "released": 2, "rejected": 1 }), "{account}");
    assert!(account["notice"]["text"].as_str().unwrap().contains("42 CFR part 2"), "{account}");
    for (path, bytes) in tree(&root.join("out")) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("B20") && !text.contains("56888-1") && !text.contains("reactive"), "{path}: {text}");
    }
    assert!(fs::read_to_string(root.join("out/rejects.ndjson")).unwrap().contains("\"withheld\""));
}
