//! Entries: one map for each kind of statement.
#![allow(clippy::unnecessary_wraps, reason = "the maps of statements have one shape, whether they can fail or not")]

mod allergy;
mod care;
mod coverage;
mod encounter;
mod family;
mod immunization;
mod medication;
mod note;
mod observation;
mod plan;
mod problem;
mod procedure;
mod result;
mod social;
mod supply;
mod timing;
mod vital;

use sutura_ccda::{Element, Entry, EntryKind};
use sutura_core::Severity;

use super::{
    account::Why,
    context::{Context, EntryFate, Fault, Mapped, Ref},
    json::Obj,
    narrative,
    statement::{self, Kind},
    types::attr,
};

impl<'d> Context<'d> {
    /// Converts one entry. `Err` refuses the entry.
    pub(super) fn entry(&mut self, entry: &Entry) -> Mapped<EntryFate> {
        let element = entry.element(self.doc);
        if statement::is_void(element) {
            return Ok(EntryFate::Dropped(Why::Void));
        }
        match statement::kind(element, entry.kind, self.section) {
            Some(kind) if self.is_unstated(element, kind) => Ok(EntryFate::Dropped(Why::NotStated)),
            Some(kind) if self.is_turned_round(element, kind) => Ok(EntryFate::Dropped(Why::Negated)),
            Some(kind) => self.statement(element, kind),
            None => Ok(EntryFate::Unmapped),
        }
    }

    /// Whether a statement with a nullFlavor would read as a fact; then it is left out, with a finding.
    fn is_unstated(&mut self, element: Element<'d>, kind: Kind) -> bool {
        if !statement::is_unstated(element) || statement::is_observed(kind) {
            return false;
        }
        self.account.dropped_all(element, Why::NotStated);
        self.find(
            "ccda-null-statement",
            Severity::Warning,
            element,
            "the statement has a nullFlavor: its sender does not state it; it is left out, lest it reads as a fact",
        );
        true
    }

    /// Whether FHIR has no words for the negation of a statement; then it is left out, with a finding.
    fn is_turned_round(&mut self, element: Element<'d>, kind: Kind) -> bool {
        if !statement::is_negated_without_words(element, kind) {
            return false;
        }
        self.account.dropped_all(element, Why::Negated);
        self.find(
            "ccda-negated-statement",
            Severity::Warning,
            element,
            "FHIR has no way to say that this is not so; it is left out, lest its meaning is turned round",
        );
        true
    }

    /// Converts a statement that stands in another one and becomes resources of its own. What is wrong with it costs it only.
    pub(super) fn nested(&mut self, element: Element<'d>) -> Vec<Ref> {
        if statement::is_void(element) {
            self.account.dropped_all(element, Why::Void);
            return Vec::new();
        }
        let entry = EntryKind::of_statement(element).unwrap_or(EntryKind::Unknown);
        let Some(kind) = statement::kind(element, entry, self.section) else { return Vec::new() };
        if self.is_unstated(element, kind) || self.is_turned_round(element, kind) {
            return Vec::new();
        }
        // Nothing that people write is as deep; what is stays unmapped.
        if self.depth >= MAX_DEPTH {
            return Vec::new();
        }
        self.depth += 1;
        let found = self.isolated(element, |this| {
            Ok(match this.statement(element, kind)? {
                EntryFate::Mapped(references) => references,
                EntryFate::Dropped(why) => {
                    this.account.dropped_all(element, why);
                    Vec::new()
                }
                EntryFate::Unmapped => Vec::new(),
            })
        });
        self.depth -= 1;
        found.unwrap_or_default()
    }

    /// Runs the map of a part of an entry: if it fails, what the part gave is taken back, and there is a finding.
    pub(super) fn isolated<T>(&mut self, element: Element<'d>, map: impl FnOnce(&mut Self) -> Mapped<T>) -> Option<T> {
        let mark = self.mark();
        match map(self) {
            Ok(made) => {
                self.keep(mark);
                Some(made)
            }
            Err(fault) => {
                self.roll_back(mark);
                self.account.overrule(element, Why::Refused);
                self.find(fault.code, Severity::Error, element, fault.message);
                None
            }
        }
    }

    /// Converts a statement, and those within it that its map does not read.
    fn statement(&mut self, element: Element<'d>, kind: Kind) -> Mapped<EntryFate> {
        let mut fate = self.map(element, kind)?;
        if matches!(fate, EntryFate::Unmapped) && within(element).any(statement::is_unstated) {
            // A frame around statements that state nothing.
            let found: Vec<Ref> = within(element).flat_map(|inner| self.nested(inner)).collect();
            fate = if found.is_empty() { EntryFate::Dropped(Why::NotStated) } else { EntryFate::Mapped(found) };
        }
        if let EntryFate::Mapped(found) = &mut fate {
            for inner in within(element) {
                if self.account.is_untouched(inner) {
                    found.extend(self.nested(inner));
                }
                if self.account.is_untouched(inner) && statement::is_unstated(inner) {
                    self.account.dropped_all(inner, Why::NotStated);
                }
                if self.account.is_untouched(inner) && statement::is_without_target(inner) {
                    self.account.dropped_all(inner, Why::NoTarget);
                }
            }
            for part in element.children() {
                match part.name() {
                    "informant" | "specimen" | "subject" | "reference" => self.account.dropped_all(part, Why::NoTarget),
                    "effectiveTime" | "text" if self.account.is_untouched(part) => self.account.dropped_all(part, Why::NoTarget),
                    _ => {}
                }
            }
        }
        Ok(fate)
    }

    fn map(&mut self, element: Element<'d>, kind: Kind) -> Mapped<EntryFate> {
        let one = |reference: Ref| EntryFate::Mapped(vec![reference]);
        Ok(match kind {
            Kind::ProblemConcern => self.problem_concern(element)?,
            Kind::Problem => one(self.problem(element, None, None)?),
            Kind::EncounterDiagnosis => self.problem_concern(element)?,
            Kind::HealthConcern => self.health_concern(element)?,
            Kind::AllergyConcern => self.allergy_concern(element)?,
            Kind::Allergy => one(self.allergy(element, None)?),
            Kind::Medication | Kind::PlannedMedication => self.medication(element, kind == Kind::PlannedMedication)?,
            Kind::MedicationWrapper | Kind::Wrapper => self.wrapped(element)?,
            Kind::Immunization => self.immunization(element)?,
            Kind::PlannedImmunization => self.medication(element, true)?,
            Kind::Supply => self.supply(element)?,
            Kind::SupplyOrder | Kind::PlannedSupply => one(self.supply_request(element)?),
            Kind::EquipmentOrganizer => self.wrapped(element)?,
            Kind::Dispense => one(self.dispense(element, None, None)?),
            Kind::ResultOrganizer => one(self.result_organizer(element)?),
            Kind::Result => one(self.result(element)?),
            Kind::VitalOrganizer => self.vital_organizer(element)?,
            Kind::Vital => one(self.vital(element)?),
            Kind::Procedure => one(self.procedure(element)?),
            Kind::Planned => one(self.planned(element)?),
            Kind::Encounter => one(self.encounter_activity(element, false)?),
            Kind::PlannedEncounter => one(self.encounter_activity(element, true)?),
            Kind::Social | Kind::Smoking => one(self.social(element)?),
            Kind::Pregnancy => one(self.pregnancy(element)?),
            Kind::BirthSex | Kind::Sex | Kind::GenderIdentity | Kind::Tribe => self.about_patient(element, kind)?,
            Kind::Note => one(self.note(element)?),
            Kind::External => self.external_documents(element),
            Kind::CareTeam => one(self.care_team(element)?),
            Kind::Goal => one(self.goal(element)?),
            Kind::Family => one(self.family(element)?),
            Kind::FamilyObservation => one(self.family_observation(element)?),
            Kind::Directive => one(self.directive(element)?),
            Kind::DirectiveOrganizer => self.wrapped(element)?,
            Kind::Coverage => self.coverage(element)?,
            Kind::Instruction => one(self.instruction(element)?),
            Kind::Handoff => one(self.handoff(element)),
            Kind::Status => one(self.status_observation(element)?),
            Kind::StatusOrganizer => one(self.status_organizer(element)?),
            Kind::EntryReference => self.entry_reference(element),
            Kind::Part => EntryFate::Unmapped,
        })
    }

    /// An act that only holds other statements.
    fn wrapped(&mut self, element: Element<'d>) -> Mapped<EntryFate> {
        let mut found = Vec::new();
        for relation in element.children().filter(|child| matches!(child.name(), "entryRelationship" | "component")) {
            for inner in relation.children().filter(|child| statement::is_statement(*child)) {
                found.extend(self.nested(inner));
            }
        }
        if found.is_empty() {
            return Ok(EntryFate::Unmapped);
        }
        self.account.dropped(element, Why::Wrapper);
        for part in element.children() {
            if matches!(part.name(), "id" | "code" | "statusCode" | "effectiveTime" | "text") {
                self.account.dropped_all(part, Why::Wrapper);
            }
        }
        Ok(EntryFate::Mapped(found))
    }

    /// A statement that stands for another entry by its identifier.
    fn entry_reference(&mut self, element: Element<'d>) -> EntryFate {
        self.account.dropped_all(element, Why::Reference);
        let Some((root, extension)) = super::types::primary_id(element) else { return EntryFate::Dropped(Why::Reference) };
        match self.by_identifier(root, extension) {
            Some(reference) => EntryFate::Mapped(vec![reference]),
            None => EntryFate::Dropped(Why::Reference),
        }
    }

    /// A resource made before that has this identifier.
    pub(super) fn by_identifier(&self, root: &str, extension: &str) -> Option<Ref> {
        const KINDS: [&str; 14] = [
            "Condition",
            "Observation",
            "AllergyIntolerance",
            "MedicationRequest",
            "Immunization",
            "Procedure",
            "Encounter",
            "Goal",
            "DiagnosticReport",
            "ServiceRequest",
            "DocumentReference",
            "CareTeam",
            "Practitioner",
            "Coverage",
        ];
        KINDS.iter().find_map(|kind| {
            let id = self.id_of_identifier(kind, root, extension);
            self.has(kind, id).then(|| Ref(format!("{kind}/{id}")))
        })
    }

    /// The narrative that a statement refers to, as the resource's own.
    pub(super) fn narrative(&mut self, element: Element<'d>, body: &mut Obj) {
        let Some(text) = element.child("text") else { return };
        if let Some(found) = self.referred_text(text) {
            let mut narrative = Obj::of("status", "generated");
            narrative.put("div", narrative::generated(&found));
            body.put("text", narrative);
        }
    }

    /// Comment activities of a statement as notes.
    pub(super) fn notes(&mut self, element: Element<'d>, body: &mut Obj) {
        for comment in parts(element, COMMENTS) {
            let text = comment.child("text").and_then(|text| self.referred_text(text));
            let author = self.author(comment);
            self.left_frame(comment);
            let Some(text) = text else { continue };
            let mut note = Obj::new();
            note.opt("authorReference", author.reference());
            note.opt("time", author.time);
            note.put("text", text);
            body.push("note", note);
        }
    }

    /// What a concern act says of the statements in it: notes and the author go to the first; the rest is the wrapper's own.
    pub(super) fn concern_frame(&mut self, act: Element<'d>, found: &[Ref]) {
        let mut extra = Obj::new();
        self.notes(act, &mut extra);
        self.recorded(act, &mut extra, "recordedDate", "recorder");
        if let Some(first) = found.first() {
            self.add_to(first, extra, &["note"], act);
        }
        for statement in found {
            self.credit(statement, act);
        }
        for part in act.children() {
            match part.name() {
                "id" | "effectiveTime" => self.account.dropped_all(part, Why::Wrapper),
                "code" => self.account.dropped_all(part, Why::Fixed),
                "statusCode" => self.account.dropped(part, Why::Wrapper),
                _ => {}
            }
        }
    }

    /// Indications of a statement as reasons.
    pub(super) fn reasons(&mut self, element: Element<'d>, body: &mut Obj, key: &'static str) {
        // Why it was refused is no reason for it.
        for indication in related(element, "RSON").filter(|reason| reason.name() == "observation" && !reason.has_template(REFUSAL)) {
            let reason = indication.child("value").and_then(|value| self.concept(value));
            if let Some(reason) = reason.or_else(|| {
                indication.child("code").filter(|code| attr(*code, "code") != Some("ASSERTION")).and_then(|code| self.concept(code))
            }) {
                body.push(key, reason);
            }
            self.left_frame(indication);
            for part in indication.children() {
                match part.name() {
                    "effectiveTime" => self.account.dropped_all(part, Why::NoTarget),
                    "text" => self.account.dropped_all(part, Why::Repeated),
                    _ => {}
                }
            }
        }
    }

    /// The encounter in which it was found, where the statement names one of this document.
    pub(super) fn encounter_of(&mut self, element: Element<'d>) -> Option<Ref> {
        let encounter = element.children_named("entryRelationship").find_map(|relation| relation.child("encounter"))?;
        let (root, extension) = super::types::primary_id(encounter)?;
        let id = self.id_of_identifier("Encounter", root, extension);
        if !self.has("Encounter", id) {
            return None;
        }
        self.account.dropped_all(encounter, Why::Reference);
        Some(Ref(format!("Encounter/{id}")))
    }

    /// Who says so: the performer of the observation.
    pub(super) fn asserted(&mut self, element: Element<'d>, body: &mut Obj) {
        for actor in self.performers(element) {
            if let Some(person) = actor.person_of(&["Practitioner", "Patient", "RelatedPerson"])
                && !body.has("asserter")
            {
                body.put("asserter", person.with_display(actor.display));
            }
        }
    }

    /// Who recorded it and when, where the resource has elements for it.
    pub(super) fn recorded(&mut self, element: Element<'d>, body: &mut Obj, date: &'static str, person: &'static str) {
        let author = self.author(element);
        body.opt(date, author.time.clone());
        if let Some(person_of) = author.person_of(&["Practitioner", "Patient", "RelatedPerson"]) {
            body.put(person, person_of.with_display(author.display));
        }
    }
}

/// Statements within statements are read to this depth.
const MAX_DEPTH: usize = 16;

/// Root id of the reason why an immunization was refused.
pub(super) const REFUSAL: &str = "2.16.840.1.113883.10.20.22.4.53";

/// Root ids of comment activities.
const COMMENTS: &[&str] = &["2.16.840.1.113883.10.20.22.4.64", "2.16.840.1.113883.10.20.1.40", "1.3.6.1.4.1.19376.1.5.3.1.4.2"];

/// The statements within a statement.
fn within(element: Element<'_>) -> impl Iterator<Item = Element<'_>> {
    element
        .children()
        .filter(|child| matches!(child.name(), "entryRelationship" | "component"))
        .flat_map(|relation| relation.children())
        .filter(|child| statement::is_statement(*child))
}

/// The statements that a statement is related to in that way, and that state something.
pub(super) fn related<'d>(element: Element<'d>, code: &'static str) -> impl Iterator<Item = Element<'d>> {
    element
        .children_named("entryRelationship")
        .filter(move |relation| attr(*relation, "typeCode") == Some(code))
        .flat_map(|relation| relation.children())
        .filter(|child| statement::is_statement(*child) && !statement::is_unstated(*child))
}

/// The statements within a statement that have one of the templates and state something.
pub(super) fn parts<'d>(element: Element<'d>, templates: &'static [&'static str]) -> impl Iterator<Item = Element<'d>> {
    element.children_named("entryRelationship").flat_map(|relation| relation.children()).filter(move |child| {
        statement::is_statement(*child) && !statement::is_unstated(*child) && child.templates().any(|(root, _)| templates.contains(&root))
    })
}

/// The first of them.
pub(super) fn part<'d>(element: Element<'d>, templates: &'static [&'static str]) -> Option<Element<'d>> {
    parts(element, templates).next()
}

/// A fault of the entry that is read.
pub(super) fn fault(code: &'static str, location: impl Into<String>, message: &str) -> Fault {
    Fault { code, location: location.into(), message: message.to_owned() }
}
