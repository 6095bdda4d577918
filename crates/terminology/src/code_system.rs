//! Code systems: concepts in one arena, found by code through a hash table, with parents and children as sorted pairs.

use std::collections::{HashMap, HashSet};

use crate::{
    error::{Result, TerminologyError},
    store::{Arena, Edges, Index, Text},
};

/// How much of a code system is there (FHIR `CodeSystem.content`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Content {
    /// All of it: an unknown code is wrong.
    #[default]
    Complete,
    /// A part of it: an unknown code may be right.
    Fragment,
    /// Only examples.
    Example,
    /// Nothing but the name.
    NotPresent,
}

/// What the hierarchy of a code system means (FHIR `CodeSystem.hierarchyMeaning`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HierarchyMeaning {
    /// A child is a kind of its parent. FHIR R4 takes this when nothing is said.
    #[default]
    IsA,
    /// Anything else (grouped by, part of, classified with): subsumption cannot be told from it.
    Other,
}

/// How one code relates to another (FHIR `$subsumes`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subsumption {
    /// Both codes are the same concept.
    Equivalent,
    /// The first is the wider one.
    Subsumes,
    /// The first is the narrower one.
    SubsumedBy,
    /// Neither is a kind of the other.
    NotSubsumed,
}

impl Subsumption {
    /// The code of FHIR's `concept-subsumption-outcome`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Equivalent => "equivalent",
            Self::Subsumes => "subsumes",
            Self::SubsumedBy => "subsumed-by",
            Self::NotSubsumed => "not-subsumed",
        }
    }
}

pub(crate) const INACTIVE: u8 = 1;
pub(crate) const ABSTRACT: u8 = 2;
pub(crate) const DEPRECATED: u8 = 4;
pub(crate) const STANDARD: u8 = 8;

#[derive(Debug, Clone, Copy)]
struct Row {
    code: Text,
    display: Text,
    flags: u8,
}

#[derive(Debug, Clone, Copy)]
struct Property {
    concept: u32,
    name: u16,
    value: Text,
}

#[derive(Debug, Clone, Copy)]
struct Designation {
    concept: u32,
    language: Text,
    usage: Text,
    value: Text,
}

/// A code system held in memory. Made with a [`CodeSystemBuilder`]; read through [`Concept`]s.
#[derive(Debug, Clone, Default)]
pub struct CodeSystem {
    url: String,
    version: Option<String>,
    name: String,
    oid: Option<String>,
    content: Content,
    meaning: HierarchyMeaning,
    fold_case: bool,
    text: Arena,
    rows: Vec<Row>,
    folded: Vec<Text>,
    index: Index,
    parents: Edges,
    children: Edges,
    property_names: Vec<String>,
    properties: Vec<Property>,
    designations: Vec<Designation>,
    definitions: Vec<(u32, Text)>,
    native: Vec<u32>,
}

impl CodeSystem {
    /// The canonical URI.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The version, when it has one.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The name for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The OID, without `urn:oid:`.
    pub fn oid(&self) -> Option<&str> {
        self.oid.as_deref()
    }

    /// How much of it is there.
    pub fn content(&self) -> Content {
        self.content
    }

    /// Whether `a` and `A` are different codes.
    pub fn is_case_sensitive(&self) -> bool {
        !self.fold_case
    }

    /// The number of concepts.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it holds no concept.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether any concept has a parent, and that means "is a kind of".
    pub fn has_is_a_hierarchy(&self) -> bool {
        self.meaning == HierarchyMeaning::IsA && !self.parents.is_empty()
    }

    /// The concept of a code. Case counts unless the code system says otherwise.
    pub fn concept(&self, code: &str) -> Option<Concept<'_>> {
        let number = if self.fold_case {
            self.index.find(code.to_lowercase().as_bytes(), |at| self.key(at))
        } else {
            self.index.find(code.as_bytes(), |at| self.key(at))
        };
        number.map(|number| Concept { system: self, number })
    }

    /// The concept whose code differs in case only, in a system where case counts: a hint for the sender.
    /// Systems of more than 20,000 concepts are not searched for it.
    pub fn concept_in_other_case(&self, code: &str) -> Option<Concept<'_>> {
        const MOST: usize = 20_000;
        if self.len() > MOST {
            return None;
        }
        self.concepts().find(|concept| concept.code().eq_ignore_ascii_case(code) && concept.code() != code)
    }

    /// All concepts, in the order of the source.
    pub fn concepts(&self) -> impl Iterator<Item = Concept<'_>> + '_ {
        (0..self.rows.len() as u32).map(move |number| Concept { system: self, number })
    }

    /// How one code relates to another, by the is-a hierarchy.
    pub fn subsumes(&self, one: &str, other: &str) -> Result<Subsumption> {
        let unknown = || TerminologyError::UnknownCode { system: self.url.clone() };
        let (one, other) = (self.concept(one).ok_or_else(unknown)?, self.concept(other).ok_or_else(unknown)?);
        if one.number == other.number {
            return Ok(Subsumption::Equivalent);
        }
        if !self.has_is_a_hierarchy() {
            return Err(TerminologyError::NoHierarchy { system: self.url.clone() });
        }
        Ok(if other.is_below(one) {
            Subsumption::Subsumes
        } else if one.is_below(other) {
            Subsumption::SubsumedBy
        } else {
            Subsumption::NotSubsumed
        })
    }

    /// The bytes held in memory, roughly.
    pub fn memory(&self) -> usize {
        self.text.len()
            + self.rows.len() * size_of::<Row>()
            + self.folded.len() * size_of::<Text>()
            + self.index.memory()
            + self.parents.memory()
            + self.children.memory()
            + self.properties.len() * size_of::<Property>()
            + self.designations.len() * size_of::<Designation>()
            + self.definitions.len() * size_of::<(u32, Text)>()
            + self.native.len() * size_of::<u32>()
    }

    pub(crate) fn at(&self, number: u32) -> Concept<'_> {
        Concept { system: self, number }
    }

    /// Concepts of a closure, each once, starting concept left out.
    fn closure(&self, number: u32, edges: &Edges) -> Vec<u32> {
        let mut seen = vec![0_u64; self.rows.len().div_ceil(64)];
        let mut found = Vec::new();
        let mut open = vec![number];
        while let Some(at) = open.pop() {
            for &next in edges.of(at) {
                let (word, bit) = (next as usize / 64, 1_u64 << (next % 64));
                if next != number && seen[word] & bit == 0 {
                    seen[word] |= bit;
                    found.push(next);
                    open.push(next);
                }
            }
        }
        found.sort_unstable();
        found
    }

    fn key(&self, number: u32) -> &[u8] {
        let text =
            if self.fold_case { self.folded.get(number as usize).copied() } else { self.rows.get(number as usize).map(|row| row.code) };
        text.map(|text| self.text.get(text).as_bytes()).unwrap_or_default()
    }
}

/// A concept of a [`CodeSystem`].
#[derive(Clone, Copy)]
pub struct Concept<'s> {
    system: &'s CodeSystem,
    number: u32,
}

impl std::fmt::Debug for Concept<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}|{}", self.system.url, self.code())
    }
}

impl<'s> Concept<'s> {
    fn row(self) -> Row {
        self.system.rows[self.number as usize]
    }

    /// The code system it belongs to.
    pub fn system(self) -> &'s CodeSystem {
        self.system
    }

    /// The code, as the code system spells it.
    pub fn code(self) -> &'s str {
        self.system.text.get(self.row().code)
    }

    /// The display; none when the code system gives none.
    pub fn display(self) -> Option<&'s str> {
        Some(self.system.text.get(self.row().display)).filter(|text| !text.is_empty())
    }

    /// The definition, when it was loaded.
    pub fn definition(self) -> Option<&'s str> {
        let at = self.system.definitions.binary_search_by_key(&self.number, |(concept, _)| *concept).ok()?;
        Some(self.system.text.get(self.system.definitions[at].1))
    }

    /// Whether the code is no longer to be used.
    pub fn is_inactive(self) -> bool {
        self.row().flags & INACTIVE != 0
    }

    /// Whether it only groups others and is not chosen itself.
    pub fn is_abstract(self) -> bool {
        self.row().flags & ABSTRACT != 0
    }

    /// Whether its use is discouraged.
    pub fn is_deprecated(self) -> bool {
        self.row().flags & DEPRECATED != 0
    }

    /// Whether OMOP calls it a standard concept (Athena only).
    pub fn is_standard(self) -> bool {
        self.row().flags & STANDARD != 0
    }

    /// The OMOP concept id (Athena only).
    pub fn omop_concept_id(self) -> Option<u32> {
        self.system.native.get(self.number as usize).copied().filter(|id| *id != 0)
    }

    /// The concepts right above.
    pub fn parents(self) -> impl Iterator<Item = Concept<'s>> {
        self.system.parents.of(self.number).iter().map(move |number| self.system.at(*number))
    }

    /// The concepts right below.
    pub fn children(self) -> impl Iterator<Item = Concept<'s>> {
        self.system.children.of(self.number).iter().map(move |number| self.system.at(*number))
    }

    /// All concepts above, each once.
    pub fn ancestors(self) -> impl Iterator<Item = Concept<'s>> {
        self.system.closure(self.number, &self.system.parents).into_iter().map(move |number| self.system.at(number))
    }

    /// All concepts below, each once.
    pub fn descendants(self) -> impl Iterator<Item = Concept<'s>> {
        self.system.closure(self.number, &self.system.children).into_iter().map(move |number| self.system.at(number))
    }

    /// Whether it lies anywhere below another concept of the same code system.
    pub fn is_below(self, other: Concept<'_>) -> bool {
        // A handful of ancestors is looked through; a set takes over where there are many.
        const FEW: usize = 64;
        let mut seen = vec![self.number];
        let mut many: HashSet<u32> = HashSet::new();
        let mut at = 0;
        while let Some(number) = seen.get(at).copied() {
            at += 1;
            for &parent in self.system.parents.of(number) {
                if parent == other.number {
                    return self.number != other.number;
                }
                if seen.len() == FEW && many.is_empty() {
                    many.extend(&seen);
                }
                let new = if many.is_empty() { !seen.contains(&parent) } else { many.insert(parent) };
                if new {
                    seen.push(parent);
                }
            }
        }
        false
    }

    /// The values of a property (FHIR `CodeSystem.concept.property`).
    pub fn property(self, name: &'s str) -> impl Iterator<Item = &'s str> {
        self.properties().filter(move |(known, _)| *known == name).map(|(_, value)| value)
    }

    /// All properties: name and value as text.
    pub fn properties(self) -> impl Iterator<Item = (&'s str, &'s str)> {
        let all = &self.system.properties;
        let start = all.partition_point(|property| property.concept < self.number);
        all[start..].iter().take_while(move |property| property.concept == self.number).map(move |property| {
            let name = self.system.property_names.get(property.name as usize).map(String::as_str).unwrap_or_default();
            (name, self.system.text.get(property.value))
        })
    }

    /// Other names: language (may be empty), use (may be empty), text.
    pub fn designations(self) -> impl Iterator<Item = (&'s str, &'s str, &'s str)> {
        let all = &self.system.designations;
        let start = all.partition_point(|designation| designation.concept < self.number);
        let text = &self.system.text;
        all[start..]
            .iter()
            .take_while(move |designation| designation.concept == self.number)
            .map(move |designation| (text.get(designation.language), text.get(designation.usage), text.get(designation.value)))
    }

    pub(crate) fn number(self) -> u32 {
        self.number
    }
}

/// Collects the concepts of a code system.
#[derive(Debug, Default)]
pub struct CodeSystemBuilder {
    system: CodeSystem,
    edges: Vec<(u32, u32)>,
    languages: HashMap<String, Text>,
}

impl CodeSystemBuilder {
    /// An empty code system of that URI.
    pub fn new(url: impl Into<String>) -> Self {
        Self { system: CodeSystem { url: url.into(), ..CodeSystem::default() }, ..Self::default() }
    }

    /// Sets the version.
    pub fn version(mut self, version: Option<&str>) -> Self {
        self.system.version = version.filter(|text| !text.is_empty()).map(str::to_owned);
        self
    }

    /// Sets the name for people.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.system.name);
        self
    }

    /// Sets the OID, with or without `urn:oid:`.
    pub fn oid(mut self, oid: Option<&str>) -> Self {
        self.system.oid = oid.map(|oid| oid.strip_prefix("urn:oid:").unwrap_or(oid)).filter(|oid| !oid.is_empty()).map(str::to_owned);
        self
    }

    /// Sets how much of the code system is there.
    pub fn content(mut self, content: Content) -> Self {
        self.system.content = content;
        self
    }

    /// Sets what the hierarchy means.
    pub fn hierarchy(mut self, meaning: HierarchyMeaning) -> Self {
        self.system.meaning = meaning;
        self
    }

    /// Makes `a` and `A` the same code. To be said before the first concept.
    pub fn ignore_case(mut self, ignore: bool) -> Self {
        self.system.fold_case = ignore && self.system.rows.is_empty();
        self
    }

    /// Adds a concept and gives its number. A code that is there already keeps its first display.
    pub fn add(&mut self, code: &str, display: &str) -> Result<u32> {
        if let Some(known) = self.find(code) {
            if self.system.rows[known as usize].display == Text::default() && !display.is_empty() {
                self.system.rows[known as usize].display = self.system.text.add(display)?;
            }
            return Ok(known);
        }
        let number = u32::try_from(self.system.rows.len()).unwrap_or(u32::MAX);
        if number == u32::MAX {
            return Err(TerminologyError::Limit { what: "concepts in one code system", limit: u64::from(u32::MAX) });
        }
        let code_text = self.system.text.add(code)?;
        // A display that repeats the code needs no room of its own.
        let display = match display {
            "" => Text::default(),
            _ if display == code => code_text,
            _ => self.system.text.add(display)?,
        };
        if self.system.fold_case {
            let folded = code.to_lowercase();
            let folded = if folded == code { code_text } else { self.system.text.add(&folded)? };
            self.system.folded.push(folded);
        }
        self.system.rows.push(Row { code: code_text, display, flags: 0 });
        let mut index = std::mem::take(&mut self.system.index);
        index.insert(self.system.key(number), number, |at| self.system.key(at));
        self.system.index = index;
        Ok(number)
    }

    /// The number of a code that was added.
    pub fn find(&self, code: &str) -> Option<u32> {
        self.system.concept(code).map(Concept::number)
    }

    /// Whether the code is there with another display: one of the two is wrong.
    pub fn has_other_display(&self, code: &str, display: &str) -> bool {
        !display.is_empty() && self.system.concept(code).and_then(Concept::display).is_some_and(|known| known != display)
    }

    /// The number of concepts so far.
    pub fn len(&self) -> usize {
        self.system.rows.len()
    }

    /// Whether there is no concept yet.
    pub fn is_empty(&self) -> bool {
        self.system.rows.is_empty()
    }

    /// The bytes of text so far.
    pub fn text_bytes(&self) -> usize {
        self.system.text.len()
    }

    /// Marks a concept: no longer to be used.
    pub fn set_inactive(&mut self, number: u32) {
        self.flag(number, INACTIVE);
    }

    /// Marks a concept: only groups others.
    pub fn set_abstract(&mut self, number: u32) {
        self.flag(number, ABSTRACT);
    }

    /// Marks a concept: use discouraged.
    pub fn set_deprecated(&mut self, number: u32) {
        self.flag(number, DEPRECATED);
    }

    pub(crate) fn clear_inactive(&mut self, number: u32) {
        if let Some(row) = self.system.rows.get_mut(number as usize) {
            row.flags &= !INACTIVE;
        }
    }

    /// The URI.
    pub fn url(&self) -> &str {
        &self.system.url
    }

    /// The code of a number that [`add`](Self::add) gave.
    pub fn code(&self, number: u32) -> &str {
        self.system.rows.get(number as usize).map(|row| self.system.text.get(row.code)).unwrap_or_default()
    }

    pub(crate) fn set_standard(&mut self, number: u32) {
        self.flag(number, STANDARD);
    }

    pub(crate) fn set_omop_concept_id(&mut self, number: u32, id: u32) {
        let at = number as usize;
        if self.system.native.len() <= at {
            self.system.native.resize(at + 1, 0);
        }
        self.system.native[at] = id;
    }

    fn flag(&mut self, number: u32, flag: u8) {
        if let Some(row) = self.system.rows.get_mut(number as usize) {
            row.flags |= flag;
        }
    }

    /// Says that one concept lies right below another.
    pub fn add_parent(&mut self, child: u32, parent: u32) {
        if child != parent {
            self.edges.push((child, parent));
        }
    }

    /// Sets the definition of a concept.
    pub fn set_definition(&mut self, number: u32, definition: &str) -> Result<()> {
        let text = self.system.text.add(definition)?;
        self.system.definitions.push((number, text));
        Ok(())
    }

    /// Adds a value of a property.
    pub fn add_property(&mut self, number: u32, name: &str, value: &str) -> Result<()> {
        let known = self.system.property_names.iter().position(|known| known == name);
        let name = known.unwrap_or_else(|| {
            self.system.property_names.push(name.to_owned());
            self.system.property_names.len() - 1
        });
        let name = u16::try_from(name)
            .map_err(|_| TerminologyError::Limit { what: "properties of one code system", limit: u64::from(u16::MAX) })?;
        // Short values repeat down a column (class, domain, status): one copy serves all.
        let value = if value.len() <= 24 { self.shared(value)? } else { self.system.text.add(value)? };
        self.system.properties.push(Property { concept: number, name, value });
        Ok(())
    }

    /// Adds another name of a concept.
    pub fn add_designation(&mut self, number: u32, language: &str, usage: &str, value: &str) -> Result<()> {
        let (language, usage) = (self.shared(language)?, self.shared(usage)?);
        let value = self.system.text.add(value)?;
        self.system.designations.push(Designation { concept: number, language, usage, value });
        Ok(())
    }

    fn shared(&mut self, text: &str) -> Result<Text> {
        const KEPT: usize = 4096;
        if let Some(known) = self.languages.get(text) {
            return Ok(*known);
        }
        let stored = self.system.text.add(text)?;
        if self.languages.len() < KEPT {
            self.languages.insert(text.to_owned(), stored);
        }
        Ok(stored)
    }

    /// The code system.
    pub fn finish(mut self) -> CodeSystem {
        let count = self.system.rows.len();
        self.system.parents = Edges::new(count, self.edges.iter().copied());
        self.system.children = Edges::new(count, self.edges.iter().map(|(child, parent)| (*parent, *child)));
        self.system.properties.sort_by_key(|property| property.concept);
        self.system.designations.sort_by_key(|designation| designation.concept);
        self.system.definitions.sort_by_key(|(concept, _)| *concept);
        self.system.definitions.dedup_by_key(|(concept, _)| *concept);
        self.system.text.shrink();
        self.system.rows.shrink_to_fit();
        self.system
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn animals() -> CodeSystem {
        let mut builder = CodeSystemBuilder::new("urn:animals").version(Some("1"));
        let animal = builder.add("animal", "Animal").unwrap();
        let cat = builder.add("cat", "Cat").unwrap();
        let pet = builder.add("pet", "Pet").unwrap();
        let tabby = builder.add("tabby", "Tabby cat").unwrap();
        builder.add("stone", "").unwrap();
        builder.add_parent(cat, animal);
        builder.add_parent(pet, animal);
        builder.add_parent(tabby, cat);
        builder.add_parent(tabby, pet);
        builder.add_property(tabby, "legs", "4").unwrap();
        builder.add_designation(cat, "de", "", "Katze").unwrap();
        builder.set_abstract(animal);
        builder.finish()
    }

    #[test]
    fn subsumption_follows_every_parent() {
        let system = animals();
        assert_eq!(system.subsumes("animal", "tabby"), Ok(Subsumption::Subsumes));
        assert_eq!(system.subsumes("tabby", "pet"), Ok(Subsumption::SubsumedBy));
        assert_eq!(system.subsumes("cat", "pet"), Ok(Subsumption::NotSubsumed));
        assert_eq!(system.subsumes("cat", "cat"), Ok(Subsumption::Equivalent));
        assert!(matches!(system.subsumes("cat", "dog"), Err(TerminologyError::UnknownCode { .. })));
        let tabby = system.concept("tabby").unwrap();
        assert_eq!(tabby.ancestors().map(Concept::code).collect::<Vec<_>>(), ["animal", "cat", "pet"]);
        assert_eq!(tabby.property("legs").collect::<Vec<_>>(), ["4"]);
        assert_eq!(system.concept("cat").unwrap().designations().collect::<Vec<_>>(), [("de", "", "Katze")]);
        assert!(system.concept("Cat").is_none());
        assert_eq!(system.concept("stone").unwrap().display(), None);
    }

    #[test]
    fn a_circle_of_parents_ends() {
        let mut builder = CodeSystemBuilder::new("urn:circle");
        let one = builder.add("one", "").unwrap();
        let two = builder.add("two", "").unwrap();
        builder.add_parent(one, two);
        builder.add_parent(two, one);
        let system = builder.finish();
        assert_eq!(system.concept("one").unwrap().descendants().count(), 1);
        assert_eq!(system.subsumes("one", "two"), Ok(Subsumption::Subsumes));
    }

    #[test]
    fn case_is_ignored_only_when_the_system_says_so() {
        let mut builder = CodeSystemBuilder::new("urn:fold").ignore_case(true);
        builder.add("AbC", "x").unwrap();
        let system = builder.finish();
        assert_eq!(system.concept("aBc").unwrap().code(), "AbC");
    }
}
