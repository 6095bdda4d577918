//! Problems, diagnoses and health concerns: Condition.

use sutura_ccda::{Element, SectionKind};
use sutura_core::Severity;

use super::{Context, EntryFate, Mapped, Ref, fault, part, related};
use crate::ccda::{
    account::Why,
    json::Obj,
    maps, statement,
    types::{absent, absent_reason, attr, coded},
};

const STATUS: &[&str] = &["2.16.840.1.113883.10.20.22.4.6", "2.16.840.1.113883.10.20.1.50"];
const AGE: &[&str] = &["2.16.840.1.113883.10.20.22.4.31", "2.16.840.1.113883.10.20.1.38"];
const SEVERITY: &[&str] = &["2.16.840.1.113883.10.20.22.4.8"];
const DIAGNOSED: &[&str] = &["2.16.840.1.113883.10.20.22.4.502"];
/// "Problem" as a value: with a negation it says that there are no problems.
const PROBLEM: [&str; 2] = ["55607006", "64572001"];

impl<'d> Context<'d> {
    /// A concern or diagnosis act with its problem observations: a Condition for each.
    pub(super) fn problem_concern(&mut self, act: Element<'d>) -> Mapped<EntryFate> {
        let (mut found, mut refused) = (Vec::new(), false);
        let problems: Vec<Element<'d>> = related(act, "SUBJ")
            .chain(related(act, "COMP"))
            .chain(related(act, "REFR"))
            .filter(|inner| inner.name() == "observation" && inner.child("value").is_some())
            .collect();
        for problem in problems {
            match self.isolated(problem, |this| this.problem(problem, Some(act), None)) {
                Some(condition) => found.push(condition),
                None => refused = true,
            }
        }
        if found.is_empty() {
            if refused {
                return Err(fault("ccda-entry-refused", "entryRelationship", "none of the problems could be converted"));
            }
            return Ok(EntryFate::Unmapped);
        }
        self.concern_frame(act, &found);
        Ok(EntryFate::Mapped(found))
    }

    /// One problem observation as a Condition.
    pub(super) fn problem(&mut self, problem: Element<'d>, act: Option<Element<'d>>, category: Option<&'static str>) -> Mapped<Ref> {
        let mut body = Obj::new();
        self.narrative(problem, &mut body);
        if let Some(date) = part(problem, DIAGNOSED)
            .and_then(|date| {
                self.left_frame(date);
                date.child("effectiveTime")
            })
            .and_then(|time| self.one_time(time))
        {
            let mut extension = Obj::of("url", "http://hl7.org/fhir/StructureDefinition/condition-assertedDate");
            extension.put("valueDateTime", date);
            body.push("extension", extension);
        }
        body.extend("identifier", self.identifiers(problem));
        let negated = problem.is_negated();
        if problem.attr("negationInd").is_some() {
            self.took(problem);
        }
        let mut status = self.clinical_status(problem, act);
        if matches!(status, Some("active" | "recurrence" | "relapse")) && end_of(problem).is_some_and(|end| attr(end, "value").is_some()) {
            self.find(
                "ccda-active-and-ended",
                Severity::Warning,
                problem,
                "the problem is said to be active and has an end; the end counts (con-4)",
            );
            status = Some("resolved");
        }
        match status {
            Some(status) => body.put("clinicalStatus", coded("http://terminology.hl7.org/CodeSystem/condition-clinical", status, "")),
            None => self.no_status(&mut body, problem, "clinicalStatus"),
        }
        let value = problem.child("value");
        let no_problem = negated && value.and_then(|value| attr(value, "code")).is_some_and(|code| PROBLEM.contains(&code));
        if negated && !no_problem {
            body.put("verificationStatus", coded("http://terminology.hl7.org/CodeSystem/condition-ver-status", "refuted", ""));
        }
        // The kind of problem goes first, as in the guide's examples.
        if let Some(kind) = problem.child("code") {
            if attr(kind, "code") == Some("ASSERTION") {
                self.account.dropped_all(kind, Why::Fixed);
            } else if let Some(concept) = self.concept(kind) {
                body.push("category", concept);
            }
        }
        body.push("category", self.problem_category(act, category));
        if let Some(severity) = part(problem, SEVERITY) {
            self.left_frame(severity);
            body.opt("severity", severity.child("value").and_then(|value| self.concept(value)));
        }
        if no_problem {
            if let Some(value) = value {
                self.concept(value);
            }
            body.put("code", coded("http://snomed.info/sct", "160245001", ""));
        } else {
            let code = value
                .and_then(|value| self.value_concept(value))
                .or_else(|| problem.child("text").and_then(|text| self.referred_text(text)).map(|text| Obj::of("text", text)));
            match code {
                Some(code) => body.put("code", code),
                None if value.is_none_or(|value| value.null_flavor().is_some() || problem.null_flavor().is_some()) => {
                    body.put("code", crate::ccda::types::absent_concept(value));
                }
                None => {
                    return Err(fault("ccda-problem-without-code", "value", "the problem has a value that is no coded value and no text"));
                }
            }
        }
        for site in problem.children_named("targetSiteCode") {
            if let Some(site) = self.concept(site) {
                body.push("bodySite", site);
            }
        }
        body.put("subject", self.patient.clone());
        let encounter = self.encounter_of(problem);
        let hospital = matches!(self.section, SectionKind::DischargeDiagnosis | SectionKind::AdmissionDiagnosis);
        body.opt("encounter", encounter.or_else(|| self.encounter.clone().filter(|_| hospital)));
        self.problem_times(problem, status, &mut body);
        self.recorded(problem, &mut body, "recordedDate", "recorder");
        self.asserted(problem, &mut body);
        let mut evidence = Vec::new();
        for support in related(problem, "SPRT") {
            evidence.extend(self.nested(support));
        }
        for reference in evidence {
            let mut entry = Obj::new();
            entry.push("detail", reference);
            body.push("evidence", entry);
        }
        self.notes(problem, &mut body);
        if let Some(status) = problem.child("statusCode") {
            // The observation is complete; the problem's own status is another.
            self.left(status, Why::Fixed);
        }
        // Status, prognosis and the like that have no element of Condition stand on their own.
        for other in related(problem, "REFR").filter(|other| other.name() == "observation" && !is_known_part(*other)) {
            if other.child("value").is_some() {
                self.nested(other);
            }
        }
        Ok(self.add("Condition", problem, body))
    }

    /// A value as a concept, whatever its type: codes, and text where senders have no code.
    pub(super) fn value_concept(&mut self, value: Element<'d>) -> Option<Obj> {
        match value.xsi_type() {
            Some("ST" | "ED") => self.referred_text(value).map(|text| Obj::of("text", text)),
            _ => self.concept(value),
        }
    }

    fn problem_times(&mut self, problem: Element<'d>, status: Option<&'static str>, body: &mut Obj) {
        if let Some(time) = problem.child("effectiveTime") {
            let period = self.period(time).unwrap_or_default();
            body.opt("onsetDateTime", period.get("start").cloned());
            body.opt("abatementDateTime", period.get("end").cloned());
            // An unknown end beside an active status is how some systems write "no end".
            if let Some(high) = end_of(problem)
                && !body.has("abatementDateTime")
                && matches!(status, Some("resolved" | "inactive" | "remission"))
            {
                // Over, nobody knows since when. `NI` says nothing.
                body.put("_abatementDateTime", absent(absent_reason(Some(high))));
            }
        }
        if let Some(age) = part(problem, AGE) {
            self.left_frame(age);
            let quantity = age.child("value").and_then(|value| self.quantity(value));
            if let Some(quantity) = quantity.and_then(age_of)
                && !body.has("onsetDateTime")
            {
                body.put("onsetAge", quantity);
            }
        }
    }

    /// The status observation first, then the end of the problem, then the status of the concern.
    fn clinical_status(&mut self, problem: Element<'d>, act: Option<Element<'d>>) -> Option<&'static str> {
        if let Some(status) = part(problem, STATUS) {
            self.left_frame(status);
            if let Some(time) = status.child("effectiveTime") {
                self.account.dropped_all(time, Why::NoTarget);
            }
            if let Some(text) = status.child("text") {
                self.account.dropped_all(text, Why::Repeated);
            }
            if let Some(value) = status.child("value") {
                if let Some(mapped) = attr(value, "code").and_then(|code| maps::map("ProblemStatus", code)) {
                    self.account.mapped(value);
                    self.account.dropped_all(value, Why::Repeated);
                    return Some(mapped);
                }
                self.account.dropped_all(value, Why::NoTarget);
            }
        }
        if end_of(problem).is_some() {
            return Some("resolved");
        }
        let status = act.and_then(|act| act.child("statusCode"));
        let code = status.and_then(|status| attr(status, "code"));
        let mapped = code.and_then(|code| maps::map("ConditionClinicalStatus", &code.to_ascii_lowercase()));
        if let (Some(status), Some(_)) = (status, mapped) {
            self.took(status);
        }
        mapped
    }

    fn problem_category(&mut self, act: Option<Element<'d>>, category: Option<&'static str>) -> Obj {
        let is_diagnosis = act.is_some_and(|act| {
            act.templates().any(|(root, _)| {
                [
                    "2.16.840.1.113883.10.20.22.4.80",
                    "2.16.840.1.113883.10.20.22.4.33",
                    "2.16.840.1.113883.10.20.22.4.34",
                    "2.16.840.1.113883.10.20.22.4.65",
                    "2.16.840.1.113883.10.20.22.4.51",
                ]
                .contains(&root)
            })
        });
        let code = match category {
            Some(code) => code,
            None if is_diagnosis => "encounter-diagnosis",
            None => self.section.code().and_then(|loinc| maps::map("ProblemCategory", loinc)).unwrap_or("problem-list-item"),
        };
        match code {
            "health-concern" => coded("http://hl7.org/fhir/us/core/CodeSystem/condition-category", "health-concern", "Health Concern"),
            "encounter-diagnosis" => {
                coded("http://terminology.hl7.org/CodeSystem/condition-category", "encounter-diagnosis", "Encounter Diagnosis")
            }
            _ => coded("http://terminology.hl7.org/CodeSystem/condition-category", "problem-list-item", "Problem List Item"),
        }
    }

    /// A health concern: its own problems, and what it refers to.
    pub(super) fn health_concern(&mut self, act: Element<'d>) -> Mapped<EntryFate> {
        let mut found = Vec::new();
        for relation in act.children_named("entryRelationship") {
            for inner in relation.children().filter(|child| statement::is_statement(*child)) {
                let kind = sutura_ccda::EntryKind::of_statement(inner);
                if kind == Some(sutura_ccda::EntryKind::ProblemObservation) && !statement::is_unstated(inner) {
                    found.extend(self.isolated(inner, |this| this.problem(inner, Some(act), Some("health-concern"))));
                } else {
                    found.extend(self.nested(inner));
                }
            }
        }
        if found.is_empty() {
            // It only points to other entries, or says no more than that it is one.
            let refers = act.children_named("entryRelationship").next().is_some();
            return Ok(EntryFate::Dropped(if refers { Why::Reference } else { Why::Void }));
        }
        self.concern_frame(act, &found);
        if let Some(text) = act.child("text") {
            self.account.dropped_all(text, Why::Repeated);
        }
        Ok(EntryFate::Mapped(found))
    }
}

/// Ages are in units of time (age-1).
pub(super) fn age_of(mut quantity: Obj) -> Option<Obj> {
    let code = quantity.get("code").and_then(|code| code.as_str()).unwrap_or("a").to_owned();
    let code = match code.as_str() {
        "a" | "mo" | "wk" | "d" | "h" | "min" => code,
        "1" | "y" | "yr" | "year" | "years" => "a".to_owned(),
        _ => return None,
    };
    quantity.put("system", "http://unitsofmeasure.org");
    quantity.put("code", code);
    Some(quantity)
}

/// The end of the problem, be it at a time that nobody knows. `NI` says nothing.
fn end_of(problem: Element<'_>) -> Option<Element<'_>> {
    let high = problem.child("effectiveTime")?.child("high")?;
    (attr(high, "value").is_some() || matches!(high.null_flavor(), Some("UNK" | "ASKU" | "NAV"))).then_some(high)
}

fn is_known_part(element: Element<'_>) -> bool {
    element.templates().any(|(root, _)| [STATUS, AGE, SEVERITY, DIAGNOSED].iter().any(|known| known.contains(&root)))
}
