//! Values of FHIR JSON, built away from the Bundle, so that an entry that goes wrong is dropped whole.

use std::borrow::Cow;

use crate::fhir::push_string;

/// A value. Empty text, lists and objects are never written.
#[derive(Clone, PartialEq)]
pub(super) enum Json {
    /// A string.
    Text(Cow<'static, str>),
    /// A number or truth value, as it is written.
    Raw(Cow<'static, str>),
    /// A list.
    List(Vec<Json>),
    /// An object.
    Object(Obj),
}

impl Json {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) | Self::Raw(text) => text.is_empty(),
            Self::List(items) => items.iter().all(Self::is_empty),
            Self::Object(object) => object.is_empty(),
        }
    }

    pub(super) fn as_object(&self) -> Option<&Obj> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Raw(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn items(&self) -> &[Json] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// Appends the JSON to `out`.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => push_string(text, out),
            Self::Raw(text) => out.extend_from_slice(text.as_bytes()),
            Self::List(items) => {
                out.push(b'[');
                let mut first = true;
                for item in items.iter().filter(|item| !item.is_empty()) {
                    if !std::mem::take(&mut first) {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Self::Object(object) => object.write(out),
        }
    }
}

impl From<&'static str> for Json {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Raw(Cow::Borrowed(if value { "true" } else { "false" }))
    }
}

impl From<Obj> for Json {
    fn from(object: Obj) -> Self {
        Self::Object(object)
    }
}

impl From<Vec<Json>> for Json {
    fn from(items: Vec<Json>) -> Self {
        Self::List(items)
    }
}

/// Items that a list has at most by way of merging.
const MOST_MERGED: usize = 256;

/// The number of members of an object and of the items of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape(smallvec::SmallVec<[usize; 16]>);

/// An object; members are written in the order in which they were put.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Obj(Vec<(&'static str, Json)>);

impl Obj {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// An object with one text member.
    pub(super) fn of(key: &'static str, value: impl Into<Json>) -> Self {
        let mut object = Self::new();
        object.put(key, value);
        object
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, value)| value.is_empty())
    }

    /// Sets a member; what is empty is left out.
    pub(super) fn put(&mut self, key: &'static str, value: impl Into<Json>) {
        let value = value.into();
        if value.is_empty() {
            return;
        }
        match self.0.iter_mut().find(|(name, _)| *name == key) {
            Some((_, slot)) => *slot = value,
            None => self.0.push((key, value)),
        }
    }

    /// Sets a member if there is a value.
    pub(super) fn opt(&mut self, key: &'static str, value: Option<impl Into<Json>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// Appends to a list member, once.
    pub(super) fn push(&mut self, key: &'static str, value: impl Into<Json>) {
        let value = value.into();
        if value.is_empty() {
            return;
        }
        match self.0.iter_mut().find(|(name, _)| *name == key) {
            Some((_, Json::List(items))) => {
                // Long lists are of things that are not repeated; looking through them would take the square of their length.
                if items.len() > 256 || !items.contains(&value) {
                    items.push(value);
                }
            }
            Some((_, slot)) => *slot = Json::List(vec![value]),
            None => self.0.push((key, Json::List(vec![value]))),
        }
    }

    /// Appends all of them to a list member.
    pub(super) fn extend(&mut self, key: &'static str, values: impl IntoIterator<Item = impl Into<Json>>) {
        for value in values {
            self.push(key, value);
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Json> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<Json> {
        let at = self.0.iter().position(|(name, _)| *name == key)?;
        Some(self.0.remove(at).1)
    }

    /// Takes the items of a list member out.
    pub(super) fn take_list(&mut self, key: &str) -> Vec<Json> {
        match self.remove(key) {
            Some(Json::List(items)) => items,
            _ => Vec::new(),
        }
    }

    pub(super) fn has_any(&self, keys: &[&str]) -> bool {
        self.0.iter().any(|(name, _)| keys.contains(name))
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Moves the members of another object in, over those with the same name.
    pub(super) fn absorb(&mut self, other: Obj) {
        for (key, value) in other.0 {
            self.put(key, value);
        }
    }

    /// Takes what the other has and this has not, and the items of these lists: only appends, so that [`Self::restore`] takes it back.
    /// False if a list is too long to take more.
    pub(super) fn fill_from(&mut self, other: Obj, lists: &[&str]) -> bool {
        let mut whole = true;
        for (key, value) in other.0 {
            match value {
                Json::List(items) if lists.contains(&key) => {
                    for item in items {
                        let known = self.get(key).map(Json::items).unwrap_or_default();
                        if known.len() < MOST_MERGED {
                            self.push(key, item);
                        } else {
                            whole &= known.contains(&item);
                        }
                    }
                }
                value if !self.has(key) => self.put(key, value),
                _ => {}
            }
        }
        whole
    }

    /// How many members there are, and how many items each list has.
    pub(super) fn shape(&self) -> Shape {
        Shape(self.0.iter().map(|(_, value)| value.items().len()).collect())
    }

    /// Takes back what was appended since it had that shape.
    pub(super) fn restore(&mut self, shape: &Shape) {
        self.0.truncate(shape.0.len());
        for ((_, value), length) in self.0.iter_mut().zip(&shape.0) {
            if let Json::List(items) = value {
                items.truncate(*length);
            }
        }
    }

    /// Calls `each` with every text under that name, at any depth.
    pub(super) fn each_text_mut(&mut self, key: &str, each: &mut impl FnMut(&mut Cow<'static, str>)) {
        for (name, value) in &mut self.0 {
            match value {
                Json::Text(text) if *name == key => each(text),
                Json::Object(object) => object.each_text_mut(key, each),
                Json::List(items) => {
                    for item in items {
                        if let Json::Object(object) = item {
                            object.each_text_mut(key, each);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Sets a member that comes first.
    pub(super) fn put_first(&mut self, key: &'static str, value: impl Into<Json>) {
        self.remove(key);
        self.0.insert(0, (key, value.into()));
    }

    /// Calls `each` with every object inside, at any depth, and its name; what is in an object comes before it.
    pub(super) fn each_object_mut(&mut self, each: &mut impl FnMut(&'static str, &mut Obj)) {
        for (name, value) in &mut self.0 {
            let items = match value {
                Json::Object(_) => std::slice::from_mut(value),
                Json::List(items) => items.as_mut_slice(),
                _ => continue,
            };
            for item in items {
                if let Json::Object(object) = item {
                    object.each_object_mut(each);
                    each(name, object);
                }
            }
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        self.write_members(out);
        out.push(b'}');
    }

    /// The members without the braces.
    pub(super) fn write_members(&self, out: &mut Vec<u8>) {
        let mut first = true;
        // Nothing empty was put in; what was taken out of a list left the rest of it.
        for (key, value) in &self.0 {
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            out.push(b'"');
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(b"\":");
            value.write(out);
        }
    }
}

impl std::fmt::Debug for Obj {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Obj").field("members", &self.0.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_filled_in_is_taken_back() {
        let mut object = Obj::of("a", "x");
        object.push("list", "1");
        let (before, shape) = (object.clone(), object.shape());
        let mut other = Obj::of("b", "y");
        other.push("list", "2");
        other.push("new", "3");
        assert!(object.fill_from(other, &["list"]));
        assert!(object != before && object.shape() != shape);
        object.restore(&shape);
        assert!(object == before);
        for number in 0..300 {
            let mut other = Obj::new();
            other.push("list", number.to_string());
            assert_eq!(object.fill_from(other, &["list"]), number < 256, "{number}");
        }
        assert_eq!(object.get("list").map(|list| list.items().len()), Some(256));
    }

    #[test]
    fn nothing_empty_is_written() {
        let mut object = Obj::new();
        object.put("a", "x\"");
        object.put("b", Obj::of("c", ""));
        object.push("d", Obj::new());
        object.push("e", "1");
        object.push("e", "1");
        object.put("f", true);
        let mut out = Vec::new();
        Json::from(object).write(&mut out);
        assert_eq!(out, br#"{"a":"x\"","e":["1"],"f":true}"#);
    }
}
