//! C-CDA documents de-identified as documents: header, entries and narrative, under the policy of columns.
//!
//! Elements and attributes that CDA does not have go with all that is in them; so do embedded documents. Identifiers of documents, sections and
//! statements are rewritten alike in a document and across files. What a document may have to have says that it is masked (`nullFlavor="MSK"`).
//! Narrative goes, or keeps its form with its text cleaned; references to it stay whole.

mod rules;

use std::{collections::HashMap, io::Write};

use sutura_ccda::{Content, Document, Element, Limits, Namespace};
use sutura_core::PhiClass;
use sutura_hl7v2::timestamp;
use sutura_privacy::{CodeShape, LabelAction, Policy, is_age_code, labels::LabelSet};

use crate::{
    category::{Category, of_statement},
    document::{DocumentDeidentifier, Form, Ids, Known, Role, Run, Treatment, number_of_code},
    error::DeidError,
    ledger::{Ledger, Outcome},
    stream::{Refused, Rewind, StreamDeidentifier, Streamed, read_whole, write},
};
use rules::{Rules, Slot, code_slot, is_narrative, is_structural, is_structural_word, masks, text_slot};

/// Name spaces of numbers that everybody uses: national ones, and code systems.
const PUBLIC_ROOTS: [&str; 3] = ["2.16.840.1.113883.4.", "2.16.840.1.113883.6.", "2.16.840.1.113883.5."];

/// De-identifies C-CDA documents. One serves all threads.
pub struct CcdaDeidentifier {
    treatment: Treatment,
    rules: Rules,
    ids: Ids,
    limits: Limits,
}

impl CcdaDeidentifier {
    /// For whole documents.
    pub fn new(treatment: Treatment) -> Self {
        let ids = Ids::of(&treatment.privacy, Some("documents"), "document_id", "ClinicalDocument.id");
        Self { rules: Rules::new(&treatment), treatment, ids, limits: Limits::default() }
    }

    /// With other bounds on a document.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

impl std::fmt::Debug for CcdaDeidentifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CcdaDeidentifier").field("treatment", &self.treatment).finish_non_exhaustive()
    }
}

impl DocumentDeidentifier for CcdaDeidentifier {
    /// `input` is one document. What comes out is UTF-8.
    fn deidentify(&self, input: &[u8], out: &mut Vec<u8>, ledger: &mut Ledger) -> Result<(), DeidError> {
        if input.len() > self.limits.bytes {
            return Err(NOT_WITHIN);
        }
        let mut counts = Ledger::new();
        let text = self.document(input.to_vec(), &mut counts)?;
        out.extend_from_slice(text.as_bytes());
        ledger.merge(&counts);
        Ok(())
    }
}

const NOT_WITHIN: DeidError =
    DeidError::NotRead { format: "C-CDA document", reason: "it is no well-formed ClinicalDocument within the limits" };

impl StreamDeidentifier for CcdaDeidentifier {
    /// One document, which is held as a whole: see [`CcdaDeidentifier::with_limits`].
    fn deidentify_stream(
        &self,
        input: &mut dyn Rewind,
        output: &mut dyn Write,
        ledger: &mut Ledger,
        _: &mut dyn FnMut(Refused),
    ) -> Result<Streamed, DeidError> {
        let mut done = Streamed { records: 1, ..Streamed::default() };
        let whole = read_whole(input, self.limits.bytes, NOT_WITHIN)?;
        done.bytes_in = whole.len() as u64;
        let mut counts = Ledger::new();
        let text = self.document(whole, &mut counts)?;
        write(output, text.as_bytes(), &mut done)?;
        ledger.merge(&counts);
        Ok(done)
    }
}

impl CcdaDeidentifier {
    fn document(&self, input: Vec<u8>, counts: &mut Ledger) -> Result<String, DeidError> {
        let bytes_in = input.len();
        let document = Document::parse(input, &self.limits).map_err(|_| NOT_WITHIN)?;
        let patient = patient_of(&document).map(str::to_owned);
        let known = people(&document, patient.as_deref());
        let tokens = known.tokens();
        let mut walk = Walk {
            of: self,
            patient,
            run: Run { treatment: &self.treatment, known, tokens: &tokens, ledger: counts },
            ids: HashMap::new(),
            anchors: HashMap::new(),
            anchored: std::collections::HashSet::new(),
            ages: false,
            kept: kept_categories(document.root(), self.treatment.privacy.policy()),
        };
        walk.find_anchors(document.root())?;
        let mut text = String::with_capacity(bytes_in);
        text.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        walk.element(document.root(), "", &mut text)?;
        text.push('\n');
        counts.document(bytes_in, text.len());
        Ok(text)
    }
}

/// A document with a sensitive category in it.
const RESTRICTED: &str = " code=\"R\" codeSystem=\"2.16.840.1.113883.5.25\" codeSystemName=\"Confidentiality\" displayName=\"restricted\"";

/// The categories of the statements that stay.
fn kept_categories(root: Element<'_>, policy: &Policy) -> LabelSet {
    let entries = root.descendants().filter(|element| element.name() == "entry");
    entries.fold(LabelSet::NONE, |all, entry| all.union(Category::of(of_statement(entry), policy).kept()))
}

/// What stands for the patient, as the reader's `patient_id` says: the first identifier with an extension, else the first root.
fn patient_of(document: &Document) -> Option<&str> {
    let role = document.root().path(&["recordTarget", "patientRole"])?;
    let some = |name: &'static str| move |id: Element<'_>| id.attr(name).filter(|text| !text.trim().is_empty()).map(|_| ());
    let with = |name: &'static str| role.children_named("id").find(|id| some(name)(*id).is_some());
    with("extension").and_then(|id| id.attr("extension")).or_else(|| with("root").and_then(|id| id.attr("root"))).map(str::trim)
}

/// The people that the document names.
fn people(document: &Document, patient: Option<&str>) -> Known {
    let mut known = Known::default();
    known.set_patient(patient);
    for element in document.root().descendants() {
        let role = || {
            let mut at = Some(element);
            while let Some(around) = at {
                match around.name() {
                    "recordTarget" if element.name() != "id" => return Role::Patient,
                    "patientRole" | "patient" => return Role::Patient,
                    "guardian" | "relatedEntity" | "associatedEntity" | "relatedSubject" | "guardianPerson" => return Role::Relative,
                    "assignedEntity" | "assignedAuthor" | "providerOrganization" | "intendedRecipient" => return Role::Provider,
                    _ => at = around.parent(),
                }
            }
            Role::Provider
        };
        match element.name() {
            "given" | "family" => known.add(role(), &PhiClass::Name, &element.text()),
            // A whole name in one text.
            "name" if element.children().next().is_none() && role() != Role::Provider => {
                known.add(role(), &PhiClass::Name, &element.text());
            }
            "streetAddressLine" | "city" | "postalCode" if role() != Role::Provider => {
                known.add(role(), &PhiClass::Geography, &element.text());
            }
            "telecom" => {
                let value = element.attr("value").unwrap_or_default();
                let (slot, number) = telecom_slot(value);
                let class = if slot == Slot::Email { PhiClass::Email } else { PhiClass::Phone };
                known.add(role(), &class, number);
            }
            "id" if element.parent().is_some_and(|parent| parent.name() == "patientRole") => {
                known.add(Role::Patient, &PhiClass::Mrn, element.attr("extension").unwrap_or_default());
            }
            "birthTime" if element.parent().is_some_and(|parent| parent.name() == "patient") => {
                let mut iso = Vec::new();
                if timestamp::write_iso(element.attr("value").unwrap_or_default().trim().as_bytes(), &mut iso) {
                    known.add(Role::Patient, &PhiClass::Date, &String::from_utf8_lossy(&iso));
                }
            }
            _ => {}
        }
    }
    known
}

/// What a telecom is by its scheme, and its number or address.
fn telecom_slot(value: &str) -> (Slot, &str) {
    let (scheme, rest) = value.split_once(':').unwrap_or(("tel", value));
    match scheme.trim().to_ascii_lowercase().as_str() {
        "mailto" => (Slot::Email, rest),
        "fax" | "x-text-fax" => (Slot::Fax, rest),
        "http" | "https" | "ftp" => (Slot::Url, value),
        _ => (Slot::Phone, rest),
    }
}

struct Walk<'w> {
    of: &'w CcdaDeidentifier,
    patient: Option<String>,
    run: Run<'w>,
    /// New roots of identifiers.
    ids: HashMap<String, String>,
    /// New names of the places that references point at.
    anchors: HashMap<String, String>,
    anchored: std::collections::HashSet<String>,
    /// Whether the statement that is walked says an age.
    ages: bool,
    /// The categories of what stays: the document says that it is restricted.
    kept: LabelSet,
}

/// What became of an element's inside.
#[derive(Default)]
struct Inside {
    attributes: String,
    content: String,
    /// Whether it had anything.
    had: bool,
}

impl Walk<'_> {
    /// Names for the places in narrative that references point at: those that were sent may say anything.
    fn find_anchors(&mut self, root: Element<'_>) -> Result<(), DeidError> {
        // Where the text goes there is nothing to point at.
        let keeps = self.value(Slot::Text, "The text stays.")?.is_some();
        *self.run.ledger = Ledger::new();
        if keeps {
            for element in root.descendants() {
                if let Some(id) = element.id_attr().filter(|_| is_narrative(element.name())) {
                    let name = format!("t{}", self.anchors.len() + 1);
                    self.anchors.entry(id.to_owned()).or_insert(name);
                }
            }
        }
        Ok(())
    }

    fn value<'v>(&mut self, slot: Slot, value: &'v str) -> Result<Option<std::borrow::Cow<'v, str>>, DeidError> {
        self.run.value(self.of.rules.leaf(slot), value, self.patient.as_deref())
    }

    fn count(&mut self, slot: Slot, outcome: Outcome) {
        self.run.ledger.record(&self.of.rules.leaf(slot).place, outcome);
    }

    fn element(&mut self, element: Element<'_>, parent: &str, out: &mut String) -> Result<(), DeidError> {
        let name = element.name();
        let known = matches!(element.namespace(), Namespace::Hl7 | Namespace::Sdtc) && self.of.rules.is_element(name);
        if !known {
            self.count(Slot::Unknown, Outcome::Unknown);
            return Ok(());
        }
        if name == "entry" && parent == "section" {
            let category = Category::of(of_statement(element), self.of.treatment.privacy.policy());
            if !category.labels.is_empty() {
                self.run.ledger.category(category);
            }
            if category.action != LabelAction::Keep {
                return Ok(());
            }
        }
        let ages = self.ages;
        if name == "observation" {
            self.ages = element.child("code").and_then(|code| code.attr("code")).is_some_and(says_age);
        }
        let mut inside = Inside::default();
        if name == "confidentialityCode" && parent == "ClinicalDocument" && !self.kept.is_empty() {
            inside.attributes.push_str(RESTRICTED);
        } else if name == "id" || name == "setId" {
            self.identifier(element, parent, &mut inside)?;
        } else {
            self.attributes(element, parent, &mut inside)?;
            self.content(element, parent, &mut inside)?;
        }
        self.ages = ages;
        let prefix = if element.namespace() == Namespace::Sdtc { "sdtc:" } else { "" };
        let empty = inside.attributes.is_empty() && inside.content.is_empty();
        // A reference that points at nothing says nothing.
        let lost = inside.had && (empty || only_structure(name, &inside));
        if lost && !parent.is_empty() {
            if masks(name) {
                out.push('<');
                out.push_str(prefix);
                out.push_str(name);
                if let Some(kind) = element.xsi_type().filter(|kind| name == "value" && is_type(kind)) {
                    push_attribute(out, "xsi:type", kind);
                }
                push_attribute(out, "nullFlavor", "MSK");
                out.push_str("/>");
            }
            return Ok(());
        }
        out.push('<');
        out.push_str(prefix);
        out.push_str(name);
        if parent.is_empty() {
            out.push_str(
                " xmlns=\"urn:hl7-org:v3\" xmlns:sdtc=\"urn:hl7-org:sdtc\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"",
            );
        }
        out.push_str(&inside.attributes);
        if inside.content.is_empty() {
            out.push_str("/>");
        } else {
            out.push('>');
            out.push_str(&inside.content);
            out.push_str("</");
            out.push_str(prefix);
            out.push_str(name);
            out.push('>');
        }
        Ok(())
    }

    /// Whether the policy takes a statement of the section, or the section itself is of a category that it takes.
    fn hides_statements(&self, section: Option<Element<'_>>) -> bool {
        let policy = self.of.treatment.privacy.policy();
        let hidden = |element: Element<'_>| Category::of(of_statement(element), policy).action != LabelAction::Keep;
        section.is_some_and(|section| section.children().any(|child| matches!(child.name(), "entry" | "code") && hidden(child)))
    }

    /// The attributes of an element.
    fn attributes(&mut self, element: Element<'_>, parent: &str, inside: &mut Inside) -> Result<(), DeidError> {
        let name = element.name();
        let out = &mut inside.attributes;
        let mut had = false;
        for (namespace, attribute, value) in element.attributes() {
            if value.trim().is_empty() || attribute == "schemaLocation" {
                continue;
            }
            if namespace == Namespace::Xsi {
                if attribute == "type" {
                    let kind = value.rsplit(':').next().unwrap_or(value).trim();
                    if is_type(kind) {
                        push_attribute(out, "xsi:type", kind);
                    }
                }
                continue;
            }
            if !matches!(namespace, Namespace::None | Namespace::Hl7 | Namespace::Sdtc) {
                self.run.ledger.record(&self.of.rules.leaf(Slot::Unknown).place, Outcome::Unknown);
                continue;
            }
            if is_structural(attribute) {
                if is_structural_word(value) {
                    push_attribute(out, attribute, value);
                } else {
                    self.run.ledger.record(&self.of.rules.leaf(Slot::Unknown).place, Outcome::Suppressed);
                }
                continue;
            }
            had = true;
            let slot = match (name, attribute) {
                ("templateId" | "typeId", "root" | "extension") => {
                    template(element, attribute, value, out);
                    continue;
                }
                ("reference", "value") => {
                    // Only what points at narrative that is still there.
                    if let Some(new) = value.trim().strip_prefix('#').and_then(|id| self.anchors.get(id)) {
                        push_attribute(out, "value", &format!("#{new}"));
                    } else {
                        self.run.ledger.record(&self.of.rules.leaf(Slot::Reference).place, Outcome::Removed);
                    }
                    continue;
                }
                ("telecom", "value") => {
                    let (slot, number) = telecom_slot(value);
                    let treated = self.run.value(self.of.rules.leaf(slot), number, self.patient.as_deref())?;
                    if let Some(new) = treated {
                        let scheme = match slot {
                            Slot::Email => "mailto:",
                            Slot::Fax => "fax:",
                            Slot::Url => "",
                            _ => "tel:",
                        };
                        push_attribute(out, "value", &format!("{scheme}{new}"));
                    }
                    continue;
                }
                (_, "code") => code_slot(name),
                (_, "codeSystem" | "valueSet") => Slot::CodeSystem,
                (_, "codeSystemName") => Slot::CodeSystemName,
                (_, "codeSystemVersion") => Slot::CodeSystemVersion,
                (_, "displayName") => Slot::DisplayName,
                (_, "unit" | "currency") => Slot::Unit,
                (_, "value") => value_slot(element, parent),
                _ => Slot::Unknown,
            };
            let treated = if self.of.rules.leaf(slot).form == Form::Date {
                date(&mut self.run, self.of.rules.leaf(slot), value, self.patient.as_deref())?
            } else if slot == Slot::Number && self.ages && is_high(value) {
                self.run.ledger.record(&self.of.rules.leaf(slot).place, Outcome::Suppressed);
                None
            } else {
                self.run.value(self.of.rules.leaf(slot), value, self.patient.as_deref())?.map(std::borrow::Cow::into_owned)
            };
            if let Some(new) = treated.filter(|_| slot != Slot::Unknown) {
                push_attribute(out, attribute, &new);
            }
        }
        inside.had |= had;
        Ok(())
    }

    /// What stands in an element.
    fn content(&mut self, element: Element<'_>, parent: &str, inside: &mut Inside) -> Result<(), DeidError> {
        let name = element.name();
        let embedded =
            element.attr("representation").is_some_and(|way| way.trim() == "B64") || parent == "nonXMLBody" || parent == "observationMedia";
        if (name == "text" || name == "value") && embedded {
            inside.had = true;
            self.count(Slot::Unknown, Outcome::Removed);
            return Ok(());
        }
        if name == "text" && parent == "section" {
            inside.had |= element.content().next().is_some();
            // It tells what the statements of its section tell.
            if self.hides_statements(element.parent()) {
                self.count(Slot::Text, Outcome::Removed);
                return Ok(());
            }
            return self.narrative(element, &mut inside.content);
        }
        for part in element.content() {
            match part {
                Content::Element(child) => {
                    inside.had = true;
                    self.element(child, name, &mut inside.content)?;
                }
                Content::Text(text) if text.trim().is_empty() => {}
                Content::Text(text) => {
                    inside.had = true;
                    let slot = text_slot(name, parent);
                    if let Some(new) = self.value(slot, text.trim())?.filter(|_| slot != Slot::Unknown) {
                        push_text(&mut inside.content, &new);
                    }
                }
            }
        }
        Ok(())
    }

    /// Narrative in its form, with its texts cleaned.
    fn narrative(&mut self, element: Element<'_>, out: &mut String) -> Result<(), DeidError> {
        for part in element.content() {
            match part {
                Content::Text(text) if text.trim().is_empty() => {}
                Content::Text(text) => {
                    if let Some(new) = self.value(Slot::Text, text)? {
                        push_text(out, &new);
                    }
                }
                // A picture is somebody else's file.
                Content::Element(child) if child.name() == "renderMultiMedia" => self.count(Slot::Unknown, Outcome::Removed),
                Content::Element(child) => {
                    let mut inside = String::new();
                    self.narrative(child, &mut inside)?;
                    let anchor = child.id_attr().and_then(|id| self.anchors.get(id)).cloned();
                    // Of two places with one name the first is meant.
                    let anchor = anchor.filter(|anchor| self.anchored.insert(anchor.clone()));
                    if !is_narrative(child.name()) {
                        out.push_str(&inside);
                        continue;
                    }
                    if inside.is_empty() && anchor.is_none() && !matches!(child.name(), "br" | "td" | "th") {
                        continue;
                    }
                    out.push('<');
                    out.push_str(child.name());
                    if let Some(anchor) = anchor {
                        push_attribute(out, "ID", &anchor);
                    }
                    for span in ["colspan", "rowspan"] {
                        if let Some(count) =
                            child.attr(span).filter(|count| count.len() <= 2 && count.bytes().all(|byte| byte.is_ascii_digit()))
                        {
                            push_attribute(out, span, count);
                        }
                    }
                    if inside.is_empty() {
                        out.push_str("/>");
                    } else {
                        out.push('>');
                        out.push_str(&inside);
                        out.push_str("</");
                        out.push_str(child.name());
                        out.push('>');
                    }
                }
            }
        }
        Ok(())
    }

    /// An identifier: of a person as the policy says; of a document, section or statement rewritten, so that what belongs together stays so.
    fn identifier(&mut self, element: Element<'_>, parent: &str, inside: &mut Inside) -> Result<(), DeidError> {
        let attribute = |name: &str| element.attr(name).map(str::trim).filter(|text| !text.is_empty());
        let (root, extension) = (attribute("root"), attribute("extension"));
        if let Some(flavor) = element.null_flavor().filter(|flavor| is_structural_word(flavor)) {
            push_attribute(&mut inside.attributes, "nullFlavor", flavor);
        }
        inside.had = root.is_some() || extension.is_some();
        let is_record = parent == "patientRole";
        let slot = match root {
            Some("2.16.840.1.113883.4.1") => Slot::Ssn,
            Some("2.16.840.1.113883.4.6") => Slot::Licence,
            _ if is_record => Slot::Record,
            _ if matches!(parent, "assignedAuthor" | "assignedEntity") => Slot::Licence,
            _ => Slot::Identifier,
        };
        let is_public =
            root.is_some_and(|root| PUBLIC_ROOTS.iter().any(|known| root.starts_with(known)) && CodeShape::Canonical.fits(root));
        let Some(extension) = extension else {
            let Some(root) = root else { return Ok(()) };
            // The patient's own number is a record number, in whatever form.
            let is_patient = is_record && self.patient.as_deref() == Some(root);
            if is_patient {
                if let Some(code) = self.value(Slot::Record, root)? {
                    push_attribute(&mut inside.attributes, "root", &uid(&code));
                }
            } else {
                let new = self.root(root)?;
                push_attribute(&mut inside.attributes, "root", &new);
            }
            return Ok(());
        };
        let is_patient = is_record && self.patient.as_deref() == Some(extension);
        let slot = if is_patient { Slot::Record } else { slot };
        if let Some(new) = self.value(slot, extension)?.map(std::borrow::Cow::into_owned) {
            if let Some(root) = root {
                let new = if is_public { root.to_owned() } else { self.root(root)? };
                push_attribute(&mut inside.attributes, "root", &new);
            }
            push_attribute(&mut inside.attributes, "extension", &new);
        }
        Ok(())
    }

    /// A new root: a UUID for a UUID, an OID for an OID.
    fn root(&mut self, root: &str) -> Result<String, DeidError> {
        if let Some(known) = self.ids.get(root).cloned() {
            self.count(Slot::Identifier, Outcome::Replaced);
            return Ok(known);
        }
        let code = self.of.ids.code(&self.of.treatment.privacy, root)?;
        let new = match code {
            Some(same) if same == root => same,
            Some(code) => uid(&code),
            None => format!("2.25.{}", self.ids.len() + 1),
        };
        self.count(Slot::Identifier, if new == root { Outcome::Kept } else { Outcome::Replaced });
        self.ids.insert(root.to_owned(), new.clone());
        Ok(new)
    }
}

/// The OID that has the bits of a code.
fn uid(code: &str) -> String {
    format!("2.25.{}", number_of_code(code))
}

/// LOINC codes of ages, and those of SNOMED CT for the age at onset and at death.
fn says_age(code: &str) -> bool {
    is_age_code(code) || matches!(code, "445518008" | "397659008" | "39016-1" | "424144002")
}

fn is_high(value: &str) -> bool {
    value.trim().parse::<f64>().map_or(true, |age| age > 89.0)
}

/// A data type of HL7 v3: `CD`, `IVL_TS`.
fn is_type(kind: &str) -> bool {
    (2..=12).contains(&kind.len()) && kind.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// What `value` of an element is: a time, a number, a flag.
fn value_slot(element: Element<'_>, parent: &str) -> Slot {
    let is_time = |name: &str| {
        matches!(
            name,
            "effectiveTime"
                | "time"
                | "useablePeriod"
                | "expectedUseTime"
                | "activityTime"
                | "availabilityTime"
                | "copyTime"
                | "expirationTime"
        )
    };
    match element.name() {
        "birthTime" if parent == "patient" => Slot::BirthTime,
        "birthTime" | "deceasedTime" => Slot::Time,
        name if is_time(name) => Slot::Time,
        // The repetition of a timing is an amount of time.
        "period" | "width" | "offset" => Slot::Number,
        "low" | "high" | "center" | "phase" | "event" => {
            let mut around = element.parent();
            while let Some(outer) = around {
                if is_time(outer.name()) || outer.name() == "birthTime" {
                    return Slot::Time;
                }
                if outer.name() == "value" {
                    return if matches!(outer.xsi_type(), Some("IVL_TS" | "TS" | "PIVL_TS" | "SXCM_TS")) {
                        Slot::Time
                    } else {
                        Slot::Number
                    };
                }
                if !matches!(outer.name(), "low" | "high" | "center" | "phase") {
                    break;
                }
                around = outer.parent();
            }
            Slot::Number
        }
        "value" => match element.xsi_type() {
            Some("TS" | "IVL_TS") => Slot::Time,
            Some("BL") => Slot::Flag,
            Some("PQ" | "INT" | "REAL" | "MO" | "RTO" | "IVL_PQ" | "IVL_INT") => Slot::Number,
            _ => Slot::Unknown,
        },
        "preferenceInd" | "deceasedInd" | "multipleBirthInd" | "independentInd" | "seperatableInd" => Slot::Flag,
        "versionNumber" | "sequenceNumber" | "repeatNumber" | "birthOrderNumber" | "multipleBirthOrderNumber" | "priorityNumber" => {
            Slot::Count
        }
        "doseQuantity" | "rateQuantity" | "maxDoseQuantity" | "quantity" | "numerator" | "denominator" | "translation" => Slot::Number,
        _ => Slot::Unknown,
    }
}

/// A time of HL7 v3, which is written as in v2.
fn date(run: &mut Run<'_>, leaf: &crate::document::Leaf, value: &str, patient: Option<&str>) -> Result<Option<String>, DeidError> {
    let mut iso = Vec::new();
    let is_date = timestamp::write_iso(value.trim().as_bytes(), &mut iso);
    let text = if is_date { String::from_utf8_lossy(&iso).into_owned() } else { value.to_owned() };
    Ok(run.value(leaf, &text, patient)?.map(|new| match new {
        std::borrow::Cow::Borrowed(_) => value.trim().to_owned(),
        std::borrow::Cow::Owned(moved) => {
            let mut out = String::new();
            crate::hl7v2::push_hl7_date(&moved, &mut out);
            out
        }
    }))
}

/// The attributes of a template's id, where they name one.
fn template(element: Element<'_>, attribute: &str, value: &str, out: &mut String) {
    let root = element.attr("root").unwrap_or_default().trim();
    let whole = match element.attr("extension") {
        Some(extension) if element.name() == "templateId" => format!("urn:hl7ii:{root}:{}", extension.trim()),
        _ => root.to_owned(),
    };
    let constant = element.name() == "typeId" && root == "2.16.840.1.113883.1.3" && value.trim().starts_with("POCD_HD");
    let fits = root.contains('.') && CodeShape::Canonical.fits(&whole);
    if constant || fits && (attribute == "root" || element.name() == "templateId") {
        push_attribute(out, attribute, value.trim());
    }
}

/// Whether what is left of an element is only its structure: a code without its code, a text of which the reference is gone.
fn only_structure(name: &str, inside: &Inside) -> bool {
    if !inside.content.is_empty() || inside.attributes.contains("nullFlavor=") {
        return false;
    }
    let has = |names: &[&str]| names.iter().any(|name| inside.attributes.contains(&format!(" {name}=\"")));
    match name {
        "templateId" | "typeId" => !has(&["root"]),
        "telecom" | "birthTime" | "time" | "low" | "high" | "center" => !has(&["value"]),
        "addr" | "name" | "title" | "originalText" | "text" | "family" | "given" => true,
        "value" | "doseQuantity" | "quantity" | "effectiveTime" => !has(&["value", "code", "operator"]),
        "reference" => !has(&["value", "typeCode"]),
        name if name.ends_with("Code") || name == "code" || name == "translation" => !has(&["code", "value", "displayName"]),
        _ => false,
    }
}

fn push_attribute(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    push_escaped(out, value, true);
    out.push('"');
}

fn push_text(out: &mut String, text: &str) {
    push_escaped(out, text, false);
}

fn push_escaped(out: &mut String, text: &str, is_attribute: bool) {
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' if is_attribute => out.push_str("&quot;"),
            '\n' | '\t' if is_attribute => out.push(' '),
            // Not a character of XML.
            '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}' => out.push(' '),
            other => out.push(other),
        }
    }
}
