//! The codes of bound value sets, parsed set by set when first asked for.

use std::{
    collections::{HashMap, HashSet},
    sync::OnceLock,
};

use super::load::lines;

const VALUE_SETS: &str = include_str!("../../data/valuesets.tsv");

/// A value set with its codes.
#[derive(Debug)]
pub struct CodeSet {
    /// Its canonical URL.
    pub url: &'static str,
    systems: Vec<(&'static str, HashSet<&'static str>)>,
    grammar: Option<Grammar>,
}

/// A set whose codes follow a grammar instead of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grammar {
    /// Language tags (BCP 47).
    Language,
    /// Media types (BCP 13).
    MediaType,
    /// Units (UCUM).
    Unit,
    /// Currencies (ISO 4217): three capital letters.
    Currency,
}

impl CodeSet {
    /// Whether the set has that code in any system.
    pub fn contains_code(&self, code: &str) -> bool {
        self.grammar.is_some_and(|grammar| grammar.accepts(code)) || self.systems.iter().any(|(_, codes)| codes.contains(code))
    }

    /// Whether the set has that code of that system.
    pub fn contains(&self, system: &str, code: &str) -> bool {
        if let Some(grammar) = self.grammar {
            return grammar.system() == system && grammar.accepts(code);
        }
        self.systems.iter().any(|(known, codes)| *known == system && codes.contains(code))
    }

    /// Whether any of its codes comes from that system.
    pub fn has_system(&self, system: &str) -> bool {
        self.grammar.is_some_and(|grammar| grammar.system() == system) || self.systems.iter().any(|(known, _)| *known == system)
    }

    /// The grammar, for a set that is no list.
    pub fn grammar(&self) -> Option<Grammar> {
        self.grammar
    }

    /// Every system and code of a set that is a list; the order of codes is not defined.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str)> + '_ {
        self.systems.iter().flat_map(|(system, codes)| codes.iter().map(move |code| (*system, *code)))
    }
}

impl Grammar {
    /// The code system's URI.
    pub fn system(self) -> &'static str {
        match self {
            Self::Language => "urn:ietf:bcp:47",
            Self::MediaType => "urn:ietf:bcp:13",
            Self::Unit => "http://unitsofmeasure.org",
            Self::Currency => "urn:iso:std:iso:4217",
        }
    }

    /// Whether a code is well formed; whether it is registered is not checked.
    pub fn accepts(self, code: &str) -> bool {
        match self {
            Self::Language => language(code),
            Self::MediaType => {
                // The short forms of the RESTful interface are allowed beside media types.
                if matches!(code, "xml" | "json" | "ttl" | "none") {
                    return true;
                }
                let essence = code.split(';').next().unwrap_or("").trim_end();
                let token = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+*".contains(&b));
                essence.split_once('/').is_some_and(|(kind, sub)| token(kind) && token(sub))
            }
            Self::Unit => !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_graphic()),
            Self::Currency => code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()),
        }
    }
}

fn language(code: &str) -> bool {
    let mut parts = code.split('-');
    let first = parts.next().unwrap_or("");
    let letters = first.bytes().all(|byte| byte.is_ascii_alphabetic());
    let head = letters && (matches!(first.len(), 2..=8) || matches!(first, "x" | "i" | "X" | "I"));
    head && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

struct Index {
    sets: HashMap<&'static str, (usize, OnceLock<CodeSet>)>,
    systems: HashMap<&'static str, &'static str>,
    lines: Vec<&'static str>,
}

fn index() -> &'static Index {
    static INDEX: OnceLock<Index> = OnceLock::new();
    INDEX.get_or_init(|| {
        let lines: Vec<_> = lines(VALUE_SETS).collect();
        let mut sets = HashMap::new();
        let mut systems = HashMap::new();
        for (number, line) in lines.iter().enumerate() {
            if let Some(rest) = line.strip_prefix('@') {
                sets.insert(rest.split('\t').next().unwrap_or(rest), (number, OnceLock::new()));
            } else if let Some((system, codes)) = line.strip_prefix('=').and_then(|rest| rest.split_once('\t')) {
                systems.insert(system, codes);
            }
        }
        Index { sets, systems, lines }
    })
}

pub(super) fn value_set(url: &str) -> Option<&'static CodeSet> {
    let index = index();
    let url = url.split('|').next().unwrap_or(url);
    let (line, set) = index.sets.get(url)?;
    Some(set.get_or_init(|| parse(index, *line)))
}

fn parse(index: &'static Index, line: usize) -> CodeSet {
    let head = index.lines[line].trim_start_matches('@');
    let (url, grammar) = match head.split_once("\t!") {
        Some((url, grammar)) => (url, Some(grammar)),
        None => (head, None),
    };
    let grammar = grammar.and_then(|name| match name {
        "language" => Some(Grammar::Language),
        "mime" => Some(Grammar::MediaType),
        "ucum" => Some(Grammar::Unit),
        "currency" => Some(Grammar::Currency),
        _ => None,
    });
    let systems = index.lines[line + 1..]
        .iter()
        .take_while(|line| !line.starts_with('@'))
        .filter_map(|line| {
            let (system, codes) = line.split_once('\t')?;
            let codes = if codes == "*" { index.systems.get(system).copied()? } else { codes };
            Some((system, codes.split(' ').collect()))
        })
        .collect();
    CodeSet { url, systems, grammar }
}
