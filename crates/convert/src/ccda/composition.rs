//! The header and the sections: the Composition.

use sutura_ccda::{Element, Section, SectionKind};
use sutura_core::Severity;

use super::{
    account::Why,
    context::Context,
    json::{Json, Obj},
    maps, narrative,
    people::Actor,
    types::{absent, absent_concept, attr, folded, is_language, media_type},
};
use crate::base64;

/// Where the guide defines the extensions of its Composition.
const GUIDE: &str = "http://hl7.org/fhir/us/ccda/StructureDefinition/";

impl<'d> Context<'d> {
    /// The Composition without its sections.
    pub(super) fn make_header(&mut self) -> Obj {
        let root = self.doc.root();
        let mut body = Obj::new();
        if let Some(language) = root.child("languageCode")
            && let Some(code) = attr(language, "code")
            && is_language(code)
        {
            self.took(language);
            body.put("language", code.to_owned());
        }
        self.participants(root, &mut body);
        if let Some(version) = root.child("versionNumber")
            && let Some(value) = attr(version, "value")
        {
            self.took(version);
            let mut extension = Obj::of("url", "http://hl7.org/fhir/StructureDefinition/composition-clinicaldocument-versionNumber");
            extension.put("valueString", folded(value));
            body.push("extension", extension);
        }
        if let Some(id) = root.child("id") {
            body.opt("identifier", self.identifier(id));
        }
        body.put("status", "final");
        let code = root.child("code");
        let kind = code.and_then(|code| self.concept(code));
        body.put("type", kind.clone().unwrap_or_else(|| absent_concept(code)));
        body.put("subject", self.patient.clone());
        body.opt("encounter", self.encounter.clone());
        match root.child("effectiveTime").and_then(|time| self.one_time(time)) {
            Some(date) => body.put("date", date),
            None => body.put("_date", absent("unknown")),
        }
        let authors: Vec<Actor> = root.children_named("author").map(|author| self.participation(author)).collect();
        for author in &authors {
            if let Some(reference) = author.reference() {
                body.push("author", reference);
            }
        }
        self.author = authors.iter().find_map(|author| author.person.clone());
        if !body.has("author") {
            body.push("author", absent("unknown"));
        }
        let title = root.child("title").and_then(|title| self.text_of(title));
        let title = title.or_else(|| kind.as_ref().and_then(super::people::shown_concept));
        body.put("title", title.unwrap_or_else(|| "Clinical document".to_owned()));
        if let Some(code) = root.child("confidentialityCode") {
            match attr(code, "code") {
                Some(value @ ("U" | "L" | "M" | "N" | "R" | "V")) => {
                    self.took(code);
                    body.put("confidentiality", value.to_owned());
                }
                _ => self.left(code, Why::NoTarget),
            }
        }
        for (name, mode) in [("legalAuthenticator", "legal"), ("authenticator", "professional")] {
            for element in root.children_named(name) {
                let actor = self.participation(element);
                if let Some(code) = element.child("signatureCode") {
                    // It says that it was signed, which the attester is.
                    self.left(code, Why::Fixed);
                }
                if actor.any().is_some() {
                    let mut attester = Obj::of("mode", mode);
                    attester.opt("time", actor.time.clone());
                    attester.opt("party", actor.reference());
                    body.push("attester", attester);
                }
            }
        }
        let custodian = root
            .path(&["custodian", "assignedCustodian", "representedCustodianOrganization"])
            .and_then(|custodian| self.organization(custodian));
        body.opt("custodian", custodian);
        self.related_documents(root, &mut body);
        self.service_events(root, &mut body);
        if let Some(set) = root.child("setId") {
            self.left(set, Why::NoTarget);
        }
        body
    }

    /// Participants of the header that FHIR's Composition has as extensions of the guide.
    fn participants(&mut self, root: Element<'d>, body: &mut Obj) {
        for (name, url) in [
            ("dataEnterer", "DataEntererExtension"),
            ("informant", "InformantExtension"),
            ("informationRecipient", "InformationRecipientExtension"),
            ("participant", "ParticipantExtension"),
        ] {
            for element in root.children_named(name) {
                let actor = self.participation(element);
                if let Some(reference) = actor.reference() {
                    let mut extension = Obj::of("url", format!("{GUIDE}{url}"));
                    extension.put("valueReference", reference);
                    body.push("extension", extension);
                }
            }
        }
        for order in root.children_named("inFulfillmentOf").filter_map(|order| order.child("order")) {
            for identifier in self.identifiers(order) {
                let mut extension = Obj::of("url", format!("{GUIDE}OrderExtension"));
                let mut reference = Obj::of("type", "ServiceRequest");
                reference.put("identifier", identifier);
                extension.put("valueReference", reference);
                body.push("extension", extension);
            }
        }
        for consent in root.children_named("authorization").filter_map(|authorization| authorization.child("consent")) {
            for identifier in self.identifiers(consent) {
                let mut extension = Obj::of("url", format!("{GUIDE}AuthorizationExtension"));
                let mut reference = Obj::of("type", "Consent");
                reference.put("identifier", identifier);
                extension.put("valueReference", reference);
                body.push("extension", extension);
            }
        }
    }

    fn related_documents(&mut self, root: Element<'d>, body: &mut Obj) {
        for related in root.children_named("relatedDocument") {
            let Some(code) = attr(related, "typeCode").and_then(|code| maps::map("DocumentRelation", code)) else { continue };
            let Some(parent) = related.child("parentDocument") else { continue };
            if let Some(identifier) = self.identifiers(parent).into_iter().next() {
                let mut relation = Obj::of("code", code);
                relation.put("targetIdentifier", identifier);
                body.push("relatesTo", relation);
            }
        }
    }

    /// `documentationOf/serviceEvent`: what the document is about; the people who did it are a care team.
    fn service_events(&mut self, root: Element<'d>, body: &mut Obj) {
        for service in root.children_named("documentationOf").filter_map(|of| of.child("serviceEvent")) {
            let mut event = Obj::new();
            if let Some(code) = service.child("code").and_then(|code| self.concept(code)) {
                event.push("code", code);
            } else if attr(service, "classCode") == Some("PCPR") {
                event.push("code", super::types::coded("http://terminology.hl7.org/CodeSystem/v3-ActClass", "PCPR", "care provision"));
            }
            event.opt("period", service.child("effectiveTime").and_then(|time| self.period(time)));
            let period = event.get("period").cloned();
            let mut team = Obj::new();
            for performer in service.children_named("performer") {
                let actor = self.participation(performer);
                let Some(member) = actor.reference() else { continue };
                let mut participant = Obj::new();
                if let Some(role) = performer.child("functionCode").and_then(|code| self.concept(code)) {
                    participant.push("role", role);
                }
                if !participant.has("role") {
                    participant.push("role", absent_concept(None));
                }
                participant.put("member", member);
                if actor.person_of(&["Practitioner"]).is_some() {
                    participant.opt("onBehalfOf", actor.organization.clone());
                }
                if let Some(period) = performer.child("time").and_then(|time| self.period(time)) {
                    participant.put("period", period);
                }
                team.push("participant", participant);
            }
            if !team.is_empty() {
                let mut care_team = Obj::new();
                care_team.extend("identifier", self.identifiers(service));
                care_team.put("subject", self.patient.clone());
                care_team.opt("period", period);
                care_team.absorb(team);
                let reference = self.add("CareTeam", service, care_team);
                event.push("detail", reference);
            }
            body.push("event", event);
        }
    }

    /// `componentOf/encompassingEncounter`: the Encounter that the document is about.
    pub(super) fn make_encounter(&mut self) {
        let Some(encounter) = self.doc.root().path(&["componentOf", "encompassingEncounter"]) else { return };
        let mut body = Obj::new();
        body.extend("identifier", self.identifiers(encounter));
        let period = encounter.child("effectiveTime").and_then(|time| self.period(time));
        let ended = period.as_ref().is_some_and(|period| period.has("end"))
            || encounter.child("effectiveTime").is_some_and(|time| attr(time, "value").is_some());
        body.put("status", if ended { "finished" } else { "unknown" });
        self.encounter_class(encounter.child("code"), &mut body);
        if let Some(code) = encounter.child("code").and_then(|code| self.concept(code)) {
            body.push("type", code);
        }
        body.put("subject", self.patient.clone());
        for (name, role) in [("responsibleParty", "PPRF"), ("encounterParticipant", "PART")] {
            for party in encounter.children_named(name) {
                let actor = self.participation(party);
                if let Some(individual) = actor.person_of(&["Practitioner", "RelatedPerson"]) {
                    let code =
                        attr(party, "typeCode").filter(|code| matches!(*code, "ADM" | "ATND" | "CON" | "DIS" | "REF")).unwrap_or(role);
                    let mut participant = Obj::new();
                    let mut coding = Obj::of("system", "http://terminology.hl7.org/CodeSystem/v3-ParticipationType");
                    coding.put("code", code.to_owned());
                    let mut concept = Obj::new();
                    concept.push("coding", coding);
                    participant.push("type", concept);
                    participant.put("individual", individual.with_display(actor.display));
                    body.push("participant", participant);
                }
            }
        }
        body.opt("period", period);
        if let Some(code) = encounter
            .child("dischargeDispositionCode")
            .or_else(|| encounter.sdtc("dischargeDispositionCode"))
            .and_then(|code| self.concept(code))
        {
            body.put("hospitalization", Obj::of("dischargeDisposition", code));
        }
        if let Some(facility) = encounter.path(&["location", "healthCareFacility"])
            && let Some((location, display)) = self.location(facility)
        {
            body.push("location", Obj::of("location", location.with_display(display)));
        }
        let reference = self.add("Encounter", encounter, body);
        self.encounter = Some(reference);
    }

    /// A section with its narrative; its entries and sections are put in by the caller.
    pub(super) fn make_section(&mut self, section: &Section) -> Obj {
        let element = section.element(self.doc);
        let mut body = Obj::new();
        body.opt("title", element.child("title").and_then(|title| self.text_of(title)));
        body.opt("code", element.child("code").and_then(|code| self.concept(code)));
        for author in element.children_named("author") {
            let actor = self.participation(author);
            if let Some(reference) = actor.reference() {
                body.push("author", reference);
            }
        }
        if let Some(text) = element.child("text") {
            self.took(text);
            if let Some(div) = narrative::xhtml(text) {
                // Whatever the sender wrote: FHIR cannot know whether entries say the same.
                let mut narrative = Obj::of("status", "additional");
                narrative.put("div", div);
                body.put("text", narrative);
            }
        }
        if let Some(id) = element.child("id") {
            self.left(id, Why::NoTarget);
        }
        for subject in element.children_named("subject") {
            self.account.dropped_all(subject, Why::NoTarget);
        }
        body
    }

    /// A section has text, entries or sections (cmp-1).
    pub(super) fn finish_section(&mut self, section: &Section, body: &mut Obj) {
        if !body.has("text") && !body.has("entry") && !body.has("section") {
            let mut narrative = Obj::of("status", "empty");
            narrative.put("div", narrative::generated("No information."));
            body.put("text", narrative);
        }
        if !body.has("entry") && section.null_flavor(self.doc).is_some() {
            body.put(
                "emptyReason",
                super::types::coded("http://terminology.hl7.org/CodeSystem/list-empty-reason", "unavailable", "Unavailable"),
            );
        }
    }

    /// The body of an unstructured document.
    pub(super) fn make_unstructured(&mut self, composition: &mut Obj) {
        let Some(text) = self.doc.non_xml_body() else { return };
        let mut attachment = Obj::new();
        attachment.opt("contentType", media_type(text));
        if attr(text, "representation") == Some("B64") {
            let mut data = String::new();
            if base64::push_sent(&text.text(), &mut data) {
                self.took(text);
                if !attachment.has("contentType") {
                    attachment.put("contentType", "application/octet-stream");
                }
                attachment.put("data", data);
            } else {
                self.left(text, Why::Invalid);
                self.find("ccda-bad-base64", Severity::Warning, text, "the body is not base64; it is left out");
            }
        } else if let Some(target) = text.child("reference").and_then(|reference| {
            self.took(reference);
            attr(reference, "value")
        }) {
            attachment.put("url", folded(target).replace(' ', "%20"));
        } else {
            self.took(text);
            if !attachment.has("contentType") {
                attachment.put("contentType", "text/plain");
            }
            attachment.put("data", base64::encoded(text.text().trim().as_bytes()));
        }
        if !attachment.has("data") && !attachment.has("url") {
            return;
        }
        let root = self.doc.root();
        let mut body = Obj::new();
        if let Some(id) = root.child("id") {
            body.opt("masterIdentifier", self.identifier(id));
        }
        body.put("status", "current");
        body.opt("type", composition.get("type").cloned());
        body.push(
            "category",
            super::types::coded(
                "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
                "clinical-note",
                "Clinical Note",
            ),
        );
        body.put("subject", self.patient.clone());
        body.opt("date", root.child("effectiveTime").and_then(|time| self.instant(time)));
        body.extend(
            "author",
            composition
                .get("author")
                .map(Json::items)
                .unwrap_or_default()
                .iter()
                .filter(|author| author.as_object().is_some_and(|author| author.has("reference")))
                .cloned(),
        );
        body.opt("custodian", composition.get("custodian").cloned());
        body.push("content", Obj::of("attachment", attachment));
        let reference = self.add_at("DocumentReference", text, body);
        let mut section = Obj::of("title", "Document");
        section.push("entry", reference);
        composition.push("section", section);
    }

    /// `Encounter.class`: the code of HL7's ActCode among the codes that were sent.
    pub(super) fn encounter_class(&mut self, code: Option<Element<'d>>, body: &mut Obj) {
        const ACT_CODE: &str = "2.16.840.1.113883.5.4";
        let all: Vec<Element<'d>> =
            code.into_iter().chain(code.into_iter().flat_map(|code| code.children_named("translation").collect::<Vec<_>>())).collect();
        let class = all.iter().find(|code| attr(**code, "codeSystem") == Some(ACT_CODE)).and_then(|code| self.coding(*code));
        if let Some(class) = class {
            body.put("class", class);
            return;
        }
        // What kind of visit a billing code means is in licence-bound lists; the code itself is the type.
        body.put("class", absent("unknown"));
    }

    /// What a section's entries are about, by its kind.
    pub(super) fn enter_section(&mut self, kind: SectionKind, number: usize) {
        self.section = kind;
        self.section_number = number;
    }
}
