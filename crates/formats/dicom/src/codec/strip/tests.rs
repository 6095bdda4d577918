use super::*;
use crate::{
    codec::{Lossless, encode},
    pixels::{
        SampleKind,
        decode::{Frame, Samples},
    },
};

const TEXT: &[u8] = b"KOWALEWSKA^BRUNHILDE 24.12.1961";

fn described(coding: PixelCoding, rows: usize, columns: usize, bits: usize) -> PixelDescription {
    PixelDescription {
        rows,
        columns,
        samples: 1,
        bits_allocated: if bits > 8 { 16 } else { 8 },
        bits_stored: bits,
        high_bit: bits - 1,
        signed: false,
        planar: false,
        subsampled: false,
        photometric: "MONOCHROME2".to_owned(),
        frames: 1,
        kind: SampleKind::Integer,
        coding,
        big_endian: false,
        swapped_bytes: false,
    }
}

fn coded(into: Lossless) -> (Vec<u8>, PixelDescription) {
    let (rows, columns) = (20, 30);
    let values: Vec<u16> = (0..rows * columns).map(|place| (place * 37 % 911) as u16).collect();
    let coding = match into {
        Lossless::Rle => PixelCoding::Rle,
        Lossless::JpegLs => PixelCoding::JpegLs,
        Lossless::Jpeg2000 => PixelCoding::Jpeg2000,
    };
    let frame = Frame { rows, columns, samples: 1, data: Samples::U16(values) };
    (encode(&frame, 12, into).unwrap(), described(coding, rows, columns, 12))
}

fn holds(bytes: &[u8]) -> bool {
    bytes.windows(TEXT.len()).any(|window| window == TEXT)
}

/// Puts a segment behind the first `at` bytes.
fn with_segment(bytes: &[u8], at: usize, marker: u8) -> Vec<u8> {
    let length = (TEXT.len() as u16 + 2).to_be_bytes();
    [&bytes[..at], &[0xFF, marker], &length[..], TEXT, &bytes[at..]].concat()
}

#[test]
fn what_has_nothing_in_it_stays() {
    for into in Lossless::ALL {
        let (bytes, description) = coded(into);
        assert_eq!(strip(&bytes, &description), Ok(Stripped::AsItIs), "{into:?}");
    }
}

#[test]
fn segments_and_tails_go() {
    for into in Lossless::ALL {
        let (bytes, description) = coded(into);
        let plain = |bytes: &[u8]| match into {
            Lossless::Rle => rle::decode(bytes, 600, 1, 2).unwrap(),
            _ => super::super::decode(bytes, &description).unwrap().to_le_bytes(),
        };
        let mut planted = vec![[&bytes[..], TEXT].concat()];
        match into {
            Lossless::JpegLs => {
                planted.extend([0xFE, 0xE0, 0xE1, 0xEE, 0xEF].map(|marker| with_segment(&bytes, 2, marker)));
                // Between the last bits of the scan and the end marker.
                let end = bytes.windows(2).rposition(|two| two == [0xFF, 0xD9]).unwrap();
                planted.push([&bytes[..end], TEXT, &bytes[end..]].concat());
            }
            Lossless::Jpeg2000 => {
                let size = 4 + usize::from(u16::from_be_bytes([bytes[4], bytes[5]]));
                planted.push(with_segment(&bytes, size, 0x64));
                let boxed = |kind: &[u8; 4], content: &[u8]| [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat();
                planted.push(
                    [&boxed(b"jP  ", b"\r\n\x87\n")[..], &boxed(b"xml ", TEXT), &boxed(b"jp2c", &bytes), &boxed(b"uuid", TEXT)].concat(),
                );
                // Behind the last packet of the tile-part.
                let at = bytes.windows(2).position(|two| two == [0xFF, 0x90]).unwrap();
                let end = bytes.windows(2).rposition(|two| two == [0xFF, 0xD9]).unwrap();
                let mut longer = [&bytes[..end], TEXT, &bytes[end..]].concat();
                let length = u32::from_be_bytes(longer[at + 6..at + 10].try_into().unwrap()) + TEXT.len() as u32;
                longer[at + 6..at + 10].copy_from_slice(&length.to_be_bytes());
                planted.push(longer);
            }
            Lossless::Rle => {
                let mut gap = [&bytes[..64], TEXT, &bytes[64..]].concat();
                for place in [4, 8] {
                    let offset = u32::from_le_bytes(gap[place..place + 4].try_into().unwrap()) + TEXT.len() as u32;
                    gap[place..place + 4].copy_from_slice(&offset.to_le_bytes());
                }
                planted.push(gap);
                let mut header = bytes.clone();
                header[20..20 + TEXT.len()].copy_from_slice(TEXT);
                planted.push(header);
            }
        }
        for (number, bytes) in planted.iter().enumerate() {
            assert!(holds(bytes));
            let Ok(Stripped::Anew(out)) = strip(bytes, &description) else { panic!("{into:?} {number}") };
            assert!(!holds(&out), "{into:?} {number}");
            assert!(plain(&out) == plain(bytes), "{into:?} {number}");
            assert_eq!(strip(&out, &description), Ok(Stripped::AsItIs), "{into:?} {number}");
        }
    }
}

/// A segment of marker and content.
fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    [&[0xFF, marker][..], &(content.len() as u16 + 2).to_be_bytes(), content].concat()
}

/// A grey JPEG of one block, with other segments before its tables and between these and the scan.
fn block(before: &[u8], between: &[u8]) -> Vec<u8> {
    let one_code = |kind: u8| segment(0xC4, &[&[kind, 1][..], &[0; 16]].concat());
    [
        &[0xFF, 0xD8][..],
        before,
        &segment(0xDB, &[&[0][..], &[1; 64]].concat()),
        &segment(0xC0, &[8, 0, 8, 0, 8, 1, 1, 0x11, 0]),
        &one_code(0x00),
        &one_code(0x10),
        between,
        &segment(0xDA, &[1, 1, 0, 0, 63, 0]),
        &[0x3F, 0xFF, 0xD9],
    ]
    .concat()
}

#[test]
fn tables_of_jpeg_are_those_that_a_scan_reads() {
    let description = described(PixelCoding::JpegBaseline, 8, 8, 8);
    let good = block(&[], &[]);
    assert_eq!(strip(&good, &description), Ok(Stripped::AsItIs));
    let text = |length: usize| TEXT.iter().copied().cycle().take(length).collect::<Vec<u8>>();
    let quantizer = |number: u8| segment(0xDB, &[&[number][..], &text(64)].concat());
    // As many codes of eight bits as the text has letters.
    let codes = |kind: u8| {
        let mut counts = [0; 16];
        counts[7] = TEXT.len() as u8;
        segment(0xC4, &[&[kind][..], &counts, TEXT].concat())
    };
    let intervals = TEXT.chunks_exact(2).flat_map(|two| segment(0xDD, two)).chain(segment(0xDD, &[0, 0])).collect::<Vec<u8>>();
    for (number, planted) in [
        block(&quantizer(0), &[]),
        block(&[quantizer(0), quantizer(0)].concat(), &[]),
        block(&quantizer(1), &[]),
        block(&[], &quantizer(2)),
        block(&codes(0x00), &[]),
        block(&codes(0x10), &[]),
        block(&[], &codes(0x01)),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(holds(&planted), "{number}");
        assert_eq!(strip(&planted, &description), Ok(Stripped::Anew(good.clone())), "{number}");
    }
    let Ok(Stripped::Anew(out)) = strip(&block(&intervals, &[]), &description) else { panic!() };
    assert_eq!(out.len(), good.len() + 6, "the last interval alone");
}

#[test]
fn mapping_tables_of_no_component_go() {
    let (bytes, description) = coded(Lossless::JpegLs);
    let scan = bytes.windows(2).position(|two| two == [0xFF, 0xDA]).unwrap();
    for content in [[&[2, 0, 1][..], TEXT].concat(), [&[2, 1, 1][..], TEXT].concat()] {
        let planted = [&bytes[..scan], &segment(0xF8, &content), &bytes[scan..]].concat();
        let Ok(Stripped::Anew(out)) = strip(&planted, &description) else { panic!() };
        assert!(matches!(bytes.strip_prefix(&out[..]), Some([] | [0])));
    }
    // Through a table every sample is another, and which of its entries are any sample's nobody knows.
    let table: Vec<u8> = (0..4096u16).flat_map(u16::to_be_bytes).collect();
    let mut mapped = [&bytes[..scan], &segment(0xF8, &[&[2, 1, 2][..], &table].concat()), &bytes[scan..]].concat();
    let scan = mapped.windows(2).rposition(|two| two == [0xFF, 0xDA]).unwrap();
    mapped[scan + 6] = 1;
    assert_eq!(strip(&mapped, &description), Ok(Stripped::Decoded));
}

#[test]
fn segments_of_no_component_and_parts_of_no_tile_go() {
    let (bytes, description) = coded(Lossless::Jpeg2000);
    let at = bytes.windows(2).position(|two| two == [0xFF, 0x90]).unwrap();
    let end = bytes.windows(2).rposition(|two| two == [0xFF, 0xD9]).unwrap();
    let in_main = |content: &[u8]| [&bytes[..at], content, &bytes[at..]].concat();
    let behind = |tile: u16, number: u8| {
        let length = (14 + TEXT.len() as u32).to_be_bytes();
        let part = [&[0xFF, 0x90, 0, 10][..], &tile.to_be_bytes(), &length, &[number, 1, 0xFF, 0x93], TEXT].concat();
        [&bytes[..end], &part, &bytes[end..]].concat()
    };
    let step = bytes.windows(2).position(|two| two == [0xFF, 0x5C]).unwrap();
    let steps = &bytes[step + 4..step + 2 + usize::from(u16::from_be_bytes([bytes[step + 2], bytes[step + 3]]))];
    for (number, planted) in [
        in_main(&segment(0x5D, &[&[7][..], steps, TEXT].concat())),
        in_main(&segment(0x53, &[&[9, 0][..], TEXT].concat())),
        in_main(&TEXT.iter().flat_map(|letter| segment(0x5E, &[50, 0, *letter])).collect::<Vec<u8>>()),
        in_main(&segment(0x58, &[&[0][..], TEXT].concat())),
        in_main(&segment(0x57, &[&[0][..], TEXT].concat())),
        in_main(&segment(0x63, TEXT)),
        in_main(&segment(0x5C, steps)),
        behind(99, 0),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(strip(&planted, &description), Ok(Stripped::Anew(bytes.clone())), "{number}");
    }
    // What decoders read differently, and what is no change of order.
    for (number, planted) in [
        in_main(&segment(0x5C, &[&steps[..1], &TEXT[..steps.len() - 1]].concat())),
        in_main(&segment(0x5F, &TEXT[..28])),
        in_main(&segment(0x5E, &[0, 0, b'K'])),
        behind(0, 0),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(strip(&planted, &description).is_err(), "{number}");
    }
    // Headers of packets apart from these: decoded, or refused.
    assert_eq!(strip(&in_main(&segment(0x60, &[&[0][..], TEXT].concat())), &description), Ok(Stripped::Decoded));
}

#[test]
fn bits_that_no_sample_uses_are_cleared() {
    let description = |stored, high, signed| PixelDescription { signed, high_bit: high, ..described(PixelCoding::Native, 1, 2, stored) };
    let words = |bytes: &[u8]| bytes.as_chunks::<2>().0.iter().map(|two| u16::from_le_bytes(*two)).collect::<Vec<_>>();
    let strip = |words_in: [u16; 2], description: &PixelDescription| {
        let bytes: Vec<u8> = words_in.iter().flat_map(|word| word.to_le_bytes()).collect();
        words(&strip_native(&bytes, description).unwrap())
    };
    assert_eq!(strip([0xF123, 0x0456], &description(12, 11, false)), [0x0123, 0x0456]);
    assert_eq!(strip([0xF123, 0x4456], &description(12, 13, false)), [0x3120, 0x0454]);
    assert_eq!(strip([0x123F, 0x4560], &description(12, 15, false)), [0x1230, 0x4560]);
    assert_eq!(strip([0xA923, 0x5456], &description(12, 11, true)), [0xF923, 0x0456]);
    assert_eq!(strip([0xFF23, 0xF456], &description(16, 15, true)), [0xFF23, 0xF456]);
    assert_eq!(strip_native(&[0; 4], &description(12, 9, false)), Err(PixelError::Attribute(Tag(0x0028_0102))));
    let bits = PixelDescription { bits_allocated: 1, bits_stored: 1, high_bit: 0, ..described(PixelCoding::Native, 3, 3, 8) };
    assert_eq!(strip_native(&[0xFF, 0xFF, 0x55], &bits).unwrap().as_ref(), [0xFF, 0x01]);
}

#[test]
fn hidden_bits_of_coded_samples_are_noticed() {
    let values: Vec<u16> = (0..600).map(|place| if place % 9 == 0 { 0xA000 } else { place }).collect();
    let frame = Frame { rows: 20, columns: 30, samples: 1, data: Samples::U16(values) };
    for (into, coding) in [(Lossless::JpegLs, PixelCoding::JpegLs), (Lossless::Jpeg2000, PixelCoding::Jpeg2000)] {
        let bytes = encode(&frame, 16, into).unwrap();
        assert_eq!(strip(&bytes, &described(coding, 20, 30, 12)), Ok(Stripped::Decoded));
        assert_eq!(
            strip(&bytes, &PixelDescription { bits_stored: 16, high_bit: 15, ..described(coding, 20, 30, 12) }),
            Ok(Stripped::AsItIs)
        );
    }
    let bytes = encode(&frame, 16, Lossless::Rle).unwrap();
    let Ok(Stripped::Anew(out)) = strip(&bytes, &described(PixelCoding::Rle, 20, 30, 12)) else { panic!() };
    assert!(rle::decode(&out, 600, 1, 2).unwrap().as_chunks::<2>().0.iter().all(|two| two[1] < 16));
}

#[test]
fn deflated_frames_and_plain_ones_are_cut() {
    let pixels = [7u8; 600];
    let description = described(PixelCoding::EncapsulatedUncompressed, 20, 30, 8);
    assert_eq!(strip(&[&pixels[..], TEXT].concat(), &description), Ok(Stripped::Anew(pixels.to_vec())));
    assert_eq!(strip(&pixels[1..], &description), Err(PixelError::Short));
    let packed = [&deflated(&[&pixels[..], TEXT].concat()).unwrap()[..], TEXT].concat();
    let description = described(PixelCoding::DeflatedFrame, 20, 30, 8);
    let Ok(Stripped::Anew(out)) = strip(&packed, &description) else { panic!() };
    assert_eq!(out, deflated(&pixels).unwrap());
    assert_eq!(strip(&out, &PixelDescription { coding: PixelCoding::Video, ..description }), Err(PixelError::Unsupported));
}

proptest::proptest! {
    #[test]
    fn any_bytes_end_well(bytes: Vec<u8>, place in 0usize..200, value: u8) {
        for into in Lossless::ALL {
            let (mut good, description) = coded(into);
            let at = place % good.len();
            good[at] = value;
            let _ = strip(&good, &description);
            let _ = strip(&bytes, &description);
        }
    }
}
