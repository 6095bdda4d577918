//! A DICOM file as one JSON object on one line, written element by element: a file may have millions.

use std::io::{self, Write};

use serde_json::{Map, Value, json};
use sutura_dicom::{DataSet, DicomFile, pixels::PixelDescription};

use super::{
    coding_words, elements,
    elements::{Around, Blocks, Line, Shown},
    encoding_words, sop_class, syntax_uid,
};

/// Writes the object and a line end.
pub(super) fn write(file: &DicomFile, length: Option<usize>, reveal: bool, out: &mut dyn Write) -> io::Result<()> {
    let syntax = file.transfer_syntax();
    let image = match PixelDescription::of(file) {
        Ok(image) => json!({
            "rows": image.rows, "columns": image.columns, "frames": image.frames, "samples": image.samples,
            "bits_allocated": image.bits_allocated, "bits_stored": image.bits_stored, "signed": image.signed,
            "photometric": elements::code(&image.photometric), "coding": coding_words(image.coding),
        }),
        Err(sutura_dicom::pixels::PixelError::Absent) => Value::Null,
        Err(error) => json!({ "code": error.code(), "reason": error.to_string() }),
    };
    let findings: Vec<_> = file.findings().iter().chain(file.text_findings()).collect();
    let facts = json!({
        "bytes": length, "complete": !file.is_beginning(), "sop_class": sop_class(file),
        "transfer_syntax": { "uid": syntax_uid(syntax), "encoding": encoding_words(syntax.encoding), "deflated": syntax.deflated,
            "pixels": coding_words(syntax.pixels) },
        "image": image, "findings": findings,
    });
    // The facts are an object: the elements follow in it.
    let facts = facts.to_string();
    out.write_all(facts.strip_suffix('}').unwrap_or(&facts).as_bytes())?;
    out.write_all(b",\"meta\":")?;
    level(file.meta(), &Around::default(), reveal, out)?;
    out.write_all(b",\"data_set\":")?;
    level(file.data_set(), &Around::default(), reveal, out)?;
    out.write_all(b"}\n")
}

fn level(data_set: DataSet<'_>, around: &Around, reveal: bool, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"[")?;
    let mut blocks = Blocks::default();
    let mut creator = None;
    for (position, element) in data_set.elements().enumerate() {
        if position > 0 {
            out.write_all(b",")?;
        }
        let (tag, line) = (element.tag(), Line::of(&element, around, reveal));
        if let Some(block) = blocks.next(&element) {
            creator = block.creator.and_then(|creator| elements::creator_name(&creator, reveal));
        }
        let mut map = Map::new();
        map.insert("tag".to_owned(), String::from_utf8_lossy(&tag.to_hex()).into());
        map.insert("name".to_owned(), line.name.into());
        map.insert("vr".to_owned(), element.vr().code().into());
        map.insert("offset".to_owned(), element.offset().into());
        map.insert("length".to_owned(), element.length().into());
        map.insert("phi".to_owned(), line.class.as_str().into());
        if tag.creator().is_some() {
            map.insert("creator".to_owned(), creator.clone().into());
        }
        match line.value {
            Shown::Empty | Shown::Bytes(_) | Shown::Items(_) => {}
            Shown::Fragments(count) => {
                map.insert("fragments".to_owned(), count.into());
            }
            Shown::Masked(characters) => {
                map.insert("masked".to_owned(), true.into());
                map.insert("characters".to_owned(), characters.into());
            }
            Shown::Text(text) => {
                map.insert("value".to_owned(), text.into());
            }
        }
        let text = Value::Object(map).to_string();
        if !element.is_sequence() {
            out.write_all(text.as_bytes())?;
            continue;
        }
        out.write_all(text.strip_suffix('}').unwrap_or(&text).as_bytes())?;
        out.write_all(b",\"items\":[")?;
        let within = around.within(&element);
        for (position, item) in element.items().enumerate() {
            if position > 0 {
                out.write_all(b",")?;
            }
            level(item, &within, reveal, out)?;
        }
        out.write_all(b"]}")?;
    }
    out.write_all(b"]")
}
