//! DICOM through the engine: files without extension, series and studies, rejects.

use std::{fs, path::Path};

use sutura_core::PhiClass;
use sutura_engine::{Engine, EngineOptions, lineage};

use crate::read::text;

/// A file of a few elements, explicit VR little endian.
fn instance(series: u32, number: u32) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM");
    let mut put = |group: u16, element: u16, vr: &[u8; 2], value: &str| {
        let padded = if value.len().is_multiple_of(2) { value.to_owned() } else { format!("{value} ") };
        bytes.extend([group.to_le_bytes(), element.to_le_bytes()].concat());
        bytes.extend(vr);
        bytes.extend((padded.len() as u16).to_le_bytes());
        bytes.extend(padded.as_bytes());
    };
    put(2, 0x10, b"UI", "1.2.840.10008.1.2.1");
    put(8, 0x18, b"UI", &format!("1.2.{series}.{number}"));
    put(8, 0x20, b"DA", "20240430");
    put(8, 0x60, b"CS", "CT");
    put(0x10, 0x10, b"PN", "Doe^Jane");
    put(0x10, 0x20, b"LO", "4711");
    put(0x20, 0x0D, b"UI", "1.2");
    put(0x20, 0x0E, b"UI", &format!("1.2.{series}"));
    put(0x20, 0x13, b"IS", &number.to_string());
    put(0x20, 0x32, b"DS", &format!("0\\0\\{}", number * 2));
    bytes
}

fn archive(folder: &Path) {
    for series in 1..=2 {
        for number in 1..=3 * series {
            fs::write(folder.join(format!("1.2.{series}.{number}")), instance(series, number)).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_without_extension_are_instances_series_and_a_study() {
    let folder = tempfile::tempdir().unwrap();
    archive(folder.path());
    fs::write(folder.path().join("cut.dcm"), &instance(1, 1)[..150]).unwrap();
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let place = folder.path().display();
    let found = text(&engine, &format!("select count(*) as files, max(image_position_z) as z from read_dicom('{place}')")).await;
    assert!(found.contains("| 9     | 12.0 |"), "{found}");
    let series = text(
        &engine,
        &format!("select series_instance_uid, modality, instances, last_instance_number, image_position_z_max from read_dicom('{place}', 'series') order by 1"),
    )
    .await;
    assert!(series.contains("| 1.2.1               | CT       | 3         | 3                    | 6.0                  |"), "{series}");
    let studies = text(&engine, &format!("select patient_name, study_date, series, files from read_dicom('{place}', 'studies')")).await;
    assert!(studies.contains("| Doe^Jane     | 2024-04-30 | 2      | 9     |"), "{studies}");
    let rejects = text(&engine, &format!("select code, location from rejects('{place}', 'dicom')")).await;
    assert!(rejects.contains("meta-cut"), "{rejects}");
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_of_series_keep_their_class() {
    let folder = tempfile::tempdir().unwrap();
    archive(folder.path());
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let query = format!("select patient_name, modality, files from read_dicom('{}', 'series')", folder.path().display());
    let schema = lineage::classified_schema(&engine.sql(&query).await.unwrap());
    let classes: Vec<_> = schema.fields().iter().map(|field| sutura_core::ColumnMeta::from_field(field).phi).collect();
    assert_eq!(classes, [Some(PhiClass::Name), Some(PhiClass::Clinical), Some(PhiClass::Operational)]);
}
