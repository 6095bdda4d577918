//! Messages and documents to FHIR, one text at a time: what the SQL functions and the job step `convert` share.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use sutura_ccda::{Document, Limits};
use sutura_convert::{UserCodes, Zone, ccda, fhir::Source, report::Report, v2};
use sutura_core::Sha256Hash;
use sutura_fhir::json::Parser;
use sutura_hl7v2::Message;
use sutura_terminology::UserTerminology;

/// What the texts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// HL7 v2 messages.
    Hl7v2,
    /// C-CDA documents.
    Ccda,
}

impl RecordKind {
    /// Of the format of that name.
    pub fn of_format(name: &str) -> Option<Self> {
        match name {
            "hl7v2" => Some(Self::Hl7v2),
            "ccda" => Some(Self::Ccda),
            _ => None,
        }
    }

    /// The name of the format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hl7v2 => "hl7v2",
            Self::Ccda => "ccda",
        }
    }
}

/// How records are converted.
#[derive(Debug, Clone, Default)]
pub struct ConvertOptions {
    /// Zone of times of which the record states no offset: `+01:00` or `Europe/Berlin`.
    pub zone: Option<String>,
    /// Put in front of namespaces of HL7 v2 that become the system of an identifier.
    pub namespace_base: Option<String>,
    /// Put in front of the names of local code systems of HL7 v2.
    pub local_systems: Option<String>,
    /// Code systems and maps of the user.
    pub terminology: Option<Arc<UserTerminology>>,
    /// Base of the server, for the fullUrl of entries.
    pub base_url: Option<String>,
    /// Whether each Bundle has a Provenance that says which bytes it was made of.
    pub provenance: bool,
}

/// Why a text became no Bundle: a code, which holds nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal(pub &'static str);

/// Converts texts of one kind; shared by threads.
pub struct RowConverter {
    kind: RecordKind,
    v2: v2::Options,
    /// Each thread takes one and gives it back.
    idle: Mutex<Vec<v2::Converter>>,
    ccda: ccda::Converter,
}

impl fmt::Debug for RowConverter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowConverter").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// The mark that says that a text is UTF-8, whatever it declares of itself.
const UTF8_MARK: &[u8] = b"\xEF\xBB\xBF";

impl RowConverter {
    /// A converter.
    ///
    /// # Errors
    /// When the zone is none.
    pub fn new(kind: RecordKind, options: &ConvertOptions) -> Result<Self, String> {
        let bad_zone = "zone: neither an offset like +01:00 nor a name like Europe/Berlin";
        let default_zone = options.zone.as_deref().map(|zone| Zone::parse(zone).ok_or(bad_zone)).transpose()?;
        let terminology = options.terminology.clone().map(UserCodes);
        let recorded = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        let v2 = v2::Options {
            default_zone: options.zone.clone(),
            base_url: options.base_url.clone(),
            namespace_base: options.namespace_base.clone(),
            local_systems: options.local_systems.clone(),
            terminology: terminology.clone(),
            provenance: options.provenance,
            // The same for all threads.
            recorded: Some(recorded),
            ..v2::Options::default()
        };
        // The first message compiles the tables of a converter: a session has the functions whether or not anybody calls them.
        v2.check().map_err(|error| error.to_string())?;
        let ccda = ccda::Converter::new(ccda::Options {
            base_url: options.base_url.clone(),
            provenance: options.provenance,
            default_zone,
            terminology,
            ..ccda::Options::default()
        });
        Ok(Self { kind, v2, idle: Mutex::default(), ccda })
    }

    /// What the texts are.
    pub fn kind(&self) -> RecordKind {
        self.kind
    }

    /// Appends the Bundle of a text to `out`. The report counts the record, also when it is refused.
    ///
    /// # Errors
    /// A text of which nothing can be made; `out` is then as it was.
    pub fn convert(&self, text: &str, source: &Source<'_>, report: &mut Report, out: &mut Vec<u8>) -> Result<(), Refusal> {
        match self.kind {
            RecordKind::Hl7v2 => {
                // The reader of files takes what frames a message away; a text out of elsewhere may still have it.
                let text = text.trim_start_matches(['\u{FEFF}', '\u{B}', '\r', '\n', ' ']);
                let Ok(message) = Message::parse(text) else { return Err(unreadable(report, "not-hl7")) };
                let mut converter = self.take()?;
                let converted = converter.convert(&message, source, report, out);
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(converter);
                converted.map_err(|error| Refusal(error.code()))
            }
            RecordKind::Ccda => {
                let bytes = [UTF8_MARK, text.trim_start_matches('\u{FEFF}').as_bytes()].concat();
                let limits = Limits { bytes: Limits::MOST_BYTES, text: Limits::MOST_BYTES, ..Limits::default() };
                let document = Document::parse(bytes, &limits).map_err(|error| unreadable(report, error.kind.code()))?;
                self.ccda.convert(&document, source, report, out).map(drop).map_err(|error| Refusal(error.code()))
            }
        }
    }

    fn take(&self) -> Result<v2::Converter, Refusal> {
        let known = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // The options were right for the first one.
        known.map_or_else(|| v2::Converter::new(&self.v2).map_err(|_| Refusal("convert-options")), Ok)
    }
}

/// Counts a text that is no record of its kind.
fn unreadable(report: &mut Report, code: &'static str) -> Refusal {
    let feed = report.feed("");
    feed.records += 1;
    *feed.rejected.entry(code).or_default() += 1;
    Refusal(code)
}

/// The place of a text that stands nowhere but in the text itself.
pub fn source_of(text: &str) -> Source<'static> {
    Source { uri: "", offset: 0, length: text.len() as u64, sha256: Sha256Hash::of(text.as_bytes()) }
}

/// Calls back with type, id and JSON of each resource of a Bundle.
pub fn resources_of(parser: &mut Parser, bundle: &[u8], take: &mut dyn FnMut(&str, Option<&str>, &str)) {
    let Ok(document) = parser.parse(bundle) else { return };
    let Some(entries) = document.root().get("entry") else { return };
    for entry in entries.items() {
        let Some(resource) = entry.get("resource") else { continue };
        let Some(kind) = resource.get("resourceType").and_then(|kind| kind.as_str()) else { continue };
        take(kind, resource.get("id").and_then(|id| id.as_str()), resource.raw_text());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "MSH|^~\\&|LAB|HOSP|||20260102030405||ORU^R01|C1|P|2.5.1\rPID|1||77^^^HOSP^MR||Doe^Jane||19800101|F\r\
                           OBR|1|||2345-7^Glucose^LN\rOBX|1|NM|2345-7^Glucose^LN||95|mg/dL|||||F\r";

    #[test]
    fn a_message_becomes_resources_and_is_counted() {
        let converter = RowConverter::new(RecordKind::Hl7v2, &ConvertOptions::default()).unwrap();
        let (mut report, mut out) = (Report::new(), Vec::new());
        converter.convert(MESSAGE, &source_of(MESSAGE), &mut report, &mut out).unwrap();
        let mut found = Vec::new();
        resources_of(&mut Parser::default(), &out, &mut |kind, id, json| {
            assert!(json.contains(kind) && id.is_some());
            found.push(kind.to_owned());
        });
        assert!(found.iter().any(|kind| kind == "Patient") && found.iter().any(|kind| kind == "Observation"), "{found:?}");
        assert!(!found.iter().any(|kind| kind == "Provenance"), "none was asked for");
        let length = out.len();
        assert_eq!(converter.convert("hello", &source_of("hello"), &mut report, &mut out), Err(Refusal("not-hl7")));
        assert_eq!((out.len(), report.records()), (length, (2, 1, 1)));
    }

    #[test]
    fn a_document_becomes_resources_whatever_encoding_it_declares() {
        let text = "<?xml version='1.0' encoding='ISO-8859-1'?><ClinicalDocument xmlns='urn:hl7-org:v3'><code code='34133-9' \
                    codeSystem='2.16.840.1.113883.6.1'/><recordTarget><patientRole><id root='1.2.3' extension='7'/><patient><name>\
                    <family>M\u{FC}ller</family></name></patient></patientRole></recordTarget></ClinicalDocument>";
        let converter = RowConverter::new(RecordKind::Ccda, &ConvertOptions { provenance: true, ..ConvertOptions::default() }).unwrap();
        let (mut report, mut out) = (Report::new(), Vec::new());
        let source = Source { uri: "file:///a.xml", ..source_of(text) };
        converter.convert(text, &source, &mut report, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("M\u{FC}ller") && text.contains("Provenance") && text.contains("file:///a.xml"), "{text}");
        assert!(converter.convert("<a/>", &source_of("<a/>"), &mut report, &mut Vec::new()).is_err());
        assert_eq!(report.records(), (2, 1, 1));
    }

    #[test]
    fn zones_are_checked() {
        for kind in [RecordKind::Hl7v2, RecordKind::Ccda] {
            for (zone, good) in [("+01:00", true), ("Z", true), ("Europe/Berlin", true), ("Nowhere", false), ("+1:00", false), ("", false)]
            {
                let options = ConvertOptions { zone: Some(zone.to_owned()), ..ConvertOptions::default() };
                assert_eq!(RowConverter::new(kind, &options).is_ok(), good, "{zone}");
            }
        }
    }
}
