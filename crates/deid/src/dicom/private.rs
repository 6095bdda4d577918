//! Private elements that are known to hold no identity (PS3.15 section E.3.10).
//!
//! Nobody outside knows what a vendor puts into a private element: all go, but for those of the list in `data/safe_private.tsv`, and of those only numbers and
//! codes that look as the list says.

use std::sync::LazyLock;

use sutura_dicom::{Element, Tag, Vr};

use super::values::is_code_string;

struct Safe {
    creator: &'static str,
    group: u16,
    element: u8,
    vr: Vr,
}

static SAFE: LazyLock<Vec<Safe>> = LazyLock::new(|| {
    let lines = include_str!("../../data/safe_private.tsv").lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(parse).collect()
});

fn parse(line: &'static str) -> Option<Safe> {
    let mut fields = line.split('\t');
    let creator = fields.next()?;
    let group = u16::from_str_radix(fields.next()?, 16).ok()?;
    let element = u8::from_str_radix(fields.next()?, 16).ok()?;
    let vr = <[u8; 2]>::try_from(fields.next()?.as_bytes()).ok().and_then(Vr::from_bytes)?;
    Some(Safe { creator, group, element, vr })
}

/// The representation of a private element that may stay; `None` if it may not.
pub(crate) fn safe(element: &Element<'_>) -> Option<Vr> {
    let tag = element.tag();
    let creator = element.data_set().private_creator(tag)?;
    let known =
        SAFE.iter().find(|safe| safe.group == tag.group() && u16::from(safe.element) == tag.element() & 0xFF && safe.creator == creator)?;
    let vr_fits = element.vr() == known.vr || element.vr() == Vr::UN;
    (vr_fits && looks_right(known.vr, element.bytes())).then_some(known.vr)
}

/// Whether a value is what its representation says: no text in the place of a number.
fn looks_right(vr: Vr, bytes: &[u8]) -> bool {
    let text = || std::str::from_utf8(bytes).ok().map(|text| text.trim_end_matches(['\0', ' ']));
    match vr {
        Vr::DS | Vr::IS => text().is_some_and(|text| text.len() <= 256 && text.split('\\').all(is_number)),
        Vr::CS => text().is_some_and(is_code_string),
        Vr::SH => text()
            .is_some_and(|text| text.len() <= 16 && text.split([':', ' ', '/', '\\']).all(|part| is_number(part) || is_plain_code(part))),
        _ => vr.number_bytes().is_some_and(|size| bytes.len().is_multiple_of(size) && bytes.len() <= 64 * size),
    }
}

fn is_number(text: &str) -> bool {
    let text = text.trim();
    text.is_empty()
        || (text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E')))
}

fn is_plain_code(text: &str) -> bool {
    text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'.')
}

/// The creator's own element for a private element.
pub(crate) fn creator_of(tag: Tag) -> Option<Tag> {
    tag.creator()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read_and_text_is_no_number() {
        let lines = include_str!("../../data/safe_private.tsv").lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(SAFE.len(), lines);
        assert!(SAFE.iter().all(|safe| safe.group % 2 == 1));
        assert!(looks_right(Vr::DS, b"1.5\\-2e3 ") && !looks_right(Vr::DS, b"Doe ") && !looks_right(Vr::CS, b"Doe^Jane"));
        assert!(looks_right(Vr::SH, b"0.984:1 ") && !looks_right(Vr::SH, b"Jane Doe"));
        assert!(looks_right(Vr::FD, &[0; 24]) && !looks_right(Vr::FD, &[0; 7]));
    }
}
