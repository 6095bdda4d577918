//! Files that are read, written and read again have the same elements, in every transfer syntax that fits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "common/data.rs"]
mod shared;

use std::fs;

use proptest::prelude::*;
use shared::{data, files};
use sutura_dicom::{
    DicomFile, Limits, Tag, TransferSyntax, Vr,
    write::{Lengths, OwnedDataSet, OwnedElement, OwnedFile, OwnedValue, encode},
};

fn limits() -> Limits {
    Limits { bytes: 1 << 30, inflated: 1 << 28, ..Limits::default() }
}

const NATIVE: [&str; 4] = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"];

/// The same elements, but for padding and for what implicit VR cannot say. Where `by_dictionary`, VRs may differ.
fn same(one: &OwnedDataSet, other: &OwnedDataSet, by_dictionary: bool, place: &str) {
    let tags = |data_set: &OwnedDataSet| data_set.elements().iter().map(|element| element.tag).collect::<Vec<_>>();
    assert_eq!(tags(one), tags(other), "{place}");
    for (a, b) in one.elements().iter().zip(other.elements()) {
        let place = format!("{place} {}", a.tag);
        assert!(by_dictionary || a.vr == b.vr || a.vr == Vr::UN || b.vr == Vr::UN, "{place}: {} {}", a.vr, b.vr);
        match (&a.value, &b.value) {
            (OwnedValue::Items(a), OwnedValue::Items(b)) => {
                assert_eq!(a.len(), b.len(), "{place}");
                a.iter().zip(b).for_each(|(a, b)| same(a, b, by_dictionary, &place));
            }
            (OwnedValue::Fragments(a), OwnedValue::Fragments(b)) => {
                assert_eq!(a.len(), b.len(), "{place}");
                a.iter().zip(b).for_each(|(a, b)| assert!(padded(a, b), "{place}"));
            }
            // Unknown sequences without VR, and empty ones.
            (OwnedValue::Items(_), OwnedValue::Bytes(_)) | (OwnedValue::Bytes(_), OwnedValue::Items(_)) if by_dictionary => {}
            (a, b) => assert!(padded(a.bytes(), b.bytes()), "{place}: {} {}", a.bytes().len(), b.bytes().len()),
        }
    }
}

fn padded(value: &[u8], written: &[u8]) -> bool {
    written.starts_with(value) && written.len() == value.len() + value.len() % 2
}

#[test]
fn real_files_are_the_same_when_written_and_read_again() {
    let Some(folder) = data() else { return };
    let mut all = Vec::new();
    files(&folder, &mut all);
    let (mut count, mut without_meta) = (0, 0);
    for path in all {
        let name = path.strip_prefix(&folder).unwrap().display().to_string();
        let Ok(file) = DicomFile::parse(fs::read(&path).unwrap(), &limits()) else { continue };
        let mut owned = OwnedFile::of(&file);
        let in_fragments = file.pixel_data().is_some_and(|element| element.is_fragments());
        let mut syntaxes: Vec<TransferSyntax> = vec![owned.syntax.clone()];
        if !in_fragments {
            syntaxes.extend(NATIVE.map(TransferSyntax::of));
        }
        for (syntax, lengths) in syntaxes.into_iter().flat_map(|syntax| [(syntax.clone(), Lengths::Explicit), (syntax, Lengths::Undefined)])
        {
            (owned.syntax, owned.lengths) = (syntax, lengths);
            let written = match owned.to_bytes() {
                Ok(written) => written,
                Err(error) => {
                    assert!(error.to_string().contains("is missing"), "{name}: {error}");
                    without_meta += 1;
                    break;
                }
            };
            let read = DicomFile::parse(written, &limits()).unwrap_or_else(|error| panic!("{name} {}: {error}", owned.syntax.uid));
            let findings: Vec<_> = read.findings().iter().map(|finding| finding.code.to_string()).collect();
            assert!(
                findings.iter().all(|code| matches!(code.as_str(), "transfer-syntax-unknown" | "directory")),
                "{name} {}: {findings:?}",
                owned.syntax.uid
            );
            same(&owned.data_set, &OwnedDataSet::of(read.data_set()), owned.syntax.encoding.is_implicit(), &name);
            count += 1;
        }
    }
    println!("{count} written and read, {without_meta} files without SOP class or instance");
    assert!(count > 1000 && without_meta < 12, "{count} {without_meta}");
}

/// Dose grids have pixels of 32 bits; the big endian one is the same image.
#[test]
fn pixels_of_32_bits_change_their_order_as_a_whole() {
    let Some(folder) = data() else { return };
    let own = |name: &str| {
        let file = DicomFile::parse(fs::read(folder.join("pydicom").join(name)).unwrap(), &limits()).unwrap();
        OwnedFile::of(&file)
    };
    let (little, mut big) = (own("rtdose.dcm"), own("rtdose_expb.dcm"));
    assert_eq!(little.data_set.get(Tag::PIXEL_DATA).unwrap().value, big.data_set.get(Tag::PIXEL_DATA).unwrap().value);
    big.syntax = TransferSyntax::of("1.2.840.10008.1.2.2");
    let bytes = big.to_bytes().unwrap();
    let original = fs::read(folder.join("pydicom/rtdose_expb.dcm")).unwrap();
    assert_eq!(bytes[bytes.len() - 100..], original[original.len() - 100..]);
}

#[test]
fn texts_become_utf_8() {
    let Some(folder) = data() else { return };
    let mut all = Vec::new();
    files(&folder.join("pydicom/charset_files"), &mut all);
    let mut others = 0;
    for path in all {
        let file = DicomFile::parse(fs::read(&path).unwrap(), &limits()).unwrap();
        let mut owned = OwnedFile::of(&file);
        owned.data_set = OwnedDataSet::of_utf8(file.data_set());
        // Some of them have neither.
        owned.meta.set_uid(Tag(0x0002_0002), "1.2.840.10008.5.1.4.1.1.7");
        owned.meta.set_uid(Tag(0x0002_0003), "1.2.3.4");
        let read = DicomFile::parse(owned.to_bytes().unwrap(), &limits()).unwrap();
        let (mut before, mut after) = (Vec::new(), Vec::new());
        walk(file.data_set(), &mut before);
        walk(read.data_set(), &mut after);
        assert_eq!(before, after, "{}", path.display());
        others += usize::from(after.iter().any(|text| !text.is_ascii()));
        assert!(read.text_findings().is_empty(), "{}", path.display());
    }
    assert!(others > 10, "{others}");
}

fn walk(data_set: sutura_dicom::DataSet<'_>, texts: &mut Vec<String>) {
    for element in data_set.elements().filter(|element| element.tag() != Tag(0x0008_0005)) {
        element.items().for_each(|item| walk(item, texts));
        texts.extend(element.text().map(|text| text.trim_end().to_owned()).filter(|_| element.vr().is_text()));
    }
}

#[test]
fn lengths_and_padding_are_those_of_the_standard() {
    let mut item = OwnedDataSet::new();
    item.set_text(Tag(0x0008_0100), Vr::SH, "T-1");
    let mut data_set = OwnedDataSet::new();
    data_set.set_uid(Tag(0x0008_0018), "1.2.3");
    data_set.set_items(Tag(0x0008_1032), vec![item]);
    data_set.set_u16(Tag(0x0028_0010), &[0x0102]);
    let explicit = b"\x08\x00\x18\x00UI\x06\x001.2.3\0\x08\x00\x32\x10SQ\0\0\x14\0\0\0\xFE\xFF\x00\xE0\x0C\0\0\0\x08\x00\x00\x01SH\x04\x00T-1 \x28\x00\x10\x00US\x02\x00\x02\x01";
    let little = sutura_dicom::Encoding::ExplicitLittle;
    assert_eq!(encode(&data_set, little, Lengths::Explicit).unwrap(), explicit);
    let big = encode(&data_set, sutura_dicom::Encoding::ExplicitBig, Lengths::Undefined).unwrap();
    assert_eq!(
        big,
        b"\x00\x08\x00\x18UI\x00\x061.2.3\0\x00\x08\x10\x32SQ\0\0\xFF\xFF\xFF\xFF\xFF\xFE\xE0\x00\xFF\xFF\xFF\xFF\x00\x08\x01\x00SH\x00\x04T-1 \xFF\xFE\xE0\x0D\0\0\0\0\xFF\xFE\xE0\xDD\0\0\0\0\x00\x28\x00\x10US\x00\x02\x01\x02"
    );
    // A text that is too long for its VR.
    let mut long = OwnedDataSet::new();
    long.set_text(Tag(0x0008_0018), Vr::UI, "1.2");
    long.set_text(Tag(0x0018_1000), Vr::LO, &"x".repeat(70_000));
    let bytes = encode(&long, little, Lengths::Explicit).unwrap();
    let read = DicomFile::parse(bytes, &limits()).unwrap();
    assert_eq!(read.data_set().text(Tag(0x0018_1000)).unwrap().len(), 70_000);
}

#[test]
fn the_meta_information_is_worked_out() {
    let mut owned = OwnedFile::new(OwnedDataSet::new());
    assert!(owned.to_bytes().is_err());
    owned.data_set.set_uid(Tag(0x0008_0016), "1.2.840.10008.5.1.4.1.1.7");
    owned.data_set.set_uid(Tag(0x0008_0018), "1.2.3.4");
    owned.data_set.set_text(Tag(0x0010_0010), Vr::PN, "Doe^Jane");
    let bytes = owned.to_bytes().unwrap();
    let file = DicomFile::parse(bytes.clone(), &limits()).unwrap();
    let meta = file.meta();
    assert_eq!(meta.text(Tag(0x0002_0003)).as_deref(), Some("1.2.3.4"));
    let behind = meta.get(Tag(0x0002_0000)).map(|element| element.offset() + 4).unwrap();
    assert_eq!(meta.integer(Tag(0x0002_0000)), Some((file.data_set_offset() - behind) as i64));
    owned.data_set.set_fragments(Tag::PIXEL_DATA, vec![vec![].into(), vec![1, 2, 3].into()]);
    assert!(owned.to_bytes().is_err());
    owned.syntax = TransferSyntax::of("1.2.840.10008.1.2.4.50");
    assert!(owned.to_bytes().is_ok());
}

fn value(vr: Vr) -> impl Strategy<Value = OwnedValue> {
    proptest::collection::vec(any::<u8>(), 0..20).prop_map(move |mut bytes| {
        let unit = vr.number_bytes().unwrap_or(2);
        bytes.truncate(bytes.len() / unit * unit);
        OwnedValue::Bytes(bytes.into())
    })
}

fn element() -> impl Strategy<Value = OwnedElement> {
    (8u16..0x7000, any::<u16>(), 0usize..34).prop_flat_map(|(group, number, vr)| {
        let vr = Some(Vr::ALL[vr]).filter(|vr| !matches!(vr, Vr::SQ | Vr::UN)).unwrap_or(Vr::OB);
        let tag = Tag::new(group * 2, number | 1);
        value(vr).prop_map(move |value| OwnedElement { tag, vr, value })
    })
}

fn data_set() -> impl Strategy<Value = OwnedDataSet> {
    let flat = proptest::collection::vec(element(), 1..8).prop_map(OwnedDataSet::from_elements);
    flat.prop_recursive(4, 40, 3, |inner| {
        (proptest::collection::vec(element(), 1..6), proptest::collection::vec(inner, 0..3), any::<u16>()).prop_map(
            |(plain, items, number)| {
                let mut data_set = OwnedDataSet::from_elements(plain);
                data_set.set_items(Tag::new(0x0040, number | 1), items);
                data_set
            },
        )
    })
}

proptest! {
    #[test]
    fn whatever_is_written_is_read(data_set in data_set(), undefined: bool, syntax in 0usize..4) {
        let mut owned = OwnedFile::new(data_set);
        owned.data_set.set_uid(Tag(0x0008_0016), "1.2.840.10008.5.1.4.1.1.7");
        owned.data_set.set_uid(Tag(0x0008_0018), "1.2.3.4");
        owned.syntax = TransferSyntax::of(NATIVE[syntax]);
        owned.lengths = if undefined { Lengths::Undefined } else { Lengths::Explicit };
        let read = DicomFile::parse(owned.to_bytes().unwrap(), &limits()).unwrap();
        same(&owned.data_set, &OwnedDataSet::of(read.data_set()), owned.syntax.encoding.is_implicit(), "");
    }
}
