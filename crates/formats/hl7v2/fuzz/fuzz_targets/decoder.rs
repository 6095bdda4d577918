//! Any bytes, in any blocks and ranges, give the same account and the same rows; every byte is in a
//! record, a reject or the envelope. This covers parser, batch envelopes and MLLP framing in files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_core::{BlockDecoder, Decoded, DecoderSpec, Format, Progress, ReadStats, TableRequest};
use sutura_hl7v2::{Decoder, Hl7v2};

fn read(stream: &[u8], start: u64, end: Option<u64>, block: usize) -> (ReadStats, usize) {
    let requests = Hl7v2.tables().iter().map(|table| TableRequest::whole(&table.name)).collect();
    let options = serde_json::json!({ "max_record_bytes": 1024 });
    let spec = DecoderSpec { source: "fuzz:stream".into(), start, end, options, requests, batch_rows: 7 };
    let mut decoder = Decoder::new(spec).expect("valid options");
    let mut out = Vec::new();
    for part in stream[start.saturating_sub(1) as usize..].chunks(block) {
        if decoder.push(bytes::Bytes::copy_from_slice(part), &mut out).expect("no batch fails") == Progress::Done {
            break;
        }
    }
    let stats = decoder.finish(&mut out).expect("no batch fails");
    let rows = out.iter().map(|item| if let Decoded::Batch { batch, .. } = item { batch.num_rows() } else { 1 }).sum();
    (stats, rows)
}

fuzz_target!(|data: &[u8]| {
    let Some((&[block, cut], stream)) = data.split_first_chunk::<2>() else { return };
    let (whole, rows) = read(stream, 0, None, 1 << 20);
    assert!(whole.balances());
    let (cut_up, cut_rows) = read(stream, 0, None, usize::from(block) + 1);
    assert_eq!((whole.records, whole.bytes, rows), (cut_up.records, cut_up.bytes, cut_rows));
    let at = u64::from(cut).min(stream.len() as u64);
    if at == 0 {
        return;
    }
    let (mut first, first_rows) = read(stream, 0, Some(at), usize::from(block) + 1);
    let (second, second_rows) = read(stream, at, None, 64);
    first.merge(&second);
    assert!(first.balances());
    assert_eq!((whole.records, whole.rejected, rows), (first.records, first.rejected, first_rows + second_rows));
});
