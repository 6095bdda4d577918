//! Nothing that identifies anybody is left: planted markers, consistency, options, any file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "../../formats/dicom/tests/common/data.rs"]
mod shared;

use std::{fs, sync::Arc};

use proptest::prelude::*;
use shared::{data, files};
use sutura_deid::dicom::{CleanPixels, Dates, DicomDeidentifier, Options, OutputName, actions_table};
use sutura_dicom::{
    DataSet, DicomFile, Limits, Tag, Vr, dictionary,
    write::{OwnedDataSet, OwnedElement, OwnedFile, OwnedValue},
};
use sutura_privacy::{Deidentifier, KeyRing, LegalBasis, MemoryVault, Policy, Scope};

const MARKER: &str = "ZZPHI";
const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const ENHANCED_MR: &str = "1.2.840.10008.5.1.4.1.1.4.1";
const UID_ROOT: &str = "1.2.826.0.1.3680043.8.498.66.";
const DATE: &str = "19010203";

fn legal() -> LegalBasis {
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
    legal
}

fn privacy_with(policy: &str, keys: &KeyRing) -> Deidentifier {
    let policy = Policy::builtin(policy).unwrap().with_legal(&legal());
    Deidentifier::new(policy, keys, Scope::new("project", "domain"), Some(Arc::new(MemoryVault::new().unwrap()))).unwrap()
}

fn privacy(policy: &str) -> Deidentifier {
    privacy_with(policy, &KeyRing::generate().unwrap())
}

fn limits() -> Limits {
    Limits { bytes: 1 << 30, inflated: 1 << 28, ..Limits::default() }
}

fn parse(bytes: Vec<u8>) -> DicomFile {
    DicomFile::parse(bytes, &limits()).unwrap()
}

fn times(bytes: &[u8], wanted: &str) -> usize {
    bytes.windows(wanted.len()).filter(|window| *window == wanted.as_bytes()).count()
}

/// A value with a marker in it, as far as the representation has room for one.
fn marked(tag: Tag, vr: Vr, number: usize) -> OwnedElement {
    let text = match vr {
        Vr::SQ => {
            let mut item = OwnedDataSet::new();
            item.set_text(Tag(0x0008_0104), Vr::LO, &format!("{MARKER}{number} meaning"));
            return OwnedElement { tag, vr, value: OwnedValue::Items(vec![item]) };
        }
        Vr::UI => format!("{UID_ROOT}{number}"),
        Vr::DA => DATE.to_owned(),
        Vr::DT => format!("{DATE}040506"),
        Vr::TM => "010203".to_owned(),
        Vr::AS => "099Y".to_owned(),
        Vr::DS | Vr::IS => "4242".to_owned(),
        vr if vr.is_text() || vr.number_bytes().is_none() || vr.is_bulk() => format!("{MARKER}{number:08}"),
        vr => vec!["\0"; vr.number_bytes().unwrap_or(2)].concat(),
    };
    OwnedElement { tag, vr, value: OwnedValue::Bytes(text.into_bytes().into()) }
}

/// Whether an attribute is one whose marker must go under the basic profile.
fn is_treated(attribute: &dictionary::Attribute) -> bool {
    let by_class = attribute.phi.is_identifying() || attribute.phi == sutura_core::PhiClass::FreeText;
    (attribute.profile.is_some() || by_class) && !matches!(attribute.phi, sutura_core::PhiClass::Photo)
}

/// Every attribute of the dictionary that identifies, at the top, in an item of a sequence that stays, twice nested, and private ones around them.
fn planted(sop_class: &str) -> (OwnedFile, usize) {
    let wanted = |attribute: &&dictionary::Attribute| {
        let group = attribute.tag.group();
        group >= 8 && attribute.tag.element() != 0 && is_treated(attribute) && !attribute.tag.is_private()
    };
    let mut planted = 0;
    let mut all = |salt: usize| {
        let elements = dictionary::attributes().iter().filter(wanted).enumerate();
        let elements: Vec<_> = elements.map(|(number, attribute)| marked(attribute.tag, attribute.vr, salt + number)).collect();
        planted += elements.len();
        let mut data_set = OwnedDataSet::from_elements(elements);
        for (group, creator) in [(0x0009u16, "ZZPHI MAKER"), (0x0029, "SIEMENS CSA HEADER"), (0x0019, "SIEMENS MR HEADER")] {
            data_set.set_text(Tag::new(group, 0x0010), Vr::LO, creator);
            data_set.set_text(Tag::new(group, 0x1001), Vr::LO, &format!("{MARKER} private"));
            data_set.set_bytes(Tag::new(group, 0x100C), Vr::UN, format!("{MARKER} private").into_bytes());
            let mut item = OwnedDataSet::new();
            item.set_text(Tag(0x0010_0010), Vr::PN, "ZZPHI^NESTED");
            data_set.set_items(Tag::new(group, 0x1002), vec![item]);
        }
        for group in [0x6000u16, 0x6002, 0x5000] {
            data_set.set_bytes(Tag::new(group, 0x3000), Vr::OW, format!("{MARKER} bits").into_bytes());
            data_set.set_text(Tag::new(group, 0x0022), Vr::LO, &format!("{MARKER} overlay"));
            data_set.set_text(Tag::new(group, 0x4000), Vr::LT, &format!("{MARKER} overlay"));
        }
        // Unknown to the dictionary.
        data_set.set_text(Tag(0x0008_0FFE), Vr::LO, &format!("{MARKER} unknown"));
        data_set
    };
    let mut data_set = all(100_000);
    let (mut inner, innermost) = (all(200_000), all(300_000));
    inner.set_items(Tag(0x0040_A168), vec![innermost]);
    // Sequences that stay: references, and one that the profile does not name.
    data_set.set_items(Tag(0x0008_1140), vec![inner.clone()]);
    data_set.set_items(Tag(0x0018_9346), vec![inner]);
    data_set.set_uid(Tag(0x0008_0016), sop_class);
    data_set.set_bytes(Tag(0xFFFC_FFFC), Vr::OB, format!("{MARKER} padding").into_bytes());
    let mut file = OwnedFile::new(data_set);
    for (tag, vr) in [(0x0002_0016, Vr::AE), (0x0002_0100, Vr::UI), (0x0002_0102, Vr::OB)] {
        file.meta.set_text(Tag(tag), vr, MARKER);
    }
    (file, planted)
}

#[test]
fn no_planted_marker_is_left() {
    for sop_class in [CT, ENHANCED_MR] {
        let (file, planted) = planted(sop_class);
        assert!(planted > 2000, "{planted}");
        let mut bytes = file.to_bytes().unwrap();
        bytes[..5].copy_from_slice(MARKER.as_bytes());
        assert!(times(&bytes, MARKER) > 1000 && times(&bytes, UID_ROOT) > 100);
        for policy in ["hipaa-safe-harbor", "gdpr-pseudonymised", "limited-data-set", "expert-determination"] {
            let deidentifier = DicomDeidentifier::new(Options::default(), &privacy(policy)).unwrap();
            let released = deidentifier.deidentify(&parse(bytes.clone())).unwrap();
            let again = parse(released.bytes.clone());
            let mut texts = Vec::new();
            walk(again.data_set(), &mut texts);
            for (tag, text) in texts {
                assert!(!text.contains(MARKER), "{policy} {tag}");
            }
            for wanted in [MARKER, UID_ROOT, DATE, "099Y"] {
                assert_eq!(times(&released.bytes, wanted), 0, "{policy} {wanted}");
            }
            let proof = serde_json::to_string(&released.proof).unwrap();
            assert!(!proof.contains(MARKER) && !proof.contains(UID_ROOT) && !format!("{released:?}").contains(MARKER));
            parse(released.bytes);
        }
    }
}

type Change = fn(&mut Options);

/// Under every option alone, in a file where each attribute has a marker: what stays is what the table says stays under that option.
#[test]
fn options_keep_what_the_table_says_and_nothing_else() {
    let (file, _) = planted(CT);
    let file = parse(file.to_bytes().unwrap());
    let privacy = privacy("expert-determination");
    let on: [(Change, char, char); 6] = [
        (|o| o.dates = Dates::Full, 'd', 'K'),
        (|o| o.retain_uids = true, 'u', 'K'),
        (|o| o.retain_patient_characteristics = true, 'p', 'K'),
        (|o| o.clean_descriptors = true, 'c', 'C'),
        (|o| o.clean_structured_content = true, 's', 'C'),
        (|o| o.retain_safe_private = true, 'r', 'K'),
    ];
    for (change, letter, action) in on {
        let mut options = Options::default();
        change(&mut options);
        let Ok(deidentifier) = DicomDeidentifier::new(options, &privacy) else { continue };
        let released = parse(deidentifier.deidentify(&file).unwrap().bytes);
        for element in released.data_set().elements() {
            let Some(attribute) = element.attribute() else { continue };
            let says = attribute.option(letter) == Some(action) || attribute.phi == sutura_core::PhiClass::Date;
            let has_marker = element.bytes().windows(5).any(|window| window == MARKER.as_bytes()) || times(element.bytes(), UID_ROOT) > 0;
            let has_marker = !element.is_sequence() && (has_marker || times(element.bytes(), DATE) > 0);
            if has_marker {
                assert!(says, "{letter} {}", attribute.keyword);
            }
            // Text is cleaned also where it stays.
            assert!(!(has_marker && action == 'C'), "{letter} {}", attribute.keyword);
        }
        if letter == 'd' {
            assert_eq!(released.data_set().text(Tag(0x0008_0020)).as_deref(), Some(DATE));
        }
        if letter == 'u' {
            assert!(times(released.bytes(), UID_ROOT) > 50);
        }
    }
}

#[test]
fn the_shared_file_of_markers_has_none_left() {
    let Some(folder) = data() else { return };
    let bytes = fs::read(folder.join("made/phi/phi_all.dcm")).unwrap();
    let found = times(&bytes, MARKER);
    assert_eq!(found, 758);
    for policy in ["hipaa-safe-harbor", "gdpr-pseudonymised"] {
        let deidentifier = DicomDeidentifier::new(Options::default(), &privacy(policy)).unwrap();
        let released = deidentifier.deidentify(&parse(bytes.clone())).unwrap();
        assert_eq!((times(&released.bytes, MARKER), times(&released.bytes, UID_ROOT), times(&released.bytes, DATE)), (0, 0, 0));
        let file = parse(released.bytes);
        let data_set = file.data_set();
        // The pixels are those of before, and the image is still one.
        let original = parse(bytes.clone());
        assert_eq!(data_set.get(Tag::PIXEL_DATA).unwrap().bytes(), original.data_set().get(Tag::PIXEL_DATA).unwrap().bytes());
        assert_eq!(data_set.text(Tag(0x0012_0062)).as_deref(), Some("YES"));
        assert_eq!(data_set.item(Tag(0x0012_0064)).unwrap().text(Tag(0x0008_0100)).as_deref(), Some("113100"));
        for attribute in
            dictionary::attributes().iter().filter(|attribute| attribute.profile == Some("X") && attribute.tag.0 != 0x0012_0062)
        {
            let was_set_by_us = matches!(attribute.tag.0, 0x0012_0063 | 0x0012_0064 | 0x0028_0303);
            assert!(was_set_by_us || data_set.get(attribute.tag).is_none(), "{} {}", attribute.tag, attribute.keyword);
        }
    }
}

fn image(patient: &str, study: &str, instance: &str, date: &str) -> DicomFile {
    let mut data_set = OwnedDataSet::new();
    data_set.set_uid(Tag(0x0008_0016), CT);
    data_set.set_uid(Tag(0x0008_0018), instance);
    data_set.set_text(Tag(0x0008_0020), Vr::DA, date);
    data_set.set_text(Tag(0x0008_0030), Vr::TM, "101500");
    data_set.set_text(Tag(0x0008_002A), Vr::DT, &format!("{date}101500"));
    data_set.set_text(Tag(0x0008_0050), Vr::SH, "ACC-1");
    data_set.set_text(Tag(0x0008_0070), Vr::LO, "MAKER of Doe");
    data_set.set_text(Tag(0x0008_1030), Vr::LO, "CT Chest of Jane Doe 12/03/2019");
    data_set.set_text(Tag(0x0010_0010), Vr::PN, "Doe^Jane");
    data_set.set_text(Tag(0x0010_0020), Vr::LO, patient);
    data_set.set_text(Tag(0x0010_1010), Vr::AS, "093Y");
    data_set.set_text(Tag(0x0010_0040), Vr::CS, "F");
    data_set.set_uid(Tag(0x0020_000D), study);
    data_set.set_uid(Tag(0x0020_000E), &format!("{study}.1"));
    data_set.set_uid(Tag(0x0020_0052), "1.2.840.10008.1.4.1.1");
    let mut reference = OwnedDataSet::new();
    reference.set_uid(Tag(0x0008_1150), CT);
    reference.set_uid(Tag(0x0008_1155), "1.9.2");
    data_set.set_items(Tag(0x0008_1140), vec![reference]);
    parse(OwnedFile::new(data_set).to_bytes().unwrap())
}

fn text(data_set: DataSet<'_>, tag: u32) -> String {
    data_set.text(Tag(tag)).unwrap_or_default().into_owned()
}

#[test]
fn two_files_of_a_patient_go_on_belonging_together() {
    let keys = KeyRing::generate().unwrap();
    let privacy = privacy_with("gdpr-pseudonymised", &keys);
    let options = Options { dates: Dates::Modified, clean_descriptors: true, ..Options::default() };
    let release = |file: &DicomFile| {
        // Another run with the same keys.
        let again = privacy_with("gdpr-pseudonymised", &keys);
        let released = DicomDeidentifier::new(options, &again).unwrap().deidentify(file).unwrap();
        (parse(released.bytes), released.name)
    };
    let (one, name) = release(&image("A-17", "1.9", "1.9.1", "20240301"));
    let (two, _) = release(&image(" A-17 ", "1.9", "1.9.2", "20240305"));
    let (other, _) = release(&image("B-18", "1.8", "1.8.1", "20240301"));
    let (a, b, c) = (one.data_set(), two.data_set(), other.data_set());
    // As a column of a message or a table has it.
    assert_eq!(Some(text(a, 0x0010_0020)), privacy.context().pseudonym("mrn", "A-17"));
    assert_eq!(text(a, 0x0010_0010), text(a, 0x0010_0020));
    assert_eq!(text(a, 0x0020_000D), text(b, 0x0020_000D));
    assert_ne!(text(a, 0x0020_000D), text(c, 0x0020_000D));
    assert_ne!(text(a, 0x0010_0020), text(c, 0x0010_0020));
    // The reference in the first is to the second.
    let reference = a.item(Tag(0x0008_1140)).unwrap();
    assert_eq!(text(reference, 0x0008_1155), text(b, 0x0008_0018));
    assert_eq!(text(reference, 0x0008_1150), CT);
    assert_eq!(text(a, 0x0020_0052), "1.2.840.10008.1.4.1.1");
    // The same days for all dates of the patient.
    let shifted = privacy.context().shift_date("2024-03-01", "A-17", sutura_privacy::DEFAULT_SHIFT_DAYS).unwrap().replace('-', "");
    assert_eq!(text(a, 0x0008_0020), shifted);
    assert_eq!(text(a, 0x0008_002A), format!("{shifted}101500"));
    assert_eq!((text(a, 0x0008_0030), text(a, 0x0028_0303)), ("101500".into(), "MODIFIED".into()));
    assert_eq!(text(a, 0x0008_1030), "CT Chest of");
    assert!(!text(a, 0x0008_0070).contains("Doe"));
    assert_eq!(
        name.path(OutputName::DEFAULT_PATTERN),
        format!("{}/{}/{}/{}.dcm", text(a, 0x0010_0020), text(a, 0x0020_000D), text(a, 0x0020_000E), text(a, 0x0008_0018))
    );
}

#[test]
fn safe_harbor_has_random_codes_years_and_ages_of_ninety() {
    let privacy = privacy("hipaa-safe-harbor");
    let options = Options { dates: Dates::Modified, retain_patient_characteristics: true, ..Options::default() };
    let deidentifier = DicomDeidentifier::new(options, &privacy).unwrap();
    let file = image("A-17", "1.9", "1.9.1", "20240301");
    let (one, two) = (deidentifier.deidentify(&file).unwrap(), deidentifier.deidentify(&file).unwrap());
    assert_eq!(one.bytes, two.bytes);
    let released = parse(one.bytes);
    let data_set = released.data_set();
    assert_eq!(Some(text(data_set, 0x0010_0020)), privacy.context().vault_code("mrn", "A-17").unwrap());
    assert_eq!(
        (text(data_set, 0x0008_0020), text(data_set, 0x0010_1010), text(data_set, 0x0010_0040)),
        ("20240101".into(), "090Y".into(), "F".into())
    );
    // No time beside a year; a code of an accession number is dropped by the policy.
    assert_eq!((text(data_set, 0x0008_0030), text(data_set, 0x0008_0050)), (String::new(), String::new()));
    for options in [
        Options { dates: Dates::Full, ..Options::default() },
        Options { retain_uids: true, ..Options::default() },
        Options { retain_device: true, ..Options::default() },
        Options { retain_institution: true, ..Options::default() },
    ] {
        let refused = DicomDeidentifier::new(options, &privacy).unwrap_err().to_string();
        assert!(refused.contains("164.514"), "{refused}");
    }
}

#[test]
fn every_readable_file_is_released_and_stays_readable() {
    let Some(folder) = data() else { return };
    let privacy = privacy("gdpr-pseudonymised");
    let all = Options {
        clean_graphics: true,
        clean_structured_content: true,
        clean_descriptors: true,
        clean_pixels: CleanPixels::No,
        clean_recognizable_features: false,
        dates: Dates::Modified,
        retain_patient_characteristics: true,
        retain_device: false,
        retain_institution: false,
        retain_uids: false,
        retain_safe_private: true,
    };
    let mut paths = Vec::new();
    files(&folder, &mut paths);
    let (mut released, mut refused) = (0, 0);
    for options in [Options::default(), all] {
        let deidentifier = DicomDeidentifier::new(options, &privacy).unwrap();
        for path in &paths {
            let Ok(file) = DicomFile::parse(fs::read(path).unwrap(), &limits()) else { continue };
            let name = path.strip_prefix(&folder).unwrap().display().to_string();
            match deidentifier.deidentify(&file) {
                Ok(done) => {
                    released += 1;
                    let again = DicomFile::parse(done.bytes, &limits()).unwrap_or_else(|error| panic!("{name}: {error}"));
                    leaves_nothing(&file, &again, &name);
                    assert!(
                        again.data_set().elements().zip(again.data_set().elements().skip(1)).all(|(one, next)| one.tag() < next.tag()),
                        "{name}"
                    );
                    assert!(actions_table([&done.proof]).unwrap().num_rows() > 0);
                }
                Err(error) => {
                    refused += 1;
                    assert!(
                        file.is_directory()
                            || matches!(error.code(), "pixel-data-cut" | "pixels-not-decoded" | "audio")
                            || error.to_string().contains("SOP")
                            || error.to_string().contains("is missing"),
                        "{name}: {error}"
                    );
                }
            }
        }
    }
    println!("{released} released, {refused} refused");
    assert!(released > 600 && refused < 60, "{released} {refused}");
}

/// Of names, identifiers and UIDs of the original none is in the texts of the released file.
fn leaves_nothing(original: &DicomFile, released: &DicomFile, name: &str) {
    let mut words = Vec::new();
    for tag in [0x0010_0010u32, 0x0010_0020, 0x0008_0018, 0x0020_000D, 0x0020_000E, 0x0008_0050, 0x0008_0090] {
        let value = text(original.data_set(), tag);
        words.extend(value.split(['^', '=']).filter(|part| part.len() > 5 && !part.starts_with("1.2.840.10008.")).map(str::to_uppercase));
    }
    let mut texts = Vec::new();
    walk(released.data_set(), &mut texts);
    for (tag, text) in texts {
        let upper = text.to_uppercase();
        // Codes of the standard may be the words of a phantom's name.
        let is_code = matches!(dictionary::vr(tag), Vr::CS | Vr::UI | Vr::DS | Vr::IS);
        for word in &words {
            assert!(is_code && !word.contains('.') || !upper.contains(word.as_str()), "{name} {tag}");
        }
    }
}

fn walk(data_set: DataSet<'_>, texts: &mut Vec<(Tag, String)>) {
    // The names of the options have words of their own.
    for element in data_set.elements().filter(|element| element.tag().0 != 0x0012_0064) {
        element.items().for_each(|item| walk(item, texts));
        if element.vr().is_text() {
            texts.extend(element.text().map(|text| (element.tag(), text.into_owned())));
        }
    }
}

fn any_element() -> impl Strategy<Value = OwnedElement> {
    let known = dictionary::attributes();
    (0..known.len(), any::<u32>(), 0u8..8).prop_map(move |(place, tag, kind)| {
        let attribute = &known[place];
        match kind {
            0 => OwnedElement {
                tag: Tag(tag | 0x0009_0000),
                vr: Vr::LO,
                value: OwnedValue::Bytes(format!("{MARKER}{tag}").into_bytes().into()),
            },
            _ => marked(attribute.tag, attribute.vr, place),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any file that is read is released readable, and of what identifies nothing is left.
    #[test]
    fn any_file_is_released_without_markers(
        elements in proptest::collection::vec(any_element(), 1..40),
        nested in proptest::collection::vec(any_element(), 1..20),
        options in any::<[bool; 6]>(),
    ) {
        let wanted = |element: &OwnedElement| {
            element.tag.group() >= 8 && element.tag.group() != 0xFFFE && dictionary::attribute(element.tag).is_none_or(is_treated)
        };
        let mut data_set = OwnedDataSet::from_elements(elements.into_iter().filter(wanted).collect());
        data_set.set_items(Tag(0x0018_9346), vec![OwnedDataSet::from_elements(nested.into_iter().filter(wanted).collect())]);
        data_set.set_uid(Tag(0x0008_0016), CT);
        data_set.set_uid(Tag(0x0008_0018), &format!("{UID_ROOT}1"));
        let bytes = OwnedFile::new(data_set).to_bytes().unwrap();
        let options = Options {
            clean_graphics: options[0],
            clean_structured_content: options[1],
            clean_descriptors: options[2],
            dates: if options[3] { Dates::Modified } else { Dates::Remove },
            retain_safe_private: options[4],
            ..Options::default()
        };
        let deidentifier = DicomDeidentifier::new(options, &privacy("gdpr-pseudonymised")).unwrap();
        if let Ok(file) = DicomFile::parse(bytes, &limits()) {
            let released = deidentifier.deidentify(&file).unwrap();
            prop_assert_eq!((times(&released.bytes, MARKER), times(&released.bytes, UID_ROOT)), (0, 0));
            prop_assert!(DicomFile::parse(released.bytes, &limits()).is_ok());
        }
    }
}

/// An image of two frames with a known texture.
fn pixels(photometric: &str, samples: u16, bits: u16, planar: bool) -> OwnedFile {
    let (rows, columns, frames) = (20usize, 30usize, 2usize);
    let mut data_set = OwnedDataSet::new();
    data_set.set_uid(Tag(0x0008_0016), "1.2.840.10008.5.1.4.1.1.3.1");
    data_set.set_uid(Tag(0x0008_0018), "1.2.3");
    data_set.set_text(Tag(0x0008_0060), Vr::CS, "US");
    data_set.set_text(Tag(0x0028_0004), Vr::CS, photometric);
    data_set.set_text(Tag(0x0028_0008), Vr::IS, "2");
    data_set.set_text(Tag(0x0028_0301), Vr::CS, "YES");
    for (tag, value) in [(0x0028_0002u32, samples), (0x0028_0006, u16::from(planar)), (0x0028_0010, 20), (0x0028_0011, 30)] {
        data_set.set_u16(Tag(tag), &[value]);
    }
    for (tag, value) in [(0x0028_0100u32, bits), (0x0028_0101, bits), (0x0028_0102, bits - 1), (0x0028_0103, 0)] {
        data_set.set_u16(Tag(tag), &[value]);
    }
    let subsampled = photometric == "YBR_FULL_422";
    let bytes = rows * columns * frames * usize::from(samples) * usize::from(bits) / 8 * if subsampled { 2 } else { 3 } / 3;
    let texture: Vec<u8> = (0..bytes).map(|place| 40 + (place % 199) as u8).collect();
    data_set.set_bytes(Tag::PIXEL_DATA, if bits > 8 { Vr::OW } else { Vr::OB }, texture);
    OwnedFile::new(data_set)
}

#[test]
fn areas_are_painted_and_the_rest_stays() {
    use sutura_deid::dicom::PixelBox;
    use sutura_dicom::pixels::{FrameMap, PixelDescription, decode};
    let privacy = privacy("gdpr-pseudonymised");
    let found = PixelBox { x: 4, y: 12, width: 10, height: 3 };
    let options = Options { clean_pixels: CleanPixels::Detect, ..Options::default() };
    let without = DicomDeidentifier::new(options, &privacy).unwrap();
    let deidentifier = without.clone().with_text_finder(Arc::new(move |_, _| vec![found]));
    for (photometric, samples, bits, planar) in [
        ("MONOCHROME2", 1, 8, false),
        ("MONOCHROME1", 1, 16, false),
        ("RGB", 3, 8, false),
        ("RGB", 3, 8, true),
        ("YBR_FULL", 3, 8, false),
        ("YBR_FULL_422", 3, 8, false),
        ("RLE", 1, 8, false),
    ] {
        let is_rle = photometric == "RLE";
        let mut file = pixels(if is_rle { "MONOCHROME2" } else { photometric }, samples, bits, planar);
        if is_rle {
            // One segment a frame, each run of literal bytes.
            let frames = file.data_set.get(Tag::PIXEL_DATA).unwrap().value.bytes().to_vec();
            let coded = frames.chunks(600).map(|frame| {
                let mut out = vec![0u8; 64];
                out[0] = 1;
                out[4] = 64;
                for run in frame.chunks(100) {
                    out.push(99);
                    out.extend_from_slice(run);
                }
                out.into()
            });
            file.data_set.set_fragments(Tag::PIXEL_DATA, std::iter::once(vec![].into()).chain(coded).collect());
            file.syntax = sutura_dicom::TransferSyntax::of("1.2.840.10008.1.2.5");
        }
        let original = parse(file.to_bytes().unwrap());
        assert!(without.deidentify(&original).unwrap_err().to_string().contains("text finder"));
        let released = deidentifier.deidentify(&original).unwrap();
        let (proof, again) = (released.proof, parse(released.bytes));
        // Text may be where nothing was found.
        assert_eq!(text(again.data_set(), 0x0028_0301), "YES", "{photometric}");
        let by: Vec<_> = proof.boxes.iter().map(|area| (area.by, area.frames)).collect();
        assert_eq!(by, [("us-header", 2), ("detected", 2)], "{photometric}");
        let frames = |file: &DicomFile| {
            let description = PixelDescription::of(file).unwrap();
            let map = FrameMap::with(file, &description).unwrap();
            (0..2).map(|number| decode::frame(file, &description, &map, number).unwrap()).collect::<Vec<_>>()
        };
        let size = usize::from(bits / 8);
        let stride = usize::from(samples) * size;
        for (before, after) in frames(&original).iter().zip(&frames(&again)) {
            let (before, after) = (before.data.to_le_bytes(), after.data.to_le_bytes());
            let mut changed = 0;
            for (place, (old, new)) in before.chunks(stride).zip(after.chunks(stride)).enumerate() {
                let (row, column) = (place / 30, place % 30);
                // The first tenth of the rows are the header of an ultrasound image.
                let is_covered = row < 2 || ((12..15).contains(&row) && (4..14).contains(&column));
                assert!(is_covered || old == new, "{photometric} {row} {column}");
                if is_covered {
                    assert!(new.chunks(stride).all(|pixel| pixel == &after[..stride]), "{photometric} {row} {column}");
                    changed += usize::from(old != new);
                }
            }
            assert!(changed > 80, "{photometric} {changed}");
        }
    }
}

#[test]
fn regions_that_ultrasound_states_are_left_and_the_rest_is_covered() {
    let mut file = pixels("MONOCHROME2", 1, 8, false);
    let mut region = OwnedDataSet::new();
    for (tag, corner) in [(0x0018_6018u32, 5), (0x0018_601A, 4), (0x0018_601C, 24), (0x0018_601E, 17)] {
        region.set_u32(Tag(tag), &[corner]);
    }
    file.data_set.set_items(Tag(0x0018_6011), vec![region]);
    let original = parse(file.to_bytes().unwrap());
    let privacy = privacy("gdpr-pseudonymised");
    let release = |clean_pixels| {
        let deidentifier = DicomDeidentifier::new(Options { clean_pixels, ..Options::default() }, &privacy).unwrap();
        deidentifier.with_text_finder(Arc::new(|_, _| Vec::new())).deidentify(&original).unwrap()
    };
    let released = parse(release(CleanPixels::Regions).bytes);
    let (before, after) = (original.pixel_data().unwrap().bytes(), released.pixel_data().unwrap().bytes());
    for (place, (old, new)) in before.iter().zip(after).enumerate() {
        let (row, column) = (place % 600 / 30, place % 30);
        let is_image = (4..18).contains(&row) && (5..25).contains(&column);
        assert_eq!(if is_image { *old } else { 40 }, *new, "{row} {column}");
    }
    // Text may be in the regions too: nobody says that there is none.
    assert_eq!(text(released.data_set(), 0x0028_0301), "YES");
    assert_eq!(release(CleanPixels::No).proof.warnings, ["burned-in-text-likely"]);
}

#[test]
fn old_overlays_in_the_bits_of_pixels_go() {
    let mut file = pixels("MONOCHROME2", 1, 16, false);
    for (tag, value) in [(0x0028_0101u32, 12), (0x0028_0102, 11), (0x6000_0100, 16), (0x6000_0102, 13)] {
        file.data_set.set_u16(Tag(tag), &[value]);
    }
    let original = parse(file.to_bytes().unwrap());
    let done = DicomDeidentifier::new(Options::default(), &privacy("gdpr-pseudonymised")).unwrap().deidentify(&original).unwrap();
    let released = parse(done.bytes);
    let before = original.pixel_data().unwrap().bytes().as_chunks::<2>().0;
    let after = released.pixel_data().unwrap().bytes().as_chunks::<2>().0;
    for (old, new) in before.iter().zip(after) {
        assert_eq!(u16::from_le_bytes(*old) & 0x0FFF, u16::from_le_bytes(*new));
    }
    assert!(before != after && done.proof.actions.iter().any(|row| row.by == "unused-bits"));
}

#[test]
fn text_in_the_place_of_numbers_goes() {
    let mut file = pixels("MONOCHROME2", 1, 8, false);
    for (tag, vr) in [(0x0018_0050u32, Vr::DS), (0x0020_0013, Vr::IS), (0x0008_1150, Vr::UI), (0x0018_5101, Vr::CS), (0x0018_1020, Vr::LO)]
    {
        file.data_set.set_text(Tag(tag), vr, if vr == Vr::LO { "3.0 of Doe" } else { "of Doe" });
    }
    file.data_set.set_text(Tag(0x0010_0010), Vr::PN, "Doe^Jane");
    let original = parse(file.to_bytes().unwrap());
    let done = DicomDeidentifier::new(Options::default(), &privacy("gdpr-pseudonymised")).unwrap().deidentify(&original).unwrap();
    assert_eq!(times(&done.bytes, "Doe"), 0);
}
