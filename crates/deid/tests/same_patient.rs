//! A patient has one code and one shift in an HL7 v2 message, in the table of images and in the image itself.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use arrow::array::RecordBatch;
use support::{builtin, cell, table};
use sutura_deid::dicom::{Dates, DicomDeidentifier, Options};
use sutura_dicom::{
    DicomFile, Limits, Tag, Vr,
    write::{OwnedDataSet, OwnedFile},
};

#[test]
fn messages_tables_and_images_agree() {
    let message = b"MSH|^~\\&|LAB|HOSP|||20240301101500||ORU^R01|1|P|2.5\rPID|1||A-17^^^HOSP^MR||Doe^Jane||19800517|F\rOBR|1|||85025^CBC^C4|||20240301101500\rOBX|1|NM|718-7^Hgb^LN||13.5|g/dL|||||F|||20240301101500\r".to_vec();
    let mut data_set = OwnedDataSet::new();
    data_set.set_uid(Tag(0x0008_0016), "1.2.840.10008.5.1.4.1.1.2");
    data_set.set_uid(Tag(0x0008_0018), "1.9.1");
    data_set.set_text(Tag(0x0008_0020), Vr::DA, "20240301");
    data_set.set_text(Tag(0x0008_0060), Vr::CS, "CT");
    data_set.set_text(Tag(0x0010_0010), Vr::PN, "Doe^Jane");
    data_set.set_text(Tag(0x0010_0020), Vr::LO, "A-17 ");
    data_set.set_uid(Tag(0x0020_000D), "1.9");
    let image = OwnedFile::new(data_set).to_bytes().unwrap();
    for policy in ["hipaa-safe-harbor", "gdpr-pseudonymised"] {
        let privacy = builtin(policy);
        let released = |batch: &RecordBatch, name: &str| privacy.plan_table(Some(name), &batch.schema()).unwrap().apply(batch).unwrap();
        let observations = released(&table(&sutura_hl7v2::Hl7v2, message.clone(), "observations"), "observations");
        let instances = released(&table(&sutura_dicom::Dicom, image.clone(), "instances"), "instances");
        let options = Options { dates: Dates::Modified, ..Options::default() };
        let file = DicomFile::parse(image.clone(), &Limits::default()).unwrap();
        let file = DicomDeidentifier::new(options, &privacy).unwrap().deidentify(&file).unwrap();
        let file = DicomFile::parse(file.bytes, &Limits::default()).unwrap();
        let text = |tag| file.data_set().text(Tag(tag)).unwrap_or_default().into_owned();
        assert!(!text(0x0010_0020).is_empty());
        assert_eq!(text(0x0010_0020), cell(&observations, "patient_id"), "{policy}");
        assert_eq!(text(0x0010_0020), cell(&instances, "patient_id"), "{policy}");
        if policy == "gdpr-pseudonymised" {
            let moved = cell(&observations, "observation_datetime");
            assert_eq!(text(0x0008_0020), moved[..10].replace('-', ""));
            assert_eq!(text(0x0020_000D), cell(&instances, "study_instance_uid"));
        }
    }
}
