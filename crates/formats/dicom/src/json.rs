//! The DICOM JSON model (PS3.18 annex F).
//!
//! Text is UTF-8, whatever the file has. Opaque values up to a limit are inline in base64; longer ones, and pixel data always, are a `BulkDataURI` that says
//! where they lie: `#offset=..&length=..` in [`DicomFile::bytes`](crate::DicomFile::bytes).

use std::fmt::Write as _;

use crate::{
    element::{DataSet, Element},
    tag::Tag,
    value::{Number, PersonName, attribute_tag, binary, decimal, integer_string, trimmed},
    vr::Vr,
};

/// Opaque values up to this many bytes are inline.
const MOST_INLINE: usize = 4096;
/// Rows of binary numbers up to this many bytes are written out.
const MOST_NUMBERS: usize = 64 << 10;

/// Writes a data set as one JSON object.
pub fn write(data_set: DataSet<'_>, out: &mut String) {
    out.push('{');
    let mut first = true;
    for element in data_set {
        // Group lengths are not part of the model.
        if element.tag().element() == 0 {
            continue;
        }
        if !first {
            out.push(',');
        }
        first = false;
        write_element(&element, out);
    }
    out.push('}');
}

/// A data set as one JSON object.
pub fn to_json(data_set: DataSet<'_>) -> String {
    let mut out = String::with_capacity(4096);
    write(data_set, &mut out);
    out
}

fn write_element(element: &Element<'_>, out: &mut String) {
    let (tag, vr) = (element.tag(), element.vr());
    out.push('"');
    out.extend(tag.to_hex().map(char::from));
    out.push_str("\":{\"vr\":\"");
    out.push_str(vr.code());
    out.push('"');
    if element.is_sequence() {
        out.push_str(",\"Value\":[");
        for (position, item) in element.items().enumerate() {
            if position > 0 {
                out.push(',');
            }
            write(item, out);
        }
        out.push(']');
    } else if tag == Tag(0x0008_0005) {
        out.push_str(",\"Value\":[\"ISO_IR 192\"]");
    } else if element.length() > 0 || element.is_fragments() {
        write_value(element, vr, out);
    }
    out.push('}');
}

fn write_value(element: &Element<'_>, vr: Vr, out: &mut String) {
    let bytes = element.bytes();
    if element.tag().is_pixel_data()
        || element.is_fragments()
        || (vr.is_bulk() && bytes.len() > MOST_INLINE)
        || (!vr.is_text() && bytes.len() > MOST_NUMBERS)
    {
        let _ = write!(out, ",\"BulkDataURI\":\"#offset={}&length={}\"", element.offset(), element.length());
    } else if vr.is_bulk() {
        out.push_str(",\"InlineBinary\":\"");
        base64(bytes, out);
        out.push('"');
    } else {
        let before = out.len();
        out.push_str(",\"Value\":[");
        let open = out.len();
        if vr.is_text() {
            write_texts(element, vr, out);
        } else {
            write_numbers(element, vr, out);
        }
        if out.len() == open {
            out.truncate(before);
        } else {
            out.push(']');
        }
    }
}

fn write_texts(element: &Element<'_>, vr: Vr, out: &mut String) {
    let text = element.raw_text();
    if !vr.is_multi_valued_text() {
        quoted(&trimmed(text, vr), out);
        return;
    }
    let text = trimmed(text, vr);
    if text.is_empty() {
        return;
    }
    for (position, value) in text.split('\\').enumerate() {
        if position > 0 {
            out.push(',');
        }
        let value = value.trim_matches([' ', '\0']);
        match vr {
            _ if value.is_empty() => out.push_str("null"),
            Vr::PN => write_name(value, out),
            Vr::DS => match decimal(value.as_bytes()) {
                Some(number) => write_float(number, out),
                None => quoted(value, out),
            },
            Vr::IS => match integer_string(value.as_bytes()) {
                Some(number) => {
                    let _ = write!(out, "{number}");
                }
                None => quoted(value, out),
            },
            _ => quoted(value, out),
        }
    }
}

fn write_name(value: &str, out: &mut String) {
    let name = PersonName::of(value);
    out.push('{');
    let mut first = true;
    for (key, group) in [("Alphabetic", name.alphabetic), ("Ideographic", name.ideographic), ("Phonetic", name.phonetic)] {
        if !group.is_empty() {
            out.push_str(if first { "\"" } else { ",\"" });
            first = false;
            out.push_str(key);
            out.push_str("\":");
            quoted(group, out);
        }
    }
    out.push('}');
}

fn write_numbers(element: &Element<'_>, vr: Vr, out: &mut String) {
    let (bytes, big) = (element.bytes(), element.is_big_endian());
    if vr == Vr::AT {
        for (position, chunk) in bytes.chunks_exact(4).enumerate() {
            out.push_str(if position > 0 { ",\"" } else { "\"" });
            out.extend(attribute_tag(chunk, big).to_hex().map(char::from));
            out.push('"');
        }
        return;
    }
    for (position, number) in binary(vr, bytes, big).enumerate() {
        if position > 0 {
            out.push(',');
        }
        let _ = match number {
            Number::Unsigned(number) => write!(out, "{number}"),
            Number::Signed(number) => write!(out, "{number}"),
            Number::Float(number) => {
                write_float(number, out);
                Ok(())
            }
            Number::Single(number) if number.is_finite() => write!(out, "{number}"),
            Number::Single(number) => {
                write_float(f64::from(number), out);
                Ok(())
            }
        };
    }
}

/// JSON has no infinite numbers: those are text.
fn write_float(number: f64, out: &mut String) {
    let _ = if number.is_finite() { write!(out, "{number}") } else { write!(out, "\"{number}\"") };
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    let mut start = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[start..at]);
        start = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ => {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
    }
    out.push_str(&text[start..]);
    out.push('"');
}

fn base64(bytes: &[u8], out: &mut String) {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = LETTERS[(group >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_and_quotes_are_right() {
        for (bytes, text) in [(&b"M"[..], "TQ=="), (b"Ma", "TWE="), (b"Man", "TWFu"), (b"", "")] {
            let mut out = String::new();
            base64(bytes, &mut out);
            assert_eq!(out, text);
        }
        let mut out = String::new();
        quoted("a\"b\\c\u{1}é", &mut out);
        assert_eq!(out, "\"a\\\"b\\\\c\\u0001é\"");
    }
}
