//! FHIR XML to FHIR JSON, so that one reader serves both.
//!
//! A small strict reader of its own: no document type, no entities but XML's five and numeric ones,
//! no external anything, bounded depth and size. Elements of another namespace than FHIR's (the
//! narrative is XHTML) are not read. [`to_json`] follows the definitions: they say which elements repeat and which are numbers.
//! What JSON has no place for (elements out of order, text between elements, unknown attributes) is
//! reported beside the result.

mod convert;
mod parse;

use std::ops::Range;

use thiserror::Error;

/// Why XML could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{kind} at byte {offset}")]
pub struct XmlError {
    /// Where.
    pub offset: usize,
    /// What.
    pub kind: XmlErrorKind,
}

/// What is wrong with XML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum XmlErrorKind {
    /// No tag, attribute or text as XML has them.
    #[error("the XML is not well-formed")]
    Malformed,
    /// An end tag that closes something else, or the end of the file inside an element.
    #[error("an element is not closed as it was opened")]
    Unbalanced,
    /// A document type declaration: refused, it is a way to attack readers.
    #[error("a document type declaration is not allowed")]
    DocumentType,
    /// An entity that XML itself does not define.
    #[error("an entity is not declared")]
    Entity,
    /// An attribute that stands twice.
    #[error("an attribute stands twice")]
    DuplicateAttribute,
    /// Too deep or too long.
    #[error("the document is larger or deeper than allowed")]
    TooLarge,
    /// Not UTF-8.
    #[error("the text is not UTF-8")]
    Utf8,
    /// The outermost element is no resource type of FHIR R4.
    #[error("the outermost element is no resource type of FHIR R4")]
    NoResource,
    /// The outermost element has a resource's name, but is of another namespace.
    #[error("the outermost element is not of the namespace http://hl7.org/fhir")]
    Namespace,
}

/// A resource read from XML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromXml {
    /// The resource as JSON.
    pub json: String,
    /// What JSON has no place for: the place as FHIRPath, and what is wrong.
    pub problems: Vec<(String, &'static str)>,
    /// Where resources and the entries of Bundles begin in the JSON, and where they stand in the XML; in order.
    places: Vec<(usize, Range<usize>)>,
}

impl FromXml {
    /// Where in the XML a resource or an entry of a Bundle stands that begins there in the JSON. Of other values: the whole document.
    pub(crate) fn range_in_xml(&self, offset_in_json: usize) -> Range<usize> {
        let found = self.places.binary_search_by_key(&offset_in_json, |(offset, _)| *offset).ok();
        found.or_else(|| (!self.places.is_empty()).then_some(0)).map_or(0..0, |found| self.places[found].1.clone())
    }
}

impl XmlErrorKind {
    /// The stable code, as rejects carry it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed | Self::Unbalanced | Self::Entity | Self::DuplicateAttribute => "xml-syntax",
            Self::DocumentType => "xml-document-type",
            Self::TooLarge => "xml-too-large",
            Self::Utf8 => "xml-utf8",
            Self::NoResource | Self::Namespace => "resource-type-unknown",
        }
    }
}

/// Reads a resource in XML and writes it as JSON.
///
/// # Errors
/// Malformed XML, a document type declaration, an outermost element that is no resource.
pub fn to_json(input: &[u8]) -> Result<FromXml, XmlError> {
    let input = input.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(input);
    let text = std::str::from_utf8(input).map_err(|error| XmlError { offset: error.valid_up_to(), kind: XmlErrorKind::Utf8 })?;
    let root = parse::parse(text)?;
    convert::resource(text, &root)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_is_read_is_json_or_an_error(parts in prop::collection::vec(prop::sample::select(vec![
            "<Patient xmlns='http://hl7.org/fhir'>", "</Patient>", "<name>", "</name>", "<family value='a'/>", "<given value='\u{e9}'>", "</given>",
            "<text><div>a&#", "</div></text>", "<extension url='x'>", "</extension>", "<contained>", "</contained>", "<!--", "-->", "&amp;", "&x;",
            "<![CDATA[", "]]>", "<active value='tr\u{fc}e'/>", "<birthDate value=\"", "<", ">", "/>", "'", "\"", "=", "text", "<?a?>", "<multipleBirthInteger value='01'/>",
            "<multipleBirthInteger value='", "1", "0", "e", "E", "+", "-", ".", "'/>",
        ]), 0..24)) {
            let text = format!("<Patient>{}</Patient>", parts.concat());
            for text in [text, parts.concat()] {
                if let Ok(read) = to_json(text.as_bytes()) {
                    let mut parser = crate::json::Parser::default();
                    prop_assert!(parser.parse(read.json.as_bytes()).is_ok(), "{}", read.json);
                }
            }
        }
    }

    #[test]
    fn a_patient() {
        let xml = r#"<?xml version="1.0"?><!-- c --><Patient xmlns="http://hl7.org/fhir"><id value="a"/>
            <text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">a &lt; b<br/></div></text>
            <extension url="http://x"><valueInteger value="3"/></extension><active value="true"/>
            <name id="n"><given value="A&amp;B"/><given id="g"/></name><birthDate value="2020"><extension url="http://y"><valueDecimal value="1.50"/></extension></birthDate></Patient>"#;
        let read = to_json(xml.as_bytes()).unwrap();
        assert!(read.problems.is_empty(), "{:?}", read.problems);
        assert_eq!(
            read.json,
            r#"{"resourceType":"Patient","id":"a","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a &lt; b<br/></div>"},"extension":[{"url":"http://x","valueInteger":3}],"active":true,"name":[{"id":"n","given":["A&B",null],"_given":[null,{"id":"g"}]}],"birthDate":"2020","_birthDate":{"extension":[{"url":"http://y","valueDecimal":1.50}]}}"#
        );
    }

    /// What is no number stays text, so that validation can say so at its place.
    #[test]
    fn only_numbers_are_bare() {
        for (value, bare) in [("1e+-5", false), ("1e--5", false), ("1e+", false), ("+1", false), ("1e-5", true), ("-0.50E+3", true)] {
            let xml = format!("<Observation><valueQuantity><value value='{value}'/></valueQuantity></Observation>");
            let quote = if bare { "" } else { "\"" };
            let json = format!("{{\"resourceType\":\"Observation\",\"valueQuantity\":{{\"value\":{quote}{value}{quote}}}}}");
            assert_eq!(to_json(xml.as_bytes()).unwrap().json, json);
        }
    }

    #[test]
    fn resources_and_entries_are_found_again() {
        let patient = "<Patient><id value='a'/><contained><Group><type value='person'/></Group></contained></Patient>";
        let entry = format!("<entry><fullUrl value='urn:x'/><resource>{patient}</resource></entry>");
        let empty = "<entry><resource/></entry>";
        let xml = format!("<?xml version='1.0'?>\n<Bundle xmlns='http://hl7.org/fhir'><type value='batch'/>{entry}{empty}</Bundle>\n");
        let read = to_json(xml.as_bytes()).unwrap();
        let mut parser = crate::json::Parser::default();
        let document = parser.parse(read.json.as_bytes()).unwrap();
        let at = |value: crate::json::Value<'_>| &xml[read.range_in_xml(value.offset())];
        let root = document.root();
        assert!(at(root).starts_with("<Bundle") && at(root).ends_with("</Bundle>"));
        let entries: Vec<_> = root.get("entry").unwrap().items().collect();
        assert_eq!((at(entries[0]), at(entries[1])), (entry.as_str(), empty));
        let resource = entries[0].get("resource").unwrap();
        assert_eq!(at(resource), patient);
        assert_eq!(at(resource.get("contained").unwrap().items().next().unwrap()), "<Group><type value='person'/></Group>");
        assert_eq!(at(entries[1].get("resource").unwrap()), "<resource/>");
    }

    #[test]
    fn what_json_has_no_place_for() {
        let xml = r#"<Patient xmlns="http://hl7.org/fhir"><birthDate value="2020" other="x"/><active value="true"/>text</Patient>"#;
        let read = to_json(xml.as_bytes()).unwrap();
        let problems: Vec<_> = read.problems.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(problems, ["Patient", "Patient.active", "Patient.birthDate"]);
        // Names that JSON would have twice.
        let xml = "<Patient><resourceType value='List'/><name id='a'><id value='b'/><_given value='c'/><given id='g'/></name>\
            <extension url='u'><url value='v'/></extension></Patient>";
        let read = to_json(xml.as_bytes()).unwrap();
        let json = r#"{"resourceType":"Patient","name":[{"id":"a","_given":[{"id":"g"}]}],"extension":[{"url":"u"}]}"#;
        assert_eq!((read.json.as_str(), read.problems.len()), (json, 5), "{:?}", read.problems);
    }

    #[test]
    fn namespaces_are_told_apart() {
        let read = |xml: &str| to_json(xml.as_bytes());
        let kind = |xml: &str| read(xml).unwrap_err().kind;
        assert_eq!(kind("<Patient xmlns='urn:not-fhir'><id value='a'/></Patient>"), XmlErrorKind::Namespace);
        assert_eq!(kind("<g:Patient xmlns:g='urn:x'/>"), XmlErrorKind::Namespace);
        assert_eq!(kind("<g:Patient/>"), XmlErrorKind::Namespace);
        assert_eq!(kind("<Patient><f:name xmlns:f='http://hl7.org/fhir'></g:name></Patient>"), XmlErrorKind::Unbalanced);
        assert_eq!(kind("<Patient><!-- a -- b --></Patient>"), XmlErrorKind::Malformed);
        // A foreign element is left out and told; a prefix means what its nearest element says.
        let xml = "<f:Patient xmlns:f='http://hl7.org/fhir' xmlns:g='urn:x'><f:id value='a'/><f:text><div xmlns='http://www.w3.org/1999/xhtml'><p/></div></f:text>\
            <f:contained><g:Group/></f:contained><g:active value='true'/><g:name xmlns:g='http://hl7.org/fhir'><g:text value='t'/></g:name>\
            <g:name><g:text value='u'/></g:name><p xmlns='http://www.w3.org/1999/xhtml'/></f:Patient>";
        let made = read(xml).unwrap();
        let json = r#"{"resourceType":"Patient","id":"a","text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p/></div>"},"contained":[null],"name":[{"text":"t"}]}"#;
        assert_eq!(
            (
                made.json.replace("xmlns='http://www.w3.org/1999/xhtml'", "xmlns=\\\"http://www.w3.org/1999/xhtml\\\"").as_str(),
                made.problems.len()
            ),
            (json, 4),
            "{:?}",
            made.problems
        );
        let nested =
            format!("<Patient>{}{}</Patient>", "<a xmlns='urn:a'><a xmlns='urn:b' xmlns:x='urn:c'>".repeat(99), "</a></a>".repeat(99));
        assert!(read(&nested).is_ok());
    }

    #[test]
    fn what_is_refused() {
        let kind = |xml: &str| to_json(xml.as_bytes()).unwrap_err().kind;
        assert_eq!(kind("<!DOCTYPE a [<!ENTITY b 'c'>]><Patient/>"), XmlErrorKind::DocumentType);
        assert_eq!(kind("<Patient><id value='&b;'/></Patient>"), XmlErrorKind::Entity);
        assert_eq!(kind("<Patient><id></Patient>"), XmlErrorKind::Unbalanced);
        assert_eq!(kind("<Patient>"), XmlErrorKind::Unbalanced);
        assert_eq!(kind("<Patient a='1' a='2'/>"), XmlErrorKind::DuplicateAttribute);
        assert_eq!(kind("<Other/>"), XmlErrorKind::NoResource);
        assert_eq!(kind(&"<a>".repeat(1000)), XmlErrorKind::TooLarge);
        assert_eq!(kind(""), XmlErrorKind::Malformed);
        assert_eq!(kind("<!doctype a><Patient/>"), XmlErrorKind::Malformed);
        assert_eq!(kind("<Patient a='1'b='2'/>"), XmlErrorKind::Malformed);
        assert_eq!(kind("<Patient><id value='\u{0}'/></Patient>"), XmlErrorKind::Malformed);
        for entity in ["&#0;", "&#x1F;", "&#xFFFF;", "&#x+41;", "&#xD800;", "&#x110000;", "&#;", "&;", "&"] {
            assert_eq!(kind(&format!("<Patient><id value='{entity}'/></Patient>")), XmlErrorKind::Entity, "{entity}");
        }
        assert_eq!(to_json(b"<Patient><id value='\xff'/></Patient>").unwrap_err(), XmlError { offset: 20, kind: XmlErrorKind::Utf8 });
    }

    /// What is read is bounded by its number of elements, its depth, the length of its names and the problems that are listed.
    #[test]
    fn bombs_are_refused() {
        let kind = |xml: String| to_json(xml.as_bytes()).unwrap_err().kind;
        let laughs: Vec<_> = (1..10).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
        let laughs = laughs.concat();
        let attributes: Vec<_> = (0..100).map(|n| format!(" a{n}=''")).collect();
        assert_eq!(
            kind(format!("<?xml version='1.0'?><!DOCTYPE l [<!ENTITY l0 'lol'>{laughs}]><Patient><id value='&l9;'/></Patient>")),
            XmlErrorKind::DocumentType
        );
        assert_eq!(kind("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><Patient/>".to_owned()), XmlErrorKind::DocumentType);
        assert_eq!(kind(format!("<Patient>{}</Patient>", "<a/>".repeat(1 << 20))), XmlErrorKind::TooLarge);
        assert_eq!(kind(format!("<{}/>", "a".repeat(1 << 20))), XmlErrorKind::TooLarge);
        assert_eq!(kind(format!("<Patient{}/>", attributes.concat())), XmlErrorKind::TooLarge);
        let many = to_json(format!("<Patient>{}</Patient>", "<active value='true' b='1'/>".repeat(5000)).as_bytes()).unwrap();
        assert_eq!(many.problems.len(), 501);
    }
}
