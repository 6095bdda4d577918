//! Any bytes, in blocks of any size, give the same account, rows and rejects; and every frame is pixels or an error.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sutura_core::{BlockDecoder, Decoded, DecoderSpec, Format, ReadStats, TableRequest};
use sutura_dicom::{
    Decoder, Dicom, DicomFile, Limits,
    pixels::{FrameMap, PixelDescription, decode},
};

fn read(bytes: &Bytes, block: usize) -> (Vec<String>, ReadStats) {
    let requests = Dicom.tables().iter().map(|table| TableRequest::whole(&table.name)).collect();
    let options = serde_json::json!({ "max_inflated_bytes": 1 << 20 });
    let spec = DecoderSpec { source: "fuzz:file".into(), start: 0, end: None, options, requests, batch_rows: 64 };
    let mut decoder = Decoder::new(spec).expect("tables that exist");
    let mut out: Vec<Decoded> = Vec::new();
    for chunk in bytes.chunks(block) {
        decoder.push(Bytes::copy_from_slice(chunk), &mut out).expect("no push fails");
    }
    let stats = decoder.finish(&mut out).expect("no batch fails");
    assert!(stats.balances());
    (out.iter().map(|piece| format!("{piece:?}")).collect(), stats)
}

fuzz_target!(|input: (u8, &[u8])| {
    let bytes = Bytes::copy_from_slice(input.1);
    assert_eq!(read(&bytes, usize::MAX), read(&bytes, usize::from(input.0) + 1));
    let Ok(file) = DicomFile::parse(bytes, &Limits { inflated: 1 << 20, ..Limits::default() }) else { return };
    let Ok(description) = PixelDescription::of(&file) else { return };
    let Ok(map) = FrameMap::with(&file, &description) else { return };
    for number in 0..map.len().min(4) {
        if let Ok(frame) = decode::frame(&file, &description, &map, number) {
            assert_eq!(frame.data.len(), description.frame_samples());
        }
    }
});
