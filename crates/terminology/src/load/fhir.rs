//! CodeSystem, ValueSet and ConceptMap from FHIR JSON.

use serde_json::{Map, Value};

use super::{Batch, Limits};
use crate::{
    code_system::{CodeSystemBuilder, Content, HierarchyMeaning},
    concept_map::{ConceptMapBuilder, Equivalence, Unmapped},
    error::{Result, TerminologyError},
    value_set::{Filter, FilterOp, ListedCode, Rule, ValueSet},
};

type Object = Map<String, Value>;

const PROPERTIES: &str = "http://hl7.org/fhir/concept-properties#";

/// Whether a file is worth parsing.
pub(super) fn may_be_terminology(bytes: &[u8]) -> bool {
    [b"\"CodeSystem\"".as_slice(), b"\"ValueSet\"", b"\"ConceptMap\"", b"\"Bundle\""]
        .iter()
        .any(|word| memchr::memmem::find(bytes, word).is_some())
}

/// Reads one resource, or several one behind the other.
pub(super) fn read(bytes: &[u8], limits: &Limits, batch: &mut Batch) -> Result<()> {
    if bytes.len() as u64 > limits.total_bytes {
        return Err(TerminologyError::Limit { what: "bytes", limit: limits.total_bytes });
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    loop {
        let start = values.byte_offset();
        let Some(value) = values.next() else { return Ok(()) };
        let place = || format!("byte {start}");
        let value = value.map_err(|error| TerminologyError::Format {
            what: "FHIR JSON",
            // serde_json quotes content; the place is enough.
            place: format!("line {} column {}", error.line(), error.column()),
            reason: "it is not JSON".to_owned(),
        })?;
        if (values.byte_offset() - start) as u64 > limits.resource_bytes {
            return Err(TerminologyError::Limit { what: "bytes of one resource", limit: limits.resource_bytes });
        }
        let Value::Object(object) = value else {
            return Err(TerminologyError::Format { what: "FHIR JSON", place: place(), reason: "a resource is an object".to_owned() });
        };
        resource(&object, &place(), limits, batch)?;
    }
}

fn resource(object: &Object, place: &str, limits: &Limits, batch: &mut Batch) -> Result<()> {
    match text(object, "resourceType") {
        Some("Bundle") => {
            for (at, entry) in list(object, "entry").enumerate() {
                match entry.get("resource").and_then(Value::as_object) {
                    Some(inner) if text(inner, "resourceType") != Some("Bundle") => {
                        resource(inner, &format!("{place} entry {at}"), limits, batch)?;
                    }
                    _ => batch.passed_over += 1,
                }
            }
        }
        Some("CodeSystem") if text(object, "content") == Some("supplement") => batch.passed_over += 1,
        Some("CodeSystem") => {
            let system = code_system(object, place, limits, batch)?;
            batch.systems.push(system.finish());
        }
        Some("ValueSet") => batch.sets.push(value_set(object, place)?),
        Some("ConceptMap") => {
            let map = concept_map(object, place)?;
            batch.mappings += map.len() as u64;
            batch.maps.push(map.finish());
        }
        Some(_) => batch.passed_over += 1,
        None => return Err(wrong(place, "a resource has a resourceType")),
    }
    batch.check(limits)
}

fn wrong(place: &str, reason: &str) -> TerminologyError {
    TerminologyError::Format { what: "FHIR JSON", place: place.to_owned(), reason: reason.to_owned() }
}

fn text<'o>(object: &'o Object, key: &str) -> Option<&'o str> {
    object.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn list<'o>(object: &'o Object, key: &str) -> impl Iterator<Item = &'o Object> + use<'o> {
    object.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default().iter().filter_map(Value::as_object)
}

fn name_of(object: &Object) -> &str {
    text(object, "title").or_else(|| text(object, "name")).unwrap_or_default()
}

fn code_system(object: &Object, place: &str, limits: &Limits, batch: &mut Batch) -> Result<CodeSystemBuilder> {
    let url = text(object, "url").ok_or_else(|| wrong(place, "a CodeSystem needs a url"))?;
    let mut identifiers = list(object, "identifier").filter_map(|identifier| text(identifier, "value"));
    let oid = identifiers.find(|value| value.starts_with("urn:oid:"));
    let content = match text(object, "content") {
        Some("fragment") => Content::Fragment,
        Some("example") => Content::Example,
        Some("not-present") => Content::NotPresent,
        _ => Content::Complete,
    };
    let meaning = match text(object, "hierarchyMeaning") {
        None | Some("is-a") => HierarchyMeaning::IsA,
        Some(_) => HierarchyMeaning::Other,
    };
    let mut builder = CodeSystemBuilder::new(url)
        .version(text(object, "version"))
        .name(name_of(object))
        .oid(oid)
        .content(content)
        .hierarchy(meaning)
        .ignore_case(object.get("caseSensitive") == Some(&Value::Bool(false)));
    let mut reader = ConceptReader {
        builder: &mut builder,
        declared: declared(object),
        later: Vec::new(),
        limit: limits.concepts.saturating_sub(batch.concepts),
        contradictions: 0,
    };
    for concept in list(object, "concept") {
        reader.concept(concept, None, place)?;
    }
    // Parents may be named before they are defined.
    let later = std::mem::take(&mut reader.later);
    batch.contradictions += reader.contradictions;
    for (child, parent, child_named) in later {
        if let Some(found) = builder.find(&parent) {
            if child_named { builder.add_parent(found, child) } else { builder.add_parent(child, found) }
        }
    }
    batch.concepts += builder.len() as u64;
    Ok(builder)
}

/// What the properties of a code system are, where their codes do not say: code and standard name.
fn declared(object: &Object) -> Vec<(&str, &str)> {
    list(object, "property")
        .filter_map(|property| Some((text(property, "code")?, text(property, "uri")?.strip_prefix(PROPERTIES)?)))
        .collect()
}

struct ConceptReader<'r> {
    builder: &'r mut CodeSystemBuilder,
    declared: Vec<(&'r str, &'r str)>,
    /// Concept, other code, and whether the other is the child.
    later: Vec<(u32, String, bool)>,
    limit: u64,
    contradictions: usize,
}

impl ConceptReader<'_> {
    fn concept(&mut self, concept: &Object, parent: Option<u32>, place: &str) -> Result<()> {
        let code = text(concept, "code").ok_or_else(|| wrong(place, "a concept needs a code"))?;
        let display = text(concept, "display").unwrap_or_default();
        self.contradictions += usize::from(self.builder.has_other_display(code, display));
        let number = self.builder.add(code, display)?;
        if self.builder.len() as u64 > self.limit {
            return Err(TerminologyError::Limit { what: "concepts", limit: self.limit });
        }
        if let Some(parent) = parent {
            self.builder.add_parent(number, parent);
        }
        if let Some(definition) = text(concept, "definition") {
            self.builder.set_definition(number, definition)?;
        }
        for designation in list(concept, "designation") {
            let usage = designation.get("use").and_then(Value::as_object).and_then(|usage| text(usage, "code")).unwrap_or_default();
            if let Some(value) = text(designation, "value") {
                self.builder.add_designation(number, text(designation, "language").unwrap_or_default(), usage, value)?;
            }
        }
        for property in list(concept, "property") {
            self.property(number, property)?;
        }
        // serde_json refuses deeper nesting than the stack holds.
        list(concept, "concept").try_for_each(|child| self.concept(child, Some(number), place))
    }

    fn property(&mut self, number: u32, property: &Object) -> Result<()> {
        let Some(name) = text(property, "code") else { return Ok(()) };
        let Some(value) = property.iter().find(|(key, _)| key.starts_with("value")).map(|(_, value)| value) else { return Ok(()) };
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Object(coding) => text(coding, "code").unwrap_or_default().to_owned(),
            _ => return Ok(()),
        };
        let standard = self.declared.iter().find(|(code, _)| *code == name).map_or(name, |(_, standard)| standard);
        match (standard, value.as_str()) {
            ("parent" | "subsumedBy", _) => self.later.push((number, value.clone(), false)),
            ("child", _) => self.later.push((number, value.clone(), true)),
            ("inactive", "true") | ("status", "retired" | "inactive") => self.builder.set_inactive(number),
            ("status", "deprecated") => self.builder.set_deprecated(number),
            ("notSelectable" | "abstract", "true") => self.builder.set_abstract(number),
            _ => {}
        }
        self.builder.add_property(number, name, &value)
    }
}

fn value_set(object: &Object, place: &str) -> Result<ValueSet> {
    let url = text(object, "url").ok_or_else(|| wrong(place, "a ValueSet needs a url"))?;
    let mut set = ValueSet { version: text(object, "version").map(str::to_owned), name: name_of(object).to_owned(), ..ValueSet::new(url) };
    if let Some(compose) = object.get("compose").and_then(Value::as_object) {
        set.inactive = compose.get("inactive").and_then(Value::as_bool);
        set.include = list(compose, "include").map(|part| rule(part, place)).collect::<Result<_>>()?;
        set.exclude = list(compose, "exclude").map(|part| rule(part, place)).collect::<Result<_>>()?;
    } else if let Some(expansion) = object.get("expansion").and_then(Value::as_object) {
        // Only the result of an expansion: its codes are the definition.
        let mut open: Vec<&Object> = list(expansion, "contains").collect();
        open.reverse();
        while let Some(member) = open.pop() {
            if let (Some(system), Some(code), false) =
                (text(member, "system"), text(member, "code"), member.get("abstract") == Some(&Value::Bool(true)))
            {
                let version = text(member, "version");
                let at = set.include.iter().position(|rule| rule.system.as_deref() == Some(system) && rule.version.as_deref() == version);
                let at = at.unwrap_or_else(|| {
                    set.include.push(Rule { version: version.map(str::to_owned), ..Rule::system(system) });
                    set.include.len() - 1
                });
                set.include[at].codes.push(ListedCode { code: code.to_owned(), display: text(member, "display").map(str::to_owned) });
            }
            let below: Vec<&Object> = list(member, "contains").collect();
            open.extend(below.into_iter().rev());
        }
    }
    Ok(set)
}

fn rule(part: &Object, place: &str) -> Result<Rule> {
    let mut rule =
        Rule { system: text(part, "system").map(str::to_owned), version: text(part, "version").map(str::to_owned), ..Rule::default() };
    for concept in list(part, "concept") {
        let code = text(concept, "code").ok_or_else(|| wrong(place, "a listed concept needs a code"))?;
        rule.codes.push(ListedCode { code: code.to_owned(), display: text(concept, "display").map(str::to_owned) });
    }
    for filter in list(part, "filter") {
        let (Some(property), Some(op)) = (text(filter, "property"), text(filter, "op")) else {
            return Err(wrong(place, "a filter needs a property and an op"));
        };
        let op = FilterOp::from_code(op).ok_or_else(|| wrong(place, "the op of a filter is not one of FHIR's"))?;
        let value = text(filter, "value").ok_or_else(|| wrong(place, "a filter needs a value"))?;
        rule.filters.push(Filter::new(property, op, value));
    }
    if let Some(sets) = part.get("valueSet").and_then(Value::as_array) {
        rule.value_sets.extend(sets.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    if rule.system.is_none() && (rule.value_sets.is_empty() || !rule.codes.is_empty() || !rule.filters.is_empty()) {
        return Err(wrong(place, "an include without a system names value sets, and nothing else"));
    }
    Ok(rule)
}

fn concept_map(object: &Object, place: &str) -> Result<ConceptMapBuilder> {
    let key = text(object, "url").or_else(|| text(object, "id")).ok_or_else(|| wrong(place, "a ConceptMap needs a url or an id"))?;
    let first = |keys: [&str; 4]| keys.into_iter().find_map(|key| text(object, key));
    let mut builder = ConceptMapBuilder::new(key).url(text(object, "url"), text(object, "version")).value_sets(
        first(["sourceUri", "sourceCanonical", "sourceScopeUri", "sourceScopeCanonical"]),
        first(["targetUri", "targetCanonical", "targetScopeUri", "targetScopeCanonical"]),
    );
    for group in list(object, "group") {
        let without_version = |key| text(group, key).map_or("", |url| url.split('|').next().unwrap_or_default());
        let (source, target) = (without_version("source"), without_version("target"));
        for element in list(group, "element") {
            // R5 can map a whole value set; that is no mapping of a code.
            let Some(code) = text(element, "code") else { continue };
            if element.get("noMap") == Some(&Value::Bool(true)) {
                builder.add((source, code), (target, ""), Equivalence::Unmatched, "", "")?;
            }
            for found in list(element, "target") {
                let stated = text(found, "equivalence").or_else(|| text(found, "relationship"));
                let equivalence = match stated {
                    Some(stated) => {
                        Equivalence::from_code(stated).ok_or_else(|| wrong(place, "the equivalence of a target is not one of FHIR's"))?
                    }
                    None => Equivalence::RelatedTo,
                };
                let shown = (text(found, "display").unwrap_or_default(), text(found, "comment").unwrap_or_default());
                builder.add((source, code), (target, text(found, "code").unwrap_or_default()), equivalence, shown.0, shown.1)?;
            }
        }
        if let Some(unmapped) = group.get("unmapped").and_then(Value::as_object) {
            let fixed = || {
                Some(Unmapped::Fixed { code: text(unmapped, "code")?.to_owned(), display: text(unmapped, "display").map(str::to_owned) })
            };
            let other = || Some(Unmapped::OtherMap(text(unmapped, "url").or_else(|| text(unmapped, "otherMap"))?.to_owned()));
            let rule = match text(unmapped, "mode") {
                Some("provided" | "use-source-code") => Some(Unmapped::Provided),
                Some("fixed") => fixed(),
                Some("other-map") => other(),
                _ => None,
            };
            let rule = rule.ok_or_else(|| wrong(place, "the unmapped part of a group needs a mode and what goes with it"))?;
            builder.unmapped(source, target, rule);
        }
    }
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ExpandOptions, Subsumption, Terminology};

    const BUNDLE: &str = r#"{"resourceType":"Bundle","entry":[
        {"resource":{"resourceType":"CodeSystem","url":"urn:cs","version":"1","content":"complete","caseSensitive":false,
          "property":[{"code":"gone","uri":"http://hl7.org/fhir/concept-properties#inactive","type":"boolean"}],
          "concept":[{"code":"A","display":"Top","definition":"All","concept":[{"code":"B","property":[{"code":"gone","valueBoolean":true}]}]},
                     {"code":"C","property":[{"code":"parent","valueCode":"A"},{"code":"weight","valueDecimal":1.5}],"designation":[{"language":"nl","value":"Cee"}]}]}},
        {"resource":{"resourceType":"ValueSet","url":"urn:vs","compose":{"include":[{"system":"urn:cs","filter":[{"property":"concept","op":"is-a","value":"A"}]}],"exclude":[{"system":"urn:cs","concept":[{"code":"C"}]}]}}},
        {"resource":{"resourceType":"ValueSet","url":"urn:ex","expansion":{"contains":[{"system":"urn:cs","code":"A","contains":[{"system":"urn:cs","code":"C"}]}]}}},
        {"resource":{"resourceType":"ConceptMap","url":"urn:cm","group":[{"source":"urn:cs|1","target":"urn:t","element":[{"code":"A","target":[{"code":"x","equivalence":"wider","comment":"roughly"}]},{"code":"B","noMap":true}],"unmapped":{"mode":"fixed","code":"other"}}]}},
        {"resource":{"resourceType":"Patient"}}]}"#;

    #[test]
    fn a_bundle_is_loaded_and_can_be_asked() {
        let mut all = Terminology::empty();
        let loaded = all.load_fhir(BUNDLE.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(
            (loaded.code_systems, loaded.concepts, loaded.value_sets, loaded.concept_maps, loaded.mappings, loaded.passed_over),
            (1, 3, 2, 1, 2, 1)
        );
        assert_eq!(all.subsumes("urn:cs", "a", "C"), Ok(Subsumption::Subsumes));
        let b = all.lookup("urn:cs", "b").unwrap();
        assert!(b.is_inactive() && b.code() == "B");
        assert_eq!(all.lookup("urn:cs", "C").unwrap().property("weight").collect::<Vec<_>>(), ["1.5"]);
        assert_eq!(all.expand("urn:vs", &ExpandOptions::default()).unwrap().total, 2);
        assert_eq!(all.expand("urn:vs", &ExpandOptions { text: "cee", ..ExpandOptions::default() }).unwrap().total, 0);
        assert_eq!(all.expand("urn:ex", &ExpandOptions::default()).unwrap().total, 2);
        let found = all.translate("urn:cm", "urn:cs", "A").unwrap();
        assert_eq!((found.targets[0].code, found.targets[0].comment), ("x", Some("roughly")));
        assert!(all.translate("urn:cm", "urn:cs", "B").unwrap().known_unmatched);
        assert_eq!(all.translate("urn:cm", "urn:cs", "Z").unwrap().targets[0].code, "other");
    }

    #[test]
    fn lines_are_loaded_and_mistakes_named() {
        let mut all = Terminology::empty();
        let lines = "{\"resourceType\":\"CodeSystem\",\"url\":\"urn:1\"}\n{\"resourceType\":\"CodeSystem\",\"url\":\"urn:2\"}\n";
        assert_eq!(all.load_fhir(lines.as_bytes(), &Limits::default()).unwrap().code_systems, 2);
        for broken in [
            "{",
            "[]",
            "{}",
            r#"{"resourceType":"CodeSystem"}"#,
            r#"{"resourceType":"CodeSystem","url":"u","concept":[{}]}"#,
            r#"{"resourceType":"ValueSet","url":"u","compose":{"include":[{}]}}"#,
            r#"{"resourceType":"ValueSet","url":"u","compose":{"include":[{"system":"s","filter":[{"property":"p","op":"like","value":"v"}]}]}}"#,
            r#"{"resourceType":"ConceptMap","url":"u","group":[{"element":[{"code":"c","target":[{"code":"d","equivalence":"same"}]}]}]}"#,
        ] {
            let before = all.code_systems().count();
            assert!(matches!(all.load_fhir(broken.as_bytes(), &Limits::default()), Err(TerminologyError::Format { .. })), "{broken}");
            assert_eq!(all.code_systems().count(), before);
        }
        let few = Limits { concepts: 2, ..Limits::default() };
        assert!(matches!(all.load_fhir(BUNDLE.as_bytes(), &few), Err(TerminologyError::Limit { .. })));
    }
}
