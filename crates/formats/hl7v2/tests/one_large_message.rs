//! What a message with very many rows costs: batches go out while it is read, and memory stays near its own size.
#![allow(clippy::unwrap_used, unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    ops::ControlFlow,
    sync::atomic::{AtomicUsize, Ordering},
};

use sutura_core::{Decoded, DecoderSpec, Format, FormatError, TableRequest};
use sutura_hl7v2::Hl7v2;

/// Counts the bytes that are allocated, and the most there were at any time. (One test in this file: the count is the process's.)
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is left to the system's allocator; beside it only numbers are kept.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const BATCH_ROWS: usize = 64;

fn spec() -> DecoderSpec {
    let requests = Hl7v2.tables().iter().map(|table| TableRequest::whole(&table.name)).collect();
    DecoderSpec { source: "x".into(), start: 0, end: None, options: serde_json::Value::Null, requests, batch_rows: BATCH_ROWS }
}

/// A message of a quarter of a mebibyte: its header, patient and request, then `first`, then `part` again and again.
fn message(first: &str, part: &str) -> Vec<u8> {
    let mut message = b"MSH|^~\\&|A|B|C|D|20240101||ORU^R01|M1|P|2.5\rPID|1||123||DOE\\T\\X^JANE||19800101\rOBR|1||||||20240101\r".to_vec();
    message.extend_from_slice(first.as_bytes());
    while message.len() < 1 << 18 {
        message.extend_from_slice(part.as_bytes());
    }
    message.push(b'\r');
    message
}

#[test]
fn rows_of_one_message_do_not_wait_for_its_end() {
    let field = "OBX|1|TX|a||";
    for (first, part) in [
        ("", "OBX|\r"),
        ("", "OBX|1|TX|a||a \\T\\ value longer than twelve||||||||20240101\r"),
        ("", "NTE|1||\\.br\\\r"),
        ("", "ORC|RE|1\r"),
        ("", "\r\rZZZ|1"),
        (field, "|x"),
        (field, "~x"),
        (field, "^x&\"\""),
    ] {
        let message = message(first, part);
        let mut decoder = Hl7v2.decoder(spec()).unwrap();
        let mut rows = 0;
        let before = NOW.load(Ordering::Relaxed);
        MOST.store(before, Ordering::Relaxed);
        let mut sink = |decoded: Decoded| {
            match decoded {
                Decoded::Batch { batch, .. } => {
                    assert!((1..=BATCH_ROWS).contains(&batch.num_rows()), "{}", batch.num_rows());
                    rows += batch.num_rows();
                }
                Decoded::Reject(_) => panic!("a good message"),
            }
            ControlFlow::Continue(())
        };
        for block in message.chunks(64 << 10) {
            decoder.push(block.to_vec().into(), &mut sink).unwrap();
        }
        let stats = decoder.finish(&mut sink).unwrap();
        let most = MOST.load(Ordering::Relaxed) - before;
        assert!(stats.balances() && stats.accepted == 1);
        assert!(rows > 10_000, "{part:?}: {rows}");
        // The rows that are waiting, the working buffers, and the places of segments and separators beside the text.
        let bound = (8 << 20) + 12 * message.len();
        assert!(most < bound, "{part:?}: {rows} rows, {} MiB at most", most >> 20);
    }
    // A sink that wants no more ends the reading in the middle of the message.
    let mut decoder = Hl7v2.decoder(spec()).unwrap();
    let mut pieces = 0;
    let mut sink = |_: Decoded| {
        pieces += 1;
        ControlFlow::Break(())
    };
    decoder.push(message("", "OBX|1|ST|a||b\r").into(), &mut sink).unwrap();
    assert!(matches!(decoder.finish(&mut sink), Err(FormatError::Stopped)));
    assert_eq!(pieces, 1);
}
