//! Concept maps: for a code of one system, the codes of another, with how well they match.

use crate::{
    error::Result,
    store::{Arena, Text},
};

/// How well a target stands for the source (FHIR R4 `ConceptMapEquivalence`, seen from the target).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Equivalence {
    /// Related, but how is not known.
    RelatedTo,
    /// The same meaning.
    Equivalent,
    /// The same meaning and the same definition.
    Equal,
    /// The target is wider than the source.
    Wider,
    /// The target is wider in a hierarchy of kinds.
    Subsumes,
    /// The target is narrower than the source.
    Narrower,
    /// The target is narrower in a hierarchy of kinds.
    Specializes,
    /// They overlap.
    Inexact,
    /// There is no target.
    Unmatched,
    /// They are known not to be the same.
    Disjoint,
}

impl Equivalence {
    /// From the code of FHIR R4; R5's relationship codes are understood too.
    pub fn from_code(code: &str) -> Option<Self> {
        Some(match code {
            "relatedto" | "related-to" => Self::RelatedTo,
            "equivalent" => Self::Equivalent,
            "equal" => Self::Equal,
            "wider" | "source-is-narrower-than-target" => Self::Wider,
            "subsumes" => Self::Subsumes,
            "narrower" | "source-is-broader-than-target" => Self::Narrower,
            "specializes" => Self::Specializes,
            "inexact" => Self::Inexact,
            "unmatched" => Self::Unmatched,
            "disjoint" | "not-related-to" => Self::Disjoint,
            _ => return None,
        })
    }

    /// The code of FHIR R4.
    pub fn code(self) -> &'static str {
        match self {
            Self::RelatedTo => "relatedto",
            Self::Equivalent => "equivalent",
            Self::Equal => "equal",
            Self::Wider => "wider",
            Self::Subsumes => "subsumes",
            Self::Narrower => "narrower",
            Self::Specializes => "specializes",
            Self::Inexact => "inexact",
            Self::Unmatched => "unmatched",
            Self::Disjoint => "disjoint",
        }
    }

    /// Whether there is a target to use. `unmatched` and `disjoint` say that there is none.
    pub fn is_match(self) -> bool {
        !matches!(self, Self::Unmatched | Self::Disjoint)
    }
}

/// What a group of a map says about codes it does not list (FHIR `ConceptMap.group.unmapped`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmapped {
    /// The code itself, in the target system.
    Provided,
    /// One code for all.
    Fixed {
        /// The code.
        code: String,
        /// Its display.
        display: Option<String>,
    },
    /// Ask another map.
    OtherMap(
        /// Its URL.
        String,
    ),
}

/// One target of a translation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'m> {
    /// The target's code system.
    pub system: &'m str,
    /// The code; empty when [`equivalence`](Self::equivalence) says there is none.
    pub code: &'m str,
    /// The display, when the map gives one.
    pub display: Option<&'m str>,
    /// How well it stands for the source.
    pub equivalence: Equivalence,
    /// The map's remark.
    pub comment: Option<&'m str>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    source: Text,
    target: Text,
    display: Text,
    comment: Text,
    equivalence: Equivalence,
}

/// The mappings between one source and one target system.
#[derive(Debug, Clone)]
struct Group {
    source: String,
    target: String,
    rows: Vec<Row>,
    unmapped: Option<Unmapped>,
}

/// A concept map held in memory. Made with a [`ConceptMapBuilder`].
#[derive(Debug, Clone, Default)]
pub struct ConceptMap {
    key: String,
    url: Option<String>,
    version: Option<String>,
    source_set: Option<String>,
    target_set: Option<String>,
    text: Arena,
    groups: Vec<Group>,
}

impl ConceptMap {
    /// The key it is found by: `v2-to-fhir/AdministrativeSex`, `ccda-on-fhir/CF-NameUse`; the URL for the user's own.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The canonical URL, when it has one.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// The version, when it has one.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The value set of the sources, when it is said.
    pub fn source_value_set(&self) -> Option<&str> {
        self.source_set.as_deref()
    }

    /// The value set of the targets, when it is said.
    pub fn target_value_set(&self) -> Option<&str> {
        self.target_set.as_deref()
    }

    /// Whether it has a group for codes of that system.
    pub fn has_source(&self, system: &str) -> bool {
        self.groups.iter().any(|group| group.source == system)
    }

    /// Its groups: the system of the sources and that of the targets, as the map names them; either may be empty.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &str)> {
        self.groups.iter().map(|group| (group.source.as_str(), group.target.as_str()))
    }

    /// What the groups whose source system is named exactly so say about codes they do not list.
    pub(crate) fn unmapped_named<'m, 'q>(&'m self, system: &'q str) -> impl Iterator<Item = (&'m str, &'m Unmapped)> + use<'m, 'q> {
        let groups = self.groups.iter().filter(move |group| group.source == system);
        groups.filter_map(|group| group.unmapped.as_ref().map(|unmapped| (group.target.as_str(), unmapped)))
    }

    /// The number of mappings, rows without a target counted too.
    pub fn len(&self) -> usize {
        self.groups.iter().map(|group| group.rows.len()).sum()
    }

    /// Whether it maps nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The targets of a code. `system` may be empty: then every group is asked. Rows that say "unmatched" are among them, with an empty code;
    /// a code that no row names gives nothing here ([`unmapped`](Self::unmapped) says what then).
    pub fn targets<'m, 'q>(&'m self, system: &'q str, code: &'q str) -> impl Iterator<Item = Target<'m>> + use<'m, 'q> {
        self.targets_where(code, move |source| system.is_empty() || source == system)
    }

    /// The targets of a code in the groups whose source system is named exactly so, empty for groups that name none.
    pub(crate) fn targets_named<'m, 'q>(&'m self, system: &'q str, code: &'q str) -> impl Iterator<Item = Target<'m>> + use<'m, 'q> {
        self.targets_where(code, move |source| source == system)
    }

    fn targets_where<'m, 'q, F: Fn(&str) -> bool + 'q>(
        &'m self,
        code: &'q str,
        is_asked: F,
    ) -> impl Iterator<Item = Target<'m>> + use<'m, 'q, F> {
        self.groups.iter().filter(move |group| is_asked(&group.source)).flat_map(move |group| {
            let start = group.rows.partition_point(|row| self.text.get(row.source) < code);
            group.rows[start..].iter().take_while(move |row| self.text.get(row.source) == code).map(move |row| Target {
                system: &group.target,
                code: self.text.get(row.target),
                display: Some(self.text.get(row.display)).filter(|text| !text.is_empty()),
                equivalence: row.equivalence,
                comment: Some(self.text.get(row.comment)).filter(|text| !text.is_empty()),
            })
        })
    }

    /// The best target of a code: the first that is a match.
    pub fn translate<'m>(&'m self, system: &str, code: &str) -> Option<Target<'m>> {
        self.targets(system, code).find(|target| target.equivalence.is_match() && !target.code.is_empty())
    }

    /// What the groups for that system say about codes they do not list, each with its target system.
    pub fn unmapped<'m, 'q>(&'m self, system: &'q str) -> impl Iterator<Item = (&'m str, &'m Unmapped)> + use<'m, 'q> {
        let groups = self.groups.iter().filter(move |group| system.is_empty() || group.source == system);
        groups.filter_map(|group| group.unmapped.as_ref().map(|unmapped| (group.target.as_str(), unmapped)))
    }

    /// Every mapping: source system, source code, target.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &str, Target<'_>)> {
        self.groups.iter().flat_map(move |group| {
            group.rows.iter().map(move |row| {
                let target = Target {
                    system: &group.target,
                    code: self.text.get(row.target),
                    display: Some(self.text.get(row.display)).filter(|text| !text.is_empty()),
                    equivalence: row.equivalence,
                    comment: Some(self.text.get(row.comment)).filter(|text| !text.is_empty()),
                };
                (group.source.as_str(), self.text.get(row.source), target)
            })
        })
    }

    /// The bytes held in memory, roughly.
    pub fn memory(&self) -> usize {
        self.text.len() + self.len() * size_of::<Row>()
    }
}

/// Collects the mappings of a concept map.
#[derive(Debug, Default)]
pub struct ConceptMapBuilder {
    map: ConceptMap,
    last: Option<usize>,
}

impl ConceptMapBuilder {
    /// An empty map, found by that key.
    pub fn new(key: impl Into<String>) -> Self {
        Self { map: ConceptMap { key: key.into(), ..ConceptMap::default() }, last: None }
    }

    /// Sets the canonical URL and the version.
    pub fn url(mut self, url: Option<&str>, version: Option<&str>) -> Self {
        let kept = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        (self.map.url, self.map.version) = (kept(url), kept(version));
        self
    }

    /// Sets the value sets of sources and targets.
    pub fn value_sets(mut self, source: Option<&str>, target: Option<&str>) -> Self {
        let kept = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        (self.map.source_set, self.map.target_set) = (kept(source), kept(target));
        self
    }

    fn group(&mut self, source: &str, target: &str) -> &mut Group {
        let is_it = |group: &Group| group.source == source && group.target == target;
        let at = match self.last.filter(|at| is_it(&self.map.groups[*at])) {
            Some(at) => at,
            None => self.map.groups.iter().position(is_it).unwrap_or_else(|| {
                self.map.groups.push(Group { source: source.to_owned(), target: target.to_owned(), rows: Vec::new(), unmapped: None });
                self.map.groups.len() - 1
            }),
        };
        self.last = Some(at);
        &mut self.map.groups[at]
    }

    /// Adds a mapping. A target's code is empty when there is none.
    pub fn add(
        &mut self,
        source: (&str, &str),
        target: (&str, &str),
        equivalence: Equivalence,
        display: &str,
        comment: &str,
    ) -> Result<()> {
        let text = &mut self.map.text;
        let source_code = text.add(source.1)?;
        let code = if source.1 == target.1 { source_code } else { text.add(target.1)? };
        let row = Row { source: source_code, target: code, display: text.add(display)?, comment: text.add(comment)?, equivalence };
        self.group(source.0, target.0).rows.push(row);
        Ok(())
    }

    /// Says what holds for codes that are not listed.
    pub fn unmapped(&mut self, source: &str, target: &str, unmapped: Unmapped) {
        self.group(source, target).unmapped = Some(unmapped);
    }

    /// The number of mappings so far.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there is no mapping yet.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The concept map.
    pub fn finish(mut self) -> ConceptMap {
        let text = &self.map.text;
        for group in &mut self.map.groups {
            // Stable: several targets of one code keep their order.
            group.rows.sort_by(|one, other| text.get(one.source).cmp(text.get(other.source)));
            group.rows.shrink_to_fit();
        }
        self.map.text.shrink();
        self.map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_targets_keep_their_order_and_no_match_is_no_translation() {
        let mut builder = ConceptMapBuilder::new("m");
        builder.add(("a", "2"), ("b", "y"), Equivalence::Wider, "", "").unwrap();
        builder.add(("a", "1"), ("b", ""), Equivalence::Unmatched, "", "").unwrap();
        builder.add(("a", "2"), ("b", "x"), Equivalence::Equal, "X", "").unwrap();
        builder.add(("a", "1"), ("c", "z"), Equivalence::Equivalent, "", "").unwrap();
        let map = builder.finish();
        assert_eq!(map.targets("a", "2").map(|target| target.code).collect::<Vec<_>>(), ["y", "x"]);
        assert_eq!(map.translate("a", "1").unwrap().system, "c");
        assert_eq!(map.translate("q", "1"), None);
        assert_eq!(map.translate("", "1").unwrap().code, "z");
        assert_eq!(map.len(), 4);
    }

    #[test]
    fn codes_of_equivalence_come_back() {
        for code in ["relatedto", "equivalent", "equal", "wider", "subsumes", "narrower", "specializes", "inexact", "unmatched", "disjoint"]
        {
            assert_eq!(Equivalence::from_code(code).unwrap().code(), code);
        }
        assert_eq!(Equivalence::from_code("same"), None);
    }
}
