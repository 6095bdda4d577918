//! What is compiled in: HL7's own code systems, value sets and concept maps, as `tools/derive-terminology` made them.

use std::sync::Arc;

use crate::{
    code_system::{CodeSystem, CodeSystemBuilder},
    concept_map::{ConceptMap, ConceptMapBuilder, Equivalence},
    error::{Result, TerminologyError},
    terminology::split_canonical,
    value_set::{Filter, FilterOp, ListedCode, Rule, ValueSet},
};

pub(crate) const CODE_SYSTEMS: &str = include_str!("../data/codesystems.tsv");
pub(crate) const VALUE_SETS: &str = include_str!("../data/valuesets.tsv");
pub(crate) const MAPS: &str = include_str!("../data/maps.tsv");

/// The head of a code system: what is known without reading its concepts.
pub(crate) struct SystemHeader {
    pub(crate) url: &'static str,
    pub(crate) oid: Option<&'static str>,
}

pub(crate) fn system_headers() -> impl Iterator<Item = SystemHeader> {
    CODE_SYSTEMS.lines().filter_map(|line| {
        let mut fields = line.strip_prefix('@')?.split('\t');
        let url = fields.next()?;
        Some(SystemHeader { url, oid: fields.nth(1).filter(|oid| !oid.is_empty()) })
    })
}

fn broken(what: &'static str, line: usize) -> TerminologyError {
    TerminologyError::Format { what, place: format!("line {}", line + 1), reason: "derive the table again".to_owned() }
}

/// The code systems of a table in the form of `codesystems.tsv`.
pub(crate) fn code_systems(table: &str) -> Result<Vec<Arc<CodeSystem>>> {
    const WHAT: &str = "the table of code systems";
    let mut done = Vec::new();
    let mut open: Option<CodeSystemBuilder> = None;
    // The last concept of each depth.
    let mut above: Vec<u32> = Vec::new();
    for (at, line) in table.lines().enumerate() {
        if line.starts_with('#') {
            continue;
        }
        if let Some(head) = line.strip_prefix('@') {
            done.extend(open.take().map(|builder| Arc::new(builder.finish())));
            let mut fields = head.split('\t');
            let mut next = || fields.next().unwrap_or_default();
            let builder = CodeSystemBuilder::new(next()).version(Some(next())).oid(Some(next())).name(next());
            open = Some(builder.ignore_case(next() == "fold"));
            above.clear();
            continue;
        }
        let builder = open.as_mut().ok_or_else(|| broken(WHAT, at))?;
        let mut fields = line.split('\t');
        let first = fields.next().unwrap_or_default();
        let code = fields.next().ok_or_else(|| broken(WHAT, at))?;
        if first == "+" {
            let child = fields.next().ok_or_else(|| broken(WHAT, at))?;
            if let (Some(parent), Some(child)) = (builder.find(code), builder.find(child)) {
                builder.add_parent(child, parent);
            }
            continue;
        }
        let depth: usize = first.parse().map_err(|_| broken(WHAT, at))?;
        let display = fields.next().filter(|text| !text.is_empty()).unwrap_or(code);
        let number = builder.add(code, display)?;
        for flag in fields.next().unwrap_or_default().chars() {
            match flag {
                'a' => builder.set_abstract(number),
                'd' => builder.set_deprecated(number),
                _ => builder.set_inactive(number),
            }
        }
        above.truncate(depth);
        if let Some(parent) = above.last() {
            builder.add_parent(number, *parent);
        }
        above.push(number);
    }
    done.extend(open.map(|builder| Arc::new(builder.finish())));
    Ok(done)
}

/// The value sets of a table in the form of `valuesets.tsv`.
pub(crate) fn value_sets(table: &str) -> Result<Vec<Arc<ValueSet>>> {
    const WHAT: &str = "the table of value sets";
    let mut done: Vec<ValueSet> = Vec::new();
    for (at, line) in table.lines().enumerate() {
        if line.starts_with('#') {
            continue;
        }
        if let Some(head) = line.strip_prefix('@') {
            let (url, version) = head.split_once('\t').map_or((head, None), |(url, version)| (url, Some(version.to_owned())));
            done.push(ValueSet { version, ..ValueSet::new(url) });
            continue;
        }
        let set = done.last_mut().ok_or_else(|| broken(WHAT, at))?;
        let (sign, text) = line.split_at_checked(1).ok_or_else(|| broken(WHAT, at))?;
        let rule = rule(text).ok_or_else(|| broken(WHAT, at))?;
        if sign == "-" { set.exclude.push(rule) } else { set.include.push(rule) }
    }
    for set in &mut done {
        if set.include.is_empty() {
            set.include.push(Rule::system(set.url.replace("/ValueSet/", "/CodeSystem/")));
        }
    }
    Ok(done.into_iter().map(Arc::new).collect())
}

fn rule(text: &str) -> Option<Rule> {
    if let Some(sets) = text.strip_prefix('^') {
        return Some(Rule { value_sets: sets.split(' ').map(str::to_owned).collect(), ..Rule::default() });
    }
    let mut fields = text.split('\t');
    let (system, version) = split_canonical(fields.next()?);
    let mut rule = Rule { version: version.map(str::to_owned), ..Rule::system(system) };
    for field in fields {
        match field.strip_prefix('?') {
            None => rule.codes.push(ListedCode { code: field.to_owned(), display: None }),
            Some(filter) => {
                let mut parts = filter.splitn(3, ' ');
                let (property, op, value) = (parts.next()?, FilterOp::from_code(parts.next()?)?, parts.next()?);
                rule.filters.push(Filter::new(property, op, value));
            }
        }
    }
    Some(rule)
}

/// The concept maps of a table in the form of `maps.tsv`.
pub(crate) fn maps(table: &str) -> Result<Vec<Arc<ConceptMap>>> {
    const WHAT: &str = "the table of concept maps";
    let mut done = Vec::new();
    let mut open: Option<ConceptMapBuilder> = None;
    let (mut source, mut target) = ("", "");
    for (at, line) in table.lines().enumerate() {
        let mut fields = line.split('\t');
        let first = fields.next().unwrap_or_default();
        let mut next = || fields.next().unwrap_or_default();
        if first.starts_with('#') {
            continue;
        }
        if let Some(key) = first.strip_prefix('@') {
            done.extend(open.take().map(|builder| Arc::new(builder.finish())));
            let url = next();
            open = Some(ConceptMapBuilder::new(key).url(Some(url), None).value_sets(Some(next()), Some(next())));
        } else if let Some(group) = first.strip_prefix('>') {
            (source, target) = (group, next());
        } else {
            let builder = open.as_mut().ok_or_else(|| broken(WHAT, at))?;
            let (code, found, equivalence) = (next(), next(), next());
            let equivalence = Equivalence::from_code(equivalence).ok_or_else(|| broken(WHAT, at))?;
            builder.add((source, code), (target, found), equivalence, next(), "")?;
        }
    }
    done.extend(open.map(|builder| Arc::new(builder.finish())));
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_whole() {
        let systems = code_systems(CODE_SYSTEMS).unwrap();
        assert_eq!(systems.len(), system_headers().count());
        let act = systems.iter().find(|system| system.url().ends_with("v3-ActCode")).unwrap();
        assert_eq!(act.concept("DN").unwrap().display(), Some("Diner's Club"));
        assert!(act.concept("_ActAccountCode").unwrap().is_abstract());
        assert!(act.concept("DN").unwrap().ancestors().any(|above| above.code() == "_ActAccountCode"));
        assert!(value_sets(VALUE_SETS).unwrap().len() > 700);
        let maps = maps(MAPS).unwrap();
        assert!(maps.iter().all(|map| !map.is_empty()) && maps.len() > 70, "{}", maps.len());
        for licensed in ["http://snomed.info/sct", "http://loinc.org", "http://www.ama-assn.org/go/cpt"] {
            assert!(systems.iter().all(|system| system.url() != licensed));
            assert!(maps.iter().flat_map(|map| map.rows()).all(|(_, _, target)| target.system != licensed || target.display.is_none()));
        }
    }
}
