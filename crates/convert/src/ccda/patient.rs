//! `recordTarget`: the Patient.

use sutura_ccda::Element;

use super::{
    account::Why,
    context::Context,
    json::{Json, Obj},
    maps,
    types::{absent, absent_reason, attr, coded, identity},
};

const US_CORE: &str = "http://hl7.org/fhir/us/core/StructureDefinition/";

impl<'d> Context<'d> {
    /// Makes the Patient of the first `recordTarget`. A document without one gets a Patient without content.
    pub(super) fn make_patient(&mut self) {
        let root = self.doc.root();
        let role = root.path(&["recordTarget", "patientRole"]);
        let Some(role) = role else {
            let mut body = Obj::new();
            body.push("name", absent("unknown"));
            let reference = self.add_at("Patient", root, body);
            self.patient = reference;
            return;
        };
        self.patient_ids = role.children_named("id").filter_map(identity).filter(|(_, extension)| !extension.is_empty()).collect();
        let mut body = Obj::new();
        let person = role.child("patient");
        if let Some(person) = person {
            self.demographic_extensions(person, &mut body);
        }
        body.extend("identifier", self.identifiers(role));
        let names = person.map(|person| self.names(person, false)).unwrap_or_default();
        if names.is_empty() {
            body.push("name", absent(absent_reason(person.and_then(|person| person.child("name")))));
        }
        body.extend("name", names);
        body.extend("telecom", self.telecoms(role));
        if let Some(person) = person {
            self.person(person, &mut body);
        }
        body.extend("address", self.addresses(role));
        if let Some(person) = person {
            for guardian in person.children_named("guardian") {
                let contact = self.guardian(guardian);
                body.push("contact", contact);
            }
            self.languages(person, &mut body);
        }
        // More patients in one document are not US practice; nothing of theirs is taken.
        let organization = role.child("providerOrganization").and_then(|organization| self.organization(organization));
        body.opt("managingOrganization", organization);
        let reference = self.add("Patient", role, body);
        self.patient = reference;
    }

    fn person(&mut self, person: Element<'d>, body: &mut Obj) {
        if let Some(gender) = person.child("administrativeGenderCode") {
            let code = attr(gender, "code");
            let mapped = code.and_then(|code| maps::map("AdministrativeGender", code));
            match (mapped, code.or_else(|| gender.null_flavor())) {
                (Some(mapped), _) => body.put("gender", mapped),
                (None, Some("OTH")) => body.put("gender", "other"),
                (None, Some(_)) => body.put("gender", "unknown"),
                (None, None) => {}
            }
            self.took(gender);
        }
        if let Some(birth) = person.child("birthTime") {
            if let Some(date) = self.date(birth) {
                body.put("birthDate", date);
                if let Some(time) =
                    attr(birth, "value").and_then(super::stamp::Stamp::parse).filter(|stamp| stamp.instant(self.zone).is_some())
                {
                    let mut extension = Obj::of("url", "http://hl7.org/fhir/StructureDefinition/patient-birthTime");
                    extension.put("valueDateTime", time.date_time(self.zone));
                    let mut element = Obj::new();
                    element.push("extension", extension);
                    body.put("_birthDate", element);
                }
            } else if birth.null_flavor().is_some() {
                body.put("_birthDate", absent(absent_reason(Some(birth))));
            }
        }
        if let Some(time) = person.sdtc("deceasedTime").and_then(|time| self.date_time(time)) {
            body.put("deceasedDateTime", time);
            if let Some(flag) = person.sdtc("deceasedInd") {
                self.took(flag);
            }
        } else if let Some(flag) = person.sdtc("deceasedInd")
            && let Some(value @ ("true" | "false")) = attr(flag, "value")
        {
            self.took(flag);
            body.put("deceasedBoolean", value == "true");
        }
        if let Some(marital) = person.child("maritalStatusCode") {
            // Common law marriage is no code of FHIR's value set.
            if attr(marital, "code") == Some("C") {
                self.took(marital);
                body.put("maritalStatus", coded("http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "T", "Domestic partner"));
            } else {
                body.opt("maritalStatus", self.concept(marital));
            }
        }
        let order = person.sdtc("multipleBirthOrderNumber");
        if let Some(number) = order.and_then(|order| attr(order, "value")).and_then(|value| value.parse::<u32>().ok()) {
            body.put("multipleBirthInteger", Json::Raw(number.to_string().into()));
            order.into_iter().chain(person.sdtc("multipleBirthInd")).for_each(|element| self.took(element));
        } else if let Some(flag) = person.sdtc("multipleBirthInd")
            && let Some(value @ ("true" | "false")) = attr(flag, "value")
        {
            self.took(flag);
            body.put("multipleBirthBoolean", value == "true");
        }
    }

    fn demographic_extensions(&mut self, person: Element<'d>, body: &mut Obj) {
        for (name, url, omb) in [
            ("raceCode", "us-core-race", &["1002-5", "2028-9", "2054-5", "2076-8", "2106-3"][..]),
            ("ethnicGroupCode", "us-core-ethnicity", &["2135-2", "2186-5"][..]),
        ] {
            let codes: Vec<Element<'d>> = person.children().filter(|child| child.name() == name).collect();
            if let Some(extension) = self.omb_extension(&codes, url, omb) {
                body.push("extension", extension);
            }
        }
        if let Some(religion) = person.child("religiousAffiliationCode").and_then(|code| self.concept(code)) {
            let mut extension = Obj::of("url", "http://hl7.org/fhir/StructureDefinition/patient-religion");
            extension.put("valueCodeableConcept", religion);
            body.push("extension", extension);
        }
        if let Some(address) = person.path(&["birthplace", "place", "addr"]).and_then(|addr| self.address(addr)) {
            let mut extension = Obj::of("url", "http://hl7.org/fhir/StructureDefinition/patient-birthPlace");
            extension.put("valueAddress", address);
            body.push("extension", extension);
        }
    }

    /// Race and ethnicity of US Core: categories of OMB, details, and text.
    fn omb_extension(&mut self, codes: &[Element<'d>], url: &str, omb: &[&str]) -> Option<Obj> {
        let mut extension = Obj::new();
        let mut text = String::new();
        let (mut categories, mut details) = (Vec::new(), Vec::new());
        for code in codes {
            let (system, flavor) = (attr(*code, "codeSystem"), code.null_flavor());
            let coding = self.coding(*code);
            let shown = self.original_text(*code).or_else(|| attr(*code, "displayName").map(super::types::folded));
            match (coding, flavor) {
                (Some(coding), _) => {
                    let value = attr(*code, "code").unwrap_or("");
                    let own = system.is_none_or(|system| system == "2.16.840.1.113883.6.238");
                    let mut part = Obj::of("url", if omb.contains(&value) && own { "ombCategory" } else { "detailed" });
                    part.put("valueCoding", coding);
                    let is_category = omb.contains(&value) && own;
                    if is_category {
                        categories.push(part);
                    } else if own {
                        details.push(part);
                    }
                    push_word(&mut text, shown.as_deref().unwrap_or(value));
                }
                (None, Some(flavor @ ("UNK" | "ASKU"))) => {
                    let mut coding = Obj::of("system", "http://terminology.hl7.org/CodeSystem/v3-NullFlavor");
                    coding.put("code", flavor.to_owned());
                    let mut part = Obj::of("url", "ombCategory");
                    part.put("valueCoding", coding);
                    categories.push(part);
                    push_word(&mut text, if flavor == "UNK" { "Unknown" } else { "Asked but unknown" });
                }
                (None, _) => {
                    if let Some(shown) = shown {
                        self.took(*code);
                        push_word(&mut text, &shown);
                    }
                }
            }
        }
        if text.is_empty() {
            return None;
        }
        // US Core allows one category of ethnicity and five of race.
        let most = if url == "us-core-ethnicity" { 1 } else { 5 };
        extension.put("url", format!("{US_CORE}{url}"));
        extension.extend("extension", categories.into_iter().take(most).chain(details));
        let mut part = Obj::of("url", "text");
        part.put("valueString", text);
        extension.push("extension", part);
        Some(extension)
    }

    fn guardian(&mut self, guardian: Element<'d>) -> Obj {
        let mut contact = Obj::new();
        contact.push("relationship", coded("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "GUARD", "guardian"));
        if let Some(code) = guardian.child("code").and_then(|code| self.concept(code)) {
            contact.push("relationship", code);
        }
        let name = guardian.child("guardianPerson").map(|person| self.names(person, true)).unwrap_or_default();
        let named = !name.is_empty();
        contact.opt("name", name.into_iter().next());
        contact.extend("telecom", self.telecoms(guardian));
        let address = guardian.children_named("addr").find_map(|addr| self.address(addr));
        contact.opt("address", address);
        let organization = guardian.child("guardianOrganization").and_then(|organization| self.organization(organization));
        contact.opt("organization", organization);
        // pat-1: a contact needs more than a relationship.
        if named || contact.has("telecom") || contact.has("address") || contact.has("organization") {
            return contact;
        }
        self.account.dropped_all(guardian, Why::Void);
        Obj::new()
    }

    fn languages(&mut self, person: Element<'d>, body: &mut Obj) {
        for communication in person.children_named("languageCommunication") {
            let Some(language) = communication.child("languageCode") else { continue };
            let Some(code) = attr(language, "code") else { continue };
            self.took(language);
            let mut concept = Obj::new();
            if super::types::is_language(code) {
                let mut coding = Obj::of("system", "urn:ietf:bcp:47");
                coding.put("code", code.to_owned());
                concept.push("coding", coding);
            } else {
                concept.put("text", super::types::folded(code));
            }
            let mut entry = Obj::new();
            let mut proficiency = Obj::new();
            for (name, part) in [("proficiencyLevelCode", "level"), ("modeCode", "type")] {
                if let Some(coding) = communication.child(name).and_then(|code| self.coding(code)) {
                    let mut inner = Obj::of("url", part);
                    inner.put("valueCoding", coding);
                    proficiency.push("extension", inner);
                }
            }
            if !proficiency.is_empty() {
                let mut extension = Obj::of("url", "http://hl7.org/fhir/StructureDefinition/patient-proficiency");
                extension.absorb(proficiency);
                entry.push("extension", extension);
            }
            entry.put("language", concept);
            if let Some(preference) = communication.child("preferenceInd")
                && let Some(value @ ("true" | "false")) = attr(preference, "value")
            {
                self.took(preference);
                entry.put("preferred", value == "true");
            }
            body.push("communication", entry);
        }
    }

    /// Adds an extension to the Patient: facts about the person that C-CDA has as observations.
    pub(super) fn extend_patient(&mut self, extension: Obj, element: Element<'d>) {
        let patient = self.patient.clone();
        let mut body = Obj::new();
        body.push("extension", extension);
        self.add_to(&patient, body, &["extension"], element);
    }
}

/// An extension of US Core by the end of its URL.
pub(super) fn us_core(name: &str) -> Obj {
    Obj::of("url", format!("{US_CORE}{name}"))
}

fn push_word(text: &mut String, word: &str) {
    if !text.is_empty() {
        text.push_str(", ");
    }
    text.push_str(word);
}
