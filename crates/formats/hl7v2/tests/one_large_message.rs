//! One message with very many rows: batches stay small.
#![allow(clippy::unwrap_used)]

use sutura_core::{Decoded, DecoderSpec, Format, TableRequest};
use sutura_hl7v2::Hl7v2;

#[test]
fn one_message_fills_many_batches() {
    let mut message = b"MSH|^~\\&|A|B|C|D|20240101||ORU^R01|M1|P|2.5\rPID|1||123\r".to_vec();
    for _ in 0..1000 {
        message.extend_from_slice(b"OBX|1|NM|a^a value longer than twelve||5\r");
    }
    for (table, rows) in [("observations", 1000), ("segments", 1000 * 5 + 13)] {
        let spec = DecoderSpec {
            source: "x".into(),
            start: 0,
            end: None,
            options: serde_json::Value::Null,
            requests: vec![TableRequest { table: table.to_owned(), columns: None }],
            batch_rows: 64,
        };
        let mut decoder = Hl7v2.decoder(spec).unwrap();
        let mut out = Vec::new();
        decoder.push(message.clone().into(), &mut out).unwrap();
        let stats = decoder.finish(&mut out).unwrap();
        assert!(stats.balances() && stats.accepted == 1);
        let sizes: Vec<usize> = out
            .iter()
            .map(|decoded| match decoded {
                Decoded::Batch { batch, .. } => batch.num_rows(),
                Decoded::Reject(_) => unreachable!("a good message"),
            })
            .collect();
        assert!(sizes.iter().all(|&size| (1..=64).contains(&size)), "{table}: {sizes:?}");
        assert_eq!(sizes.iter().sum::<usize>(), rows, "{table}");
    }
}
