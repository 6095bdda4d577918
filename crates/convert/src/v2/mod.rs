//! HL7 v2 messages to FHIR R4.
//!
//! The maps are tables: those of the HL7 v2-to-FHIR guide and our own in the same form, derived by `tools/derive-v2-to-fhir` into `data/v2`
//! and compiled once. A [`Converter`] walks the segments of a message, applies the maps of each and writes one transaction Bundle.
//! What becomes of each field is counted in a [`Report`].
//!
//! - `""` deletes: the element is not in the resource that is put in place of the stored one; the report counts it as dropped, `deleted`.
//! - Times keep their precision and offset. A time without an offset takes that of MSH-7, else [`Options::default_zone`]; without any it is cut
//!   to its date, with a finding.
//! - Ids are made of identifiers (`identity`), so a message that comes again updates.
//! - Merges of patients (A40 and its kin) give the patient that is no more `active: false` and a link `replaced-by`; moves of visits and
//!   accounts and changes of their numbers say nothing of a patient.

mod account;
mod codes;
mod complete;
mod condition;
mod document;
mod functions;
mod identity;
mod index;
mod observed;
mod plan;
mod run;
mod table;
mod terminology;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod walk;

use sutura_core::{Finding, Severity};
use sutura_hl7v2::Message;

pub use crate::fhir::Source;
use crate::{
    ConvertError, UserCodes,
    fhir::{BundleOptions, Tree, provenance},
    report::Report,
};
use account::Account;
use index::Index;
use run::Work;
use time::Zone;

/// How messages are converted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Zone of local times of which neither the value nor MSH-7 states an offset: `+01:00` or `Europe/Berlin`.
    pub default_zone: Option<String>,
    /// Take the namespace of an assigning authority before its universal id, as the guide's tables do. Else the universal id is taken where
    /// there is one: it means the same at every sender.
    pub namespace_first: bool,
    /// Put in front of namespaces that become the system of an identifier (`http://hospital.example/ns/`), which makes them URIs.
    pub namespace_base: Option<String>,
    /// Put in front of the names of local code systems. Without it a code of a local system has no system.
    pub local_systems: Option<String>,
    /// Base of the server, for the fullUrl of entries.
    pub base_url: Option<String>,
    /// Add a Provenance that says which bytes the resources were made of.
    pub provenance: bool,
    /// The instant that goes into `Provenance.recorded`; the time at which the converter was made if none is given.
    pub recorded: Option<String>,
    /// Code systems and maps of the user: codes get their translation in front of them and displays where they have none, and the report counts
    /// them by system.
    #[serde(skip)]
    pub terminology: Option<UserCodes>,
    /// Messages with more segments are refused.
    pub max_segments: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            default_zone: None,
            namespace_first: false,
            namespace_base: None,
            local_systems: None,
            base_url: None,
            provenance: true,
            recorded: None,
            terminology: None,
            max_segments: 200_000,
        }
    }
}

impl Options {
    /// Whether a converter can be made with them, without making one.
    ///
    /// # Errors
    /// A zone or an instant that is none.
    pub fn check(&self) -> Result<(), OptionsError> {
        self.checked().map(drop)
    }

    fn checked(&self) -> Result<(Zone, String), OptionsError> {
        let zone = match &self.default_zone {
            Some(text) => Zone::parse(text).ok_or(OptionsError::Zone)?,
            None => Zone::Unknown,
        };
        let recorded = match &self.recorded {
            Some(text) => chrono::DateTime::parse_from_rfc3339(text).map(|_| text.clone()).map_err(|_| OptionsError::Recorded)?,
            None => chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        };
        Ok((zone, recorded))
    }
}

/// Wrong options.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// The zone is neither an offset nor a name.
    #[error("default_zone is neither an offset like +01:00 nor an IANA zone like Europe/Berlin")]
    Zone,
    /// The time is no instant.
    #[error("recorded is no instant like 2026-01-01T12:00:00Z")]
    Recorded,
}

/// Converts messages. It keeps its memory from one message to the next: make one for each thread.
pub struct Converter {
    options: Options,
    zone: Zone,
    recorded: String,
    bundle: BundleOptions,
    tree: Tree,
    findings: Vec<Finding>,
    kept: Vec<bool>,
    account: Account,
}

impl std::fmt::Debug for Converter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Converter").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The activity of the Provenance.
const ACTIVITY: &str = "v2-fhir-transformation";

impl Converter {
    /// A converter.
    ///
    /// # Errors
    /// A zone or an instant that is none.
    pub fn new(options: &Options) -> Result<Self, OptionsError> {
        let (zone, recorded) = options.checked()?;
        plan::plan();
        Ok(Self {
            bundle: BundleOptions { base_url: options.base_url.clone() },
            options: options.clone(),
            zone,
            recorded,
            tree: Tree::new(),
            findings: Vec::new(),
            kept: Vec::new(),
            account: Account::default(),
        })
    }

    /// Converts one message and appends its Bundle to `out`, without a line end. The report counts it, also when it is refused.
    ///
    /// # Errors
    /// A message of which nothing can be made; nothing is appended then.
    pub fn convert(
        &mut self,
        message: &Message<'_>,
        source: &Source<'_>,
        report: &mut Report,
        out: &mut Vec<u8>,
    ) -> Result<(), ConvertError> {
        self.build(message, source, report)?;
        let kept = &self.kept;
        self.tree.write_transaction(&self.bundle, |resource| kept[resource.index()], out);
        Ok(())
    }

    /// What was odd about the last message and survived.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    fn build(&mut self, message: &Message<'_>, source: &Source<'_>, report: &mut Report) -> Result<(), ConvertError> {
        self.findings.clear();
        self.tree.clear();
        if message.segment_count() > self.options.max_segments {
            let feed = report.feed("");
            feed.records += 1;
            *feed.rejected.entry(ConvertError::TooLarge.code()).or_default() += 1;
            return Err(ConvertError::TooLarge);
        }
        let index = Index::new(message);
        let feed_name = feed_name(&index);
        let feed = report.feed(&feed_name);
        feed.records += 1;
        let code = index.first(0, 9, 1);
        if code.is_empty() {
            *feed.rejected.entry(ConvertError::NoMessageType.code()).or_default() += 1;
            return Err(ConvertError::NoMessageType);
        }
        let plan = plan::plan();
        let mut tree = std::mem::take(&mut self.tree);
        let mut work = Work::new(plan, &index, &mut tree);
        work.zone = Zone::of_timestamp(index.first(0, 7, 1)).unwrap_or(self.zone);
        work.namespace_first = self.options.namespace_first;
        work.namespace_base = self.options.namespace_base.as_deref();
        work.local_systems = self.options.local_systems.as_deref();
        work.local_names = self.options.terminology.is_some().then(Vec::new);
        self.account.clear();
        let recognised = walk::walk(&mut work, &mut self.account);
        let trigger = index.first(0, 9, 2).to_owned();
        // Numbers without an authority are the facility's, or the application's if no facility is named.
        let sender = [4, 3].map(|field| index.plain(index.first(0, field, 0)));
        let sender = sender.iter().find(|name| !name.trim().is_empty()).map_or("", |name| name.trim()).to_owned();
        if !recognised {
            self.tree = tree;
            self.account.reject(feed);
            *feed.rejected.entry(ConvertError::NothingToConvert.code()).or_default() += 1;
            return Err(ConvertError::NothingToConvert);
        }
        self.account.post(feed);
        work.resolve_pending();
        self.kept.clear();
        for resource in work.tree.resources() {
            let made = &work.made[resource.index()];
            let only_of = |tags: &[plan::Tag]| made.segments.iter().all(|at| tags.contains(&index.segments[*at as usize].tag));
            let keep = match made.role.map(|role| plan.roles[role].name) {
                Some("Patient" | "MergedPatient" | "MessageHeader" | "Bundle") => true,
                // What only others add to was not sent.
                Some("DiagnosticReport") if only_of(&[*b"ORC", *b"TQ1"]) => false,
                Some("Encounter") if only_of(&[*b"DG1", *b"PR1"]) => false,
                Some(_) => made.has_data,
                None => work.tree.has_content(work.tree.root(resource)),
            };
            self.kept.push(keep);
        }
        // What is not kept is not referred to either.
        let there: Vec<_> = work.tree.resources().map(|resource| self.kept[resource.index()].then_some(resource)).collect();
        work.tree.relink(&there);
        work.tree.settle();
        for resource in work.tree.resources() {
            if self.kept[resource.index()] && work.tree.type_of(resource) != "Bundle" {
                complete::complete(&mut work, resource, &self.recorded);
            }
        }
        let stands = identity::assign(&mut work, &source.sha256, &sender, &self.kept);
        work.tree.relink(&stands);
        complete::unlink_itself(work.tree, &self.kept);
        for (at, keep) in self.kept.iter_mut().enumerate() {
            *keep &= stands[at].is_some_and(|resource| resource.index() == at);
        }
        for finding in &work.findings {
            feed.finding(finding);
        }
        for name in &work.unmapped_codes {
            feed.unmapped_code(*name);
        }
        std::mem::swap(&mut self.findings, &mut work.findings);
        if let Some(UserCodes(user)) = &self.options.terminology {
            let names = work.local_names.take().unwrap_or_default();
            terminology::apply(work.tree, &self.kept, names, self.options.local_systems.as_deref(), user, &mut feed.codes);
        }
        if self.options.provenance {
            let kept = &self.kept;
            let tree = &mut *work.tree;
            let targets: Vec<_> =
                tree.resources().filter(|resource| kept[resource.index()] && tree.type_of(*resource) != "Bundle").collect();
            if provenance(tree, source, &self.recorded, ACTIVITY, &targets).is_some() {
                self.kept.push(true);
            }
        }
        for resource in work.tree.resources() {
            if self.kept[resource.index()] && work.tree.type_of(resource) != "Bundle" {
                feed.resource(work.tree.type_of(resource));
            }
        }
        feed.converted += 1;
        if !sutura_hl7v2::defs::known_message_type(code, &trigger) && code != "ACK" {
            let finding = Finding::new(
                "convert-unknown-trigger",
                Severity::Info,
                "MSH-9",
                "the standard does not have this message type and trigger; its segments were converted by what they are",
            );
            feed.finding(&finding);
            self.findings.push(finding);
        }
        self.tree = tree;
        Ok(())
    }
}

/// Sending application and facility.
fn feed_name(index: &Index<'_>) -> String {
    let [application, facility] = [3, 4].map(|field| index.plain(index.first(0, field, 1)).into_owned());
    if facility.is_empty() { application } else { format!("{application}/{facility}") }
}
