//! What stands before a data set that came over the network when it becomes a file (PS3.10 section 7.1).

use super::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME};

/// Preamble, prefix and file meta information. The data set follows as it came.
///
/// The titles say who sent it to whom (0002,0017 and 0002,0018); who wrote it first is not known.
pub fn meta_information(sop_class: &str, sop_instance: &str, transfer_syntax: &str, sending: &str, receiving: &str) -> Vec<u8> {
    let mut meta = Vec::with_capacity(512);
    // Version: the long form of a header.
    meta.extend(b"\x02\x00\x01\x00OB\x00\x00\x02\x00\x00\x00\x00\x01");
    let short = |element: u16, vr: [u8; 2], value: &str, meta: &mut Vec<u8>| {
        let pad = if vr == *b"UI" { 0 } else { b' ' };
        let odd = value.len() % 2;
        meta.extend([2, 0]);
        meta.extend(element.to_le_bytes());
        meta.extend(vr);
        meta.extend(((value.len() + odd) as u16).to_le_bytes());
        meta.extend(value.bytes());
        meta.extend(std::iter::repeat_n(pad, odd));
    };
    short(0x0002, *b"UI", sop_class, &mut meta);
    short(0x0003, *b"UI", sop_instance, &mut meta);
    short(0x0010, *b"UI", transfer_syntax, &mut meta);
    short(0x0012, *b"UI", IMPLEMENTATION_CLASS_UID, &mut meta);
    short(0x0013, *b"SH", IMPLEMENTATION_VERSION_NAME, &mut meta);
    short(0x0017, *b"AE", sending, &mut meta);
    short(0x0018, *b"AE", receiving, &mut meta);
    let mut out = Vec::with_capacity(144 + meta.len());
    out.extend([0; 128]);
    out.extend(b"DICM\x02\x00\x00\x00UL\x04\x00");
    out.extend((meta.len() as u32).to_le_bytes());
    out.append(&mut meta);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DicomFile, Limits, Tag};

    #[test]
    fn it_is_read_back() {
        let mut bytes = meta_information("1.2.840.10008.5.1.4.1.1.2", "1.2.3", "1.2.840.10008.1.2.1", "CT1", "SUTURA");
        bytes.extend(b"\x10\x00\x20\x00LO\x04\x00A-17");
        let file = DicomFile::parse(bytes, &Limits::default()).unwrap();
        let text = |tag| file.meta().text(Tag(tag)).unwrap().into_owned();
        assert_eq!((text(0x0002_0003), text(0x0002_0010), text(0x0002_0017)), ("1.2.3".into(), "1.2.840.10008.1.2.1".into(), "CT1".into()));
        assert_eq!(file.data_set().text(Tag(0x0010_0020)).as_deref(), Some("A-17"));
        assert!(file.findings().is_empty());
    }
}
