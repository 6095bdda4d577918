//! Parses the types. The data is part of the program: a test reads every line of it, so a line that
//! does not parse cannot ship; here it is left out. Loaded once for the life of the process, so lists
//! are leaked on purpose: that makes them `'static` and spares every reader a lifetime.

use std::collections::HashMap;

use super::{Binding, Definitions, ElementDef, ElementType, Invariant, NameTable, Strength, TypeDef, TypeId, TypeKind};

const TYPES: &str = include_str!("../../data/types.tsv");
const INVARIANTS: &str = include_str!("../../data/invariants.tsv");

/// The lines of a data file that are no comment.
pub(super) fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The first `N` columns of a line; missing ones are empty.
pub(super) fn columns<const N: usize>(line: &'static str) -> [&'static str; N] {
    let mut parts = line.split('\t');
    [(); N].map(|()| parts.next().unwrap_or(""))
}

fn leak<T>(list: Vec<T>) -> &'static [T] {
    if list.is_empty() { &[] } else { Vec::leak(list) }
}

fn leak_name(name: String) -> &'static str {
    Box::leak(name.into_boxed_str())
}

/// The state of loading: names are given numbers in a first pass, so that types may refer to later ones.
struct Loader {
    by_name: HashMap<&'static str, TypeId>,
    types: Vec<TypeDef>,
    invariants: HashMap<&'static str, &'static Invariant>,
}

pub(super) fn definitions() -> Definitions {
    let list: Vec<(&'static str, Invariant)> = lines(INVARIANTS)
        .enumerate()
        .map(|(index, line)| {
            let [name, severity, expression] = columns(line);
            let key = name.split('@').next().unwrap_or(name);
            (name, Invariant { key, is_warning: severity == "w", expression, index: index as u16 })
        })
        .collect();
    let names: Vec<&'static str> = list.iter().map(|(name, _)| *name).collect();
    let invariants = leak(list.into_iter().map(|(_, invariant)| invariant).collect());
    let mut loader = Loader {
        by_name: HashMap::with_capacity(1200),
        types: Vec::with_capacity(1200),
        invariants: names.into_iter().zip(invariants).collect(),
    };
    loader.number();
    loader.read();
    loader.finish();
    Definitions { types: loader.types, by_name: loader.by_name, invariants }
}

impl Loader {
    fn add(&mut self, name: &'static str, kind: TypeKind, is_abstract: bool) {
        let id = TypeId(self.types.len() as u16);
        self.by_name.insert(name, id);
        self.types.push(TypeDef {
            name,
            id,
            kind,
            is_abstract,
            base: None,
            elements: Vec::new(),
            invariants: Vec::new(),
            required: 0,
            names: NameTable::default(),
        });
    }

    /// Gives every type and backbone its number.
    fn number(&mut self) {
        let mut owner = "";
        for line in lines(TYPES) {
            let [path, _, _, _, types] = columns(line);
            if let Some(name) = path.strip_prefix('@') {
                owner = name;
                let kind = columns::<2>(line)[1];
                let what = match kind.as_bytes().first() {
                    Some(b'P') => TypeKind::Primitive,
                    Some(b'R') => TypeKind::Resource,
                    _ => TypeKind::Complex,
                };
                self.add(name, what, kind.ends_with('a'));
            } else if is_backbone(types) {
                self.add(leak_name(format!("{owner}.{path}")), TypeKind::Backbone, false);
            }
        }
    }

    fn read(&mut self) {
        let mut owner = "";
        for line in lines(TYPES) {
            if line.starts_with('@') {
                let [name, _, base, keys] = columns(line);
                owner = &name[1..];
                self.open(owner, base, keys);
            } else {
                self.element(owner, line);
            }
        }
    }

    /// Begins a type with what it inherits; bases stand before what derives from them.
    fn open(&mut self, name: &'static str, base: &'static str, keys: &'static str) {
        let Some(&id) = self.by_name.get(name) else { return };
        let own = self.keys(keys);
        let base = self.by_name.get(base).copied();
        let (elements, mut invariants) = match base {
            Some(base) => (self.types[base.index()].elements.clone(), self.types[base.index()].invariants.clone()),
            None => (Vec::new(), Vec::new()),
        };
        invariants.extend(own);
        let def = &mut self.types[id.index()];
        def.base = base;
        def.elements = elements;
        def.invariants = invariants;
    }

    fn keys(&self, keys: &'static str) -> Vec<&'static Invariant> {
        keys.split(' ').filter_map(|key| self.invariants.get(key).copied()).collect()
    }

    fn element(&mut self, owner: &'static str, line: &'static str) {
        let [path, min, max, flags, types, binding, keys] = columns(line);
        let (parent, name) = match path.rsplit_once('.') {
            Some((parent, name)) => (self.by_name.get(format!("{owner}.{parent}").as_str()).copied(), name),
            None => (self.by_name.get(owner).copied(), path),
        };
        let Some(parent) = parent else { return };
        let (name, choice) = match name.strip_suffix("[x]") {
            Some(stem) => (stem, true),
            None => (name, false),
        };
        let mut content_reference = None;
        let element_types: Vec<ElementType> = if let Some(reference) = types.strip_prefix('#') {
            content_reference = self.by_name.get(reference).copied();
            content_reference.iter().map(|&ty| ElementType { ty, targets: &[] }).collect()
        } else if is_backbone(types) {
            let full = format!("{owner}.{path}");
            self.by_name.get(full.as_str()).map(|&ty| ElementType { ty, targets: &[] }).into_iter().collect()
        } else {
            types.split(',').filter_map(|one| self.element_type(one)).collect()
        };
        if is_backbone(types)
            && let Some(own) = element_types.first()
        {
            self.open(self.types[own.ty.index()].name, types, "");
        }
        let invariants = leak(self.keys(keys));
        let def = &mut self.types[parent.index()];
        let place = def.elements.iter().position(|known| known.name == name).unwrap_or(def.elements.len());
        let element = ElementDef {
            name,
            index: place as u16,
            types: leak(element_types),
            min: min.parse().unwrap_or(0),
            max: max.parse().ok(),
            choice,
            is_summary: flags.contains('s'),
            is_modifier: flags.contains('m'),
            binding: parse_binding(binding),
            content_reference,
            invariants,
        };
        if place < def.elements.len() {
            def.elements[place] = element;
        } else {
            def.elements.push(element);
        }
    }

    /// `Reference(Patient|Group)` or `string`.
    fn element_type(&self, text: &'static str) -> Option<ElementType> {
        let (name, targets) = match text.split_once('(') {
            Some((name, targets)) => (name, leak(targets.trim_end_matches(')').split('|').collect())),
            None => (text, &[] as &[&str]),
        };
        Some(ElementType { ty: *self.by_name.get(name)?, targets })
    }

    /// Builds the tables of names in JSON.
    fn finish(&mut self) {
        for index in 0..self.types.len() {
            let mut entries = Vec::new();
            for element in &self.types[index].elements {
                for one in element.types {
                    let name = if element.choice {
                        leak_name(format!("{}{}", element.name, capitalised(self.types[one.ty.index()].name)))
                    } else {
                        element.name
                    };
                    entries.push((name, element.index, one.ty));
                    if !element.choice {
                        break;
                    }
                }
            }
            let def = &mut self.types[index];
            def.names = NameTable::new(entries);
            def.required = def.elements.iter().filter(|element| element.min > 0).fold(0, |mask, element| mask | 1 << (element.index & 127));
        }
    }
}

fn is_backbone(types: &str) -> bool {
    types == "BackboneElement" || types == "Element"
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

/// `r:http://... m:http://...`
fn parse_binding(text: &'static str) -> Option<Binding> {
    let mut parts = text.split(' ');
    let (strength, value_set) = parts.next()?.split_once(':')?;
    let strength = match strength {
        "r" => Strength::Required,
        "e" => Strength::Extensible,
        "p" => Strength::Preferred,
        _ => Strength::Example,
    };
    Some(Binding { strength, value_set, max_value_set: parts.next().and_then(|part| part.strip_prefix("m:")) })
}
