//! Files as tables.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{array::RecordBatch, util::display::array_value_to_string};
use bytes::Bytes;
use sutura_core::{BlockDecoder, Decoded, DecoderSpec, Format, ReadStats, Reject, TableRequest};
use sutura_dicom::{
    Decoder, Dicom, DicomFile, Limits, Options, Reader, Tag, Vr,
    pixels::lut::Modality,
    write::{OwnedDataSet, OwnedFile},
};

fn data() -> Option<PathBuf> {
    let given = std::env::var_os("SUTURA_TEST_DATA");
    let folder = given.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder.join("dicom"));
    }
    println!("SKIPPED: test data not found at {}; set SUTURA_TEST_DATA", folder.display());
    None
}

fn read(
    bytes: &Bytes,
    requests: Vec<TableRequest>,
    block: usize,
    options: serde_json::Value,
) -> (Vec<(usize, RecordBatch)>, Vec<Reject>, ReadStats) {
    let spec = DecoderSpec { source: "file:///a.dcm".into(), start: 0, end: None, options, requests, batch_rows: 8192 };
    let mut decoder = Decoder::new(spec).unwrap();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let end = (at + block).min(bytes.len());
        decoder.push(bytes.slice(at..end), &mut out).unwrap();
        at = end;
    }
    let stats = decoder.finish(&mut out).unwrap();
    assert!(stats.balances());
    let (mut batches, mut rejects) = (Vec::new(), Vec::new());
    for piece in out {
        match piece {
            Decoded::Batch { request, batch } => batches.push((request, batch)),
            Decoded::Reject(reject) => rejects.push(reject),
        }
    }
    (batches, rejects, stats)
}

fn whole(bytes: &Bytes, table: &str) -> Vec<RecordBatch> {
    let (batches, rejects, _) = read(bytes, vec![TableRequest::whole(table)], usize::MAX >> 1, serde_json::Value::Null);
    assert!(rejects.is_empty(), "{:?}", rejects[0].reason);
    batches.into_iter().map(|(_, batch)| batch).collect()
}

fn rows(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

fn cell(batch: &RecordBatch, column: &str, row: usize) -> String {
    array_value_to_string(batch.column_by_name(column).unwrap_or_else(|| panic!("{column}")), row).unwrap()
}

fn file(name: &str) -> Option<Bytes> {
    Some(fs::read(data()?.join(name)).unwrap().into())
}

#[test]
fn an_instance_is_a_row() {
    let Some(bytes) = file("pydicom/CT_small.dcm") else { return };
    let batches = whole(&bytes, "instances");
    let batch = &batches[0];
    for (column, text) in [
        ("patient_name", "CompressedSamples^CT1"),
        ("patient_id", "1CT1"),
        ("sop_class_name", "CT Image Storage"),
        ("study_date", "2004-01-19"),
        ("study_time", "07:27:30"),
        ("pixel_spacing_row", "0.661468"),
        ("image_position_z", "-75.699997"),
        ("row_direction_x", "1.0"),
        ("rows", "128"),
        ("kvp", "120.0"),
        ("encoding", "explicit-little"),
        ("pixel_data_bytes", "32768"),
        ("has_pixel_data", "true"),
        ("_length", "39206"),
    ] {
        assert_eq!(cell(batch, column, 0), text, "{column}");
    }
    let json: serde_json::Value = serde_json::from_str(&cell(batch, "data_set", 0)).unwrap();
    assert_eq!(json["00100010"]["Value"][0]["Alphabetic"], "CompressedSamples^CT1");
    assert_eq!(json["00200032"]["Value"][2], -75.699997);
    assert_eq!(json["7FE00010"]["vr"], "OW");
    assert!(json["7FE00010"]["BulkDataURI"].as_str().unwrap().contains("length=32768"));
}

#[test]
fn every_table_of_every_file_can_be_read_in_blocks_of_any_size() {
    let Some(folder) = data() else { return };
    let mut open = vec![folder];
    let mut files = 0;
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            if path.extension().is_some_and(|ending| ending != "dcm") {
                continue;
            }
            let bytes: Bytes = fs::read(&path).unwrap().into();
            if bytes.len() > 200 << 10 {
                continue;
            }
            files += 1;
            let all: Vec<_> = Dicom.tables().iter().map(|table| TableRequest::whole(table.name.clone())).collect();
            let (one, rejects, stats) = read(&bytes, all.clone(), usize::MAX >> 1, serde_json::Value::Null);
            let (parts, rejects_too, stats_too) = read(&bytes, all, 1000, serde_json::Value::Null);
            assert_eq!((one, stats), (parts, stats_too), "{}", path.display());
            assert_eq!(rejects.len(), rejects_too.len());
        }
    }
    assert!(files > 300, "{files}");
}

#[test]
fn broken_files_are_rejects_with_a_place() {
    let Some(bytes) = file("made/corrupt/cut_in_header.dcm") else { return };
    let (batches, rejects, stats) = read(&bytes, vec![TableRequest::whole("instances")], 64, serde_json::Value::Null);
    assert!(batches.is_empty());
    assert_eq!((stats.records, stats.rejected, rejects[0].code), (1, 1, "value-cut"));
    assert_eq!((rejects[0].location.as_str(), &rejects[0].bytes), ("(0008,1090)", &bytes));
    let (_, rejects, stats) = read(&Bytes::new(), vec![TableRequest::whole("instances")], 64, serde_json::Value::Null);
    assert_eq!((rejects[0].code, stats.records), ("not-dicom", 1));
}

#[test]
fn a_large_file_is_read_up_to_its_pixels() {
    let Some(small) = file("pydicom/MR_small.dcm") else { return };
    // The pixel data of the same header, longer than what may be held.
    let header = small.windows(4).position(|bytes| bytes == b"\xe0\x7f\x10\x00").unwrap();
    let mut bytes = small[..header + 8].to_vec();
    bytes.extend((3u32 << 20).to_le_bytes());
    bytes.resize(header + 12 + (3 << 20), 7);
    let bytes = Bytes::from(bytes);
    let requests = vec![TableRequest::whole("instances"), TableRequest::whole("findings")];
    let (batches, rejects, stats) = read(&bytes, requests, 256 << 10, serde_json::json!({ "max_record_bytes": 1 << 20 }));
    assert!(rejects.is_empty() && stats.accepted_bytes == bytes.len() as u64);
    let batch = &batches[0].1;
    assert_eq!(cell(batch, "pixel_data_bytes", 0), (3 << 20).to_string());
    assert_eq!(cell(batch, "_sha256", 0), sutura_core::Sha256Hash::of(&bytes).to_string());
    assert_eq!(cell(batch, "patient_id", 0), "4MR1");
    // A header larger than the limit is a reject.
    let (_, rejects, _) = read(&small, vec![TableRequest::whole("instances")], 512, serde_json::json!({ "max_record_bytes": 1024 }));
    assert_eq!((rejects[0].code, rejects[0].id.length), ("record-too-large", small.len() as u64));
    assert_eq!(rejects[0].id.sha256, sutura_core::Sha256Hash::of(&small));
}

#[test]
fn many_files_make_one_batch() {
    let Some(bytes) = file("pydicom/CT_small.dcm") else { return };
    let mut reader = Reader::new(&[TableRequest::whole("instances")], 8192, &Options::default()).unwrap();
    let mut out = Vec::new();
    for number in 0..5 {
        reader.file(&Arc::from(format!("file:///{number}.dcm")), &bytes, &mut out).unwrap();
    }
    reader.file(&Arc::from("file:///x.dcm"), &Bytes::from_static(b"no"), &mut out).unwrap();
    let stats = reader.finish(&mut out).unwrap();
    assert_eq!((stats.records, stats.accepted, stats.rejected), (6, 5, 1));
    assert!(stats.balances());
    let [Decoded::Reject(_), Decoded::Batch { batch, .. }] = &out[..] else { panic!("{out:?}") };
    assert_eq!((batch.num_rows(), cell(batch, "_source", 4)), (5, "file:///4.dcm".to_owned()));
}

#[test]
fn only_asked_columns_come() {
    let Some(bytes) = file("pydicom/CT_small.dcm") else { return };
    let table = &Dicom.tables()[0];
    let columns = Some(vec![table.index_of("modality").unwrap(), table.index_of("patient_id").unwrap()]);
    let (batches, ..) =
        read(&bytes, vec![TableRequest { table: "instances".into(), columns, filter: Vec::new() }], 999, serde_json::Value::Null);
    let batch = &batches[0].1;
    assert_eq!((batch.num_columns(), cell(batch, "modality", 0), cell(batch, "patient_id", 0)), (2, "CT".into(), "1CT1".into()));
}

#[test]
fn tables_of_what_is_no_image() {
    let Some(bytes) = file("pydicom/test-SR.dcm") else { return };
    let content = whole(&bytes, "content_items");
    assert!(rows(&content) > 10);
    assert_eq!((cell(&content[0], "position", 0), cell(&content[0], "value_type", 0)), ("1".into(), "CONTAINER".into()));
    let plan = whole(&file("pydicom/rtplan.dcm").unwrap(), "beams");
    assert_eq!((cell(&plan[0], "beam_name", 0), cell(&plan[0], "gantry_angle", 0)), ("Field 1".into(), "0.0".into()));
    assert_eq!(cell(&plan[0], "beam_meterset", 0), "116.0036697");
    let structures = whole(&file("pydicom/rtstruct.dcm").unwrap(), "structures");
    assert_eq!((rows(&structures), cell(&structures[0], "contours", 0)), (3, "3".into()));
    let contours = whole(&file("pydicom/rtstruct.dcm").unwrap(), "contours");
    assert_eq!(cell(&contours[0], "roi_name", 0), cell(&structures[0], "roi_name", 0));
    let dose = whole(&file("pydicom/rtdose.dcm").unwrap(), "doses");
    assert_eq!((cell(&dose[0], "dose_units", 0), cell(&dose[0], "voxels", 0)), ("RELATIVE".into(), "1500".into()));
    let ecg = file("pydicom/waveform_ecg.dcm").unwrap();
    let channels = whole(&ecg, "waveform_channels");
    assert_eq!((rows(&channels), cell(&channels[0], "source_meaning", 0)), (24, "Lead I (Einthoven)".into()));
    let samples = whole(&ecg, "waveform_samples");
    assert_eq!(rows(&samples), 12 * 10000 + 12 * 1200);
    assert_eq!((cell(&samples[0], "stored_value", 0), cell(&samples[0], "unit", 0)), ("80.0".into(), "uV".into()));
    assert_eq!(cell(&samples[0], "value", 0), "100.0");
    let records = whole(&file("pydicom/dicomdirtests/DICOMDIR").unwrap(), "directory_records");
    assert_eq!(rows(&records), 52);
    let (batches, _, stats) = read(
        &file("pydicom/dicomdirtests/DICOMDIR").unwrap(),
        vec![TableRequest::whole("instances")],
        usize::MAX >> 1,
        serde_json::Value::Null,
    );
    assert!(batches.is_empty() && stats.findings.keys().any(|(code, _)| code == "directory"), "a directory is no instance, and it is said");
    let image = (0..52).find(|row| cell(&records[0], "record_type", *row) == "IMAGE").unwrap();
    assert_eq!((cell(&records[0], "patient_id", image), cell(&records[0], "modality", image)), ("77654033".into(), "CR".into()));
    assert!(cell(&records[0], "file", image).contains('/'));
    let elements = whole(&file("pydicom/CT_small.dcm").unwrap(), "elements");
    assert_eq!(cell(&elements[0], "keyword", 0), "SpecificCharacterSet");
}

/// One channel of four samples of 8 bits, coded as `interpretation` says.
fn waveform(sop_class: &str, interpretation: &str) -> Bytes {
    let mut group = OwnedDataSet::new();
    group.set_u16(Tag(0x003A_0005), &[1]);
    group.set_u32(Tag(0x003A_0010), &[4]);
    group.set_items(Tag(0x003A_0200), vec![OwnedDataSet::new()]);
    group.set_u16(Tag(0x5400_1004), &[8]);
    group.set_text(Tag(0x5400_1006), Vr::CS, interpretation);
    group.set_bytes(Tag(0x5400_1010), Vr::OB, b"NAME".to_vec());
    let mut data_set = OwnedDataSet::new();
    data_set.set_uid(Tag(0x0008_0016), sop_class);
    data_set.set_uid(Tag(0x0008_0018), "1.2.3");
    data_set.set_items(Tag(0x5400_0100), vec![group]);
    OwnedFile::new(data_set).to_bytes().unwrap().into()
}

#[test]
fn a_cut_is_seen_behind_any_number_of_odd_things() {
    let mut data_set = OwnedDataSet::new();
    data_set.set_uid(Tag(0x0008_0016), "1.2.840.10008.5.1.4.1.1.7");
    data_set.set_uid(Tag(0x0008_0018), "1.2.3");
    data_set.set_bytes(Tag(0x7FE0_0010), Vr::OW, vec![0; 64]);
    let whole = OwnedFile::new(data_set).to_bytes().unwrap();
    for stray in [0, 63, 64, 1000] {
        // In front of the pixel data, delimiters that close nothing; behind it, less than it says.
        let at = whole.len() - 64 - 12;
        let strays = [0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0].repeat(stray);
        let bytes = [&whole[..at], &strays, &whole[at..whole.len() - 8]].concat();
        let file = DicomFile::parse(bytes, &Limits::default()).unwrap();
        let cuts = file.findings().iter().filter(|finding| finding.code == "pixel-data-cut").count();
        assert!(file.pixels_are_cut() && cuts == 1, "{stray}: {:?}", file.findings().len());
    }
    assert!(!DicomFile::parse(whole, &Limits::default()).unwrap().pixels_are_cut());
}

#[test]
fn what_many_frames_say_is_found_in_one_pass() {
    let slope = |number: usize| {
        let mut transformation = OwnedDataSet::new();
        transformation.set_text(Tag(0x0028_1052), Vr::DS, "0");
        transformation.set_text(Tag(0x0028_1053), Vr::DS, &number.to_string());
        let mut groups = OwnedDataSet::new();
        groups.set_items(Tag(0x0028_9145), vec![transformation]);
        groups
    };
    const FRAMES: usize = 50_000;
    let mut data_set = OwnedDataSet::new();
    data_set.set_uid(Tag(0x0008_0016), "1.2.840.10008.5.1.4.1.1.7");
    data_set.set_uid(Tag(0x0008_0018), "1.2.3");
    data_set.set_items(Tag(0x5200_9230), (1..=FRAMES).map(slope).collect());
    let file = DicomFile::parse(OwnedFile::new(data_set).to_bytes().unwrap(), &Limits::default()).unwrap();
    let begin = std::time::Instant::now();
    for frame in 0..FRAMES {
        assert!((Modality::of(&file, frame).value(1.0) - (frame + 1) as f64).abs() < 0.5);
    }
    assert!(file.frame_group(FRAMES).is_none());
    // Looking through the items for each frame takes minutes.
    assert!(begin.elapsed().as_secs() < 60, "{:?}", begin.elapsed());
}

#[test]
fn recorded_sound_is_not_in_the_samples() {
    for (sop_class, interpretation, stored) in [
        ("1.2.840.10008.5.1.4.1.1.9.4.1", "UB", ""),
        ("1.2.840.10008.5.1.4.1.1.9.1.1", "MB", ""),
        ("1.2.840.10008.5.1.4.1.1.9.1.1", "UB", "78.0"),
    ] {
        let samples = whole(&waveform(sop_class, interpretation), "waveform_samples");
        assert_eq!((rows(&samples), cell(&samples[0], "stored_value", 0).as_str()), (4, stored), "{sop_class} {interpretation}");
    }
}

#[test]
fn frames_have_their_own_place() {
    let Some(folder) = data() else { return };
    let mut enhanced = 0;
    for entry in fs::read_dir(folder.join("pydicom-data")).unwrap() {
        let path = entry.unwrap().path();
        let bytes: Bytes = fs::read(&path).unwrap().into();
        if path.extension().is_none_or(|ending| ending != "dcm") || bytes.len() > 4 << 20 {
            continue;
        }
        let frames = whole(&bytes, "frames");
        let instances = whole(&bytes, "instances");
        let stated = cell(&instances[0], "number_of_frames", 0);
        assert!(stated.is_empty() || stated == rows(&frames).to_string(), "{}", path.display());
        enhanced += usize::from(rows(&frames) > 1);
    }
    assert!(enhanced > 2);
}

/// Anything can stand there: a policy must not let it pass as if it were ours.
#[test]
fn the_name_of_a_private_block_is_text_of_the_sender() {
    let tables = Dicom.tables();
    let elements = tables.iter().find(|table| table.name == "elements").unwrap();
    let creator = elements.columns.iter().find(|column| column.name == "private_creator").unwrap();
    assert_eq!(creator.phi, sutura_core::PhiClass::FreeText);
}
