//! Identifiers in places that are not theirs: numbers, codes, labels, other representations, local codes, cleaned texts, private elements.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::{borrow::Cow, sync::Arc};

use sutura_deid::dicom::{Dates, DicomDeidentifier, Options};
use sutura_dicom::{
    DicomFile, Limits, Tag, Vr, dictionary,
    write::{OwnedDataSet, OwnedFile},
};
use sutura_privacy::{Deidentifier, KeyRing, LegalBasis, MemoryVault, Policy, Scope};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const STRUCTURED_REPORT: &str = "1.2.840.10008.5.1.4.1.1.88.33";

fn privacy(policy: &str) -> Deidentifier {
    let mut legal = LegalBasis::default();
    for (key, value) in [
        ("agreement", "DUA-1"),
        ("recipient", "University"),
        ("purpose", "research"),
        ("expert", "E. Xpert"),
        ("method", "k-anonymity"),
        ("document", "report"),
        ("determined_on", "2026-01-01"),
        ("expires_on", "2099-01-01"),
        ("quasi_identifiers", "kept"),
    ] {
        assert!(legal.set(key, value));
    }
    let policy = Policy::builtin(policy).unwrap().with_legal(&legal);
    Deidentifier::new(policy, &KeyRing::generate().unwrap(), Scope::new("p", "d"), Some(Arc::new(MemoryVault::new().unwrap()))).unwrap()
}

/// A file of Olga Trzcinska, born on 24 December 1961, number 4711299.
fn of_olga(sop_class: &str) -> OwnedDataSet {
    let mut data_set = OwnedDataSet::new();
    data_set.set_text(Tag(0x0008_0005), Vr::CS, "ISO_IR 192");
    data_set.set_uid(Tag(0x0008_0016), sop_class);
    data_set.set_uid(Tag(0x0008_0018), "1.3.6.1.4.1.99999.1");
    data_set.set_text(Tag(0x0008_0060), Vr::CS, "CT");
    data_set.set_text(Tag(0x0010_0010), Vr::PN, "Trzcinska^Olga");
    data_set.set_text(Tag(0x0010_0020), Vr::LO, "4711299");
    data_set.set_text(Tag(0x0010_0030), Vr::DA, "19611224");
    data_set.set_text(Tag(0x0010_1010), Vr::AS, "097Y");
    data_set
}

fn tag(keyword: &str) -> Tag {
    dictionary::by_keyword(keyword).unwrap_or_else(|| panic!("{keyword}")).tag
}

fn set(data_set: &mut OwnedDataSet, keyword: &str, value: &str) {
    let attribute = dictionary::by_keyword(keyword).unwrap_or_else(|| panic!("{keyword}"));
    data_set.set_text(attribute.tag, attribute.vr, value);
}

fn released(data_set: OwnedDataSet, policy: &str, options: Options) -> DicomFile {
    let file = DicomFile::parse(OwnedFile::new(data_set).to_bytes().unwrap(), &Limits::default()).unwrap();
    let done = DicomDeidentifier::new(options, &privacy(policy)).unwrap().deidentify(&file).unwrap();
    DicomFile::parse(done.bytes, &Limits::default()).unwrap()
}

fn text(file: &DicomFile, keyword: &str) -> String {
    file.data_set().text(tag(keyword)).unwrap_or_default().into_owned()
}

const POLICIES: [&str; 4] = ["hipaa-safe-harbor", "gdpr-pseudonymised", "limited-data-set", "expert-determination"];

#[test]
fn what_may_be_typed_in_goes_though_the_profile_does_not_name_it() {
    let values = [
        ("PatientBirthDateInAlternativeCalendar", "Showa 36 nen"),
        ("PatientDeathDateInAlternativeCalendar", "Heisei 2"),
        ("PlacerOrderNumberProcedure", "PL-77-1"),
        ("FillerOrderNumberProcedure", "FI-77-1"),
        ("PlacerOrderNumberImagingServiceRequestRetired", "PL-78-1"),
        ("FillerOrderNumberImagingServiceRequestRetired", "FI-78-1"),
        ("ContactDisplayName", "Ward Zork"),
        ("NTPSourceAddress", "ntp.zork.example"),
        ("SecondaryCaptureDeviceID", "ZORK1"),
        ("OwnerID", "ZORK"),
        ("BreedRegistrationNumber", "77-1"),
        ("RadiationMachineName", "Zork 1"),
        ("BeamName", "Zork"),
        ("PatientSetupLabel", "Zork"),
        ("SegmentLabel", "Zork"),
        ("RTImageLabel", "Zork"),
        ("RTImageName", "Zork"),
        ("FrameLabel", "Zork"),
        ("ChannelLabel", "Zork"),
        ("WindowCenterWidthExplanation", "Zork"),
        ("SoftwareVersions", "Zork"),
        ("HangingProtocolCreator", "Zork"),
        ("ContentLabel", "ZORK_1961"),
    ];
    for policy in POLICIES {
        let mut data_set = of_olga(CT);
        for (keyword, value) in values {
            set(&mut data_set, keyword, value);
        }
        let file = released(data_set, policy, Options::default());
        for (keyword, _) in values {
            assert_eq!(text(&file, keyword), "", "{policy} {keyword}");
        }
    }
    // Words of imaging stay in labels.
    let mut data_set = of_olga(CT);
    for (keyword, value) in
        [("SegmentLabel", "Left lung"), ("WindowCenterWidthExplanation", "WINDOW1"), ("SoftwareVersions", "5.3.1\\VB17A")]
    {
        set(&mut data_set, keyword, value);
    }
    let file = released(data_set, "hipaa-safe-harbor", Options::default());
    assert_eq!(text(&file, "SegmentLabel"), "Left lung");
    assert_eq!(text(&file, "WindowCenterWidthExplanation"), "WINDOW1");
    assert_eq!(text(&file, "SoftwareVersions"), "5.3.1\\VB17A");
}

#[test]
fn uids_of_things_are_replaced_and_registered_ones_stay() {
    let things = [
        "SOPInstanceUIDOfConcatenationSource",
        "MultiFrameSourceSOPInstanceUID",
        "VolumeFrameOfReferenceUID",
        "TargetFrameOfReferenceUID",
        "RadiopharmaceuticalAdministrationEventUID",
        "CodingSchemeUID",
        "ReferencedFiducialUID",
        "TableFrameOfReferenceUID",
        "EquipmentFrameOfReferenceUID",
        "RepositoryUniqueID",
        "RetrieveLocationUID",
        "AssertionUID",
        "FrameOfReferenceUID",
        "ReferencedSOPClassUID",
    ];
    for uid in ["1.3.6.1.4.1.99999.77", "1.2.840.10008.1961.1224.7741.903.55"] {
        let mut data_set = of_olga(CT);
        data_set.set_uid(Tag(0x0008_0018), uid);
        for keyword in things {
            data_set.set_uid(tag(keyword), uid);
        }
        let file = released(data_set, "gdpr-pseudonymised", Options::default());
        let new = text(&file, "SOPInstanceUID");
        assert!(new.starts_with("2.25.") && !file.bytes().windows(uid.len()).any(|window| window == uid.as_bytes()));
        for keyword in things {
            assert_eq!(text(&file, keyword), new, "{keyword}");
        }
    }
    let mut data_set = of_olga(CT);
    data_set.set_uid(tag("FrameOfReferenceUID"), "1.2.840.10008.1.4.1.1");
    data_set.set_uid(tag("CodingSchemeUID"), "2.16.840.1.113883.6.96");
    data_set.set_uid(tag("ContextUID"), "1.2.840.10008.6.1.244");
    let file = released(data_set, "gdpr-pseudonymised", Options::default());
    assert_eq!(text(&file, "SOPClassUID"), CT);
    assert_eq!(text(&file, "FrameOfReferenceUID"), "1.2.840.10008.1.4.1.1");
    assert_eq!(text(&file, "CodingSchemeUID"), "2.16.840.1.113883.6.96");
    assert_eq!(text(&file, "ContextUID"), "1.2.840.10008.6.1.244");
}

#[test]
fn texts_that_are_cleaned_keep_no_days_ages_and_numbers() {
    let options = Options { clean_descriptors: true, clean_structured_content: true, ..Options::default() };
    for (before, after) in [
        ("CT chest 24 DEC 1961 dob 24 Dec 61 at 13 47 room 4711 SSN 6789", "CT chest at"),
        ("CT 12 MAR 19 lung age 97", "CT lung age"),
        ("ZIP 8001; apt 12B; lung", "lung"),
        ("lung of 4711299 Olgas", "lung of"),
        ("Chest TRZCIŃSKA 1961-12-24", "Chest"),
        ("AX T2 FLAIR 5.0 mm", "AX T2 FLAIR 5.0 mm"),
    ] {
        let mut data_set = of_olga(STRUCTURED_REPORT);
        set(&mut data_set, "SeriesDescription", before);
        let mut item = OwnedDataSet::new();
        set(&mut item, "ValueType", "TEXT");
        set(&mut item, "TextValue", before);
        data_set.set_items(tag("ContentSequence"), vec![item]);
        let file = released(data_set, "hipaa-safe-harbor", options);
        assert_eq!(text(&file, "SeriesDescription"), after);
        let item = file.data_set().item(tag("ContentSequence")).unwrap();
        assert_eq!(item.text(tag("TextValue")).as_deref(), Some(after));
    }
    // A patient's number of three characters.
    let mut data_set = of_olga(CT);
    set(&mut data_set, "PatientID", "4B7");
    set(&mut data_set, "SeriesDescription", "lung 4B7 CT");
    set(&mut data_set, "Manufacturer", "SIEMENS 4B7");
    let file = released(data_set, "hipaa-safe-harbor", options);
    assert_eq!(text(&file, "SeriesDescription"), "lung CT");
    assert!(!text(&file, "Manufacturer").contains("4B7"));
}

#[test]
fn local_codes_are_held_to_their_scheme() {
    for clean_structured_content in [false, true] {
        let options = Options { clean_structured_content, ..Options::default() };
        let code = |value: &str, scheme: &str, meaning: &str| {
            let mut item = OwnedDataSet::new();
            set(&mut item, "CodeValue", value);
            set(&mut item, "CodingSchemeDesignator", scheme);
            set(&mut item, "CodeMeaning", meaning);
            item
        };
        let mut data_set = of_olga(CT);
        let items = vec![
            code("39607008", "SCT", "Lung structure"),
            code("KOW-12", "SCT", "Zork"),
            code("4711299", "SCT", "Zork"),
            code("Zork", "99LEAKHOSP", "Zork"),
            code("39607008", "SCT", "Lung of Olga"),
        ];
        data_set.set_items(tag("ViewCodeSequence"), items);
        let file = released(data_set, "gdpr-pseudonymised", options);
        let items: Vec<_> = file.data_set().items(tag("ViewCodeSequence")).collect();
        let of = |place: usize| {
            let part = |keyword: &str| items[place].text(tag(keyword)).unwrap_or_default().into_owned();
            [part("CodeValue"), part("CodingSchemeDesignator"), part("CodeMeaning")]
        };
        assert_eq!(of(0), ["39607008", "SCT", "Lung structure"]);
        assert_eq!(of(1), ["", "SCT", ""]);
        assert_eq!(of(2), ["", "SCT", ""]);
        assert_eq!(of(3), ["", "", ""]);
        assert_eq!(of(4), ["39607008", "SCT", "Lung of"]);
    }
}

#[test]
fn the_patients_own_names_and_numbers_are_found_everywhere() {
    let mut data_set = of_olga(CT);
    for (keyword, value) in [
        ("BodyPartExamined", "TRZCINSKA"),
        ("ImageType", "ORIGINAL\\PRIMARY\\OLGATRZCINSKA"),
        ("ContentLabel", "TRZCINSKA_O"),
        ("ScanOptions", "HELIX"),
        ("SeriesNumber", "4711299"),
        ("InstanceNumber", "004711299"),
        ("AcquisitionNumber", "19611224"),
        ("OtherStudyNumbers", "4711299"),
        ("KVP", "4711299.0"),
        ("ExposureTime", "241261"),
        ("SliceThickness", "5.0"),
        ("TemporalPositionIdentifier", "3"),
        ("SequenceName", "4711299"),
        ("ConvolutionKernel", "Trzcińskas"),
        ("SoftwareVersions", "24.12.1961"),
        ("Manufacturer", "olga@zork.example"),
        ("ManufacturerModelName", "0711 471 1299"),
        ("ReceiveCoilName", "1.3.6.1.4.1.99999.1"),
        ("FilterType", "OT 24 Dec 61"),
    ] {
        set(&mut data_set, keyword, value);
    }
    for policy in POLICIES {
        let file = released(data_set.clone(), policy, Options::default());
        for keyword in [
            "BodyPartExamined",
            "ContentLabel",
            "SeriesNumber",
            "InstanceNumber",
            "AcquisitionNumber",
            "OtherStudyNumbers",
            "KVP",
            "ExposureTime",
            "SequenceName",
            "ConvolutionKernel",
            "SoftwareVersions",
            "ReceiveCoilName",
        ] {
            assert_eq!(text(&file, keyword), "", "{policy} {keyword}");
        }
        assert_eq!(text(&file, "ImageType"), "ORIGINAL\\PRIMARY\\");
        for keyword in ["Manufacturer", "ManufacturerModelName", "FilterType"] {
            let left = text(&file, keyword).to_lowercase();
            assert!(
                !left.contains("olga") && !left.contains("zork") && !left.contains(|letter: char| letter.is_ascii_digit()),
                "{keyword} {left}"
            );
        }
        assert_eq!((text(&file, "ScanOptions"), text(&file, "SliceThickness")), ("HELIX".into(), "5.0".into()));
        assert_eq!(text(&file, "TemporalPositionIdentifier"), "3");
    }
}

#[test]
fn names_of_other_scripts_and_spellings_are_found() {
    for (name, spellings) in [
        ("Müller^Jörg", ["Muller", "MUELLER", "Mu\u{308}ller", "JoergMueller"]),
        ("山田^太郎", ["山田太郎", "太郎", "山田 太郎", "CT山田"]),
        ("Sørensen^Åse", ["Soerensen", "SORENSEN", "AseSorensen", "sørensens"]),
    ] {
        for spelling in spellings {
            let mut data_set = of_olga(CT);
            set(&mut data_set, "PatientName", name);
            set(&mut data_set, "Manufacturer", spelling);
            let file = released(data_set, "gdpr-pseudonymised", Options::default());
            let left = text(&file, "Manufacturer");
            assert!(left.is_empty() || left == "CT", "{name} {spelling}: {left}");
        }
    }
}

#[test]
fn another_representation_turns_no_check_off() {
    let sentence = "Olga lives at Ulm";
    let mut data_set = of_olga(CT);
    for (keyword, vr) in [
        ("SliceThickness", Vr::UT),
        ("BodyPartExamined", Vr::ST),
        ("SoftwareVersions", Vr::LT),
        ("InstanceNumber", Vr::LO),
        ("Modality", Vr::LO),
        ("WindowCenter", Vr::LO),
        ("PixelSpacing", Vr::UC),
        ("FrameOfReferenceUID", Vr::LO),
        ("StudyDate", Vr::LO),
        ("PatientAge", Vr::SH),
    ] {
        data_set.set_text(tag(keyword), vr, sentence);
    }
    for (keyword, vr) in [("RevolutionTime", Vr::OB), ("PixelRepresentation", Vr::OB), ("SmallestImagePixelValue", Vr::OW), ("KVP", Vr::OB)]
    {
        data_set.set_bytes(tag(keyword), vr, sentence.as_bytes().to_vec());
    }
    // Sentences in the place of numbers.
    data_set.set_bytes(tag("SpiralPitchFactor"), Vr::FD, b"Olga born at Ulm".to_vec());
    data_set.set_bytes(tag("TableSpeed"), Vr::FD, b"4711299 ".to_vec());
    for policy in ["hipaa-safe-harbor", "limited-data-set"] {
        let options = Options {
            retain_patient_characteristics: true,
            dates: if policy == "limited-data-set" { Dates::Full } else { Dates::Modified },
            ..Options::default()
        };
        let file = released(data_set.clone(), policy, options);
        for wanted in [b"Ulm".as_slice(), b"Olga", b"lives", b"4711299"] {
            assert!(!file.bytes().windows(wanted.len()).any(|window| window == wanted), "{policy} {wanted:?}");
        }
    }
    // A number in a text of another kind is the number.
    let mut data_set = of_olga(CT);
    data_set.set_text(tag("SliceThickness"), Vr::LO, "2.5");
    let file = released(data_set, "hipaa-safe-harbor", Options::default());
    assert_eq!(file.data_set().get(tag("SliceThickness")).map(|element| element.vr()), Some(Vr::DS));
    assert_eq!(text(&file, "SliceThickness"), "2.5");
}

#[test]
fn safe_private_elements_hold_nothing_of_the_patient() {
    let mut data_set = of_olga(CT);
    data_set.set_text(Tag(0x0019_0010), Vr::LO, "SIEMENS MR HEADER");
    data_set.set_text(Tag(0x0019_100B), Vr::DS, "1000");
    data_set.set_text(Tag(0x0019_100C), Vr::IS, "4711299");
    data_set.set_text(Tag(0x0019_100D), Vr::CS, "TRZCINSKA");
    data_set.set_text(Tag(0x0019_100F), Vr::SH, "OLGA");
    data_set.set_bytes(Tag(0x0019_100E), Vr::FD, b"Olga lives in Ulm today.".to_vec());
    data_set.set_bytes(Tag(0x0019_100A), Vr::US, b"Olga of Ulm ".to_vec());
    data_set.set_text(Tag(0x2001_0010), Vr::LO, "Philips Imaging DD 001");
    data_set.set_text(Tag(0x2001_1004), Vr::CS, "ULMERSTRASSE");
    let file = released(data_set, "gdpr-pseudonymised", Options { retain_safe_private: true, ..Options::default() });
    assert_eq!(file.data_set().text(Tag(0x0019_100B)).as_deref(), Some("1000"));
    for gone in [0x0019_100Au32, 0x0019_100C, 0x0019_100D, 0x0019_100E, 0x0019_100F, 0x2001_1004, 0x2001_0010] {
        assert!(file.data_set().get(Tag(gone)).is_none(), "{gone:08x}");
    }
}

#[test]
fn options_are_bound_by_the_policy() {
    let options = Options { retain_patient_characteristics: true, ..Options::default() };
    for (policy, age) in
        [("hipaa-safe-harbor", "090Y"), ("expert-determination", "090Y"), ("gdpr-pseudonymised", "090Y"), ("limited-data-set", "097Y")]
    {
        assert_eq!(text(&released(of_olga(CT), policy, options), "PatientAge"), age, "{policy}");
    }
    let mut data_set = of_olga(CT);
    set(&mut data_set, "PatientAge", "047Y");
    assert_eq!(text(&released(data_set, "gdpr-pseudonymised", options), "PatientAge"), "040Y");
    // Full dates beside shifted ones give the shift away.
    for policy in ["expert-determination", "gdpr-pseudonymised"] {
        let refused = DicomDeidentifier::new(Options { dates: Dates::Full, ..Options::default() }, &privacy(policy));
        assert!(refused.is_err(), "{policy}");
    }
    // The UID of a device is the device's.
    let mut data_set = of_olga(CT);
    data_set.set_uid(tag("DeviceUID"), "1.3.6.1.4.1.99999.5");
    data_set.set_uid(tag("FrameOfReferenceUID"), "1.3.6.1.4.1.99999.6");
    let file = released(data_set, "limited-data-set", Options { retain_uids: true, ..Options::default() });
    assert!(text(&file, "DeviceUID").starts_with("2.25.") && text(&file, "FrameOfReferenceUID") == "1.3.6.1.4.1.99999.6");
}

#[test]
fn zones_and_groups_have_their_shape() {
    let with = |zone: &str, group: &str, policy: &str, dates: Dates| {
        let mut data_set = of_olga(CT);
        set(&mut data_set, "TimezoneOffsetFromUTC", zone);
        set(&mut data_set, "EthnicGroup", group);
        let file = released(data_set, policy, Options { dates, retain_patient_characteristics: true, ..Options::default() });
        (text(&file, "TimezoneOffsetFromUTC"), text(&file, "EthnicGroup"))
    };
    assert_eq!(with("+0530", "Asian", "limited-data-set", Dates::Full), ("+0530".into(), "Asian".into()));
    assert_eq!(with("ZZPHI1", "ZZPHI1", "limited-data-set", Dates::Full), (String::new(), String::new()));
    assert_eq!(with("+0530", "Asian", "hipaa-safe-harbor", Dates::Modified).0, "");
    assert_eq!(with("+0530", "Asian", "gdpr-pseudonymised", Dates::Modified).0, "+0530");
}

#[test]
fn an_image_with_directory_records_is_an_image() {
    let mut data_set = of_olga(CT);
    let mut record = OwnedDataSet::new();
    record.set_text(Tag(0x0004_1500), Vr::CS, "TRZCINSKA");
    data_set.set_items(Tag(0x0004_1220), vec![record]);
    let file = released(data_set, "gdpr-pseudonymised", Options::default());
    assert!(file.data_set().get(Tag(0x0004_1220)).is_none());
}

/// What has pixels, or is said to be of another kind, is no directory, though it names no instance.
#[test]
fn nothing_poses_as_a_directory() {
    let plain = |change: &dyn Fn(&mut OwnedDataSet)| {
        let mut data_set = of_olga("1.2.840.10008.1.3.10");
        data_set.remove(Tag(0x0008_0018));
        data_set.remove(Tag(0x0008_0016));
        data_set.set_items(Tag(0x0004_1220), Vec::new());
        change(&mut data_set);
        let mut file = OwnedFile::new(data_set);
        file.meta.set_uid(Tag(0x0002_0002), "1.2.840.10008.1.3.10");
        file.meta.set_uid(Tag(0x0002_0003), "1.2.3");
        DicomFile::parse(file.to_bytes().unwrap(), &Limits::default()).unwrap()
    };
    assert!(plain(&|_| {}).is_directory());
    let pixels = |data_set: &mut OwnedDataSet| data_set.set_bytes(Tag::PIXEL_DATA, Vr::OB, b"Olga of Ulm ".to_vec());
    let class = |data_set: &mut OwnedDataSet| data_set.set_uid(Tag(0x0008_0016), CT);
    let instance = |data_set: &mut OwnedDataSet| data_set.set_uid(Tag(0x0008_0018), "1.2.3");
    let changes: [&dyn Fn(&mut OwnedDataSet); 3] = [&pixels, &class, &instance];
    for change in changes {
        let file = plain(change);
        let deidentifier = DicomDeidentifier::new(Options::default(), &privacy("gdpr-pseudonymised")).unwrap();
        assert!(!file.is_directory() && deidentifier.deidentify_directory(&file).is_err());
        assert!(deidentifier.deidentify(&file).is_err(), "neither an instance nor a directory");
    }
}

/// Every record of a directory: type, its texts, and what its links lead to.
#[test]
fn directories_keep_their_records_and_name_nobody() {
    let given = std::env::var_os("SUTURA_TEST_DATA");
    let folder =
        given.map_or_else(|| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), std::path::PathBuf::from);
    let folder = folder.join("dicom/pydicom/dicomdirtests");
    if !folder.is_dir() {
        println!("SKIPPED: test data not found at {}; set SUTURA_TEST_DATA", folder.display());
        return;
    }
    let privacy = privacy("gdpr-pseudonymised");
    let options = Options { clean_descriptors: true, ..Options::default() };
    for name in ["DICOMDIR", "DICOMDIR-implicit", "DICOMDIR-reordered"] {
        let file = DicomFile::parse(std::fs::read(folder.join(name)).unwrap(), &Limits::default()).unwrap();
        let deidentifier = DicomDeidentifier::new(options, &privacy).unwrap();
        assert!(deidentifier.deidentify(&file).is_err());
        let done = deidentifier.deidentify_directory(&file).unwrap();
        let again = DicomFile::parse(done.bytes, &Limits::default()).unwrap();
        assert!(again.is_directory() && done.name.instance.starts_with("2.25."));
        let records = |file: &DicomFile| {
            let data_set = file.data_set();
            let offsets: Vec<_> = data_set.items(Tag(0x0004_1220)).map(|record| record.offset() as i64).collect();
            let place = |offset: Option<i64>| offsets.iter().position(|known| Some(*known) == offset);
            let of = |record: sutura_dicom::DataSet<'_>| {
                let link = |tag| place(record.integer(Tag(tag)));
                (record.text(Tag(0x0004_1430)).unwrap_or_default().into_owned(), link(0x0004_1400), link(0x0004_1420))
            };
            let root = (place(data_set.integer(Tag(0x0004_1200))), place(data_set.integer(Tag(0x0004_1202))));
            (root, data_set.items(Tag(0x0004_1220)).map(of).collect::<Vec<_>>())
        };
        assert_eq!(records(&file), records(&again), "{name}");
        assert!(records(&again).1.len() > 30 && records(&again).0.0.is_some());
        for (before, after) in file.data_set().items(Tag(0x0004_1220)).zip(again.data_set().items(Tag(0x0004_1220))) {
            assert!(after.get(Tag(0x0004_1500)).is_none());
            if let Some(id) = before.text(Tag(0x0010_0020)) {
                assert_eq!(after.text(Tag(0x0010_0020)).map(Cow::into_owned), privacy.context().pseudonym("mrn", &id));
            }
            for uid in [0x0004_1511u32, 0x0020_000D, 0x0020_000E] {
                let old = before.text(Tag(uid));
                assert!(old.is_none() || after.text(Tag(uid)).is_some_and(|new| new.starts_with("2.25.")), "{name}");
            }
        }
        for name in ["Doe", "Archibald", "Peter"] {
            assert!(!again.bytes().windows(name.len()).any(|window| window == name.as_bytes()), "{name}");
        }
    }
}
