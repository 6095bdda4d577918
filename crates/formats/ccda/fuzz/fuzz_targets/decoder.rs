//! Any bytes, in blocks of any size, give the same account, rows and rejects, and every byte is in the account.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_ccda::{Ccda, Decoder};
use sutura_core::{BlockDecoder, Decoded, DecoderSpec, Format, ReadStats, Sha256Hash, TableRequest};

fn read(data: &[u8], block: usize) -> (ReadStats, Vec<(usize, String)>) {
    let requests: Vec<_> = Ccda.tables().iter().map(|table| TableRequest::whole(table.name.clone())).collect();
    let options = serde_json::json!({ "max_record_bytes": 4096, "max_depth": 64 });
    let spec = DecoderSpec { source: "fuzz:file".into(), start: 0, end: None, options, requests, batch_rows: 5 };
    let mut decoder = Decoder::new(spec).expect("valid options");
    let mut out = Vec::new();
    for part in data.chunks(block) {
        decoder.push(bytes::Bytes::copy_from_slice(part), &mut out).expect("no batch fails");
    }
    let stats = decoder.finish(&mut out).expect("no batch fails");
    assert!(stats.balances() && stats.bytes == data.len() as u64);
    let shown = out.into_iter().map(|item| match item {
        Decoded::Batch { request, batch } => (request, format!("{batch:?}")),
        Decoded::Reject(reject) => {
            assert_eq!(reject.id.sha256, Sha256Hash::of(data));
            assert!(if reject.truncated { data.starts_with(&reject.bytes) } else { data == reject.bytes });
            (usize::MAX, format!("{} {}", reject.code, reject.reason))
        }
    });
    (stats, shown.collect())
}

fuzz_target!(|data: &[u8]| {
    let Some((&block, data)) = data.split_first() else { return };
    assert_eq!(read(data, 1 << 20), read(data, usize::from(block) + 1));
});
