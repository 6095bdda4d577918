//! A small XML reader for test files, and FHIR XML to FHIR JSON by the definitions. Test side only.

use serde_json::{Map, Value, json};
use sutura_fhir::defs::{self, TypeId, TypeKind};

/// An element with its attributes, children and text.
#[derive(Debug, Default)]
pub struct Element {
    /// Local name.
    pub name: String,
    /// Attributes.
    pub attributes: Vec<(String, String)>,
    /// Child elements.
    pub children: Vec<Element>,
    /// Text directly inside.
    pub text: String,
    /// The element as written.
    pub raw: String,
}

impl Element {
    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The children of a name.
    pub fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Element> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.find(';').unwrap_or(rest.len() - 1);
        let entity = &rest[1..end];
        let number = entity.strip_prefix("#x").map(|hex| u32::from_str_radix(hex, 16)).or(entity.strip_prefix('#').map(str::parse));
        match (entity, number) {
            (_, Some(Ok(code))) => out.push(char::from_u32(code).unwrap_or(' ')),
            ("lt", _) => out.push('<'),
            ("gt", _) => out.push('>'),
            ("amp", _) => out.push('&'),
            ("quot", _) => out.push('"'),
            ("apos", _) => out.push('\''),
            _ => {}
        }
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    out
}

/// Reads a well-formed document; `None` for anything else.
pub fn parse(text: &str) -> Option<Element> {
    let mut at = 0;
    loop {
        at += text[at..].find('<')?;
        if text[at..].starts_with("<?") {
            at += text[at..].find("?>")? + 2;
        } else if text[at..].starts_with("<!--") {
            at += text[at..].find("-->")? + 3;
        } else if text[at..].starts_with("<!") {
            at += text[at..].find('>')? + 1;
        } else {
            return element(text, &mut at);
        }
    }
}

fn element(text: &str, at: &mut usize) -> Option<Element> {
    let start = *at;
    *at += 1;
    let name_end = *at + text[*at..].find(|c: char| c.is_whitespace() || c == '/' || c == '>')?;
    let mut found = Element { name: text[*at..name_end].rsplit(':').next()?.to_owned(), ..Element::default() };
    *at = name_end;
    loop {
        *at += text[*at..].find(|c: char| !c.is_whitespace())?;
        if text[*at..].starts_with("/>") {
            *at += 2;
            text[start..*at].clone_into(&mut found.raw);
            return Some(found);
        }
        if text[*at..].starts_with('>') {
            *at += 1;
            break;
        }
        let equals = *at + text[*at..].find('=')?;
        let name = text[*at..equals].trim().to_owned();
        let open = equals + text[equals..].find(['"', '\''])?;
        let quote = text[open..].chars().next()?;
        let close = open + 1 + text[open + 1..].find(quote)?;
        found.attributes.push((name, unescape(&text[open + 1..close])));
        *at = close + 1;
    }
    loop {
        let rest = &text[*at..];
        if rest.starts_with("</") {
            *at += rest.find('>')? + 1;
            text[start..*at].clone_into(&mut found.raw);
            return Some(found);
        } else if rest.starts_with("<!--") {
            *at += rest.find("-->")? + 3;
        } else if rest.starts_with("<![CDATA[") {
            let end = rest.find("]]>")?;
            found.text.push_str(&rest[9..end]);
            *at += end + 3;
        } else if rest.starts_with('<') {
            found.children.push(element(text, at)?);
        } else {
            let end = rest.find('<')?;
            found.text.push_str(&unescape(&rest[..end]));
            *at += end;
        }
    }
}

/// A resource in FHIR XML as FHIR JSON.
pub fn resource(element: &Element) -> Option<Value> {
    let ty = defs::r4().type_named(&element.name)?;
    let mut object = Map::new();
    object.insert("resourceType".into(), json!(element.name));
    fill(element, ty, &mut object)?;
    Some(Value::Object(object))
}

fn fill(element: &Element, ty: TypeId, object: &mut Map<String, Value>) -> Option<()> {
    let definition = defs::r4().type_of(ty);
    for attribute in ["id", "url"] {
        if let Some(value) = element.attribute(attribute) {
            object.insert(attribute.into(), json!(value));
        }
    }
    for child in &element.children {
        let (found, ty) = definition.element(&child.name)?;
        let repeats = found.max != Some(1);
        let kind = defs::r4().type_of(ty);
        let (value, beside) = match kind.kind {
            _ if child.name == "div" => (json!(child.raw), Value::Null),
            TypeKind::Primitive => {
                let mut beside = Map::new();
                fill_beside(child, &mut beside);
                let value = child.attribute("value").map_or(Value::Null, |text| primitive(kind.name, text));
                (value, if beside.is_empty() { Value::Null } else { Value::Object(beside) })
            }
            _ if kind.name == "Resource" => (resource(child.children.first()?)?, Value::Null),
            _ => {
                let mut inner = Map::new();
                fill(child, ty, &mut inner)?;
                (Value::Object(inner), Value::Null)
            }
        };
        if repeats {
            let key = format!("_{}", child.name);
            let count = {
                let list = object.entry(child.name.clone()).or_insert_with(|| json!([])).as_array_mut()?;
                list.push(value);
                list.len()
            };
            if !beside.is_null() || object.contains_key(&key) {
                let list = object.entry(key).or_insert_with(|| json!([])).as_array_mut()?;
                while list.len() + 1 < count {
                    list.push(Value::Null);
                }
                list.push(beside);
            }
        } else {
            if !value.is_null() {
                object.insert(child.name.clone(), value);
            }
            if !beside.is_null() {
                object.insert(format!("_{}", child.name), beside);
            }
        }
    }
    Some(())
}

fn fill_beside(element: &Element, beside: &mut Map<String, Value>) {
    if let Some(id) = element.attribute("id") {
        beside.insert("id".into(), json!(id));
    }
    let extension = defs::r4().type_named("Extension");
    let extensions: Vec<Value> = element
        .all("extension")
        .filter_map(|child| {
            let mut inner = Map::new();
            fill(child, extension?, &mut inner)?;
            Some(Value::Object(inner))
        })
        .collect();
    if !extensions.is_empty() {
        beside.insert("extension".into(), Value::Array(extensions));
    }
}

fn primitive(kind: &str, text: &str) -> Value {
    match kind {
        "boolean" => json!(text == "true"),
        "integer" | "positiveInt" | "unsignedInt" | "decimal" => serde_json::from_str(text).unwrap_or(json!(text)),
        _ => json!(text),
    }
}
