//! People, organizations, places and devices that statements and headers name.

use sutura_ccda::Element;

use super::{
    account::Why,
    context::{Author, Context, Ref},
    json::{Json, Obj},
    types::{attr, folded, identity},
};
use crate::ids::IdBuilder;

/// Who did or said something.
#[derive(Debug, Clone, Default)]
pub(super) struct Actor {
    /// Practitioner, RelatedPerson, Patient or Device.
    pub(super) person: Option<Ref>,
    pub(super) organization: Option<Ref>,
    pub(super) display: Option<String>,
    /// When, as a `dateTime`.
    pub(super) time: Option<String>,
}

impl Actor {
    /// The person, else the organization.
    pub(super) fn any(&self) -> Option<Ref> {
        self.person.clone().or_else(|| self.organization.clone())
    }

    pub(super) fn reference(&self) -> Option<Obj> {
        match &self.person {
            Some(person) => Some(person.with_display(self.display.clone())),
            None => self.organization.as_ref().map(Ref::json),
        }
    }

    /// The person only where the element allows its type.
    pub(super) fn person_of(&self, kinds: &[&str]) -> Option<Ref> {
        self.person.clone().filter(|person| kinds.iter().any(|kind| person.is(kind)))
    }
}

/// NPI before other identifiers: it is the same everywhere.
const NPI: &str = "2.16.840.1.113883.4.6";

impl<'d> Context<'d> {
    /// The first author of a statement that names somebody.
    pub(super) fn author(&mut self, statement: Element<'d>) -> Actor {
        let mut found = Actor::default();
        for actor in self.authors(statement) {
            if found.any().is_none() && found.time.is_none() {
                found = actor;
            } else if found.any().is_none() {
                let time = found.time.take();
                found = Actor { time, ..actor };
            }
        }
        found
    }

    /// Every author of a statement; the resource that the statement becomes is credited to them.
    pub(super) fn authors(&mut self, statement: Element<'d>) -> Vec<Actor> {
        let actors: Vec<Actor> = statement.children_named("author").map(|author| self.participation(author)).collect();
        let authors = actors.iter().filter_map(|actor| {
            let organization = actor.organization.clone().filter(|_| actor.person.is_some());
            Some(Author { who: actor.any()?, organization, time: actor.time.clone() })
        });
        let authors = authors.collect();
        self.note_authors(statement, authors);
        actors
    }

    /// Every performer of a statement.
    pub(super) fn performers(&mut self, statement: Element<'d>) -> Vec<Actor> {
        statement.children_named("performer").map(|performer| self.participation(performer)).filter(|actor| actor.any().is_some()).collect()
    }

    /// An author, performer, informant or authenticator.
    pub(super) fn participation(&mut self, participation: Element<'d>) -> Actor {
        let time = participation.child("time").and_then(|time| self.one_time(time));
        let mut actor = Actor::default();
        for role in participation.children() {
            match role.name() {
                "assignedAuthor" | "assignedEntity" | "intendedRecipient" => actor = self.assigned(role),
                "relatedEntity" | "associatedEntity" => actor = self.related(role),
                "representedOrganization" => actor.organization = self.organization(role),
                _ => {}
            }
        }
        actor.time = time;
        actor
    }

    /// `assignedAuthor`, `assignedEntity` and roles built like them.
    pub(super) fn assigned(&mut self, role: Element<'d>) -> Actor {
        let organization = ["representedOrganization", "receivedOrganization"]
            .iter()
            .find_map(|name| role.child(name))
            .and_then(|organization| self.organization(organization));
        if let Some(device) = role.child("assignedAuthoringDevice") {
            let person = self.authoring_device(role, device, organization.as_ref());
            return Actor { person, organization, ..Actor::default() };
        }
        let person = ["assignedPerson", "informationRecipient", "playingEntity"].iter().find_map(|name| role.child(name));
        if role.children_named("id").filter_map(identity).any(|id| self.patient_ids.contains(&id))
            && person.is_none_or(|person| person.child("name").is_some())
        {
            self.account.dropped_all(role, Why::Repeated);
            return Actor { person: Some(self.patient.clone()), organization, ..Actor::default() };
        }
        let (practitioner, display) = self.practitioner(role, person, organization.is_some());
        if practitioner.is_none() {
            self.contact_of_organization(role, organization.as_ref());
        }
        if let (Some(practitioner), Some(organization)) = (&practitioner, &organization) {
            self.practitioner_role(role, practitioner, organization);
        }
        Actor { person: practitioner, organization, display, time: None }
    }

    fn practitioner(&mut self, role: Element<'d>, person: Option<Element<'d>>, has_organization: bool) -> (Option<Ref>, Option<String>) {
        let mut body = Obj::new();
        let names = person.map(|person| self.names(person, false)).unwrap_or_default();
        let identified = role.children_named("id").any(|id| identity(id).is_some());
        if names.is_empty() && (!identified || (person.is_none() && has_organization)) {
            // Nobody, or an organization whose identifier stands on the role around it.
            return (None, None);
        }
        let identifiers = self.identifiers(role);
        let display = names.first().and_then(Json::as_object).and_then(shown_name);
        body.extend("identifier", identifiers);
        body.extend("name", names);
        body.extend("telecom", self.telecoms(role));
        body.extend("address", self.addresses(role));
        if let Some(code) = role.child("code").and_then(|code| self.concept(code)) {
            body.push("qualification", Obj::of("code", code));
        }
        let id = role
            .children_named("id")
            .filter_map(identity)
            .find(|(root, extension)| *root == NPI && !extension.is_empty())
            .or_else(|| super::types::primary_id(role));
        let reference = match id {
            Some((root, extension)) => {
                let id = self.id_of_identifier("Practitioner", root, extension);
                self.add_under("Practitioner", id, role, body)
            }
            None => {
                let id = self.id_of_name("Practitioner", display.as_deref().unwrap_or(""));
                self.add_as("Practitioner", id, role, body)
            }
        };
        (Some(reference), display)
    }

    /// A role without a person: where it can be reached is where the organization can be.
    fn contact_of_organization(&mut self, role: Element<'d>, organization: Option<&Ref>) {
        if let Some(organization) = organization {
            let telecoms = self.telecoms(role);
            let addresses = self.addresses(role);
            let mut contact = Obj::new();
            contact.extend("telecom", telecoms.into_iter().map(away_from_home));
            contact.extend("address", addresses.into_iter().map(away_from_home));
            self.add_to(organization, contact, &["telecom", "address"], role);
        }
        for part in role.children().filter(|part| matches!(part.name(), "addr" | "telecom" | "id" | "code")) {
            self.account.dropped_all(part, Why::Void);
        }
    }

    fn practitioner_role(&mut self, role: Element<'d>, practitioner: &Ref, organization: &Ref) {
        let id = IdBuilder::new("PractitionerRole").part(&practitioner.0).part(&organization.0).finish();
        let mut body = Obj::new();
        body.put("practitioner", practitioner.clone());
        body.put("organization", organization.clone());
        if let Some(code) = role.child("code").and_then(|code| self.concept(code)) {
            body.push("specialty", code);
        }
        body.extend("telecom", self.telecoms(role));
        self.add_as("PractitionerRole", id, role, body);
    }

    fn authoring_device(&mut self, role: Element<'d>, device: Element<'d>, owner: Option<&Ref>) -> Option<Ref> {
        let mut body = Obj::new();
        body.extend("identifier", self.identifiers(role));
        for (part, kind) in [("manufacturerModelName", "model-name"), ("softwareName", "other")] {
            if let Some(name) = device.child(part).and_then(|name| self.text_of(name)) {
                let mut entry = Obj::of("name", name);
                entry.put("type", kind);
                body.push("deviceName", entry);
            }
        }
        if let Some(code) = device.child("code").and_then(|code| self.concept(code)) {
            body.put("type", code);
        }
        body.opt("owner", owner.cloned());
        if body.is_empty() {
            return None;
        }
        // An address of software is that of its owner.
        for part in role.children().filter(|part| matches!(part.name(), "addr" | "telecom")) {
            self.account.dropped_all(part, Why::NoTarget);
        }
        // Software is the same for every patient.
        let id = match super::types::primary_id(role) {
            Some((root, extension)) => self.id_for_all("Device", root, extension),
            None => self.id_of_place("Device", role),
        };
        Some(self.add_under("Device", id, role, body))
    }

    /// `relatedEntity` and `associatedEntity`: somebody by their relation to the patient.
    pub(super) fn related(&mut self, role: Element<'d>) -> Actor {
        let organization = role.child("scopingOrganization").and_then(|organization| self.organization(organization));
        let person = ["relatedPerson", "associatedPerson"].iter().find_map(|name| role.child(name));
        let class = attr(role, "classCode").unwrap_or("");
        if matches!(class, "PROV" | "ASSIGNED" | "LIC") {
            let (practitioner, display) = self.practitioner(role, person, organization.is_some());
            return Actor { person: practitioner, organization, display, time: None };
        }
        let mut body = Obj::new();
        body.extend("identifier", self.identifiers(role));
        body.put("active", true);
        body.put("patient", self.patient.clone());
        if let Some(code) = role.child("code").and_then(|code| self.concept(code)) {
            body.push("relationship", code);
        }
        if let Some(code) = role_class(class) {
            body.push("relationship", super::types::coded("http://terminology.hl7.org/CodeSystem/v3-RoleClass", code.0, code.1));
        }
        let names = person.map(|person| self.names(person, false)).unwrap_or_default();
        let display = names.first().and_then(Json::as_object).and_then(shown_name);
        let named = !names.is_empty();
        body.extend("name", names);
        body.extend("telecom", self.telecoms(role));
        body.extend("address", self.addresses(role));
        if !named && !body.has("identifier") {
            return Actor { organization, ..Actor::default() };
        }
        let reference = match super::types::primary_id(role) {
            Some(_) => self.add("RelatedPerson", role, body),
            None => {
                let id = self.id_of_name("RelatedPerson", display.as_deref().unwrap_or(""));
                self.add_as("RelatedPerson", id, role, body)
            }
        };
        Actor { person: Some(reference), organization, display, time: None }
    }

    /// An organization of any role.
    pub(super) fn organization(&mut self, element: Element<'d>) -> Option<Ref> {
        let mut body = Obj::new();
        body.extend("identifier", self.identifiers(element));
        let name = element.children_named("name").find_map(|name| self.text_of(name));
        let whole = element.path(&["asOrganizationPartOf", "wholeOrganization"]).and_then(|whole| self.organization(whole));
        if body.is_empty() && name.is_none() {
            return whole;
        }
        body.put("active", true);
        if let Some(code) = element.child("standardIndustryClassCode").and_then(|code| self.concept(code)) {
            body.push("type", code);
        }
        body.opt("name", name.clone());
        body.extend("telecom", self.telecoms(element));
        // An organization has no home (org-2, org-3).
        let telecoms = body.take_list("telecom");
        body.extend("telecom", telecoms.into_iter().map(away_from_home));
        let addresses: Vec<Json> = self.addresses(element).into_iter().map(away_from_home).collect();
        body.extend("address", addresses);
        body.opt("partOf", whole);
        Some(match super::types::primary_id(element) {
            Some(_) => self.add("Organization", element, body),
            None => {
                let id = self.id_of_name("Organization", name.as_deref().unwrap_or(""));
                self.add_as("Organization", id, element, body)
            }
        })
    }

    /// A place: `participantRole` of class SDLOC, `location/healthCareFacility`.
    pub(super) fn location(&mut self, role: Element<'d>) -> Option<(Ref, Option<String>)> {
        let place = role.child("playingEntity").or_else(|| role.child("location"));
        let name = place.and_then(|place| place.child("name")).and_then(|name| self.text_of(name));
        let mut body = Obj::new();
        body.extend("identifier", self.identifiers(role));
        if let Some(text) = place.and_then(|place| place.child("desc")).and_then(|text| self.text_of(text)) {
            body.put("description", text);
        }
        let code = role.child("code").and_then(|code| self.concept(code));
        let fallback = code.as_ref().and_then(shown_concept);
        body.opt("name", name.clone().or_else(|| fallback.clone()));
        body.put("mode", "instance");
        if let Some(code) = code {
            body.push("type", code);
        }
        body.extend("telecom", self.telecoms(role));
        let addresses = [Some(role), place]
            .into_iter()
            .flatten()
            .flat_map(|at| at.children_named("addr").collect::<Vec<_>>())
            .find_map(|addr| self.address(addr));
        body.opt("address", addresses);
        let organization = role
            .child("serviceProviderOrganization")
            .or_else(|| role.child("scopingEntity"))
            .and_then(|organization| self.organization(organization));
        body.opt("managingOrganization", organization);
        if !body.has("identifier") && !body.has("name") && !body.has("address") {
            return None;
        }
        let display = name.or(fallback);
        let reference = match super::types::primary_id(role) {
            Some(_) => self.add("Location", role, body),
            None => match &display {
                Some(name) => {
                    let id = self.id_of_name("Location", name);
                    self.add_as("Location", id, role, body)
                }
                None => self.add_at("Location", role, body),
            },
        };
        Some((reference, display))
    }

    /// The id of somebody without an identifier: the name, within this document.
    fn id_of_name(&self, kind: &'static str, name: &str) -> crate::ids::Id {
        crate::ids::from_record(kind, &self.hash, &format!("name {}", name.to_ascii_lowercase()))
    }

    /// The text of an element that is nothing but text.
    pub(super) fn text_of(&mut self, element: Element<'d>) -> Option<String> {
        let text = folded(&element.text());
        if text.is_empty() {
            return None;
        }
        self.took(element);
        for part in element.children() {
            self.took(part);
        }
        Some(text)
    }
}

/// An organization has no home (org-2, org-3).
fn away_from_home(part: Json) -> Json {
    match part {
        Json::Object(mut part) => {
            if part.get("use").and_then(Json::as_str) == Some("home") {
                part.remove("use");
            }
            Json::Object(part)
        }
        other => other,
    }
}

/// A name as people read it.
pub(super) fn shown_name(name: &Obj) -> Option<String> {
    if let Some(text) = name.get("text").and_then(Json::as_str) {
        return Some(text.to_owned());
    }
    let mut shown = String::new();
    let words = ["prefix", "given"].iter().flat_map(|part| name.get(part).map(Json::items).unwrap_or_default());
    let suffix = name.get("suffix").map(Json::items).unwrap_or_default();
    for word in words.chain(name.get("family")).chain(suffix).filter_map(Json::as_str) {
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(word);
    }
    (!shown.is_empty()).then_some(shown)
}

/// A concept as people read it: its text, else its first display.
pub(super) fn shown_concept(concept: &Obj) -> Option<String> {
    if let Some(text) = concept.get("text").and_then(Json::as_str) {
        return Some(text.to_owned());
    }
    let codings = concept.get("coding").map(Json::items).unwrap_or_default();
    codings.iter().find_map(|coding| coding.as_object()?.get("display")?.as_str().map(str::to_owned))
}

fn role_class(class: &str) -> Option<(&'static str, &'static str)> {
    Some(match class {
        "NOK" => ("NOK", "next of kin"),
        "ECON" => ("ECON", "emergency contact"),
        "CAREGIVER" => ("CAREGIVER", "caregiver"),
        "GUARD" => ("GUARD", "guardian"),
        "AGNT" => ("AGNT", "agent"),
        "POLHOLD" => ("POLHOLD", "policy holder"),
        _ => return None,
    })
}
