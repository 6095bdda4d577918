//! How much memory broken and hostile files take at most. One test, alone in its process: it counts every allocation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use bytes::Bytes;
use sutura_core::{BlockDecoder, Decoded, DecoderSpec, Format, TableRequest};
use sutura_dicom::{
    Decoder, Dicom, DicomFile, Limits,
    pixels::{FrameMap, PixelDescription, decode},
};

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

struct Counted;

// SAFETY: every call goes on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        MOST.fetch_max(HELD.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller's.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

/// The most bytes held at once beyond those held before.
fn most_held<T>(run: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.load(Relaxed);
    MOST.store(before, Relaxed);
    let result = run();
    (result, MOST.load(Relaxed).saturating_sub(before))
}

const MIB: usize = 1 << 20;

/// Every table of a file, and its first frame; the most that is held.
fn read(bytes: &Bytes) -> usize {
    let requests: Vec<_> = Dicom.tables().iter().map(|table| TableRequest::whole(&table.name)).collect();
    let ((), most) = most_held(|| {
        let spec =
            DecoderSpec { source: "test:file".into(), start: 0, end: None, options: serde_json::Value::Null, requests, batch_rows: 1024 };
        let mut decoder = Decoder::new(spec).unwrap();
        let mut sink = |decoded: Decoded| {
            drop(decoded);
            ControlFlow::Continue(())
        };
        for block in bytes.chunks(64 << 10) {
            decoder.push(Bytes::copy_from_slice(block), &mut sink).unwrap();
        }
        decoder.finish(&mut sink).unwrap();
        if let Ok(file) = DicomFile::parse(bytes.clone(), &Limits::default()) {
            let _ = PixelDescription::of(&file).and_then(|description| {
                let map = FrameMap::with(&file, &description)?;
                decode::frame(&file, &description, &map, 0)
            });
        }
    });
    most
}

/// A file of one sequence, whose items are all empty.
fn many_items() -> Vec<u8> {
    let mut bytes = vec![0; 128];
    bytes.extend(b"DICM\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\0");
    bytes.extend(b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff");
    for _ in 0..1_000_000 {
        bytes.extend(b"\xfe\xff\x00\xe0\0\0\0\0");
    }
    bytes.extend(b"\xfe\xff\xdd\xe0\0\0\0\0");
    bytes
}

#[test]
fn memory_is_bounded() {
    // What is made once is not counted.
    assert!(!Dicom.tables().is_empty());
    let items = Bytes::from(many_items());
    let most = read(&items);
    assert!(most < 8 * items.len(), "{most} bytes for {} of empty items", items.len());

    let given = std::env::var_os("SUTURA_TEST_DATA");
    let folder = given.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data"), PathBuf::from);
    if !folder.is_dir() {
        println!("SKIPPED: test data not found at {}; set SUTURA_TEST_DATA", folder.display());
        return;
    }
    for entry in fs::read_dir(folder.join("dicom/made/corrupt")).unwrap() {
        let path = entry.unwrap().path();
        let bytes: Bytes = fs::read(&path).unwrap().into();
        let most = read(&bytes);
        assert!(most < 64 * MIB, "{}: {} MiB", path.display(), most / MIB);
    }
}
