//! A tree of XML elements as FHIR JSON, along the definitions.

use std::{collections::HashMap, fmt::Write as _, ops::Range};

use super::{
    FromXml, XmlError, XmlErrorKind,
    parse::{Element, Namespace},
};
use crate::{
    defs::{ElementDef, TypeDef, TypeId, TypeKind, r4},
    validate::push_json_text,
};

const FOREIGN: &str = "there is an element of another namespace than http://hl7.org/fhir";
/// Problems of one document that are listed.
const MOST_PROBLEMS: usize = 500;

struct Writer<'x> {
    text: &'x str,
    out: String,
    path: String,
    problems: Vec<(String, &'static str)>,
    places: Vec<(usize, Range<usize>)>,
}

pub(super) fn resource(text: &str, root: &Element<'_>) -> Result<FromXml, XmlError> {
    if r4().resource_named(root.name).is_none() {
        return Err(XmlError { offset: root.range.start, kind: XmlErrorKind::NoResource });
    }
    if root.namespace != Namespace::Fhir {
        return Err(XmlError { offset: root.range.start, kind: XmlErrorKind::Namespace });
    }
    let mut writer = Writer { text, out: String::with_capacity(text.len()), path: String::new(), problems: Vec::new(), places: Vec::new() };
    writer.path.push_str(root.name);
    writer.resource(root);
    Ok(FromXml { json: writer.out, problems: writer.problems, places: writer.places })
}

/// The children of one name, in the order of the first of each name.
type Groups<'e, 'x> = Vec<(&'x str, Vec<&'e Element<'x>>)>;

impl<'x> Writer<'x> {
    fn problem(&mut self, what: &'static str) {
        match self.problems.len() {
            ..MOST_PROBLEMS => self.problems.push((self.path.clone(), what)),
            MOST_PROBLEMS => self.problems.push((String::new(), "there is more that JSON has no place for")),
            _ => {}
        }
    }

    fn place(&mut self, element: &Element<'_>) {
        self.places.push((self.out.len(), element.range.clone()));
    }

    fn resource(&mut self, element: &Element<'x>) {
        self.place(element);
        self.out.push_str("{\"resourceType\":");
        push_json_text(&mut self.out, element.name);
        if let Some(def) = r4().resource_named(element.name) {
            self.members(element, def, true);
        }
        self.out.push('}');
    }

    /// The members of an object, without its braces. `more` says that one stands before them.
    fn members(&mut self, element: &Element<'x>, def: &'static TypeDef, mut more: bool) {
        if element.has_text {
            self.problem("there is text between elements");
        }
        for (name, value) in &element.attributes {
            let known = name.starts_with("xmlns") || name.starts_with("xsi:");
            let value_of_primitive = *name == "value" && def.kind == TypeKind::Primitive;
            if takes_attribute(name, def) {
                self.key(name, &mut more);
                push_json_text(&mut self.out, value);
            } else if !known && !value_of_primitive {
                self.problem("there is an attribute that the element does not have");
            }
        }
        let mut groups: Groups<'_, 'x> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut last = None;
        for child in &element.children {
            let is_text = def.element(child.name).is_some_and(|(_, ty)| ty.def().name == "xhtml");
            if child.namespace != Namespace::Fhir && !(is_text && child.namespace == Namespace::Xhtml) {
                self.problem(FOREIGN);
                continue;
            }
            let place = def.element(child.name).map(|(found, _)| found.index);
            if place.is_some() && place < last {
                let length = self.path.len();
                self.path.push('.');
                self.path.push_str(child.name);
                self.problem("the element is out of order");
                self.path.truncate(length);
            }
            last = place.or(last);
            match places.get(child.name) {
                Some(&place) => groups[place].1.push(child),
                None => {
                    places.insert(child.name, groups.len());
                    groups.push((child.name, vec![child]));
                }
            }
        }
        for (name, list) in groups {
            let length = self.path.len();
            self.path.push('.');
            self.path.push_str(name);
            // JSON has these names already, for the attribute, the type and what stands beside a primitive.
            let is_attribute = matches!(name, "id" | "url") && takes_attribute(name, def) && element.attribute(name).is_some();
            if is_attribute || name == "resourceType" || name.starts_with('_') {
                self.problem("there is an element whose name means something else in JSON");
                self.path.truncate(length);
                continue;
            }
            match def.element(name) {
                Some((found, ty)) => self.group(name, &list, found, ty, &mut more),
                None => {
                    // The validator says that it is unknown.
                    self.key(name, &mut more);
                    push_json_text(&mut self.out, list[0].attribute("value").unwrap_or(""));
                }
            }
            self.path.truncate(length);
        }
    }

    fn key(&mut self, name: &str, more: &mut bool) {
        if *more {
            self.out.push(',');
        }
        *more = true;
        push_json_text(&mut self.out, name);
        self.out.push(':');
    }

    fn group(&mut self, name: &str, list: &[&Element<'x>], found: &ElementDef, ty: TypeId, more: &mut bool) {
        let def = ty.def();
        let many = found.is_list() || list.len() > 1;
        if !def.is_primitive() {
            self.key(name, more);
            self.each(list, many, |writer, one| {
                if def.name == "Resource" {
                    match one.children.first() {
                        Some(inner) if one.children.len() == 1 && inner.namespace == Namespace::Fhir => writer.resource(inner),
                        inner => {
                            if inner.is_some_and(|inner| inner.namespace != Namespace::Fhir) {
                                writer.problem(FOREIGN);
                            }
                            writer.place(one);
                            writer.out.push_str("null");
                        }
                    }
                } else {
                    if name == "entry" {
                        writer.place(one);
                    }
                    writer.out.push('{');
                    writer.members(one, def, false);
                    writer.out.push('}');
                }
            });
            return;
        }
        let has_value = |one: &Element<'_>| def.name == "xhtml" || one.attribute("value").is_some();
        let has_more =
            |one: &Element<'_>| def.name != "xhtml" && (one.attribute("id").is_some() || !one.children.is_empty() || !has_value(one));
        if list.iter().any(|one| has_value(one)) {
            self.key(name, more);
            self.each(list, many, |writer, one| writer.primitive(one, def));
        }
        if list.iter().any(|one| has_more(one)) {
            self.key(&format!("_{name}"), more);
            self.each(list, many, |writer, one| {
                if !has_more(one) {
                    return writer.out.push_str("null");
                }
                writer.out.push('{');
                writer.members(one, def, false);
                writer.out.push('}');
            });
        } else if def.name != "xhtml" {
            for one in list {
                if one.has_text || one.attributes.len() > 1 {
                    let length = self.out.len();
                    self.members(one, def, false);
                    self.out.truncate(length);
                }
            }
        }
    }

    fn each(&mut self, list: &[&Element<'x>], many: bool, mut write: impl FnMut(&mut Self, &Element<'x>)) {
        if many {
            self.out.push('[');
        }
        for (number, one) in list.iter().enumerate() {
            if number > 0 {
                self.out.push(',');
            }
            let length = self.path.len();
            if many {
                let _ = write!(self.path, "[{number}]");
            }
            write(self, one);
            self.path.truncate(length);
        }
        if many {
            self.out.push(']');
        }
    }

    fn primitive(&mut self, element: &Element<'x>, def: &TypeDef) {
        if def.name == "xhtml" {
            let text = self.text;
            return push_json_text(&mut self.out, &text[element.range.clone()]);
        }
        let Some(value) = element.attribute("value") else { return self.out.push_str("null") };
        let bare = match def.name {
            "boolean" => matches!(value, "true" | "false"),
            "integer" | "positiveInt" | "unsignedInt" | "decimal" => is_json_number(value),
            _ => false,
        };
        if bare { self.out.push_str(value) } else { push_json_text(&mut self.out, value) }
    }
}

/// Whether an attribute is an element in JSON.
fn takes_attribute(name: &str, def: &TypeDef) -> bool {
    (name == "id" && def.kind != TypeKind::Resource) || (name == "url" && def.name == "Extension")
}

fn is_json_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (number, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(number, exponent)| (number, Some(exponent)));
    let (whole, fraction) = number.split_once('.').map_or((number, None), |(whole, fraction)| (whole, Some(fraction)));
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}
