//! From a node to its elements and children.

use super::{Collection, Item, Node, PathError, types};
use crate::{
    defs::{self, TypeId},
    json::{Kind, Value},
};

/// The element `name` of `node`, appended to `out`.
pub(crate) fn member<'d>(node: Node<'d>, name: &str, strict: bool, out: &mut Collection<'d>) -> Result<(), PathError> {
    let definition = defs::r4().type_of(node.ty);
    let object = match node.value {
        Some(value) if value.kind() == Kind::Object => value,
        // A primitive has an id and extensions, in the object beside it.
        _ => {
            if let Some(beside) = node.extension {
                match name {
                    "extension" => push_all(beside.get(name), None, types::known().extension, out),
                    "id" => push_all(beside.get(name), None, types::known().string, out),
                    _ => {}
                }
            }
            return Ok(());
        }
    };
    if let Some((element, ty)) = definition.element(name) {
        if element.choice && element.name != name {
            // `valueQuantity` is how JSON writes it; FHIRPath writes `value`.
            return unknown(node.ty, name);
        }
        if !element.choice {
            let ty = id_type(node.ty, name).unwrap_or(ty);
            let beside = if types::is_primitive(ty) { beside(object, name) } else { None };
            push_all(object.get(name), beside, ty, out);
            return Ok(());
        }
    }
    if let Some(choice) = definition.elements.iter().find(|element| element.choice && element.name == name) {
        let mut seen = None;
        for (key, value) in object.entries() {
            let bare = key.strip_prefix('_').unwrap_or(key);
            if !bare.starts_with(name) || seen == Some(bare) {
                continue;
            }
            let Some((found, ty)) = definition.element(bare) else { continue };
            if found.name != choice.name {
                continue;
            }
            seen = Some(bare);
            if key.len() == bare.len() {
                push_all(Some(value), beside(object, bare), ty, out);
            } else {
                push_all(object.get(bare), Some(value), ty, out);
            }
        }
        return Ok(());
    }
    if strict { unknown(node.ty, name) } else { Ok(()) }
}

/// The id of a resource is an `id`; the definitions call it a string, as they do for elements.
fn id_type(ty: TypeId, name: &str) -> Option<TypeId> {
    (name == "id" && types::is_resource(ty)).then(|| types::known().id)
}

fn unknown(ty: TypeId, element: &str) -> Result<(), PathError> {
    Err(PathError::UnknownElement { ty: types::name(ty).into(), element: element.into() })
}

/// The `_name` of `name`.
fn beside<'d>(object: Value<'d>, name: &str) -> Option<Value<'d>> {
    object.entries().find(|(key, _)| key.strip_prefix('_') == Some(name)).map(|(_, value)| value)
}

/// Appends one value, or each of an array, with the objects beside them.
fn push_all<'d>(value: Option<Value<'d>>, beside: Option<Value<'d>>, ty: TypeId, out: &mut Collection<'d>) {
    let array = |value: &Option<Value<'d>>| value.filter(|value| value.kind() == Kind::Array);
    let (values, besides) = (array(&value), array(&beside));
    if values.is_none() && besides.is_none() {
        push(value, beside, ty, out);
        return;
    }
    let mut values = values.into_iter().flat_map(|array| array.items());
    let mut besides = besides.into_iter().flat_map(|array| array.items());
    loop {
        let (value, beside) = (values.next(), besides.next());
        if value.is_none() && beside.is_none() {
            return;
        }
        push(value, beside, ty, out);
    }
}

fn push<'d>(value: Option<Value<'d>>, beside: Option<Value<'d>>, ty: TypeId, out: &mut Collection<'d>) {
    let value = value.filter(|value| !value.is_null());
    let beside = beside.filter(|value| value.kind() == Kind::Object);
    if value.is_none() && beside.is_none() {
        return;
    }
    let ty = match value {
        Some(value) if ty == types::known().resource => types::of_resource(value),
        _ => ty,
    };
    out.push(Item::Node(Node { value, extension: beside, ty }));
}

/// All children of a node, in the order sent.
pub(crate) fn children<'d>(node: Node<'d>, out: &mut Collection<'d>) {
    let object = match node.value {
        Some(value) if value.kind() == Kind::Object => value,
        _ => {
            let known = types::known();
            if let Some(beside) = node.extension {
                push_all(beside.get("id"), None, known.string, out);
                push_all(beside.get("extension"), None, known.extension, out);
            }
            return;
        }
    };
    let definition = defs::r4().type_of(node.ty);
    for (key, value) in object.entries() {
        if let Some(bare) = key.strip_prefix('_') {
            // Beside a value it comes with the value.
            if let Some((_, ty)) = definition.element(bare)
                && object.get(bare).is_none()
            {
                push_all(None, Some(value), ty, out);
            }
        } else if let Some((_, ty)) = definition.element(key) {
            let ty = id_type(node.ty, key).unwrap_or(ty);
            let beside = if types::is_primitive(ty) { beside(object, key) } else { None };
            push_all(Some(value), beside, ty, out);
        }
    }
}
