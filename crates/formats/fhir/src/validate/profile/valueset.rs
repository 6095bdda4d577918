//! Codes of loaded value sets.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::ProfileStore;
use crate::validate::{codes::Codes, r4};

/// A loaded value set with its codes.
#[derive(Debug)]
pub(crate) struct LocalSet {
    pub(super) pairs: HashSet<(String, String)>,
}

impl Codes for LocalSet {
    fn has(&self, system: Option<&str>, code: &str) -> bool {
        match system {
            Some(system) => self.pairs.contains(&(system.to_owned(), code.to_owned())),
            None => self.pairs.iter().any(|(_, known)| known == code),
        }
    }
}

fn list<'j>(json: &'j Json, name: &str) -> impl Iterator<Item = &'j Json> {
    json[name].as_array().into_iter().flatten()
}

/// All codes; none where a part of them is not known here.
pub(super) fn expand(store: &ProfileStore, set: &Json, depth: usize) -> Option<HashSet<(String, String)>> {
    if depth > 8 {
        return None;
    }
    if let Some(done) = set["expansion"]["contains"].as_array() {
        let mut out = HashSet::new();
        contains(done, &mut out);
        return Some(out);
    }
    let mut out = HashSet::new();
    for include in list(&set["compose"], "include") {
        out.extend(part(store, include, depth)?);
    }
    for exclude in list(&set["compose"], "exclude") {
        for pair in part(store, exclude, depth)? {
            out.remove(&pair);
        }
    }
    (!out.is_empty()).then_some(out)
}

fn contains(entries: &[Json], out: &mut HashSet<(String, String)>) {
    for entry in entries {
        if let (Some(system), Some(code)) = (entry["system"].as_str(), entry["code"].as_str()) {
            out.insert((system.to_owned(), code.to_owned()));
        }
        if let Some(more) = entry["contains"].as_array() {
            contains(more, out);
        }
    }
}

fn part(store: &ProfileStore, include: &Json, depth: usize) -> Option<HashSet<(String, String)>> {
    let mut found: Option<HashSet<(String, String)>> = None;
    if let Some(system) = include["system"].as_str() {
        let pair = |code: &str| (system.to_owned(), code.to_owned());
        found = Some(if include["concept"].is_array() {
            list(include, "concept").filter_map(|concept| concept["code"].as_str()).map(pair).collect()
        } else if include["filter"].is_array() {
            return filtered(store, system, include);
        } else {
            concepts(store, system)?.iter().map(|(code, _)| pair(code)).collect()
        });
    }
    for url in list(include, "valueSet").filter_map(Json::as_str) {
        let url = url.split('|').next().unwrap_or(url);
        let other: HashSet<(String, String)> = match store.value_set_json(url) {
            Some(json) => expand(store, json, depth + 1)?,
            None => {
                let set = r4().value_set(url).filter(|set| set.grammar().is_none())?;
                set.iter().map(|(system, code)| (system.to_owned(), code.to_owned())).collect()
            }
        };
        found = Some(match found {
            Some(known) => known.intersection(&other).cloned().collect(),
            None => other,
        });
    }
    found
}

/// All codes of a loaded code system with the codes above them.
fn concepts(store: &ProfileStore, system: &str) -> Option<Vec<(String, Vec<String>)>> {
    let json = store.system(system)?;
    if json["content"].as_str().is_some_and(|content| content != "complete") {
        return None;
    }
    let mut out = Vec::new();
    walk(json["concept"].as_array()?, &mut Vec::new(), &mut out);
    Some(out)
}

fn walk(entries: &[Json], above: &mut Vec<String>, out: &mut Vec<(String, Vec<String>)>) {
    for entry in entries {
        let Some(code) = entry["code"].as_str() else { continue };
        out.push((code.to_owned(), above.clone()));
        if let Some(more) = entry["concept"].as_array()
            && above.len() < 64
        {
            above.push(code.to_owned());
            walk(more, above, out);
            above.pop();
        }
    }
}

fn filtered(store: &ProfileStore, system: &str, include: &Json) -> Option<HashSet<(String, String)>> {
    let mut all = concepts(store, system)?;
    for filter in list(include, "filter") {
        let value = filter["value"].as_str()?;
        match (filter["op"].as_str()?, filter["property"].as_str()?) {
            ("is-a", "concept") => all.retain(|(code, above)| code == value || above.iter().any(|one| one == value)),
            ("descendent-of", "concept") => all.retain(|(_, above)| above.iter().any(|one| one == value)),
            _ => return None,
        }
    }
    Some(all.into_iter().map(|(code, _)| (system.to_owned(), code)).collect())
}
