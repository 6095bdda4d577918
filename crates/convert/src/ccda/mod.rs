//! C-CDA documents to FHIR R4, in the shapes of US Core.
//!
//! A document becomes one Bundle: a Composition with every section and its narrative, the Patient, and resources for the entries
//! that have a map. What goes wrong in an entry costs that entry only: its resources are taken back, it is counted as refused and
//! there is a finding with its byte in the file. Every leaf of the document is counted as mapped, dropped with a reason, or
//! unmapped. Codes go through the maps of the C-CDA on FHIR guide (`data/ccda-codes.tsv`) and our own in the same form.
//!
//! ```
//! use sutura_ccda::{Document, Limits};
//! use sutura_convert::{ccda::{Converter, Options}, fhir::Source, report::Report};
//! use sutura_core::Sha256Hash;
//!
//! let bytes = br#"<ClinicalDocument xmlns="urn:hl7-org:v3"><code code="34133-9" codeSystem="2.16.840.1.113883.6.1"/>
//!   <recordTarget><patientRole><id root="1.2.3" extension="7"/></patientRole></recordTarget></ClinicalDocument>"#;
//! let document = Document::parse(bytes.to_vec(), &Limits::default())?;
//! let source = Source { uri: "file:///a.xml", offset: 0, length: bytes.len() as u64, sha256: Sha256Hash::of(bytes) };
//! let (mut report, mut out) = (Report::new(), Vec::new());
//! let converted = Converter::new(Options::default()).convert(&document, &source, &mut report, &mut out)?;
//! assert_eq!(converted.leaves, converted.mapped + converted.dropped + converted.unmapped);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod account;
mod bundle;
mod composition;
mod contact;
mod context;
mod entries;
mod json;
mod maps;
mod names;
mod narrative;
mod oid;
mod patient;
mod people;
mod required;
mod stamp;
mod statement;
mod terminology;
#[cfg(test)]
mod tests;
mod types;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use sutura_ccda::{Document, Entry, Section, SectionKind};
use sutura_core::{Finding, Severity};
use sutura_fhir::{
    json::Parser,
    validate::{IssueSeverity, Validator},
};

use crate::{
    UserCodes, Zone,
    error::ConvertError,
    fhir::Source,
    report::{Feed, Report},
};
use account::Why;
use context::{Context, EntryFate, Fault, Mark, Ref};
use json::Obj;

/// What the Bundle is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BundleForm {
    /// A transaction that puts every resource under its own id.
    #[default]
    Transaction,
    /// A FHIR document: the Composition and what it refers to.
    Document,
    /// A collection.
    Collection,
}

/// How documents are converted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Options {
    /// What the Bundle is for. Default: `transaction`.
    pub bundle: BundleForm,
    /// The base of the server (`https://server/fhir`), for fullUrls. Without it a transaction has none, and other Bundles have
    /// `urn:uuid:` ones.
    pub base_url: Option<String>,
    /// Whether there is a Provenance that points to the bytes of the document. Default: true.
    pub provenance: bool,
    /// The instant for `Provenance.recorded`. Without it that is the time of the document, or absent where the document has only a date.
    pub recorded: Option<String>,
    /// Zone of times of day that state no offset. FHIR has no time of day without one: where this is not set, the date alone is kept, and in
    /// an hour that a clock change repeats or skips, too.
    pub default_zone: Option<Zone>,
    /// Code systems and maps of the user: codes get their translation in front of them and displays where they have none, and the report counts
    /// them by system.
    #[serde(skip)]
    pub terminology: Option<UserCodes>,
    /// Whether each entry's resources are validated, and an entry that gives an invalid one is refused. Default: true.
    pub check: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bundle: BundleForm::Transaction,
            base_url: None,
            provenance: true,
            recorded: None,
            default_zone: None,
            terminology: None,
            check: true,
        }
    }
}

/// What became of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Converted {
    /// Resources in the Bundle.
    pub resources: usize,
    /// Entries that became resources.
    pub entries_mapped: u64,
    /// Entries left out on purpose: they say nothing, or point to others.
    pub entries_dropped: u64,
    /// Entries for which there is no map.
    pub entries_unmapped: u64,
    /// Entries that gave something invalid; each has a finding.
    pub entries_refused: u64,
    /// Leaves of the document: elements that say something by themselves.
    pub leaves: u64,
    /// Leaves whose content is in a resource.
    pub mapped: u64,
    /// Leaves left out on purpose.
    pub dropped: u64,
    /// Leaves that nothing reads.
    pub unmapped: u64,
    /// What was odd, in the document and in its conversion.
    pub findings: Vec<Finding>,
}

/// Converts documents; shared by threads.
#[derive(Debug)]
pub struct Converter {
    options: Options,
    validator: Option<Validator>,
}

impl Converter {
    /// A converter with these options.
    pub fn new(options: Options) -> Self {
        let validator = options.check.then(Validator::default);
        Self { options, validator }
    }

    /// Converts a document and appends its Bundle to `out`, without a line end. The report is filled under the name of the
    /// custodian.
    ///
    /// # Errors
    /// When it is no clinical document. `out` is then as it was.
    pub fn convert(
        &self,
        document: &Document,
        source: &Source<'_>,
        report: &mut Report,
        out: &mut Vec<u8>,
    ) -> Result<Converted, ConvertError> {
        let custodian = custodian(document);
        let feed = report.feed(if custodian.is_empty() { "unknown custodian" } else { &custodian });
        feed.records += 1;
        if !document.root().is("ClinicalDocument") {
            let error = ConvertError::NotADocument;
            *feed.rejected.entry(error.code()).or_default() += 1;
            return Err(error);
        }
        let mut cx = Context::new(document, &self.options, source.sha256.0, custodian);
        let mut converted = Converted::default();
        cx.make_patient();
        cx.make_encounter();
        let mut composition = cx.make_header();
        let sections = self.sections(&mut cx, &mut converted, feed);
        composition.extend("section", sections);
        cx.make_unstructured(&mut composition);
        cx.add_at("Composition", document.root(), composition);
        if let Some(last) = cx.resources.pop() {
            cx.resources.insert(0, last);
        }
        cx.fill_required();
        if let Some(UserCodes(user)) = &self.options.terminology {
            terminology::apply(&mut cx.resources, user, &mut feed.codes);
        }
        let totals = cx.account.close(document, feed);
        (converted.leaves, converted.mapped, converted.dropped, converted.unmapped) =
            (totals.leaves, totals.mapped, totals.dropped, totals.unmapped);
        let provenances = if self.options.provenance { bundle::provenances(&cx, source) } else { Vec::new() };
        converted.resources = bundle::write(&cx, &provenances, source, out);
        for resource in cx.resources.iter().chain(&provenances) {
            feed.resource(resource.kind);
        }
        converted.findings = document.findings().to_vec();
        converted.findings.append(&mut cx.findings);
        for finding in &converted.findings {
            feed.finding(finding);
        }
        feed.converted += 1;
        Ok(converted)
    }

    /// The sections with their entries, as the outline of the document has them.
    fn sections(&self, cx: &mut Context<'_>, converted: &mut Converted, feed: &mut Feed) -> Vec<json::Json> {
        let document = cx.doc;
        let mut bodies = vec![Obj::new(); document.sections().len()];
        // Encounters first: others say in which of them they were found. Last what points to other entries.
        let rank = |section: &Section| match section.kind {
            SectionKind::Encounters => 0,
            SectionKind::HealthConcerns | SectionKind::Interventions | SectionKind::Outcomes | SectionKind::Notes => 2,
            _ => 1,
        };
        let mut order: Vec<&Section> = document.sections().iter().collect();
        order.sort_by_key(|section| rank(section));
        for section in order {
            cx.enter_section(section.kind, section.position);
            let mut body = cx.make_section(section);
            let mut seen = HashSet::new();
            let mut entries: Vec<Ref> = Vec::new();
            for entry in section.entries(document) {
                let references = self.entry(cx, entry, converted, feed);
                entries.extend(references.into_iter().filter(|reference| seen.insert(reference.0.clone())));
            }
            entries.splice(..0, self.care_plan(cx, section, &body, &entries));
            body.put("entry", entries.into_iter().map(json::Json::from).collect::<Vec<_>>());
            if let Some(slot) = bodies.get_mut(section.position) {
                *slot = body;
            }
        }
        cx.enter_section(SectionKind::Unknown, 0);
        // The last sections first, so that each is whole before it goes into the one around it.
        let mut outer = Vec::new();
        for section in document.sections().iter().rev() {
            let Some(mut body) = bodies.pop() else { break };
            // Sections within came last to first.
            let mut inner = body.take_list("section");
            inner.reverse();
            body.extend("section", inner);
            cx.finish_section(section, &mut body);
            match section.parent.and_then(|parent| bodies.get_mut(parent)) {
                Some(parent) => parent.push("section", body),
                None => outer.push(body.into()),
            }
        }
        outer.reverse();
        outer
    }

    /// The CarePlan of a section of plans, if the section says anything. It is no entry, so an invalid one is left out without a count.
    fn care_plan(&self, cx: &mut Context<'_>, section: &Section, body: &Obj, entries: &[Ref]) -> Option<Ref> {
        let mark = cx.mark();
        let plan = cx.care_plan(section, body, entries);
        if let Err(fault) = self.check(cx, mark) {
            cx.roll_back(mark);
            cx.find(fault.code, Severity::Error, section.element(cx.doc), fault.message);
            return None;
        }
        cx.keep(mark);
        plan
    }

    /// One entry: what it gives is in the Bundle, or nothing of it is.
    fn entry(&self, cx: &mut Context<'_>, entry: &Entry, converted: &mut Converted, feed: &mut Feed) -> Vec<Ref> {
        let element = entry.element(cx.doc);
        let place = format!("entry:{}", statement::name(element).unwrap_or("other"));
        let mark = cx.mark();
        let fate = cx.entry(entry).and_then(|fate| self.check(cx, mark).map(|()| fate));
        match fate {
            Ok(EntryFate::Mapped(references)) => {
                cx.keep(mark);
                converted.entries_mapped += 1;
                feed.mapped(place);
                references
            }
            Ok(EntryFate::Dropped(why)) => {
                cx.roll_back(mark);
                cx.account.overrule(element, why);
                converted.entries_dropped += 1;
                feed.dropped(place, why.as_str());
                Vec::new()
            }
            Ok(EntryFate::Unmapped) => {
                cx.keep(mark);
                converted.entries_unmapped += 1;
                feed.unmapped(place);
                cx.find(
                    "ccda-entry-unmapped",
                    Severity::Warning,
                    element,
                    "there is no map for this entry; only the section's narrative has it",
                );
                Vec::new()
            }
            Err(fault) => {
                cx.roll_back(mark);
                cx.account.overrule(element, Why::Refused);
                converted.entries_refused += 1;
                feed.dropped(place, Why::Refused.as_str());
                let location = format!("{} {} (byte {})", entry.location(), fault.location, element.span().start);
                cx.findings.push(Finding::new(fault.code, Severity::Error, location, fault.message));
                Vec::new()
            }
        }
    }

    /// Validates what was made or added to since the mark.
    fn check(&self, cx: &mut Context<'_>, mark: Mark) -> Result<(), Fault> {
        let Some(validator) = &self.validator else { return Ok(()) };
        let (mut parser, mut json) = std::mem::take(&mut cx.scratch);
        let checked = Self::validate(validator, cx, mark, &mut parser, &mut json);
        cx.scratch = (parser, json);
        cx.recheck_left -= checked?;
        Ok(())
    }

    /// Validates as [`Self::check`] says, and gives the bytes of older resources that were validated again.
    fn validate(validator: &Validator, cx: &Context<'_>, mark: Mark, parser: &mut Parser, json: &mut Vec<u8>) -> Result<usize, Fault> {
        let mut rechecked = 0;
        for (again, resource) in cx.touched(mark) {
            json.clear();
            bundle::write_resource(resource, json);
            rechecked += if again { json.len() } else { 0 };
            if rechecked > cx.recheck_left {
                return Err(Fault {
                    code: "ccda-shared-too-often",
                    location: resource.kind.to_owned(),
                    message: "the entries add too often to a large resource that they share; the entry is not converted".to_owned(),
                });
            }
            let refused = |location: &str, why: &str| Fault {
                code: "ccda-entry-invalid",
                location: location.to_owned(),
                message: format!("the entry gives a resource that is not valid FHIR and is not converted: {why}"),
            };
            let document = parser.parse(json).map_err(|_| refused(resource.kind, "not JSON"))?;
            let issues = validator.validate(document.root());
            // The texts of the validator name elements and rules, never what they hold.
            if let Some(issue) = issues.iter().find(|issue| matches!(issue.severity, IssueSeverity::Error | IssueSeverity::Fatal)) {
                return Err(refused(&issue.expression, &issue.diagnostics));
            }
        }
        Ok(rechecked)
    }
}

/// Whose documents they are: the custodian's name, empty if there is none. A name is no longer than people's names are.
fn custodian(document: &Document) -> String {
    let custodian = document.root().path(&["custodian", "assignedCustodian", "representedCustodianOrganization", "name"]);
    custodian.map(|name| types::folded(&name.text()).chars().take(MOST_OF_A_NAME).collect()).unwrap_or_default()
}

/// Letters of a custodian's name that the account shows.
const MOST_OF_A_NAME: usize = 120;
