//! Membership in value sets, and their expansion with filters and pages.

use std::collections::HashSet;

use crate::{
    code_system::{CodeSystem, Concept, Content},
    error::{Result, TerminologyError},
    terminology::{Terminology, split_canonical, version_fits},
    value_set::{FilterOp, Rule, ValueSet},
};

/// How a value set is expanded (FHIR `$expand`).
#[derive(Debug, Clone, Copy)]
pub struct ExpandOptions<'o> {
    /// Only codes whose code, display or other name has every word of this text, in any case.
    pub text: &'o str,
    /// How many codes are passed over before the first one given.
    pub offset: usize,
    /// How many codes are given at most; none for all.
    pub count: Option<usize>,
    /// Leaves out inactive codes.
    pub active_only: bool,
    /// Leaves out codes that only group others.
    pub selectable_only: bool,
    /// The most codes an expansion may have before it is refused; it bounds memory and time.
    pub limit: usize,
}

impl Default for ExpandOptions<'_> {
    fn default() -> Self {
        Self { text: "", offset: 0, count: None, active_only: false, selectable_only: false, limit: 100_000 }
    }
}

/// A code of an expansion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The code system's URI.
    pub system: String,
    /// The version of the code system it was taken from.
    pub version: Option<String>,
    /// The code.
    pub code: String,
    /// The display: the value set's own, else the code system's.
    pub display: Option<String>,
    /// No longer to be used.
    pub inactive: bool,
    /// Only groups others.
    pub is_abstract: bool,
}

/// An expanded value set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expansion {
    /// How many codes there are in all, before pages were cut.
    pub total: usize,
    /// How many were passed over.
    pub offset: usize,
    /// The codes of this page, in the order of the definition and of the code systems.
    pub members: Vec<Member>,
}

/// Work on one value set: what is open, against circles, and how much may still be looked into.
pub(crate) struct Walk<'t> {
    all: &'t Terminology,
    open: Vec<String>,
    budget: usize,
}

/// A code that belongs to a value set.
#[derive(Clone, Copy)]
pub(crate) struct Hit<'t> {
    /// The value set's own display.
    pub(crate) display: Option<&'t str>,
    /// The code system in the version that the value set speaks of.
    pub(crate) system: Option<&'t CodeSystem>,
}

/// A code on its way into an expansion.
struct Found<'t> {
    system: &'t str,
    version: Option<&'t str>,
    code: &'t str,
    display: Option<&'t str>,
    concept: Option<Concept<'t>>,
}

impl<'t> Walk<'t> {
    /// Value sets looked into for one question.
    const BUDGET: usize = 2_000;

    pub(crate) fn new(all: &'t Terminology) -> Self {
        Self { all, open: Vec::new(), budget: Self::BUDGET }
    }

    fn enter(&mut self, set: &ValueSet) -> Result<()> {
        if !set.url.is_empty() && self.open.contains(&set.url) {
            return Err(TerminologyError::ImportCycle { url: set.url.clone() });
        }
        if self.budget == 0 {
            return Err(TerminologyError::TooCostly { url: set.url.clone(), limit: Self::BUDGET });
        }
        self.budget -= 1;
        self.open.push(set.url.clone());
        Ok(())
    }

    fn imported(&self, url: &str) -> Result<&'t ValueSet> {
        self.all.value_set(url).map(AsRef::as_ref).ok_or_else(|| TerminologyError::UnknownValueSet { url: url.to_owned() })
    }

    /// Whether a code belongs to a value set.
    pub(crate) fn contains(&mut self, set: &'t ValueSet, system: &str, version: Option<&str>, code: &str) -> Result<Option<Hit<'t>>> {
        self.enter(set)?;
        let found = self.contains_open(set, system, version, code);
        self.open.pop();
        found
    }

    fn contains_open(&mut self, set: &'t ValueSet, system: &str, version: Option<&str>, code: &str) -> Result<Option<Hit<'t>>> {
        let mut found = None;
        for rule in &set.include {
            found = self.rule_has(set, rule, system, version, code)?;
            if found.is_some() {
                break;
            }
        }
        if found.is_none() {
            return Ok(None);
        }
        for rule in &set.exclude {
            if self.rule_has(set, rule, system, version, code)?.is_some() {
                return Ok(None);
            }
        }
        if set.inactive == Some(false)
            && self.all.code_system(system).and_then(|known| known.concept(code)).is_some_and(Concept::is_inactive)
        {
            return Ok(None);
        }
        Ok(found)
    }

    fn rule_has(&mut self, set: &'t ValueSet, rule: &'t Rule, system: &str, version: Option<&str>, code: &str) -> Result<Option<Hit<'t>>> {
        let mut hit = Hit { display: None, system: None };
        if let Some(wanted) = &rule.system {
            let other_version = rule.version.as_deref().zip(version).is_some_and(|(asked, sent)| !version_fits(asked, Some(sent)));
            if wanted != system || other_version {
                return Ok(None);
            }
            let known = self.all.code_system(&canonical(rule, version).unwrap_or_default()).map(AsRef::as_ref);
            hit.system = known;
            let fold = known.is_some_and(|known| !known.is_case_sensitive());
            if rule.codes.is_empty() {
                let known = known.ok_or_else(|| TerminologyError::UnknownCodeSystem { url: rule.canonical().unwrap_or_default() })?;
                let Some(concept) = known.concept(code) else { return Ok(None) };
                for filter in &rule.filters {
                    if !filter.accepts(concept, &set.url)? {
                        return Ok(None);
                    }
                }
            } else {
                let Some(listed) = rule.lists(code, fold) else { return Ok(None) };
                hit.display = listed.display.as_deref();
            }
        }
        for url in &rule.value_sets {
            let imported = self.imported(url)?;
            match self.contains(imported, system, version, code)? {
                None => return Ok(None),
                Some(own) => hit = Hit { display: hit.display.or(own.display), system: hit.system.or(own.system) },
            }
        }
        // A rule that names nothing takes nothing.
        Ok((rule.system.is_some() || !rule.value_sets.is_empty()).then_some(hit))
    }

    /// Gives every code of a value set to `take`, some perhaps twice.
    fn each(&mut self, set: &'t ValueSet, take: &mut dyn FnMut(Found<'t>) -> Result<()>) -> Result<()> {
        self.enter(set)?;
        let result = self.each_open(set, take);
        self.open.pop();
        result
    }

    fn each_open(&mut self, set: &'t ValueSet, take: &mut dyn FnMut(Found<'t>) -> Result<()>) -> Result<()> {
        for rule in &set.include {
            // Excludes are asked code by code: they need not be expanded themselves.
            let open = self.open.clone();
            let mut checker = Walk { all: self.all, open, budget: Self::BUDGET };
            let mut kept = |found: Found<'t>| -> Result<()> {
                if set.inactive == Some(false) && found.concept.is_some_and(Concept::is_inactive) {
                    return Ok(());
                }
                checker.budget = Self::BUDGET;
                for rule in &set.exclude {
                    if checker.rule_has(set, rule, found.system, None, found.code)?.is_some() {
                        return Ok(());
                    }
                }
                take(found)
            };
            self.each_of_rule(set, rule, &mut kept)?;
        }
        Ok(())
    }

    fn each_of_rule(&mut self, set: &'t ValueSet, rule: &'t Rule, take: &mut dyn FnMut(Found<'t>) -> Result<()>) -> Result<()> {
        let Some(system) = &rule.system else {
            // Only value sets: the codes of the first that are in all others too.
            let Some((first, others)) = rule.value_sets.split_first() else { return Ok(()) };
            let first = self.imported(first)?;
            let open = self.open.clone();
            let mut checker = Walk { all: self.all, open, budget: Self::BUDGET };
            return self.each(first, &mut |found| {
                checker.budget = Self::BUDGET;
                for other in others {
                    let other = checker.imported(other)?;
                    if checker.contains(other, found.system, found.version, found.code)?.is_none() {
                        return Ok(());
                    }
                }
                take(found)
            });
        };
        let known = self.all.code_system(&rule.canonical().unwrap_or_default());
        let mut offered = |walk: &mut Self, found: Found<'t>| -> Result<()> {
            for url in &rule.value_sets {
                let imported = walk.imported(url)?;
                walk.budget = Self::BUDGET;
                if walk.contains(imported, found.system, found.version, found.code)?.is_none() {
                    return Ok(());
                }
            }
            take(found)
        };
        if !rule.codes.is_empty() {
            for listed in rule.codes.iter() {
                let concept = known.and_then(|known| known.concept(&listed.code));
                // A listed code that a whole code system does not have is a mistake of the definition: it is no member.
                if concept.is_none() && known.is_some_and(|known| known.content() == Content::Complete) {
                    continue;
                }
                let display = listed.display.as_deref().or_else(|| concept.and_then(Concept::display));
                let version = known.and_then(|known| known.version()).or(rule.version.as_deref());
                let code = concept.map_or(listed.code.as_str(), Concept::code);
                offered(self, Found { system, version, code, display, concept })?;
            }
            return Ok(());
        }
        let known = known.ok_or_else(|| TerminologyError::UnknownCodeSystem { url: rule.canonical().unwrap_or_default() })?;
        let mut offer = |walk: &mut Self, concept: Concept<'t>| -> Result<()> {
            for filter in &rule.filters {
                if !filter.accepts(concept, &set.url)? {
                    return Ok(());
                }
            }
            offered(
                walk,
                Found { system, version: known.version(), code: concept.code(), display: concept.display(), concept: Some(concept) },
            )
        };
        match narrowed(rule, known) {
            Some(some) => some.into_iter().try_for_each(|concept| offer(self, concept)),
            None => known.concepts().try_for_each(|concept| offer(self, concept)),
        }
    }
}

/// Where a filter goes down a hierarchy, only what is below is looked at.
fn narrowed<'t>(rule: &Rule, system: &'t CodeSystem) -> Option<Vec<Concept<'t>>> {
    let going_down = |op| matches!(op, FilterOp::IsA | FilterOp::DescendentOf | FilterOp::ChildOf | FilterOp::DescendentLeaf);
    let filter = rule.filters.iter().find(|filter| going_down(filter.op))?;
    let Some(anchor) = system.concept(&filter.value) else { return Some(Vec::new()) };
    Some(std::iter::once(anchor).chain(anchor.descendants()).collect())
}

/// The code system a rule speaks of, in the version asked for where there is one: it fits the rule's.
fn canonical(rule: &Rule, version: Option<&str>) -> Option<String> {
    match (&rule.system, &rule.version, version) {
        (Some(system), _, Some(version)) => Some(format!("{system}|{version}")),
        _ => rule.canonical(),
    }
}

impl Terminology {
    /// The codes of a value set (FHIR `$expand`).
    ///
    /// ```
    /// use sutura_terminology::{ExpandOptions, Terminology};
    /// let found = Terminology::builtin().expand("http://hl7.org/fhir/ValueSet/administrative-gender", &ExpandOptions::default())?;
    /// assert_eq!(found.total, 4);
    /// # Ok::<(), sutura_terminology::TerminologyError>(())
    /// ```
    pub fn expand(&self, value_set: &str, options: &ExpandOptions<'_>) -> Result<Expansion> {
        let set = self.known_value_set(value_set)?;
        self.expand_definition(set, options)
    }

    /// The codes of a value set that is not loaded itself; what it imports must be.
    pub fn expand_definition(&self, set: &ValueSet, options: &ExpandOptions<'_>) -> Result<Expansion> {
        let words: Vec<String> = options.text.split_whitespace().map(str::to_lowercase).collect();
        let mut seen: HashSet<(&str, Option<&str>, &str)> = HashSet::new();
        let mut members = Vec::new();
        let last = options.count.map_or(usize::MAX, |count| options.offset.saturating_add(count));
        // Whoever asks for a page is told the total, so all codes are looked at; only those of the page are kept.
        let mut walk = Walk::new(self);
        walk.each(set, &mut |found| {
            if options.active_only && found.concept.is_some_and(Concept::is_inactive)
                || options.selectable_only && found.concept.is_some_and(Concept::is_abstract)
                || !has_words(&found, &words)
                || !seen.insert((found.system, found.version, found.code))
            {
                return Ok(());
            }
            if seen.len() > options.limit {
                return Err(TerminologyError::TooCostly { url: set.url.clone(), limit: options.limit });
            }
            if (options.offset..last).contains(&(seen.len() - 1)) {
                members.push(Member {
                    system: found.system.to_owned(),
                    version: found.version.map(str::to_owned),
                    code: found.code.to_owned(),
                    display: found.display.map(str::to_owned),
                    inactive: found.concept.is_some_and(Concept::is_inactive),
                    is_abstract: found.concept.is_some_and(Concept::is_abstract),
                });
            }
            Ok(())
        })?;
        Ok(Expansion { total: seen.len(), offset: options.offset, members })
    }

    /// Whether a code belongs to a value set. For reasons and displays see [`validate_code`](Self::validate_code).
    pub fn contains(&self, value_set: &str, system: &str, code: &str) -> Result<bool> {
        let set = self.known_value_set(value_set)?;
        let (system, version) = split_canonical(system);
        Ok(Walk::new(self).contains(set, system, version, code)?.is_some())
    }
}

fn has_words(found: &Found<'_>, words: &[String]) -> bool {
    if words.is_empty() {
        return true;
    }
    let mut text = format!("{} {}", found.code, found.display.unwrap_or_default());
    if let Some(concept) = found.concept {
        for (_, _, name) in concept.designations() {
            text.push(' ');
            text.push_str(name);
        }
    }
    let text = text.to_lowercase();
    words.iter().all(|word| text.contains(word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        code_system::CodeSystemBuilder,
        value_set::{Filter, ListedCode},
    };

    fn colours() -> Terminology {
        let mut builder = CodeSystemBuilder::new("urn:c").version(Some("1"));
        let colour = builder.add("colour", "Colour").unwrap();
        builder.set_abstract(colour);
        for (code, display, parent) in
            [("red", "Red", "colour"), ("dark-red", "Dark red", "red"), ("green", "Green", "colour"), ("blue", "Blue", "colour")]
        {
            let number = builder.add(code, display).unwrap();
            let parent = builder.find(parent).unwrap();
            builder.add_parent(number, parent);
            builder.add_property(number, "length", &code.len().to_string()).unwrap();
        }
        let blue = builder.find("blue").unwrap();
        builder.set_inactive(blue);
        let mut all = Terminology::empty();
        all.add_code_system(builder.finish());
        all
    }

    fn set(url: &str, include: Vec<Rule>, exclude: Vec<Rule>) -> ValueSet {
        ValueSet { include, exclude, ..ValueSet::new(url) }
    }

    fn filtered(property: &str, op: FilterOp, value: &str) -> Rule {
        Rule { filters: vec![Filter::new(property, op, value)], ..Rule::system("urn:c") }
    }

    fn codes(all: &Terminology, set: &ValueSet, options: &ExpandOptions<'_>) -> Vec<String> {
        all.expand_definition(set, options).unwrap().members.into_iter().map(|member| member.code).collect()
    }

    #[test]
    fn filters_take_what_they_say() {
        let all = colours();
        for (property, op, value, expected) in [
            ("concept", FilterOp::IsA, "red", "red dark-red"),
            ("concept", FilterOp::DescendentOf, "red", "dark-red"),
            ("concept", FilterOp::IsNotA, "red", "colour green blue"),
            ("concept", FilterOp::ChildOf, "colour", "red green blue"),
            ("concept", FilterOp::DescendentLeaf, "colour", "dark-red green blue"),
            ("concept", FilterOp::Generalizes, "dark-red", "colour red dark-red"),
            ("code", FilterOp::Regex, "(dark-)?red", "red dark-red"),
            ("display", FilterOp::Regex, "re", ""),
            ("code", FilterOp::In, "red, green", "red green"),
            ("code", FilterOp::NotIn, "red,green", "colour dark-red blue"),
            ("length", FilterOp::Equal, "5", "green"),
            ("length", FilterOp::Exists, "false", "colour"),
            ("inactive", FilterOp::Equal, "true", "blue"),
            ("parent", FilterOp::Equal, "red", "dark-red"),
            ("concept", FilterOp::IsA, "nothing", ""),
        ] {
            let set = set("urn:v", vec![filtered(property, op, value)], Vec::new());
            assert_eq!(codes(&all, &set, &ExpandOptions::default()).join(" "), expected, "{property} {op:?} {value}");
            let mut with = all.clone();
            with.add_value_set(set);
            for code in ["colour", "red", "dark-red", "green", "blue"] {
                assert_eq!(
                    with.contains("urn:v", "urn:c", code).unwrap(),
                    expected.split(' ').any(|known| known == code),
                    "{code} {property} {op:?}"
                );
            }
        }
        let bad = set("urn:v", vec![filtered("code", FilterOp::Regex, "(")], Vec::new());
        assert!(matches!(all.expand_definition(&bad, &ExpandOptions::default()), Err(TerminologyError::Filter { .. })));
    }

    #[test]
    fn options_cut_and_page() {
        let all = colours();
        let whole = set("urn:v", vec![Rule::system("urn:c"), Rule::system("urn:c")], vec![filtered("code", FilterOp::Equal, "green")]);
        let default = ExpandOptions::default();
        assert_eq!(codes(&all, &whole, &default), ["colour", "red", "dark-red", "blue"]);
        assert_eq!(codes(&all, &whole, &ExpandOptions { text: "RED dark", ..default }), ["dark-red"]);
        assert_eq!(codes(&all, &whole, &ExpandOptions { active_only: true, selectable_only: true, ..default }), ["red", "dark-red"]);
        let page = all.expand_definition(&whole, &ExpandOptions { offset: 1, count: Some(2), ..default }).unwrap();
        assert_eq!((page.total, page.members.len(), page.members[0].code.as_str()), (4, 2, "red"));
        assert!(matches!(
            all.expand_definition(&whole, &ExpandOptions { limit: 3, ..default }),
            Err(TerminologyError::TooCostly { limit: 3, .. })
        ));
    }

    #[test]
    fn imports_meet_and_circles_end() {
        let mut all = colours();
        let import = |urls: &[&str]| Rule { value_sets: urls.iter().map(|url| (*url).to_owned()).collect(), ..Rule::default() };
        all.add_value_set(set("urn:reds", vec![filtered("concept", FilterOp::IsA, "red")], Vec::new()));
        let listed = |code: &str| ListedCode { code: code.to_owned(), display: Some("Own".to_owned()) };
        all.add_value_set(set(
            "urn:list",
            vec![Rule { codes: vec![listed("red"), listed("green"), listed("grey")].into(), ..Rule::system("urn:c") }],
            Vec::new(),
        ));
        all.add_value_set(set("urn:both", vec![import(&["urn:reds", "urn:list"])], Vec::new()));
        all.add_value_set(set("urn:a", vec![import(&["urn:b"])], Vec::new()));
        all.add_value_set(set("urn:b", vec![import(&["urn:a"])], Vec::new()));
        let default = ExpandOptions::default();
        assert_eq!(all.expand("urn:both", &default).unwrap().members[0].code, "red");
        assert_eq!(all.expand("urn:list", &default).unwrap().members[0].display.as_deref(), Some("Own"));
        assert_eq!(all.expand("urn:list", &default).unwrap().total, 2);
        assert!(matches!(all.expand("urn:a", &default), Err(TerminologyError::ImportCycle { .. })));
        assert!(matches!(all.contains("urn:a", "urn:c", "red"), Err(TerminologyError::ImportCycle { .. })));
        assert!(matches!(all.expand("urn:none", &default), Err(TerminologyError::UnknownValueSet { .. })));
    }

    #[test]
    fn a_long_list_is_found_by_code() {
        let mut all = Terminology::empty();
        let listed = (0..5_000).map(|number| ListedCode { code: format!("x{number}"), display: None }).collect::<Vec<_>>();
        all.add_value_set(set("urn:long", vec![Rule { codes: listed.into(), ..Rule::system("urn:unknown") }], Vec::new()));
        assert!(all.contains("urn:long", "urn:unknown", "x4999").unwrap() && !all.contains("urn:long", "urn:unknown", "x5000").unwrap());
        assert_eq!(all.expand("urn:long", &ExpandOptions::default()).unwrap().total, 5_000);
    }

    #[test]
    fn a_pyramid_of_imports_is_refused_in_time() {
        let mut all = colours();
        for level in 0..40 {
            let next = format!("urn:level{}", level + 1);
            let rule = Rule { value_sets: vec![next.clone()], ..Rule::default() };
            all.add_value_set(set(&format!("urn:level{level}"), vec![rule.clone(), rule], Vec::new()));
        }
        all.add_value_set(set("urn:level40", vec![filtered("code", FilterOp::Equal, "x")], Vec::new()));
        assert!(matches!(all.expand("urn:level0", &ExpandOptions::default()), Err(TerminologyError::TooCostly { .. })));
        assert!(matches!(all.contains("urn:level0", "urn:c", "red"), Err(TerminologyError::TooCostly { .. })));
    }
}
