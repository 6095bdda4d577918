//! Laboratory and other results: DiagnosticReport with Observations and their Specimen.

use sutura_ccda::Element;

use super::{Context, Mapped, Ref};
use crate::ccda::{
    account::Why,
    json::{Json, Obj},
    statement,
    types::{absent_concept, attr, coded},
};

impl<'d> Context<'d> {
    /// A panel of results.
    pub(super) fn result_organizer(&mut self, organizer: Element<'d>) -> Mapped<Ref> {
        let specimen = self.specimen(organizer);
        let mut results = Vec::new();
        let mut others = Vec::new();
        for component in organizer.children_named("component") {
            for inner in component.children() {
                if inner.name() == "observation" {
                    let known = sutura_ccda::EntryKind::of_statement(inner);
                    if matches!(known, None | Some(sutura_ccda::EntryKind::ResultObservation)) {
                        if statement::is_void(inner) {
                            self.account.dropped_all(inner, Why::Void);
                            continue;
                        }
                        results.extend(self.isolated(inner, |this| this.result_in(inner, specimen.as_ref())));
                    } else {
                        others.extend(self.nested(inner));
                    }
                } else if inner.name() == "procedure" {
                    // How the specimen was taken stands in the organizer too.
                    self.specimen_of_procedure(inner);
                } else if statement::is_statement(inner) {
                    others.extend(self.nested(inner));
                }
            }
        }
        let mut body = Obj::new();
        self.narrative(organizer, &mut body);
        body.extend("identifier", self.identifiers(organizer));
        body.put("status", self.status(organizer, "ResultReportStatus").unwrap_or("unknown"));
        body.push("category", report_category(organizer));
        let code = organizer.child("code");
        let concept = code.and_then(|code| self.concept(code)).or_else(|| {
            // A panel without a code of its own is named by its only result.
            match results.as_slice() {
                [only] => self.body(only).and_then(|body| body.get("code")).and_then(Json::as_object).cloned(),
                _ => None,
            }
        });
        body.put("code", concept.unwrap_or_else(|| absent_concept(code)));
        body.put("subject", self.patient.clone());
        self.time_or_period(&mut body, organizer.child("effectiveTime"), ("effectiveDateTime", "effectivePeriod"));
        if !body.has("effectiveDateTime") && !body.has("effectivePeriod") {
            let first = results.iter().find_map(|result| self.body(result).and_then(|body| body.get("effectiveDateTime")).cloned());
            body.opt("effectiveDateTime", first);
        }
        let author = organizer.children_named("author").find_map(|author| author.child("time")).and_then(|time| self.instant(time));
        body.opt("issued", author);
        for actor in self.performers(organizer) {
            if let Some(reference) = actor
                .person_of(&["Practitioner"])
                .map(|person| person.with_display(actor.display.clone()))
                .or_else(|| actor.organization.as_ref().map(Ref::json))
            {
                body.push("performer", reference);
            }
        }
        let author = self.author(organizer);
        if !body.has("performer")
            && let Some(reference) = author.person_of(&["Practitioner"]).or(author.organization)
        {
            body.push("performer", reference);
        }
        if let Some(specimen) = specimen {
            body.push("specimen", specimen);
        }
        body.extend("result", results.into_iter().chain(others.into_iter().filter(|other| other.is("Observation"))));
        let mut notes = Obj::new();
        self.notes(organizer, &mut notes);
        let conclusion: Vec<String> =
            notes.take_list("note").iter().filter_map(|note| note.as_object()?.get("text")?.as_str().map(str::to_owned)).collect();
        body.put("conclusion", conclusion.join(" "));
        Ok(self.add("DiagnosticReport", organizer, body))
    }

    /// A result that stands alone.
    pub(super) fn result(&mut self, result: Element<'d>) -> Mapped<Ref> {
        self.result_in(result, None)
    }

    fn result_in(&mut self, result: Element<'d>, specimen: Option<&Ref>) -> Mapped<Ref> {
        let mut body = self.observation(result, Some("laboratory"))?;
        let own = self.specimen(result);
        body.opt("specimen", own.or_else(|| specimen.cloned()));
        self.components(result, &mut body)?;
        Ok(self.add("Observation", result, body))
    }

    /// `specimen` or a participant that is one.
    pub(super) fn specimen(&mut self, element: Element<'d>) -> Option<Ref> {
        if let Some(role) = element.path(&["specimen", "specimenRole"]) {
            return self.specimen_role(role);
        }
        let role = element
            .children_named("participant")
            .filter(|participant| attr(*participant, "typeCode") == Some("PRD"))
            .find_map(|participant| participant.child("participantRole"))?;
        self.specimen_role(role)
    }

    fn specimen_role(&mut self, role: Element<'d>) -> Option<Ref> {
        let entity = role.child("specimenPlayingEntity").or_else(|| role.child("playingEntity"));
        let mut body = Obj::new();
        body.extend("identifier", self.identifiers(role));
        body.opt("type", entity.and_then(|entity| entity.child("code")).and_then(|code| self.concept(code)));
        if let Some(name) = entity.and_then(|entity| entity.child("name")).and_then(|name| self.text_of(name))
            && !body.has("type")
        {
            body.put("type", Obj::of("text", name));
        }
        if body.is_empty() {
            return None;
        }
        body.put("subject", self.patient.clone());
        Some(self.add("Specimen", role, body))
    }

    fn specimen_of_procedure(&mut self, procedure: Element<'d>) {
        let role = procedure.children_named("specimen").find_map(|specimen| specimen.child("specimenRole"));
        let role = role.or_else(|| procedure.children_named("participant").find_map(|participant| participant.child("participantRole")));
        if let Some(specimen) = role.and_then(|role| self.specimen_role(role)) {
            let mut collection = Obj::new();
            collection.opt("collectedDateTime", procedure.child("effectiveTime").and_then(|time| self.one_time(time)));
            collection.opt("bodySite", procedure.child("targetSiteCode").and_then(|site| self.concept(site)));
            self.add_to(&specimen, Obj::of("collection", collection), &[], procedure);
        }
        self.account.dropped_all(procedure, Why::NoTarget);
    }
}

/// What kind of report it is: radiology by its code, else laboratory.
fn report_category(organizer: Element<'_>) -> Obj {
    let code = organizer.child("code");
    let imaging = code.is_some_and(|code| {
        code.descendants().chain(std::iter::once(code)).filter_map(|code| code.attr("displayName")).any(|name| {
            let name = name.to_ascii_lowercase();
            ["x-ray", "xray", "radiolog", "mri", "ultrasound", "tomograph", "mammogr"].iter().any(|word| name.contains(word))
        })
    });
    if imaging {
        return coded("http://terminology.hl7.org/CodeSystem/v2-0074", "RAD", "Radiology");
    }
    coded("http://terminology.hl7.org/CodeSystem/v2-0074", "LAB", "Laboratory")
}
