//! Data sets that are made here come back as they were made, however they are written; damaged ones never panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use bytes::Bytes;
use proptest::prelude::*;
use sutura_core::{BlockDecoder, Decoded, DecoderSpec, Format, TableRequest};
use sutura_dicom::{DataSet, Decoder, Dicom, DicomFile, Element, Encoding, Limits, Tag, Vr, json};

/// An element to be written.
#[derive(Debug, Clone, PartialEq)]
enum Made {
    Value(Tag, Vr, Vec<u8>),
    Sequence(Tag, Vec<Vec<Made>>),
}

/// Attributes that implicit VR knows too, with values of even length.
fn leaf() -> impl Strategy<Value = Made> {
    let text = |tag: u32, vr: Vr| "[A-Za-z0-9]{0,20}".prop_map(move |text| Made::Value(Tag(tag), vr, even(text.into_bytes())));
    prop_oneof![
        text(0x0008_0060, Vr::CS),
        text(0x0008_1030, Vr::LO),
        text(0x0010_0010, Vr::PN),
        text(0x0010_0020, Vr::LO),
        text(0x0010_4000, Vr::LT),
        any::<u16>().prop_map(|number| Made::Value(Tag(0x0028_0010), Vr::US, number.to_le_bytes().to_vec())),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Made::Value(Tag(0x0042_0011), Vr::OB, even(bytes))),
    ]
}

fn even(mut bytes: Vec<u8>) -> Vec<u8> {
    if !bytes.len().is_multiple_of(2) {
        bytes.push(b' ');
    }
    bytes
}

fn made() -> impl Strategy<Value = Vec<Made>> {
    let element = leaf().prop_recursive(4, 40, 4, |inner| {
        prop::collection::vec(prop::collection::vec(inner, 0..4), 0..4).prop_map(|items| Made::Sequence(Tag(0x0040_A730), items))
    });
    prop::collection::vec(element, 1..10)
}

/// Writes elements. `choices` says for each sequence and item whether its length is defined.
fn write(elements: &[Made], encoding: Encoding, choices: &mut dyn Iterator<Item = bool>, out: &mut Vec<u8>) {
    let u16 = |number: u16| if encoding.is_big() { number.to_be_bytes() } else { number.to_le_bytes() };
    let u32 = |number: u32| if encoding.is_big() { number.to_be_bytes() } else { number.to_le_bytes() };
    let tag = |tag: Tag| [u16(tag.group()), u16(tag.element())].concat();
    for element in elements {
        let (own, vr, content, is_open) = match element {
            Made::Value(own, vr, value) => {
                let mut value = value.clone();
                if *vr == Vr::US && encoding.is_big() {
                    value.reverse();
                }
                (*own, *vr, value, false)
            }
            Made::Sequence(own, items) => {
                let is_open = choices.next().unwrap_or(false);
                let mut content = Vec::new();
                for item in items {
                    let is_item_open = choices.next().unwrap_or(false);
                    let mut inner = Vec::new();
                    write(item, encoding, choices, &mut inner);
                    content.extend(tag(Tag::ITEM));
                    content.extend(u32(if is_item_open { u32::MAX } else { inner.len() as u32 }));
                    content.extend(inner);
                    if is_item_open {
                        content.extend(tag(Tag::ITEM_END));
                        content.extend([0; 4]);
                    }
                }
                (*own, Vr::SQ, content, is_open)
            }
        };
        out.extend(tag(own));
        let length = if is_open { u32::MAX } else { content.len() as u32 };
        if encoding.is_implicit() {
            out.extend(u32(length));
        } else {
            out.extend(vr.code().bytes());
            if vr.has_long_length() {
                out.extend([0, 0]);
                out.extend(u32(length));
            } else {
                out.extend(u16(length as u16));
            }
        }
        out.extend(content);
        if is_open {
            out.extend(tag(Tag::SEQUENCE_END));
            out.extend([0; 4]);
        }
    }
}

fn file(elements: &[Made], encoding: Encoding, choices: &[bool]) -> Vec<u8> {
    let uid: &[u8] = match encoding {
        Encoding::ImplicitLittle => b"1.2.840.10008.1.2\0",
        Encoding::ExplicitLittle => b"1.2.840.10008.1.2.1\0",
        Encoding::ExplicitBig => b"1.2.840.10008.1.2.2\0",
    };
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM\x02\x00\x10\x00UI");
    bytes.extend((uid.len() as u16).to_le_bytes());
    bytes.extend(uid);
    write(elements, encoding, &mut choices.iter().copied(), &mut bytes);
    bytes
}

fn read_back(data_set: DataSet<'_>) -> Vec<Made> {
    let one = |element: Element<'_>| {
        if element.is_sequence() {
            return Made::Sequence(element.tag(), element.items().map(read_back).collect());
        }
        let mut value = element.bytes().to_vec();
        if element.vr() == Vr::US && element.is_big_endian() {
            value.reverse();
        }
        Made::Value(element.tag(), element.vr(), value)
    };
    data_set.elements().map(one).collect()
}

/// Every table of a file: it must not panic, and the account must balance.
fn read_tables(bytes: &[u8]) {
    let requests = Dicom.tables().iter().map(|table| TableRequest::whole(&table.name)).collect();
    let options = serde_json::json!({ "max_inflated_bytes": 1 << 20 });
    let spec = DecoderSpec { source: "file:///a.dcm".into(), start: 0, end: None, options, requests, batch_rows: 100 };
    let mut decoder = Decoder::new(spec).unwrap();
    let mut out: Vec<Decoded> = Vec::new();
    decoder.push(Bytes::copy_from_slice(bytes), &mut out).unwrap();
    let stats = decoder.finish(&mut out).unwrap();
    assert!(stats.balances() && stats.records == 1);
}

proptest! {
    #[test]
    fn data_sets_come_back(elements in made(), choices in prop::collection::vec(any::<bool>(), 0..40), which in 0usize..3) {
        let encoding = [Encoding::ImplicitLittle, Encoding::ExplicitLittle, Encoding::ExplicitBig][which];
        let bytes = file(&elements, encoding, &choices);
        let read = DicomFile::parse(bytes, &Limits::default()).unwrap();
        prop_assert_eq!(read_back(read.data_set()), elements);
        prop_assert!(read.findings().is_empty(), "{:?}", read.findings());
        let text = json::to_json(read.data_set());
        prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
    }

    #[test]
    fn damaged_data_sets_end_well(
        elements in made(),
        choices in prop::collection::vec(any::<bool>(), 0..40),
        which in 0usize..3,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut: prop::sample::Index,
    ) {
        let encoding = [Encoding::ImplicitLittle, Encoding::ExplicitLittle, Encoding::ExplicitBig][which];
        let mut bytes = file(&elements, encoding, &choices);
        for (place, byte) in damage {
            let place = 132 + place.index(bytes.len() - 132);
            bytes[place] = byte;
        }
        bytes.truncate(132 + cut.index(bytes.len() - 131));
        read_tables(&bytes);
    }

    #[test]
    fn any_bytes_end_well(bytes: Vec<u8>, with_prefix: bool) {
        let mut all = if with_prefix { [&[0; 128][..], b"DICM"].concat() } else { Vec::new() };
        all.extend(bytes);
        read_tables(&all);
    }
}
