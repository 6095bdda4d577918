//! The pixel element holds frames and nothing else, and these are the same as before.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod support;

use std::{collections::BTreeMap, fs};

use bytes::Bytes;
use sutura_deid::dicom::{CleanPixels, Deidentified, DicomDeidentifier, Options};
use sutura_dicom::{
    DicomFile, Limits, Tag, TransferSyntax, Vr,
    codec::{self, Lossless},
    pixels::{FrameMap, PixelDescription, decode},
    write::{OwnedDataSet, OwnedFile, OwnedValue},
};
use sutura_privacy::{Deidentifier, KeyRing, Policy, Scope};

const TEXT: &[u8] = b"KOWALEWSKA^BRUNHILDE 24.12.1961";

fn limits() -> Limits {
    Limits { bytes: 1 << 30, inflated: 1 << 28, ..Limits::default() }
}

fn parse(bytes: Vec<u8>) -> DicomFile {
    DicomFile::parse(bytes, &limits()).unwrap()
}

fn deidentifier(clean_pixels: CleanPixels) -> DicomDeidentifier {
    let policy = Policy::builtin("gdpr-pseudonymised").unwrap();
    let privacy = Deidentifier::new(policy, &KeyRing::generate().unwrap(), Scope::new("p", "d"), None).unwrap();
    DicomDeidentifier::new(Options { clean_pixels, ..Options::default() }, &privacy).unwrap()
}

fn released(file: &OwnedFile) -> Deidentified {
    deidentifier(CleanPixels::Regions).deidentify(&parse(file.to_bytes().unwrap())).unwrap()
}

fn holds(bytes: &[u8]) -> bool {
    bytes.windows(TEXT.len()).any(|window| window == TEXT)
}

/// Every frame, or why not.
fn frames(file: &DicomFile) -> Result<Vec<decode::Frame>, String> {
    let text = |error: sutura_dicom::pixels::PixelError| error.code().to_owned();
    let description = PixelDescription::of(file).map_err(text)?;
    let map = FrameMap::with(file, &description).map_err(text)?;
    (0..description.frames).map(|number| decode::frame(file, &description, &map, number).map_err(text)).collect()
}

/// Every file there is, in every transfer syntax, that is not painted on: the frames that are released are those that came.
#[test]
fn frames_are_the_same() {
    let Some(folder) = support::data().map(|folder| folder.join("dicom")) else { return };
    let paths = support::files(&folder, "");
    let deidentifier = deidentifier(CleanPixels::Regions);
    let (mut syntaxes, mut refused) = (BTreeMap::new(), BTreeMap::new());
    for path in &paths {
        let Ok(file) = DicomFile::parse(fs::read(path).unwrap(), &limits()) else { continue };
        if file.pixel_data().is_none() {
            continue;
        }
        let name = path.strip_prefix(&folder).unwrap().display().to_string();
        let before = frames(&file);
        match deidentifier.deidentify(&file) {
            Err(error) => {
                refused.insert(name, format!("{} ({:?})", error.code(), before.as_ref().err()));
            }
            Ok(done) if done.proof.boxes.is_empty() => {
                let again = parse(done.bytes.clone());
                let after = frames(&again);
                assert!(before.is_ok() && before == after, "{name}: {:?} {:?}", before.err(), after.err());
                *syntaxes.entry(file.transfer_syntax().uid.clone()).or_insert(0) += 1;
                // What was written anew is as it should be.
                let codec = |file: &DicomFile| {
                    let description = PixelDescription::of(file).unwrap();
                    let map = FrameMap::with(file, &description).unwrap();
                    (0..map.len())
                        .all(|number| codec::strip(&map.bytes(file, number).unwrap(), &description) == Ok(codec::Stripped::AsItIs))
                };
                assert!(!again.pixel_data().unwrap().is_fragments() || codec(&again), "{name}");
            }
            Ok(_) => {}
        }
    }
    println!("{syntaxes:#?}\n{refused:#?}");
    assert!(syntaxes.len() >= 19 && refused.len() < 40, "{} {}", syntaxes.len(), refused.len());
}

/// An image of so many frames of 20 rows and 30 columns, 12 bits in 16.
fn image(count: usize) -> (OwnedFile, Vec<decode::Frame>) {
    let mut data_set = OwnedDataSet::new();
    data_set.set_uid(Tag(0x0008_0016), "1.2.840.10008.5.1.4.1.1.2");
    data_set.set_uid(Tag(0x0008_0018), "1.2.3");
    data_set.set_text(Tag(0x0008_0060), Vr::CS, "CT");
    data_set.set_text(Tag(0x0028_0004), Vr::CS, "MONOCHROME2");
    data_set.set_text(Tag(0x0028_0008), Vr::IS, &count.to_string());
    for (tag, value) in [(0x0002u32, 1), (0x0010, 20), (0x0011, 30), (0x0100, 16), (0x0101, 12), (0x0102, 11), (0x0103, 0)] {
        data_set.set_u16(Tag(0x0028_0000 | tag), &[value]);
    }
    let values = |frame: usize| (0..600).map(|place| ((place * 37 + frame * 11) % 4096) as u16).collect::<Vec<_>>();
    let frames: Vec<_> =
        (0..count).map(|number| decode::Frame { rows: 20, columns: 30, samples: 1, data: decode::Samples::U16(values(number)) }).collect();
    let bytes: Vec<u8> = frames.iter().flat_map(|frame| frame.data.to_le_bytes()).collect();
    data_set.set_bytes(Tag::PIXEL_DATA, Vr::OW, bytes);
    (OwnedFile::new(data_set), frames)
}

fn coded(count: usize, into: Lossless) -> (OwnedFile, Vec<Bytes>, Vec<decode::Frame>) {
    let (mut file, frames) = image(count);
    file.syntax = TransferSyntax::of(into.uid());
    let coded = frames.iter().map(|frame| codec::encode(frame, 12, into).unwrap().into()).collect();
    (file, coded, frames)
}

#[test]
fn native_pixels_are_cut_to_their_frames() {
    let (mut file, expected) = image(1);
    let plain = file.data_set.get(Tag::PIXEL_DATA).unwrap().value.bytes().to_vec();
    assert_eq!(released(&file).proof.count("stripped"), 0);
    // Text behind the frames, a second image, bits that no sample uses.
    let mut hidden = plain.clone();
    hidden.as_chunks_mut::<2>().0.iter_mut().zip(TEXT).for_each(|(two, letter)| two[1] |= letter << 4);
    for planted in [[&plain[..], TEXT].concat(), [&plain[..], &plain[..], TEXT].concat(), hidden] {
        file.data_set.set_bytes(Tag::PIXEL_DATA, Vr::OW, planted);
        let done = released(&file);
        assert!(!holds(&done.bytes) && done.proof.count("stripped") == 1);
        let again = parse(done.bytes);
        assert_eq!(again.pixel_data().unwrap().bytes(), plain);
        assert!(frames(&again).unwrap() == expected);
    }
}

#[test]
fn fragments_are_those_of_the_frames() {
    for into in Lossless::ALL {
        let (mut file, coded, expected) = coded(2, into);
        let table = |offsets: &[u32]| Bytes::from(offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect::<Vec<_>>());
        let text = Bytes::from_static(TEXT);
        let second = 8 + coded[0].len() as u32;
        let longer = [&coded[1][..], TEXT].concat();
        for (number, fragments) in [
            // A fragment behind the last frame, text behind a frame, text in the table.
            vec![table(&[0, second]), coded[0].clone(), coded[1].clone(), text.clone()],
            vec![table(&[0, second]), coded[0].clone(), longer.into()],
            vec![text.clone(), coded[0].clone(), coded[1].clone()],
        ]
        .into_iter()
        .enumerate()
        {
            file.data_set.set_fragments(Tag::PIXEL_DATA, fragments);
            let done = released(&file);
            assert!(!holds(&done.bytes), "{into:?} {number}");
            assert!(done.proof.count("stripped") >= 1, "{into:?} {number}");
            let again = parse(done.bytes);
            assert_eq!(again.transfer_syntax().uid, into.uid());
            assert!(frames(&again).unwrap() == expected, "{into:?} {number}");
            let OwnedFile { data_set, .. } = OwnedFile::of(&again);
            let OwnedValue::Fragments(left) = &data_set.get(Tag::PIXEL_DATA).unwrap().value else { panic!() };
            assert_eq!((left.len(), left[0].clone()), (3, table(&[0, second])), "{into:?} {number}");
        }
        // A second image where one frame is stated.
        file.data_set.set_text(Tag(0x0028_0008), Vr::IS, "1");
        file.data_set.set_fragments(Tag::PIXEL_DATA, vec![Bytes::new(), coded[0].clone(), coded[1].clone()]);
        let again = parse(released(&file).bytes);
        assert!(again.pixel_data().unwrap().fragments().count() == 2 && frames(&again).unwrap() == expected[..1]);
    }
}

#[test]
fn extended_tables_are_made_anew() {
    let (mut file, coded, expected) = coded(2, Lossless::JpegLs);
    let long = |numbers: [u64; 2]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
    let longer = Bytes::from([&coded[0][..], TEXT, b" "].concat());
    file.data_set.set_bytes(Tag(0x7FE0_0001), Vr::OV, long([0, 8 + longer.len() as u64]));
    file.data_set.set_bytes(Tag(0x7FE0_0002), Vr::OV, long([longer.len() as u64, coded[1].len() as u64]));
    file.data_set.set_fragments(Tag::PIXEL_DATA, vec![Bytes::new(), longer, coded[1].clone()]);
    let done = released(&file);
    assert!(!holds(&done.bytes));
    let again = parse(done.bytes);
    assert!(frames(&again).unwrap() == expected);
    let table = again.data_set().get(Tag(0x7FE0_0001)).unwrap().bytes().to_vec();
    assert_eq!(table[..8], [0; 8]);
    assert!(u64::from_le_bytes(table[8..].try_into().unwrap()).abs_diff(8 + coded[0].len() as u64) <= 1);
}

#[test]
fn what_cannot_be_read_is_refused_unless_pixels_are_left_alone() {
    let (mut file, frames, _) = coded(1, Lossless::JpegLs);
    for (syntax, frame) in
        [("1.2.840.10008.1.2.4.102", frames[0].clone()), ("1.2.840.10008.1.2.4.80", frames[0].slice(..40)), ("1.2.3.4", frames[0].clone())]
    {
        file.syntax = TransferSyntax::of(syntax);
        file.data_set.set_fragments(Tag::PIXEL_DATA, vec![Bytes::new(), frame]);
        let original = parse(file.to_bytes().unwrap());
        assert_eq!(deidentifier(CleanPixels::Regions).deidentify(&original).unwrap_err().code(), "pixels-not-decoded", "{syntax}");
        let done = deidentifier(CleanPixels::No).deidentify(&original);
        // Of a coding that is decoded here, what is not decoded is no image.
        if syntax.ends_with(".80") {
            assert_eq!(done.unwrap_err().code(), "pixels-not-decoded");
        } else {
            assert_eq!(done.unwrap().proof.warnings, ["pixel-bytes-not-looked-at"], "{syntax}");
        }
    }
    let (mut file, coded, _) = coded(1, Lossless::Jpeg2000);
    let coded = &coded[0];
    let at = coded.windows(2).position(|two| two == [0xFF, 0x93]).unwrap();
    file.data_set.set_fragments(Tag::PIXEL_DATA, vec![Bytes::new(), coded.slice(..at + 8)]);
    for how in [CleanPixels::No, CleanPixels::Regions] {
        assert_eq!(deidentifier(how).deidentify(&parse(file.to_bytes().unwrap())).unwrap_err().code(), "pixels-not-decoded");
    }
    let (file, _) = image(1);
    let mut bytes = file.to_bytes().unwrap();
    bytes.truncate(bytes.len() - 100);
    for how in [CleanPixels::No, CleanPixels::Regions] {
        assert_eq!(deidentifier(how).deidentify(&parse(bytes.clone())).unwrap_err().code(), "pixel-data-cut");
    }
}

#[test]
fn other_values_of_many_bytes_are_as_long_as_they_say() {
    let (mut file, _) = image(1);
    let data_set = &mut file.data_set;
    data_set.set_u16(Tag(0x0028_1101), &[4, 0, 16]);
    data_set.set_bytes(Tag(0x0028_1201), Vr::OW, [&[1, 0, 2, 0, 3, 0, 4, 0][..], TEXT].concat());
    data_set.set_bytes(Tag(0x0028_1202), Vr::OW, TEXT.to_vec());
    data_set.set_bytes(Tag(0x0028_2000), Vr::OB, TEXT.to_vec());
    data_set.set_bytes(Tag(0x0068_6300), Vr::OB, TEXT.to_vec());
    data_set.set_bytes(Tag(0x7F01_0010), Vr::OW, TEXT.to_vec());
    let mut item = OwnedDataSet::new();
    item.set_u16(Tag(0x003A_0005), &[2]);
    item.set_u32(Tag(0x003A_0010), &[3]);
    item.set_u16(Tag(0x5400_1004), &[16]);
    item.set_bytes(Tag(0x5400_1010), Vr::OW, [&[7; 12][..], TEXT].concat());
    item.set_bytes(Tag::PIXEL_DATA, Vr::OW, TEXT.to_vec());
    data_set.set_items(Tag(0x5400_0100), vec![item.clone()]);
    let done = released(&file);
    assert!(!done.bytes.windows(10).any(|window| window == &TEXT[..10]), "{:?}", done.proof.actions);
    let again = parse(done.bytes);
    assert!(again.data_set().get(Tag(0x0028_2000)).is_none(), "a profile that is none");
    assert_eq!(again.data_set().get(Tag(0x0028_1201)).unwrap().bytes(), [1, 0, 2, 0, 3, 0, 4, 0]);
    let waveform = again.data_set().items(Tag(0x5400_0100)).next().unwrap();
    assert_eq!(waveform.get(Tag(0x5400_1010)).unwrap().bytes(), [7; 12]);
    // A voice says who speaks, and what it says nobody knows.
    item.set_text(Tag(0x5400_1006), Vr::CS, "MB");
    file.data_set.set_items(Tag(0x5400_0100), vec![item]);
    let refused = deidentifier(CleanPixels::No).deidentify(&parse(file.to_bytes().unwrap())).unwrap_err();
    assert_eq!(refused.code(), "audio");
}

/// Where frames are is said of fragments alone, and worked out anew there.
#[test]
fn offsets_of_nothing_go() {
    let (mut native, _) = image(1);
    let mut report = OwnedDataSet::new();
    report.set_uid(Tag(0x0008_0016), "1.2.840.10008.5.1.4.1.1.88.33");
    report.set_uid(Tag(0x0008_0018), "1.2.3");
    let mut report = OwnedFile::new(report);
    for file in [&mut native, &mut report] {
        for table in [0x7FE0_0001, 0x7FE0_0002, 0x7FE0_0003u32] {
            file.data_set.set_bytes(Tag(table), if table == 0x7FE0_0003 { Vr::UV } else { Vr::OV }, [TEXT, b" "].concat());
        }
        for how in [CleanPixels::No, CleanPixels::Regions, CleanPixels::Detect] {
            if how == CleanPixels::Detect && file.data_set.get(Tag::PIXEL_DATA).is_some() {
                continue;
            }
            let done = deidentifier(how).deidentify(&parse(file.to_bytes().unwrap())).unwrap();
            let again = parse(done.bytes.clone());
            assert!(!holds(&done.bytes) && [1, 2, 3].iter().all(|place| again.data_set().get(Tag(0x7FE0_0000 | place)).is_none()));
        }
    }
    // Of a video the fragments stay as they are, and what is said of them goes.
    let (mut video, frames, _) = coded(1, Lossless::JpegLs);
    video.syntax = TransferSyntax::of("1.2.840.10008.1.2.4.102");
    video.data_set.set_fragments(Tag::PIXEL_DATA, vec![Bytes::new(), frames[0].clone()]);
    video.data_set.set_bytes(Tag(0x7FE0_0003), Vr::UV, [TEXT, b" "].concat());
    assert!(!holds(&deidentifier(CleanPixels::No).deidentify(&parse(video.to_bytes().unwrap())).unwrap().bytes));
}
