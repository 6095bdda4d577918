//! What is odd about the texts of a file, as findings.

use sutura_core::{Finding, Severity};

use crate::{
    charset::Quality,
    element::{DataSet, Element},
    file::DicomFile,
};

/// One finding for each kind of trouble, at the first element that has it.
pub(crate) fn findings(file: &DicomFile) -> Vec<Finding> {
    let mut found = Found::default();
    let data_set = file.data_set();
    if !data_set.character_set().is_known() {
        let message = "Specific Character Set names a character set that is not one of the standard";
        found.list.push(Finding::new("charset-unknown", Severity::Warning, "(0008,0005)", message));
    }
    // What is all ASCII needs no second look.
    let (nodes, _) = file.nodes();
    let bytes = file.bytes();
    let is_odd = |start: u32, length: u32| {
        let value = bytes.get(start as usize..start as usize + length as usize).unwrap_or_default();
        !value.is_ascii() || memchr::memchr(0x1B, value).is_some()
    };
    if nodes.iter().any(|node| node.vr.has_character_set() && is_odd(node.start, node.length)) {
        found.walk(data_set);
    }
    found.list
}

#[derive(Default)]
struct Found {
    list: Vec<Finding>,
}

impl Found {
    /// Sequences are nested no deeper than the limit of the reader.
    fn walk(&mut self, data_set: DataSet<'_>) {
        for element in data_set {
            if element.is_sequence() {
                element.items().for_each(|item| self.walk(item));
            } else if element.vr().has_character_set() {
                self.look_at(&element);
            }
        }
    }

    fn look_at(&mut self, element: &Element<'_>) {
        let (_, quality) = element.data_set().character_set().decode(element.bytes(), element.vr() == crate::Vr::PN);
        let (code, message) = match quality {
            Quality::Good => return,
            Quality::TakenForUtf8 => {
                ("charset-undeclared", "a text is not ASCII and no character set is declared; it is valid UTF-8 and read as that")
            }
            Quality::TakenForLatin1 => {
                ("charset-fallback", "a text is not ASCII and no character set is declared; it is read as Windows-1252")
            }
            Quality::Damaged => ("charset-mismatch", "a text has bytes that are not of the declared character set"),
        };
        if self.list.iter().all(|finding| finding.code != code) {
            self.list.push(Finding::new(code, Severity::Warning, element.tag().to_string(), message));
        }
    }
}
