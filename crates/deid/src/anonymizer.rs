//! The configuration of Microsoft's FHIR anonymizer, run with our own FHIRPath engine, so that its users can move.
//!
//! Rules are taken in their order; an element that a rule has treated, and all below it, is left alone by later ones. What no rule names stays: that
//! is what these configurations mean, and is no policy of ours. For a policy that a law permits, use [`crate::fhir`].

mod config;
mod methods;
mod tree;

use std::{collections::HashMap, sync::Arc};

use chrono::NaiveDate;
use sutura_fhir::{
    defs,
    fhirpath::{Context, Expression, Item},
    json::{Kind, Parser, Value},
};
use sutura_privacy::PrivacyContext;

use crate::{
    document::{DocumentDeidentifier, Treatment},
    error::DeidError,
    fhir::{Object, push_string},
    ledger::{Ledger, Outcome},
};
pub use config::ConfigError;
use config::{Below, Config, Method, Path, Rule, Scope};
use methods::{Made, hash_reference, perturb, redact_date, redact_zip, shift_date, shift_days};
use tree::{Element, Tree, type_of};

/// A configuration, compiled. One serves all threads; copies are cheap.
#[derive(Clone)]
pub struct Anonymizer {
    config: Arc<Config>,
    context: Option<Arc<PrivacyContext>>,
    hash: Option<HashKey>,
    shift_key: String,
    file: String,
    folder: String,
    places: Arc<HashMap<&'static str, crate::document::Leaf>>,
}

/// HMAC-SHA256 by hand over the hash that is there: key blocks of RFC 2104.
#[derive(Clone)]
struct HashKey {
    inner: [u8; 64],
    outer: [u8; 64],
}

impl HashKey {
    fn new(key: &str) -> Self {
        let mut block = [0u8; 64];
        if key.len() > 64 {
            block[..32].copy_from_slice(&digest(&[key.as_bytes()]));
        } else {
            block[..key.len()].copy_from_slice(key.as_bytes());
        }
        Self { inner: block.map(|byte| byte ^ 0x36), outer: block.map(|byte| byte ^ 0x5c) }
    }

    fn of(&self, text: &str) -> String {
        let inner = digest(&[&self.inner, text.as_bytes()]);
        let digit = |number: u8| char::from(b"0123456789abcdef"[usize::from(number & 15)]);
        digest(&[&self.outer, &inner]).iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
    }
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let bytes = parts.concat();
    let hex = sutura_core::Sha256Hash::of(&bytes).to_hex();
    std::array::from_fn(|at| {
        let digit = |byte: u8| if byte.is_ascii_digit() { byte - b'0' } else { (byte | 0x20) - b'a' + 10 };
        digit(hex[2 * at]) << 4 | digit(hex[2 * at + 1])
    })
}

impl Anonymizer {
    /// Reads a configuration; a byte order mark before it is passed over. `encrypt` rules need [`Self::with_context`].
    ///
    /// # Errors
    /// When it is no configuration, or a rule cannot be run.
    pub fn from_json(json: &[u8]) -> Result<Self, ConfigError> {
        let config = Config::parse(json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json))?;
        let hash = (!config.parameters.hash_key.is_empty()).then(|| HashKey::new(&config.parameters.hash_key));
        let places = ["keep", "redact", "dateShift", "cryptoHash", "encrypt", "substitute", "perturb", "generalize"];
        let places = Arc::new(places.into_iter().map(|word| (word, Treatment::unknown(word))).collect());
        let shift_key = config.parameters.date_shift_key.clone();
        Ok(Self { config: Arc::new(config), context: None, hash, shift_key, file: String::new(), folder: String::new(), places })
    }

    /// Whether the bytes are such a configuration, by its rules; it may still have mistakes.
    pub fn is_configuration(json: &[u8]) -> bool {
        let mut parser = Parser::default();
        let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
        parser.parse(json).is_ok_and(|document| document.root().get("fhirPathRules").is_some())
    }

    /// With the keys of a project: for rules that encrypt, and in the place of `cryptoHashKey` and `dateShiftKey` where the configuration has
    /// none. The other anonymizer's ciphertexts are not made: ours are deterministic, and opened by `decrypt`.
    #[must_use]
    pub fn with_context(mut self, context: Arc<PrivacyContext>) -> Self {
        // Codes of fixed words under the project's key: known to nobody without it.
        let derived = |word: &str| context.pseudonym("fhir-anonymizer-key", word);
        if self.hash.is_none() {
            self.hash = derived("cryptoHash").as_deref().map(HashKey::new);
        }
        if self.shift_key.is_empty() {
            self.shift_key = derived("dateShift").unwrap_or_default();
        }
        self.context = Some(context);
        self
    }

    /// The methods of rules for which there is no key: each resource that they meet would be refused, or its dates be moved by days that
    /// anybody can work out.
    pub fn without_keys(&self) -> Vec<&'static str> {
        let uses = |wanted: fn(&Method) -> bool| self.config.rules.iter().any(|rule| wanted(&rule.method));
        let lacks = [
            ("cryptoHash", self.hash.is_none() && uses(|method| matches!(method, Method::CryptoHash))),
            ("dateShift", self.shift_key.is_empty() && uses(|method| matches!(method, Method::DateShift))),
            ("encrypt", self.context.is_none() && uses(|method| matches!(method, Method::Encrypt))),
        ];
        lacks.into_iter().filter(|(_, lacks)| *lacks).map(|(method, _)| method).collect()
    }

    /// For shifts that are the same in a file or folder: what names it.
    #[must_use]
    pub fn of_file(mut self, file: &str, folder: &str) -> Self {
        file.clone_into(&mut self.file);
        folder.clone_into(&mut self.folder);
        self
    }
}

impl std::fmt::Debug for Anonymizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Anonymizer").field("rules", &self.config.rules.len()).finish_non_exhaustive()
    }
}

impl DocumentDeidentifier for Anonymizer {
    /// `input` is one resource or Bundle as JSON.
    fn deidentify(&self, input: &[u8], out: &mut Vec<u8>, ledger: &mut Ledger) -> Result<(), DeidError> {
        let refused = |_| DeidError::NotRead { format: "FHIR resource", reason: "it is not JSON within the limits" };
        let input = input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input);
        let mut parser = Parser::default();
        let document = parser.parse(input).map_err(refused)?;
        let mut counts = Ledger::new();
        let mut text = String::with_capacity(input.len());
        match self.resource(document.root(), &mut counts, &mut text) {
            Ok(_) => {}
            // As configured: a resource that cannot be treated is an empty one.
            Err(DeidError::NotRead { .. }) if self.config.skips_errors => "{}".clone_into(&mut text),
            Err(error) => return Err(error),
        }
        counts.document(input.len(), text.len());
        out.extend_from_slice(text.as_bytes());
        ledger.merge(&counts);
        Ok(())
    }
}

/// What was done to a resource: its labels.
#[derive(Debug, Clone, Copy, Default)]
struct Done([bool; 7]);

const LABELS: [(&str, bool, &str); 7] = [
    ("REDACTED", true, "redacted"),
    ("ABSTRED", true, "abstracted"),
    ("CRYTOHASH", true, "cryptographic hash function"),
    ("MASKED", true, "masked"),
    ("PERTURBED", false, "exact value is replaced with another exact value"),
    ("SUBSTITUTED", false, "exact value is replaced with a predefined value"),
    ("GENERALIZED", false, "exact value is replaced with a general value"),
];
const REDACTED: usize = 0;
const ABSTRACTED: usize = 1;
const HASHED: usize = 2;
const ENCRYPTED: usize = 3;
const PERTURBED: usize = 4;
const SUBSTITUTED: usize = 5;
const GENERALIZED: usize = 6;

/// What stands in the place of an element.
#[derive(Clone)]
enum Change {
    Gone,
    /// JSON text of a primitive.
    Value(String),
    /// JSON text of anything, into which elements that were treated before are put.
    Whole(String),
}

/// The state of one resource.
struct Work<'d> {
    tree: Tree<'d>,
    visited: Vec<bool>,
    changes: HashMap<usize, Change>,
    done: Done,
    today: NaiveDate,
    /// The id as it stands now: shifts go by it.
    id: String,
}

impl Anonymizer {
    fn resource(&self, resource: Value<'_>, ledger: &mut Ledger, out: &mut String) -> Result<Done, DeidError> {
        const REFUSED: DeidError = DeidError::NotRead { format: "FHIR resource", reason: "its resourceType is not one of R4" };
        let ty = type_of(resource).ok_or(REFUSED)?;
        let tree = Tree::of(resource, ty);
        let mut work = Work {
            visited: vec![false; tree.elements.len()],
            tree,
            changes: HashMap::new(),
            done: Done::default(),
            today: chrono::Utc::now().date_naive(),
            id: resource.get("id").and_then(|id| id.as_str()).unwrap_or_default().to_owned(),
        };
        for rule in &self.config.rules {
            for at in found(&rule.path, &work.tree)? {
                self.process(rule, at, &mut work, ledger)?;
            }
        }
        let mut written = Written { of: self, work: &work, ledger, inner: Done::default() };
        let mut body = String::new();
        written.members(resource, 0, true, &mut body)?;
        let inner = written.inner;
        let mut done = work.done;
        done.0.iter_mut().zip(inner.0).for_each(|(mine, theirs)| *mine |= theirs);
        label(resource, &work, done, &body, out);
        Ok(done)
    }

    /// An element and all below it.
    fn process(&self, rule: &Rule, at: usize, work: &mut Work<'_>, ledger: &mut Ledger) -> Result<(), DeidError> {
        let end = work.tree.elements[at].end;
        if let Method::Substitute { replace_with } = &rule.method {
            if !work.visited[at] {
                work.changes.insert(at, Change::Whole(replace_with.clone()));
                work.done.0[SUBSTITUTED] = true;
                self.count(ledger, "substitute", Outcome::Replaced);
                // What was treated before stays in it; the rest is of the new value.
                work.visited[at..end].fill(true);
            }
            return Ok(());
        }
        let mut place = at;
        while place < end {
            // With all below it: it was treated before.
            if work.visited[place] {
                place = work.tree.elements[place].end;
                continue;
            }
            work.visited[place] = true;
            let element = work.tree.elements[place];
            if element.is_primitive() && element.value.is_some() {
                self.primitive(rule, place, element, work, ledger)?;
            }
            place += 1;
        }
        Ok(())
    }

    fn count(&self, ledger: &mut Ledger, word: &'static str, outcome: Outcome) {
        if let Some(leaf) = self.places.get(word) {
            ledger.record(&leaf.place, outcome);
        }
    }

    fn primitive(&self, rule: &Rule, at: usize, element: Element<'_>, work: &mut Work<'_>, ledger: &mut Ledger) -> Result<(), DeidError> {
        let parameters = &self.config.parameters;
        let Some(value) = element.value else { return Ok(()) };
        let text = value.as_str().unwrap_or_else(|| value.raw_text());
        let is_date = matches!(element.ty.name(), "date" | "dateTime" | "instant");
        let is_age = element.parent.is_some_and(|parent| parent.name() == "Age") && element.name == "value";
        let (word, label, made) = match &rule.method {
            Method::Keep => ("keep", None, Made::Same),
            Method::Substitute { .. } => return Ok(()),
            Method::Redact if is_date => ("redact", Some(REDACTED), redact_date(text, parameters.partial_dates, work.today)),
            Method::Redact if element.name == "postalCode" => {
                ("redact", Some(REDACTED), redact_zip(text, parameters.partial_zips, &parameters.restricted_zips))
            }
            Method::Redact if is_age && parameters.partial_ages && text.parse::<f64>().is_ok_and(|age| age <= 89.0) => {
                ("redact", Some(ABSTRACTED), Made::Same)
            }
            Method::Redact => ("redact", Some(REDACTED), Made::Nothing),
            Method::DateShift if is_date => {
                let scope = match parameters.scope {
                    Scope::Resource => work.id.as_str(),
                    Scope::File => self.file.as_str(),
                    Scope::Folder => self.folder.as_str(),
                };
                let days = shift_days(scope, &self.shift_key);
                ("dateShift", Some(PERTURBED), shift_date(text, days, parameters.partial_dates, work.today))
            }
            Method::DateShift => ("dateShift", None, Made::Same),
            Method::CryptoHash => {
                let Some(key) = &self.hash else {
                    return Err(DeidError::NotRead { format: "configuration", reason: "cryptoHash needs the parameter cryptoHashKey" });
                };
                let is_reference = element.name == "reference" && element.ty.name() == "string";
                let hashed = if is_reference { hash_reference(text, |id| key.of(id)) } else { key.of(text) };
                ("cryptoHash", Some(HASHED), Made::Part(hashed))
            }
            Method::Encrypt => {
                let Some(context) = &self.context else {
                    return Err(DeidError::NotRead { format: "configuration", reason: "encrypt needs a key ring; give one" });
                };
                ("encrypt", Some(ENCRYPTED), Made::Part(context.encrypt("fhir-anonymizer", text)?))
            }
            Method::Perturb { span, proportional, round_to } => {
                let is_whole = matches!(element.ty.name(), "integer" | "positiveInt" | "unsignedInt");
                let is_number = is_whole || element.ty.name() == "decimal";
                let made = if is_number { perturb(text, *span, *proportional, *round_to, is_whole) } else { Made::Same };
                ("perturb", is_number.then_some(PERTURBED), made)
            }
            Method::Generalize { cases, keeps_others } => match generalized(cases, element)? {
                Some(text) => ("generalize", Some(GENERALIZED), Made::Part(text)),
                None if *keeps_others => ("generalize", None, Made::Same),
                None => ("generalize", Some(REDACTED), Made::Nothing),
            },
        };
        let label = match (&made, &rule.method) {
            // A year that was all there was counts as redacted: so it does there.
            (Made::Part(part), Method::Redact) if part != text => Some(ABSTRACTED),
            (Made::Same, Method::Redact) => Some(ABSTRACTED),
            // A year of a date that could not be moved.
            (Made::Part(part), Method::DateShift) if part.len() == 4 => Some(ABSTRACTED),
            (Made::Nothing, _) => Some(REDACTED),
            _ => label,
        };
        if let Some(label) = label {
            work.done.0[label] = true;
        }
        let outcome = match made {
            Made::Same => Outcome::Kept,
            Made::Nothing => {
                work.changes.insert(at, Change::Gone);
                Outcome::Removed
            }
            Made::Part(part) => {
                if element.name == "id" && element.parent == Some(work.tree.elements[0].ty) {
                    part.clone_into(&mut work.id);
                }
                let json = json_of(part, value.kind());
                let outcome = if json.is_some() { Outcome::Replaced } else { Outcome::Suppressed };
                work.done.0[REDACTED] |= json.is_none();
                work.changes.insert(at, json.map_or(Change::Gone, Change::Value));
                outcome
            }
        };
        self.count(ledger, word, outcome);
        Ok(())
    }
}

/// What was made of a value, as JSON of its kind; none if it is no such value: the hash of a number.
fn json_of(made: String, kind: Kind) -> Option<String> {
    if kind == Kind::String {
        let mut quoted = String::new();
        push_string(&mut quoted, &made);
        return Some(quoted);
    }
    let is_one = Parser::default().parse(made.as_bytes()).is_ok_and(|document| document.root().kind() == kind);
    is_one.then_some(made)
}

/// The elements that a path finds.
fn found(path: &Path, tree: &Tree<'_>) -> Result<Vec<usize>, DeidError> {
    let mut found = Vec::new();
    match &path.base {
        None => found.push(0),
        Some(base) => evaluate(base, tree, 0, &mut found)?,
    }
    if let Some(below) = &path.below {
        let fits = |element: &Element<'_>| match below {
            Below::Type(name) => element.ty.name() == name,
            Below::Name(name) => element.name == name,
        };
        let mut all: Vec<usize> = found.iter().flat_map(|at| *at..tree.elements[*at].end).filter(|at| fits(&tree.elements[*at])).collect();
        all.sort_unstable();
        all.dedup();
        found = all;
    }
    if let Some(rest) = &path.rest {
        let from = std::mem::take(&mut found);
        for at in from {
            evaluate(rest, tree, at, &mut found)?;
        }
    }
    Ok(found)
}

fn evaluate(expression: &Expression, tree: &Tree<'_>, at: usize, found: &mut Vec<usize>) -> Result<(), DeidError> {
    let (focus, root) = (tree.elements[at].item(), tree.elements[0].item());
    let mut context = Context::new().resource(root);
    let refused = |_| DeidError::NotRead { format: "FHIR resource", reason: "the path of a rule cannot be evaluated on it" };
    for item in expression.evaluate(focus, &mut context).map_err(refused)? {
        if let Item::Node(node) = item
            && let Some(place) = tree.find(&node)
        {
            found.push(place);
        }
    }
    Ok(())
}

/// What the first case that fits makes of an element.
fn generalized(cases: &[(Expression, Expression)], element: Element<'_>) -> Result<Option<String>, DeidError> {
    let refused = |_| DeidError::NotRead { format: "FHIR resource", reason: "a case of a rule cannot be evaluated on it" };
    let item = element.item();
    for (when, then) in cases {
        if when.evaluate_boolean(item.clone(), &mut Context::new()).map_err(refused)? == Some(true) {
            let made = then.evaluate(item.clone(), &mut Context::new()).map_err(refused)?;
            return Ok(made.first().and_then(Item::to_text).map(|text| text.trim_start_matches('@').to_owned()));
        }
    }
    Ok(None)
}

/// The resource that comes out.
struct Written<'w, 'd> {
    of: &'w Anonymizer,
    work: &'w Work<'d>,
    ledger: &'w mut Ledger,
    /// What was done to the resources in it.
    inner: Done,
}

impl Written<'_, '_> {
    fn value(&mut self, value: Value<'_>, out: &mut String) -> Result<(), DeidError> {
        if value.kind() == Kind::Array {
            let start = out.len();
            for item in value.items() {
                out.push(if out.len() == start { '[' } else { ',' });
                let before = out.len();
                self.value(item, out)?;
                if out.len() == before {
                    out.truncate(before - 1);
                }
            }
            if out.len() > start {
                out.push(']');
            }
            return Ok(());
        }
        if type_of(value).is_some() && self.work.tree.at(value).is_none() {
            let done = self.of.resource(value, self.ledger, out)?;
            self.inner.0.iter_mut().zip(done.0).for_each(|(mine, theirs)| *mine |= theirs);
            return Ok(());
        }
        let Some(at) = self.work.tree.at(value) else { return Ok(()) };
        match self.work.changes.get(&at) {
            Some(Change::Gone) => Ok(()),
            Some(Change::Value(text)) => {
                out.push_str(text);
                Ok(())
            }
            Some(Change::Whole(text)) => self.substituted(text, value, at, out),
            None if value.kind() == Kind::Object => self.members(value, at, false, out),
            None => {
                out.push_str(value.raw_text());
                Ok(())
            }
        }
    }

    /// The members of an object; of a resource without its meta, which its labels belong to.
    fn members(&mut self, value: Value<'_>, at: usize, is_resource: bool, out: &mut String) -> Result<(), DeidError> {
        let def = self.work.tree.elements[at].ty.def();
        let mut object = Object::begin(out);
        for (key, member) in value.entries() {
            if key == "resourceType" {
                object.member(key, |out| {
                    out.push_str(member.raw_text());
                    Ok::<_, DeidError>(())
                })?;
                continue;
            }
            if is_resource && key == "meta" {
                continue;
            }
            let Some((element, ty)) = def.element(key.trim_start_matches('_')) else { continue };
            // Some write one value where a list has to be.
            let wrap = element.is_list() && member.kind() != Kind::Array && ty.def().kind != defs::TypeKind::Primitive;
            let is_beside = key.starts_with('_');
            object.member(key, |out| {
                let start = out.len();
                if is_beside {
                    self.beside(member, out)?;
                } else {
                    self.value(member, out)?;
                }
                if wrap && out.len() > start {
                    out.insert(start, '[');
                    out.push(']');
                }
                Ok::<_, DeidError>(())
            })?;
        }
        object.end();
        Ok(())
    }

    /// What stands beside a primitive.
    fn beside(&mut self, beside: Value<'_>, out: &mut String) -> Result<(), DeidError> {
        if beside.kind() == Kind::Array {
            let mut items = Vec::new();
            for item in beside.items() {
                let mut text = String::new();
                self.beside(item, &mut text)?;
                items.push(if text.is_empty() { "null".to_owned() } else { text });
            }
            if items.iter().any(|item| item != "null") {
                out.push('[');
                out.push_str(&items.join(","));
                out.push(']');
            }
            return Ok(());
        }
        let mut object = Object::begin(out);
        for (key, member) in beside.entries() {
            object.member(key, |out| self.value(member, out))?;
        }
        object.end();
        Ok(())
    }

    /// A new value in which what was treated before stands as it was treated.
    fn substituted(&mut self, text: &str, value: Value<'_>, at: usize, out: &mut String) -> Result<(), DeidError> {
        let treated: Vec<(&str, Value<'_>)> = value
            .entries()
            .filter(|(_, member)| {
                let first = member.items().next().unwrap_or(*member);
                self.work.tree.at(first).is_some_and(|child| {
                    child > at && (child..self.work.tree.elements[child].end).any(|place| self.work.changes.contains_key(&place))
                })
            })
            .collect();
        let mut parser = Parser::default();
        let Ok(document) = parser.parse(text.as_bytes()) else { return Ok(()) };
        let root = document.root();
        if root.kind() != Kind::Object {
            out.push_str(text);
            return Ok(());
        }
        let mut object = Object::begin(out);
        for (key, member) in root.entries().filter(|(key, _)| !treated.iter().any(|(known, _)| known == key)) {
            object.member(key, |out| {
                out.push_str(member.raw_text());
                Ok::<_, DeidError>(())
            })?;
        }
        for (key, member) in treated {
            object.member(key, |out| self.value(member, out))?;
        }
        object.end();
        Ok(())
    }
}

/// The resource with the labels of what was done.
fn label(resource: Value<'_>, work: &Work<'_>, done: Done, body: &str, out: &mut String) {
    let mut meta: Vec<String> = Vec::new();
    let mut security: Vec<String> = Vec::new();
    for (key, value) in resource.get("meta").into_iter().flat_map(|meta| meta.entries()) {
        if key == "security" {
            security.extend(value.items().filter(|coding| !is_changed(work, *coding)).map(|coding| coding.raw_text().to_owned()));
        } else if !is_changed(work, value) {
            let mut member = String::new();
            push_string(&mut member, key);
            meta.push(format!("{member}:{}", value.raw_text()));
        } else if let Some(Change::Value(text)) = work.tree.at(value).and_then(|at| work.changes.get(&at)) {
            let mut member = String::new();
            push_string(&mut member, key);
            meta.push(format!("{member}:{text}"));
        }
    }
    for (done, (code, has_system, display)) in done.0.into_iter().zip(LABELS) {
        if done && !security.iter().any(|coding| coding.contains(&format!("\"{code}\""))) {
            let system = if has_system { "\"system\":\"http://terminology.hl7.org/CodeSystem/v3-ObservationValue\"," } else { "" };
            security.push(format!("{{{system}\"code\":\"{code}\",\"display\":\"{display}\"}}"));
        }
    }
    if !security.is_empty() {
        meta.push(format!("\"security\":[{}]", security.join(",")));
    }
    out.push_str(body.strip_suffix('}').unwrap_or(body));
    if !meta.is_empty() {
        out.push_str(",\"meta\":{");
        out.push_str(&meta.join(","));
        out.push('}');
    }
    out.push('}');
}

/// Whether anything in a value was changed.
fn is_changed(work: &Work<'_>, value: Value<'_>) -> bool {
    let first = value.items().next().unwrap_or(value);
    work.tree.at(first).is_some_and(|at| (at..work.tree.elements[at].end).any(|place| work.changes.contains_key(&place)))
}

#[cfg(test)]
mod tests {
    use sutura_privacy::{KeyRing, Scope};

    use super::*;

    const CONFIGURATION: &str = r#"{"fhirVersion": "R4", "fhirPathRules": [
        {"path": "Resource.id", "method": "cryptoHash"}, {"path": "nodesByType('HumanName')", "method": "redact"},
        {"path": "Patient.birthDate", "method": "dateShift"}]}"#;

    #[test]
    fn keys_come_from_the_project_where_the_configuration_has_none() {
        assert!(Anonymizer::is_configuration(CONFIGURATION.as_bytes()) && !Anonymizer::is_configuration(b"{}"));
        let bare = Anonymizer::from_json(CONFIGURATION.as_bytes()).unwrap();
        assert_eq!(bare.without_keys(), ["cryptoHash", "dateShift"]);
        let ring = KeyRing::generate().unwrap();
        let of = |project: &str| {
            let context = Arc::new(PrivacyContext::new(&ring, Scope::new(project, "d"), None).unwrap());
            let keyed = bare.clone().with_context(context);
            assert!(keyed.without_keys().is_empty());
            let (mut out, mut ledger) = (Vec::new(), Ledger::new());
            let patient = br#"{"resourceType":"Patient","id":"p1","name":[{"family":"Zork"}],"birthDate":"1980-05-01"}"#;
            keyed.deidentify(patient, &mut out, &mut ledger).unwrap();
            String::from_utf8(out).unwrap()
        };
        let one = of("one");
        assert!(!one.contains("p1") && !one.contains("Zork") && !one.contains("1980-05-01") && one.contains("\"birthDate\""), "{one}");
        assert_eq!(one, of("one"));
        assert_ne!(one, of("two"));
    }

    #[test]
    fn what_is_made_of_a_number_is_one_or_goes() {
        let rules = r#"{"fhirPathRules": [{"path": "Observation.value", "method": "cryptoHash"}, {"path": "Observation.note", "method": "redact"}],
            "parameters": {"cryptoHashKey": "123"}}"#;
        let anonymizer = Anonymizer::from_json(rules.as_bytes()).unwrap();
        let observation = br#"{"resourceType":"Observation","status":"final","valueQuantity":{"value":93.5,"unit":"a"}}"#;
        let (mut out, mut ledger) = (Vec::new(), Ledger::new());
        anonymizer.deidentify(observation, &mut out, &mut ledger).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(Parser::default().parse(out.as_bytes()).is_ok() && !out.contains("93.5") && out.contains("\"unit\""), "{out}");
        assert_eq!((ledger.count(Outcome::Suppressed), ledger.count(Outcome::Replaced)), (1, 1));
        for (made, kind) in [("inf", Kind::Number), ("NaN", Kind::Number), (".5", Kind::Number), ("1", Kind::Bool), ("0a", Kind::Number)] {
            assert_eq!(json_of(made.to_owned(), kind), None, "{made}");
        }
        assert_eq!(json_of("-0.5".to_owned(), Kind::Number).as_deref(), Some("-0.5"));
    }
}
