//! Any bytes are a file or an error with its place; every value can be read, and elements lie in the bytes in order.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sutura_dicom::{DataSet, DicomFile, Limits};

fn walk(data_set: DataSet<'_>, size: usize) {
    for element in data_set {
        assert!(element.header_offset() < element.offset() && element.offset() + element.length() <= size);
        let _ = (element.text(), element.integer(), element.numbers(), element.attribute());
        element.items().for_each(|item| walk(item, size));
        for (offset, length) in element.fragments() {
            assert!(offset + length <= size);
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { inflated: 4 << 20, ..Limits::default() };
    match DicomFile::parse(bytes.to_vec(), &limits) {
        Ok(file) => {
            walk(file.meta(), file.bytes().len());
            walk(file.data_set(), file.bytes().len());
            let _ = (file.findings(), file.text_findings());
        }
        Err(error) => assert!(error.offset <= bytes.len() + limits.inflated),
    }
    let _ = DicomFile::parse_beginning(bytes.to_vec(), &limits);
});
