//! A MeasureReport against its Measure, and a Measure against its CQL library (FHIR R4, 13.6 and 13.7).
//!
//! Groups, populations and stratifiers of a report are those of the Measure, by code; whether there is a score depends on how the
//! Measure is scored. The Measure is a contained one or one of a loaded package. Of CQL no more is read than the names it defines.

mod cql;
#[cfg(test)]
mod tests;

use serde_json::Value as Json;

use super::{Check, IssueCode, IssueSeverity};
use crate::json::Value;

const SCORING: &str = "http://terminology.hl7.org/CodeSystem/measure-scoring";
const GROUP_SCORING: &str = "http://hl7.org/fhir/us/cqfmeasures/StructureDefinition/cqfm-scoring";

/// Reports and Measures with more pairs of groups, populations or stratifiers are not compared.
const MOST_PAIRS: usize = 1_000_000;

fn text<'d>(value: Value<'d>, name: &str) -> Option<&'d str> {
    value.get(name)?.as_str()
}

fn items<'d>(value: Value<'d>, name: &str) -> impl Iterator<Item = Value<'d>> {
    value.get(name).into_iter().flat_map(|list| list.items())
}

fn list<'j>(json: &'j Json, name: &str) -> impl Iterator<Item = &'j Json> {
    json[name].as_array().into_iter().flatten()
}

/// Whether a concept of a report is one of a Measure: a coding in common, or the same text where there are no codes.
fn same_concept(have: Value<'_>, wanted: &Json) -> bool {
    let coding = |have: Value<'_>| {
        list(wanted, "coding").any(|wanted| {
            wanted["code"].is_string()
                && text(have, "code") == wanted["code"].as_str()
                && (text(have, "system") == wanted["system"].as_str() || wanted["system"].is_null())
        })
    };
    items(have, "coding").any(coding) || (wanted["text"].is_string() && text(have, "text") == wanted["text"].as_str())
}

/// Whether a concept says anything.
fn says_something(concept: &Json) -> bool {
    concept["text"].is_string() || list(concept, "coding").any(|coding| coding["code"].is_string())
}

/// The code of a scoring concept, if it is one of FHIR's.
fn scoring_code(concept: &Json) -> Option<&str> {
    list(concept, "coding").find(|coding| coding["system"] == SCORING)?["code"].as_str()
}

/// What a report says of itself.
struct Report {
    /// All of it is there: what is missing is an error.
    complete: bool,
    kind: String,
}

impl<'d> Check<'_, 'd> {
    /// A report, if its Measure is known.
    pub(super) fn measure_report(&mut self, report: Value<'d>) {
        let Some(canonical) = text(report, "measure") else { return };
        let validator = self.validator;
        let contained: Json;
        let measure = match canonical.strip_prefix('#') {
            Some(id) => {
                let found = items(report, "contained").find(|one| text(*one, "id") == Some(id));
                contained = found.and_then(|found| serde_json::from_slice(found.raw()).ok()).unwrap_or(Json::Null);
                (contained["resourceType"] == "Measure").then_some(&contained)
            }
            None => validator.profiles.definition("Measure", canonical),
        };
        let Some(measure) = measure else {
            let what = "the Measure is neither contained nor loaded: the report is not checked against it";
            return self.issue(IssueSeverity::Information, IssueCode::NotFound, report, what);
        };
        // Both sides may come from one input: their product must not be large.
        let sizes = ["population", "stratifier"].map(|part| {
            let given = items(report, "group").map(|group| items(group, part).count()).max().unwrap_or(0);
            given * list(measure, "group").map(|group| list(group, part).count()).max().unwrap_or(0)
        });
        let groups = items(report, "group").count() * list(measure, "group").count();
        if sizes.into_iter().chain([groups]).any(|size| size > MOST_PAIRS) {
            return self.issue(IssueSeverity::Warning, IssueCode::TooLong, report, "the report is too large to be checked");
        }
        let about = Report { complete: text(report, "status") == Some("complete"), kind: text(report, "type").unwrap_or("").to_owned() };
        let groups: Vec<&Json> = list(measure, "group").collect();
        let mut used = vec![false; groups.len()];
        for (number, group) in items(report, "group").enumerate() {
            self.path.push("group");
            self.path.push_index(number);
            if let Some(place) = self.group_of(group, &groups, &mut used) {
                let wanted = groups[place];
                let scoring = list(wanted, "extension").find(|one| one["url"] == GROUP_SCORING);
                let scoring = scoring.map_or(&measure["scoring"], |one| &one["valueCodeableConcept"]);
                self.score(group, scoring_code(scoring), &about);
                self.populations(group, wanted, &about);
                self.stratifiers(group, wanted);
            }
            self.path.pop();
            self.path.pop();
        }
        if about.complete && about.kind != "data-collection" {
            for (place, _) in used.iter().enumerate().filter(|(_, used)| !**used) {
                self.error(IssueCode::BusinessRule, report, format!("group {} of the Measure is missing", place + 1));
            }
        }
    }

    /// The Measure's group that a report's group is.
    fn group_of(&mut self, group: Value<'d>, groups: &[&Json], used: &mut [bool]) -> Option<usize> {
        let place = match group.get("code") {
            Some(code) => groups
                .iter()
                .position(|wanted| same_concept(code, &wanted["code"]))
                .or_else(|| (groups.len() == 1 && !says_something(&groups[0]["code"])).then_some(0)),
            None if groups.len() == 1 => Some(0),
            None => {
                self.error(IssueCode::BusinessRule, group, "the Measure has several groups: a group must have the code of one");
                return None;
            }
        };
        match place {
            None => self.error(IssueCode::BusinessRule, group, "the Measure has no group of this code"),
            Some(place) if used[place] => {
                self.error(IssueCode::BusinessRule, group, "the report has this group of the Measure already");
                return None;
            }
            Some(place) => used[place] = true,
        }
        place
    }

    fn score(&mut self, group: Value<'d>, scoring: Option<&str>, about: &Report) {
        let Some(score) = group.get("measureScore") else {
            if let (Some(scoring @ ("proportion" | "ratio" | "continuous-variable")), true) = (scoring, about.complete) {
                let severity = if about.kind == "summary" { IssueSeverity::Error } else { IssueSeverity::Warning };
                if about.kind != "data-collection" && group.get("_measureScore").is_none() {
                    self.issue(severity, IssueCode::BusinessRule, group, format!("a {scoring} measure is reported with a score"));
                }
            }
            return;
        };
        if scoring == Some("cohort") {
            return self.error(IssueCode::BusinessRule, score, "a cohort measure has no score");
        }
        if scoring.is_some() && score.get("value").is_none() && score.get("extension").is_none() {
            self.error(IssueCode::BusinessRule, score, "the score has no value");
        }
    }

    fn populations(&mut self, group: Value<'d>, wanted: &Json, about: &Report) {
        let wanted: Vec<&Json> = list(wanted, "population").collect();
        let mut used = vec![false; wanted.len()];
        self.path.push("population");
        for (number, population) in items(group, "population").enumerate() {
            self.path.push_index(number);
            self.population(population, &wanted, &mut used);
            if about.kind != "subject-list" {
                if population.get("subjectResults").is_some() {
                    self.error(IssueCode::BusinessRule, population, "only reports of type subject-list list subjects");
                }
                if population.get("count").is_none() && population.get("_count").is_none() {
                    self.issue(IssueSeverity::Warning, IssueCode::BusinessRule, population, "a population is reported with its count");
                }
            }
            self.path.pop();
        }
        self.path.pop();
        if !about.complete || about.kind == "data-collection" {
            return;
        }
        for (wanted, _) in wanted.iter().zip(&used).filter(|(_, used)| !**used) {
            let observation = list(&wanted["code"], "coding").any(|coding| coding["code"] == "measure-observation");
            if says_something(&wanted["code"]) && !observation {
                self.error(IssueCode::BusinessRule, group, "a population of the Measure's group is missing");
            }
        }
    }

    fn population(&mut self, population: Value<'d>, wanted: &[&Json], used: &mut [bool]) {
        let Some(code) = population.get("code") else {
            match used {
                [only] if !*only => *only = true,
                _ => self.error(IssueCode::BusinessRule, population, "a population must have the code of one of the Measure's"),
            }
            return;
        };
        // Ratio measures have two initial populations of one code: the next one that is not used yet.
        let mut fitting = (0..wanted.len()).filter(|place| same_concept(code, &wanted[*place]["code"])).peekable();
        let known = fitting.peek().is_some();
        match fitting.find(|place| !used[*place]) {
            Some(place) => used[place] = true,
            None if known => self.error(IssueCode::BusinessRule, population, "the report has this population of the Measure already"),
            None => self.error(IssueCode::BusinessRule, population, "the Measure's group has no population of this code"),
        }
    }

    fn stratifiers(&mut self, group: Value<'d>, wanted: &Json) {
        let wanted: Vec<&Json> = list(wanted, "stratifier").collect();
        self.path.push("stratifier");
        for (number, stratifier) in items(group, "stratifier").enumerate() {
            self.path.push_index(number);
            let mut codes = items(stratifier, "code").peekable();
            let found = if codes.peek().is_none() {
                if wanted.len() == 1 { Some(wanted[0]) } else { None }
            } else {
                codes.find_map(|code| wanted.iter().copied().find(|wanted| same_concept(code, &wanted["code"])))
            };
            let found = found.or_else(|| wanted.first().copied().filter(|only| wanted.len() == 1 && !says_something(&only["code"])));
            match found {
                Some(wanted) => self.strata(stratifier, wanted),
                None => self.error(IssueCode::BusinessRule, stratifier, "the Measure's group has no stratifier of this code"),
            }
            self.path.pop();
        }
        self.path.pop();
    }

    /// The components of strata are those of the Measure's stratifier.
    fn strata(&mut self, stratifier: Value<'d>, wanted: &Json) {
        for component in items(stratifier, "stratum").flat_map(|stratum| items(stratum, "component")) {
            let Some(code) = component.get("code") else { continue };
            if !list(wanted, "component").any(|wanted| same_concept(code, &wanted["code"])) {
                self.error(IssueCode::BusinessRule, component, "the Measure's stratifier has no component of this code");
            }
        }
    }

    /// The criteria of a Measure in CQL: what they name must be defined in the library, if that is loaded.
    pub(super) fn measure(&mut self, measure: Value<'d>) {
        let profiles = &self.validator.profiles;
        let libraries: Vec<&Json> = items(measure, "library").filter_map(|url| profiles.definition("Library", url.as_str()?)).collect();
        if libraries.is_empty() {
            return;
        }
        let libraries: Vec<cql::Library> = libraries.into_iter().filter_map(cql::Library::of).collect();
        let only = items(measure, "library").count() == 1;
        for (number, group) in items(measure, "group").enumerate() {
            self.path.push("group");
            self.path.push_index(number);
            self.criteria_of(group, "population", &libraries, only);
            self.criteria_of(group, "stratifier", &libraries, only);
            self.path.pop();
            self.path.pop();
        }
        self.criteria_of(measure, "supplementalData", &libraries, only);
    }

    fn criteria_of(&mut self, holder: Value<'d>, name: &'static str, libraries: &[cql::Library], only: bool) {
        self.path.push(name);
        for (number, one) in items(holder, name).enumerate() {
            self.path.push_index(number);
            if let Some(criteria) = one.get("criteria") {
                self.path.push("criteria");
                self.criteria(criteria, libraries, only);
                self.path.pop();
            }
            if name == "stratifier" {
                self.criteria_of(one, "component", libraries, only);
            }
            self.path.pop();
        }
        self.path.pop();
    }

    fn criteria(&mut self, criteria: Value<'d>, libraries: &[cql::Library], only: bool) {
        if !matches!(text(criteria, "language"), Some("text/cql" | "text/cql-identifier" | "text/cql.identifier")) {
            return;
        }
        let Some((library, name)) = text(criteria, "expression").and_then(cql::reference) else { return };
        let library = match library {
            Some(wanted) => libraries.iter().find(|library| library.name == wanted),
            None => libraries.first().filter(|_| only),
        };
        if let Some(library) = library
            && !library.defines(&name)
        {
            self.error(IssueCode::Value, criteria, format!("the library {} does not define what the expression names", library.url));
        }
    }
}
