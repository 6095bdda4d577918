//! The text of a document: all text lines of its OBX segments are one content.

use super::{plan::Leaf, run::Work, text};
use crate::fhir::NodeId;

/// The attachment for the text of a DocumentReference.
fn attachment(work: &mut Work<'_>, document: NodeId) -> Option<NodeId> {
    if let Some((_, attachment)) = work.document.filter(|(known, _)| *known == document) {
        return Some(attachment);
    }
    let content = work.tree.push(document, "content")?;
    let attachment = work.tree.element(content, "attachment")?;
    work.document = Some((document, attachment));
    Some(attachment)
}

/// Puts the text of the document that begins at the segment at hand into its attachment; a later line finds it there. False if there is none.
pub(super) fn content(work: &mut Work<'_>, document: NodeId) -> bool {
    let Some(attachment) = attachment(work, document) else { return false };
    if work.tree.has(attachment, "data") {
        return true;
    }
    let index = work.index;
    let (mut lines, mut name) = (String::new(), name_of(work, work.here));
    for at in work.here..index.segments.len() {
        match &index.segments[at].tag {
            b"OBX" if is_text(work, at) => {}
            b"OBX" | b"NTE" | b"PRT" | b"CON" => continue,
            tag if tag[0] == b'Z' => continue,
            _ => break,
        }
        if at > work.here {
            lines.push('\n');
        }
        // Parts of a document that have names of their own keep them.
        let own = name_of(work, at);
        if own != name {
            if !own.is_empty() {
                lines.push_str(&own);
                lines.push('\n');
            }
            name = own;
        }
        for (number, line) in index.repetitions(index.field(at, 5)).enumerate() {
            if number > 0 {
                lines.push('\n');
            }
            if line != "\"\"" {
                lines.push_str(&index.plain(line));
            }
        }
    }
    let mut data = String::new();
    if lines.trim().is_empty() || !text::push(Leaf::Base64, &lines, &mut data) {
        return false;
    }
    work.tree.set(attachment, "contentType", "text/plain") && work.tree.set(attachment, "data", &data)
}

/// The name of the first line is the title. The names of other parts stand in the text.
pub(super) fn title(work: &mut Work<'_>, document: NodeId) -> u64 {
    let Some(attachment) = attachment(work, document) else { return 0 };
    if !work.tree.has(attachment, "title") {
        let (name, mut clean) = (name_of(work, work.here), String::new());
        if !text::push(Leaf::String, &name, &mut clean) || !work.tree.set(attachment, "title", &clean) {
            return 0;
        }
    }
    u64::MAX
}

/// Whether an OBX holds lines of text.
fn is_text(work: &Work<'_>, at: usize) -> bool {
    !matches!(work.index.first(at, 2, 0), "ED" | "RP")
}

/// What OBX-3 says: original text, else the name of the code, else the code.
fn name_of(work: &Work<'_>, at: usize) -> String {
    let parts = [9, 2, 1].map(|part| work.index.first(at, 3, part));
    let found = parts.into_iter().find(|part| !part.is_empty()).unwrap_or("");
    work.index.plain(found).trim().to_owned()
}
