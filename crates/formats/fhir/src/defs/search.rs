//! Search parameters and compartments, parsed when first asked for.

use std::{collections::HashMap, sync::OnceLock};

use super::load::{columns, lines};

const SEARCH: &str = include_str!("../../data/search.tsv");
const COMPARTMENTS: &str = include_str!("../../data/compartments.tsv");

/// One search parameter.
#[derive(Debug)]
pub struct SearchParameter {
    /// The name in a query: `birthdate`.
    pub code: &'static str,
    /// `token`, `reference`, `date`, `string`, `quantity`, `number`, `uri`, `composite` or `special`.
    pub kind: &'static str,
    /// The resource types it works on.
    pub bases: Vec<&'static str>,
    /// The FHIRPath expression over all its resource types; empty for special ones.
    pub expression: &'static str,
    /// The resource types that a reference may point at.
    pub targets: Vec<&'static str>,
    /// The parts of a composite.
    pub components: Vec<SearchComponent>,
}

/// One part of a composite search parameter.
#[derive(Debug)]
pub struct SearchComponent {
    /// The id of the search parameter that defines it.
    pub definition: &'static str,
    /// The expression relative to the composite's.
    pub expression: &'static str,
}

fn words(text: &'static str) -> Vec<&'static str> {
    text.split(' ').filter(|word| !word.is_empty()).collect()
}

fn parameters() -> &'static [SearchParameter] {
    static PARAMETERS: OnceLock<Vec<SearchParameter>> = OnceLock::new();
    PARAMETERS.get_or_init(|| {
        lines(SEARCH)
            .map(|line| {
                let [code, kind, bases, expression, targets, components] = columns(line);
                let components = components
                    .split(';')
                    .filter_map(|part| part.split_once('='))
                    .map(|(definition, expression)| SearchComponent { definition, expression })
                    .collect();
                SearchParameter { code, kind, bases: words(bases), expression, targets: words(targets), components }
            })
            .collect()
    })
}

pub(super) fn parameters_of(resource: &str) -> impl Iterator<Item = &'static SearchParameter> {
    static BY_BASE: OnceLock<HashMap<&'static str, Vec<&'static SearchParameter>>> = OnceLock::new();
    let map = BY_BASE.get_or_init(|| {
        let mut map: HashMap<_, Vec<_>> = HashMap::new();
        for parameter in parameters() {
            for base in &parameter.bases {
                map.entry(*base).or_default().push(parameter);
            }
        }
        map
    });
    ["Resource", "DomainResource", resource].into_iter().filter_map(|base| map.get(base)).flatten().copied()
}

type Parameters = Vec<&'static str>;

pub(super) fn compartment(name: &str, resource: &str) -> Option<&'static [&'static str]> {
    static COMPARTMENT: OnceLock<HashMap<&'static str, HashMap<&'static str, Parameters>>> = OnceLock::new();
    let map = COMPARTMENT.get_or_init(|| {
        let mut map: HashMap<_, HashMap<_, _>> = HashMap::new();
        for line in lines(COMPARTMENTS) {
            let [compartment, resource, parameters] = columns(line);
            map.entry(compartment).or_default().insert(resource, words(parameters));
        }
        map
    });
    map.get(name)?.get(resource).map(Vec::as_slice)
}
