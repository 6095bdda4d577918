//! Private elements that are known to hold no identity (PS3.15 section E.3.10).
//!
//! Nobody outside knows what a vendor puts into a private element: all go, but for those of the list in `data/safe_private.tsv`, and of those only numbers and
//! codes that look as the list says, as many as it says, with nothing in them of the people in the file.

use std::sync::LazyLock;

use sutura_dicom::{Element, Tag, Vr};

use super::shapes::is_printed;
use crate::text::{Tokens, is_a_term};

struct Safe {
    creator: &'static str,
    group: u16,
    element: u8,
    vr: Vr,
    /// Values at most.
    most: usize,
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
    let most = fields.next()?.parse().ok()?;
    Some(Safe { creator, group, element, vr, most })
}

/// The representation of a private element that may stay; `None` if it may not.
pub(crate) fn safe(element: &Element<'_>, tokens: &Tokens) -> Option<Vr> {
    let tag = element.tag();
    let creator = element.data_set().private_creator(tag)?;
    let known =
        SAFE.iter().find(|safe| safe.group == tag.group() && u16::from(safe.element) == tag.element() & 0xFF && safe.creator == creator)?;
    let vr_fits = element.vr() == known.vr || element.vr() == Vr::UN;
    (vr_fits && !element.is_fragments() && looks_right(known.vr, known.most, element.bytes(), tokens)).then_some(known.vr)
}

/// Whether a value is what its representation says: no text in the place of a number, and nothing of the people in the file.
fn looks_right(vr: Vr, most: usize, bytes: &[u8], tokens: &Tokens) -> bool {
    if let Some(size) = vr.number_bytes() {
        return bytes.len().is_multiple_of(size) && bytes.len() <= most * size && !is_printed(bytes) && !tokens.are_in_bytes(bytes);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let text = text.trim_end_matches(['\0', ' ']);
    let mut parts = text.split('\\');
    if parts.clone().count() > most || tokens.are_in(text) {
        return false;
    }
    match vr {
        Vr::DS | Vr::IS => parts.all(|part| is_number(part) && !tokens.is_number(part.trim(), 3)),
        Vr::CS => parts.all(|part| is_code(part.trim())),
        Vr::SH => {
            let is_part = |part: &str| (is_number(part) && part.len() <= 8) || is_code(part);
            text.len() <= 16 && text.split([':', ' ', '/', '\\']).all(is_part)
        }
        _ => false,
    }
}

fn is_number(text: &str) -> bool {
    let text = text.trim();
    text.is_empty()
        || (text.len() <= 16
            && text.parse::<f64>().is_ok()
            && !text.bytes().any(|byte| byte.is_ascii_alphabetic() && !byte.eq_ignore_ascii_case(&b'e')))
}

/// A word that these elements have: of imaging, the directions of diffusion, a letter or a number.
fn is_code(text: &str) -> bool {
    const KNOWN: [&str; 4] = ["DIRECTIONAL", "BMATRIX", "ISOTROPIC", "HELIX"];
    let is_plain = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b' ' | b'_' | b'.'));
    text.len() <= 16
        && is_plain
        && (text.len() <= 1 || KNOWN.contains(&text) || is_a_term(text))
        && text.bytes().filter(u8::is_ascii_digit).count() <= 4
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
        let mut tokens = Tokens::default();
        tokens.add_name("Kowalewska^Brunhilde");
        tokens.add_identifier("4711299");
        let right = |vr, most, bytes: &[u8]| looks_right(vr, most, bytes, &tokens);
        assert!(
            right(Vr::DS, 2, b"1.5\\-2e3 ") && !right(Vr::DS, 1, b"1\\2") && !right(Vr::DS, 1, b"Doe ") && !right(Vr::DS, 1, b"24.12.1961")
        );
        assert!(
            right(Vr::CS, 1, b"DIRECTIONAL ")
                && right(Vr::CS, 1, b"P ")
                && !right(Vr::CS, 1, b"Doe^Jane")
                && !right(Vr::CS, 1, b"BRUNHILDE ")
        );
        assert!(!right(Vr::CS, 1, b"ULMERSTRASSE") && !right(Vr::SH, 1, b"KOWALE") && !right(Vr::SH, 1, b"JANE"));
        assert!(right(Vr::SH, 1, b"0.984:1 ") && !right(Vr::SH, 1, b"Jane Doe"));
        assert!(
            right(Vr::FD, 3, &[0; 24])
                && !right(Vr::FD, 3, &[0; 7])
                && !right(Vr::FD, 3, &[0; 32])
                && !right(Vr::FD, 3, b"Patient from Ulm ")
        );
        assert!(right(Vr::IS, 4, b"1000000800\\0\\0\\0") && !right(Vr::IS, 4, b"4711299 ") && !right(Vr::DS, 1, b"4711299.0"));
    }
}
