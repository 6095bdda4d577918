//! What stays of a file says nothing that was removed elsewhere in it: reports, numbers, places, names cut short, words in codes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use sutura_deid::dicom::{Dates, DicomDeidentifier, Options};
use sutura_dicom::{
    DataSet, DicomFile, Limits, Tag, Vr, dictionary,
    write::{OwnedDataSet, OwnedFile},
};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const REPORT: &str = "1.2.840.10008.5.1.4.1.1.88.33";

/// A file of Brunhilde Kowalewska, number 77419035, born on 24 December 1961, of 12 March 2019.
fn of_brunhilde(sop_class: &str) -> OwnedDataSet {
    let mut data_set = OwnedDataSet::new();
    data_set.set_uid(Tag(0x0008_0016), sop_class);
    data_set.set_uid(Tag(0x0008_0018), "1.3.6.1.4.1.99999.1");
    for (keyword, value) in [
        ("SpecificCharacterSet", "ISO_IR 192"),
        ("Modality", "CT"),
        ("PatientName", "Kowalewska^Brunhilde"),
        ("PatientID", "77419035"),
        ("PatientBirthDate", "19611224"),
        ("StudyDate", "20190312"),
    ] {
        set(&mut data_set, keyword, value);
    }
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
    let done = DicomDeidentifier::new(options, &support::builtin(policy)).unwrap().deidentify(&file).unwrap();
    DicomFile::parse(done.bytes, &Limits::default()).unwrap()
}

fn text(data_set: DataSet<'_>, keyword: &str) -> String {
    data_set.text(tag(keyword)).unwrap_or_default().into_owned()
}

fn code(value: &str, scheme: &str, meaning: &str) -> OwnedDataSet {
    let mut item = OwnedDataSet::new();
    set(&mut item, "CodeValue", value);
    set(&mut item, "CodingSchemeDesignator", scheme);
    set(&mut item, "CodeMeaning", meaning);
    item
}

/// A content item with its concept.
fn content(kind: &str, concept: OwnedDataSet, change: impl FnOnce(&mut OwnedDataSet)) -> OwnedDataSet {
    let mut item = OwnedDataSet::new();
    set(&mut item, "RelationshipType", "CONTAINS");
    set(&mut item, "ValueType", kind);
    item.set_items(tag("ConceptNameCodeSequence"), vec![concept]);
    change(&mut item);
    item
}

fn number(concept: OwnedDataSet, value: &str, unit: &str) -> OwnedDataSet {
    content("NUM", concept, |item| {
        let mut measured = OwnedDataSet::new();
        set(&mut measured, "NumericValue", value);
        measured.set_f64(tag("FloatingPointValue"), &[value.parse().unwrap()]);
        measured.set_items(tag("MeasurementUnitsCodeSequence"), vec![code(unit, "UCUM", unit)]);
        item.set_items(tag("MeasuredValueSequence"), vec![measured]);
    })
}

fn written(concept: OwnedDataSet, value: &str) -> OwnedDataSet {
    content("TEXT", concept, |item| set(item, "TextValue", value))
}

const POLICIES: [&str; 4] = ["hipaa-safe-harbor", "gdpr-pseudonymised", "limited-data-set", "expert-determination"];

#[test]
fn items_of_reports_are_judged_by_their_concept() {
    let options = Options { clean_structured_content: true, ..Options::default() };
    let age = || code("121033", "DCM", "Subject Age");
    for policy in POLICIES {
        let mut data_set = of_brunhilde(REPORT);
        let items = vec![
            number(age(), "97", "a"),
            number(age(), "1164", "mo"),
            number(code("30525-0", "LN", "Age"), "47", "a"),
            number(code("77", "99X", "Age of patient"), "97", "1"),
            content("DATE", code("121031", "DCM", "Subject Birth Date"), |item| set(item, "Date", "19280504")),
            written(code("121030", "DCM", "Subject ID"), "123"),
            written(code("121008", "DCM", "Person Observer Name"), "Dr Chest Hand"),
            written(code("X1", "99X", "Patient name"), "Chest Hand"),
            written(age(), "097Y"),
            number(code("121030", "DCM", "Subject ID"), "12345", "1"),
            content("CODE", code("121032", "DCM", "Subject Sex"), |item| {
                item.set_items(tag("ConceptCodeSequence"), vec![code("F", "DCM", "Female")]);
            }),
            // What is about nobody stays.
            number(code("11885-1", "LN", "Gestational Age by LMP"), "97", "d"),
            number(code("410668003", "SCT", "Length"), "97", "mm"),
        ];
        data_set.set_items(tag("ContentSequence"), items);
        let file = released(data_set, policy, options);
        let items: Vec<_> = file.data_set().items(tag("ContentSequence")).collect();
        let value = |place: usize| {
            let measured = items[place].item(tag("MeasuredValueSequence"));
            measured.map(|measured| {
                let float = measured.get(tag("FloatingPointValue")).and_then(|element| element.number_at(0));
                (text(measured, "NumericValue"), float)
            })
        };
        let shown = |years: &str| Some((years.to_owned(), None));
        let expected = match policy {
            "limited-data-set" => {
                [Some(("97".to_owned(), Some(97.0))), Some(("1164".to_owned(), Some(1164.0))), Some(("47".to_owned(), Some(47.0)))]
            }
            "gdpr-pseudonymised" => [shown("90"), shown("1080"), shown("40")],
            _ => [shown("90"), shown("1080"), shown("47")],
        };
        assert_eq!([value(0), value(1), value(2)], expected, "{policy}");
        if policy != "limited-data-set" {
            assert_eq!(value(3), shown(""), "{policy}: no unit");
            assert_eq!(text(items[8], "TextValue"), "REMOVED");
        }
        assert!(["", "19000101"].contains(&text(items[4], "Date").as_str()), "{policy}");
        assert!([5, 6, 7].iter().all(|place| text(items[*place], "TextValue") == "REMOVED"), "{policy}");
        assert_eq!(value(9), None);
        assert!(items[10].item(tag("ConceptCodeSequence")).is_none(), "{policy}");
        assert_eq!(value(11), Some(("97".to_owned(), Some(97.0))), "{policy}");
        assert_eq!(value(12), Some(("97".to_owned(), Some(97.0))), "{policy}");
    }
    // A birth date is none of the dates that are moved, or stay.
    for (policy, dates) in
        [("gdpr-pseudonymised", Dates::Modified), ("limited-data-set", Dates::Full), ("hipaa-safe-harbor", Dates::Modified)]
    {
        let mut data_set = of_brunhilde(REPORT);
        let born = content("DATE", code("121031", "DCM", "Subject Birth Date"), |item| set(item, "Date", "19280504"));
        let done = content("DATE", code("111060", "DCM", "Study Date"), |item| set(item, "Date", "20190312"));
        data_set.set_items(tag("ContentSequence"), vec![born, done]);
        let file = released(data_set, policy, Options { dates, ..options });
        let items: Vec<_> = file.data_set().items(tag("ContentSequence")).collect();
        assert_eq!(text(items[0], "Date"), text(file.data_set(), "PatientBirthDate"), "{policy}");
        assert_eq!(text(items[1], "Date"), text(file.data_set(), "StudyDate"), "{policy}");
    }
    // Sex stays where the patient's characteristics do.
    let mut data_set = of_brunhilde(REPORT);
    let sex = content("CODE", code("121032", "DCM", "Subject Sex"), |item| {
        item.set_items(tag("ConceptCodeSequence"), vec![code("F", "DCM", "Female")]);
    });
    data_set.set_items(tag("ContentSequence"), vec![sex]);
    let file = released(data_set, "limited-data-set", Options { retain_patient_characteristics: true, ..options });
    let item = file.data_set().item(tag("ContentSequence")).unwrap().item(tag("ConceptCodeSequence")).unwrap();
    assert_eq!((text(item, "CodeValue"), text(item, "CodeMeaning")), ("F".into(), "Female".into()));
}

#[test]
fn meanings_are_those_of_their_codes() {
    let mut data_set = of_brunhilde(CT);
    let given = [
        code("121071", "DCM", "Seen by Jadwiga Zybura"),
        code("T-32000", "SRT", "Heart of Jadwiga"),
        code("39607008", "SCT", "Lung structure"),
        code("mm", "UCUM", "of Zybura"),
        code("121071", "DCM", "Finding"),
        code("39607008", "SCT", "Lung 24.12.1961 0711 4711299"),
    ];
    data_set.set_items(tag("ViewCodeSequence"), given.to_vec());
    let file = released(data_set, "gdpr-pseudonymised", Options::default());
    let meanings: Vec<String> = file.data_set().items(tag("ViewCodeSequence")).map(|item| text(item, "CodeMeaning")).collect();
    assert_eq!(meanings, ["Finding", "Heart of", "Lung structure", "mm", "Finding", "Lung"]);
}

#[test]
fn numbers_are_no_identifiers_and_no_days() {
    for policy in POLICIES {
        let mut data_set = of_brunhilde(CT);
        data_set.set_u32(tag("InStackPositionNumber"), &[77_419_035]);
        data_set.set_u32(tag("TemporalPositionIndex"), &[19_611_224]);
        data_set.set_f64(tag("DiffusionBValue"), &[19_611_224.0]);
        data_set.set_f64(tag("EffectiveDuration"), &[77_419_035.0]);
        data_set.set_f64(tag("FrameAcquisitionDuration"), &[20_190_312.0]);
        data_set.set_f64(tag("SpiralPitchFactor"), &[1000.0]);
        data_set.set_u16(tag("AcquisitionMatrix"), &[1961, 12, 24, 0]);
        set(&mut data_set, "RescaleIntercept", "77419035");
        set(&mut data_set, "ExposureTimeInuS", "20190312.0");
        set(&mut data_set, "WindowCenter", "7741.9035");
        set(&mut data_set, "ImagePositionPatient", "77419035\\19611224\\0");
        set(&mut data_set, "SliceThickness", "5.0");
        let file = released(data_set, policy, Options::default());
        for keyword in [
            "InStackPositionNumber",
            "TemporalPositionIndex",
            "DiffusionBValue",
            "EffectiveDuration",
            "FrameAcquisitionDuration",
            "AcquisitionMatrix",
            "RescaleIntercept",
            "ExposureTimeInuS",
            "WindowCenter",
            "ImagePositionPatient",
        ] {
            assert!(file.data_set().get(tag(keyword)).is_none_or(|element| element.bytes().is_empty()), "{policy} {keyword}");
        }
        assert_eq!(file.data_set().get(tag("SpiralPitchFactor")).unwrap().number_at(0), Some(1000.0));
        assert_eq!(text(file.data_set(), "SliceThickness"), "5.0");
    }
    // Where days stay, they may stay everywhere.
    let mut data_set = of_brunhilde(CT);
    data_set.set_f64(tag("FrameAcquisitionDuration"), &[20_190_312.0]);
    data_set.set_f64(tag("DiffusionBValue"), &[19_611_224.0]);
    let file = released(data_set, "limited-data-set", Options { dates: Dates::Full, ..Options::default() });
    assert!(file.data_set().get(tag("FrameAcquisitionDuration")).is_some() && file.data_set().get(tag("DiffusionBValue")).is_none());
}

#[test]
fn what_was_removed_does_not_come_back() {
    let with = || {
        let mut data_set = of_brunhilde(CT);
        for (keyword, value) in [
            ("DeviceSerialNumber", "SN4711X"),
            ("StationName", "STATIONAXY"),
            ("InstitutionName", "Szpital Anna"),
            ("PatientAddress", "Elmstrasse 12, Gdansk"),
            ("StudyID", "STUDY88"),
            ("AccessionNumber", "ACQ-991237"),
            ("ManufacturerModelName", "Scan SN4711X"),
            ("Manufacturer", "at Szpital Anna Gdansk Elmstrasse"),
            ("SequenceName", "STATIONAXY"),
            ("ConvolutionKernel", "STUDY88"),
            ("FilterType", "991237"),
            ("ImageType", "ORIGINAL\\PRIMARY\\STATIONAXY"),
            ("BodyPartExamined", "SZPITAL ANNA"),
        ] {
            set(&mut data_set, keyword, value);
        }
        data_set
    };
    for policy in POLICIES {
        let file = released(with(), policy, Options::default());
        let data_set = file.data_set();
        for gone in [&b"SN4711X"[..], b"STATIONAXY", b"Szpital", b"SZPITAL", b"Anna", b"Gdansk", b"Elmstrasse", b"STUDY88", b"991237"] {
            let gone_text = String::from_utf8_lossy(gone);
            assert!(!file.bytes().windows(gone.len()).any(|window| window == gone), "{policy} {gone_text}");
        }
        assert_eq!(text(data_set, "ImageType"), "ORIGINAL\\PRIMARY\\");
    }
    // A maker is called so wherever the image is from, and words of imaging are nobody's.
    let mut data_set = of_brunhilde(CT);
    for (keyword, value) in [
        ("InstitutionName", "Siemens Healthineers Chest Centre"),
        ("StationName", "CHEST"),
        ("DeviceSerialNumber", "2500"),
        ("Manufacturer", "SIEMENS"),
        ("ManufacturerModelName", "SOMATOM Force"),
        ("BodyPartExamined", "CHEST"),
        ("RepetitionTime", "2500"),
    ] {
        set(&mut data_set, keyword, value);
    }
    let file = released(data_set, "gdpr-pseudonymised", Options::default());
    let kept =
        ["Manufacturer", "ManufacturerModelName", "BodyPartExamined", "RepetitionTime"].map(|keyword| text(file.data_set(), keyword));
    assert_eq!(kept, ["SIEMENS", "SOMATOM Force", "CHEST", "2500"]);
}

#[test]
fn names_that_are_cut_short_go() {
    for (name, cut) in [
        ("LEUTHEUSSERSCHNARRENBERGER^BRUNHILDE", "LEUTHEUSSERSCHNA"),
        ("Kowalewska^Brunhilde", "CT BRUNHILD KOWALEWS"),
        ("Kowalewska^Brunhilde", "KOWALEWSKABRUNHI"),
        ("Abdomenski^Jan", "ABDOMENS"),
    ] {
        for keyword in ["SequenceName", "Manufacturer", "ConvolutionKernel"] {
            let mut data_set = of_brunhilde(CT);
            set(&mut data_set, "PatientName", name);
            set(&mut data_set, keyword, cut);
            let left = text(released(data_set, "gdpr-pseudonymised", Options::default()).data_set(), keyword);
            assert!(left.is_empty() || left == "CT", "{name} {keyword}: {left}");
        }
    }
    // The word of imaging that a name begins with is none.
    let mut data_set = of_brunhilde(CT);
    set(&mut data_set, "PatientName", "Abdomenski^Jan");
    set(&mut data_set, "BodyPartExamined", "ABDOMEN");
    assert_eq!(text(released(data_set, "gdpr-pseudonymised", Options::default()).data_set(), "BodyPartExamined"), "ABDOMEN");
}

#[test]
fn words_in_overlays_layers_and_lists_go() {
    let options = Options { clean_graphics: true, ..Options::default() };
    let mut data_set = of_brunhilde(CT);
    data_set.set_u16(Tag(0x6000_0010), &[8]);
    data_set.set_u16(Tag(0x6000_0011), &[8]);
    data_set.set_text(Tag(0x6000_0040), Vr::CS, "R");
    data_set.set_text(Tag(0x6000_0045), Vr::LO, "AUTOMATED of Zork");
    data_set.set_text(Tag(0x6000_0060), Vr::CS, "ZORK");
    data_set.set_text(Tag(0x6000_0800), Vr::CS, "ZORK");
    data_set.set_text(Tag(0x6000_1001), Vr::CS, "ZORK");
    data_set.set_bytes(Tag(0x6000_3000), Vr::OW, vec![1; 8]);
    for (keyword, value) in [
        ("PixelSpacingCalibrationType", "ZORK"),
        ("SegmentAlgorithmName", "by Zork"),
        ("ListOfMIMETypes", "application/pdf\\text/zork"),
        ("MIMETypeOfEncapsulatedDocument", "application/pdf"),
        ("PatientSpeciesDescription", "cat of Zork"),
        ("PatientBreedDescription", "Zork"),
    ] {
        set(&mut data_set, keyword, value);
    }
    let layered = |name: &str| {
        let mut item = OwnedDataSet::new();
        set(&mut item, "GraphicLayer", name);
        item
    };
    data_set.set_items(tag("GraphicAnnotationSequence"), vec![layered("OF ZORK"), layered("OTHER ZORK"), layered("OF ZORK")]);
    data_set.set_items(tag("GraphicLayerSequence"), vec![layered("OTHER ZORK"), layered("OF ZORK")]);
    let file = released(data_set, "gdpr-pseudonymised", options);
    let data_set = file.data_set();
    assert!(!file.bytes().windows(4).any(|window| window.eq_ignore_ascii_case(b"zork")));
    assert_eq!(data_set.get(Tag(0x6000_3000)).map(|element| element.bytes().len()), Some(8));
    let layers = |keyword: &str| data_set.items(tag(keyword)).map(|item| text(item, "GraphicLayer")).collect::<Vec<_>>();
    assert_eq!(layers("GraphicAnnotationSequence"), ["LAYER1", "LAYER2", "LAYER1"]);
    assert_eq!(layers("GraphicLayerSequence"), ["LAYER2", "LAYER1"]);
    assert_eq!((text(data_set, "SegmentAlgorithmName"), text(data_set, "ListOfMIMETypes")), ("REMOVED".into(), "REMOVED".into()));
    assert_eq!(text(data_set, "MIMETypeOfEncapsulatedDocument"), "application/pdf");
    // What looks like one stays.
    let mut data_set = of_brunhilde(CT);
    for (keyword, value) in [
        ("PixelSpacingCalibrationType", "GEOMETRY"),
        ("SegmentAlgorithmName", "nnU-Net v2 Lung Segmentation"),
        ("ListOfMIMETypes", "application/pdf"),
    ] {
        set(&mut data_set, keyword, value);
    }
    let file = released(data_set, "gdpr-pseudonymised", Options::default());
    let kept = ["PixelSpacingCalibrationType", "SegmentAlgorithmName", "ListOfMIMETypes"].map(|keyword| text(file.data_set(), keyword));
    assert_eq!(kept, ["GEOMETRY", "nnU-Net v2 Lung Segmentation", "application/pdf"]);
}
