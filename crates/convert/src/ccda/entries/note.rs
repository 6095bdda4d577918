//! Notes: DocumentReference with the text.

use sutura_ccda::{Element, EntryKind};

use super::{Context, EntryFate, Mapped, Ref, fault};
use crate::{
    base64,
    ccda::{
        json::Obj,
        narrative, statement,
        types::{absent_concept, attr, coded, media_type},
    },
};

impl<'d> Context<'d> {
    pub(super) fn note(&mut self, note: Element<'d>) -> Mapped<Ref> {
        let text = note.child("text");
        let mut contents = Vec::new();
        if let Some(text) = text {
            self.note_contents(text, &mut contents);
        }
        if contents.is_empty() {
            return Err(fault("ccda-note-without-text", "text", "the note has no text, and refers to none in this document"));
        }
        let mut body = Obj::new();
        body.extend("identifier", self.identifiers(note));
        body.put("status", self.status(note, "NoteStatus").unwrap_or("current"));
        if let Some(status) = note.child("statusCode") {
            // Complete or not, it is the current one.
            self.left(status, crate::ccda::account::Why::Fixed);
        }
        let code = note.child("code");
        body.put("type", code.and_then(|code| self.concept(code)).unwrap_or_else(|| absent_concept(code)));
        body.push(
            "category",
            coded("http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category", "clinical-note", "Clinical Note"),
        );
        body.put("subject", self.patient.clone());
        let time = note.children_named("author").find_map(|author| author.child("time").and_then(|time| self.instant(time)));
        body.opt("date", time);
        for actor in self.authors(note) {
            if let Some(reference) = actor.reference() {
                body.push("author", reference);
            }
        }
        for content in contents {
            body.push("content", Obj::of("attachment", content));
        }
        let mut context = Obj::new();
        for inner in note
            .children_named("entryRelationship")
            .flat_map(|relation| relation.children())
            .filter(|inner| statement::is_statement(*inner))
            .collect::<Vec<_>>()
        {
            // Only a pointer to an encounter has no code of its own.
            let encounter = EntryKind::of_statement(inner) == Some(EntryKind::EncounterActivity) || inner.name() == "encounter";
            let known = crate::ccda::types::primary_id(inner).and_then(|(root, extension)| self.by_identifier(root, extension));
            let found = match known {
                Some(known) => {
                    self.account.dropped_all(inner, crate::ccda::account::Why::Reference);
                    vec![known]
                }
                None => self.nested(inner),
            };
            if encounter {
                context.extend("encounter", found.into_iter().filter(|reference| reference.is("Encounter")));
            }
        }
        context.opt("period", note.child("effectiveTime").and_then(|time| self.period(time)));
        body.put("context", context);
        Ok(self.add("DocumentReference", note, body))
    }

    /// The text of a note: embedded data as sent, references into the narrative as plain text.
    fn note_contents(&mut self, text: Element<'d>, contents: &mut Vec<Obj>) {
        let media = media_type(text);
        if attr(text, "representation") == Some("B64") {
            let sent: String = text
                .content()
                .filter_map(|content| if let sutura_ccda::Content::Text(text) = content { Some(text) } else { None })
                .collect();
            let mut data = String::new();
            if base64::push_sent(&sent, &mut data) {
                self.took(text);
                let mut attachment = Obj::new();
                attachment.put("contentType", media.clone().unwrap_or_else(|| "application/octet-stream".to_owned()));
                attachment.put("data", data);
                contents.push(attachment);
            }
        }
        let reference = text.child("reference");
        let target = reference.and_then(|reference| attr(reference, "value"));
        let shown = match target.and_then(|target| self.doc.by_id(target.trim_start_matches('#'))) {
            Some(place) if self.may_repeat(place) => {
                if let Some(reference) = reference {
                    self.took(reference);
                }
                narrative::lines(place)
            }
            Some(_) => {
                if let Some(reference) = reference {
                    self.left(reference, crate::ccda::account::Why::TooMuch);
                }
                String::new()
            }
            None if contents.is_empty() => {
                let own = narrative::lines(text);
                if !own.is_empty() {
                    self.took(text);
                }
                own
            }
            None => String::new(),
        };
        if !shown.is_empty() {
            let mut attachment = Obj::of("contentType", "text/plain");
            attachment.put("data", base64::encoded(shown.as_bytes()));
            contents.push(attachment);
        } else if let Some(target) = target.filter(|target| target.starts_with("http://") || target.starts_with("https://")) {
            if let Some(reference) = reference {
                self.took(reference);
            }
            let mut attachment = Obj::new();
            attachment.opt("contentType", media);
            attachment.put("url", target.to_owned());
            contents.push(attachment);
        }
    }

    /// Documents elsewhere that an act refers to.
    pub(super) fn external_documents(&mut self, act: Element<'d>) -> EntryFate {
        let mut found = Vec::new();
        for document in act.children_named("reference").filter_map(|reference| reference.child("externalDocument")) {
            let mut body = Obj::new();
            body.extend("identifier", self.identifiers(document));
            body.put("status", "current");
            let kind = document.child("code").and_then(|code| self.concept(code));
            let title = kind.as_ref().and_then(crate::ccda::people::shown_concept);
            body.opt("type", kind);
            body.push(
                "category",
                coded("http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category", "clinical-note", "Clinical Note"),
            );
            body.put("subject", self.patient.clone());
            let mut attachment = Obj::new();
            if let Some(text) = document.child("text") {
                attachment.opt("contentType", media_type(text));
                if let Some(reference) = text.child("reference")
                    && let Some(target) = attr(reference, "value")
                {
                    self.took(reference);
                    attachment.put("url", crate::ccda::types::folded(target).replace(' ', "%20"));
                }
            }
            attachment.opt("title", title);
            if attachment.is_empty() {
                attachment = crate::ccda::types::absent("unknown");
            }
            body.push("content", Obj::of("attachment", attachment));
            found.push(self.add("DocumentReference", document, body));
        }
        self.left_frame(act);
        if found.is_empty() { EntryFate::Unmapped } else { EntryFate::Mapped(found) }
    }
}
