//! `sutura terminology`: code systems, value sets and maps asked by hand.

use std::{fmt::Write, sync::Arc};

use serde_json::{Value, json};
use sutura_engine::terminology::TerminologyFile;
use sutura_terminology::{
    Coding, Concept, ExpandOptions, Issue, IssueSeverity, Subsumption, SystemName, Terminology, TerminologyError, UserTerminology,
    ValidateOptions, system_key,
};

use super::own_terminology;
use crate::{
    args::terminology::{Shared, TerminologyCommand},
    failure::{BAD_CONFIGURATION, CLEAN, FAILED, Failure, Outcome},
    output::{self, Console},
};

/// Names shown of what is around a code.
const AROUND: usize = 20;

/// Runs the command.
pub(crate) fn run(command: &TerminologyCommand, console: Console) -> Outcome {
    match command {
        TerminologyCommand::Lookup { system, code, shared } => Asked::of(shared, console)?.lookup(system, code),
        TerminologyCommand::Validate { system, code, value_set, display, shared } => {
            Asked::of(shared, console)?.validate(system, code, value_set.as_deref(), display.as_deref())
        }
        TerminologyCommand::Subsumes { system, one, other, shared } => Asked::of(shared, console)?.subsumes(system, one, other),
        TerminologyCommand::Translate { system, code, map, shared } => {
            let asked = Asked::of(shared, console)?;
            match map {
                Some(map) => asked.translate_by(map, system, code),
                None => asked.translate(system, code),
            }
        }
        TerminologyCommand::Expand { value_set, filter, count, offset, active, shared } => {
            let options = ExpandOptions {
                text: filter,
                offset: *offset as usize,
                count: count.map(|count| count as usize),
                active_only: *active,
                ..ExpandOptions::default()
            };
            Asked::of(shared, console)?.expand(value_set, &options)
        }
        TerminologyCommand::Info { shared } => Asked::of(shared, console)?.info(),
    }
}

/// What is asked, and how the answer is to look.
struct Asked {
    user: Arc<UserTerminology>,
    files: Vec<TerminologyFile>,
    json: bool,
}

/// A code that is not there is an answer; what is not loaded is a wrong question.
fn failed(error: TerminologyError) -> Failure {
    match error {
        TerminologyError::UnknownCode { .. } | TerminologyError::NoHierarchy { .. } => Failure::failed(error),
        other => Failure::configuration(other),
    }
}

impl Asked {
    fn of(shared: &Shared, console: Console) -> Outcome<Self> {
        Ok(match own_terminology(&shared.terminology, console)? {
            Some(found) => Self { user: found.terminology, files: found.files, json: shared.json },
            None => Self { user: Arc::new(UserTerminology::new(Terminology::empty())), files: Vec::new(), json: shared.json },
        })
    }

    fn all(&self) -> &Terminology {
        self.user.all()
    }

    /// The name under which a system is loaded.
    fn system(&self, name: &str) -> String {
        if self.all().code_system(name).is_some() { name.to_owned() } else { system_key(name).into_owned() }
    }

    fn answer(&self, value: &Value, text: &str, code: u8) -> Outcome {
        if self.json {
            output::print_json(value)?;
        } else {
            output::print(text)?;
        }
        Ok(code)
    }

    fn lookup(&self, system: &str, code: &str) -> Outcome {
        let system = self.system(system);
        let concept = self.all().lookup(&system, code).map_err(failed)?;
        let version = self.all().code_system(&system).and_then(|known| known.version());
        let around = |concepts: Vec<Concept<'_>>| -> Vec<Value> {
            concepts.iter().map(|concept| json!({ "code": concept.code(), "display": concept.display() })).collect()
        };
        let (parents, children) = (around(concept.parents().collect()), around(concept.children().collect()));
        let value = json!({
            "system": system, "version": version, "code": concept.code(), "display": concept.display(), "definition": concept.definition(),
            "inactive": concept.is_inactive(), "abstract": concept.is_abstract(), "parents": parents, "children": children,
            "properties": concept.properties().map(|(name, value)| json!({ "code": name, "value": value })).collect::<Vec<_>>(),
            "designations": concept.designations()
                .map(|(language, usage, value)| json!({ "language": language, "use": usage, "value": value })).collect::<Vec<_>>(),
        });
        let mut text = format!("{}  {}\n", concept.code(), concept.display().unwrap_or("(no display)"));
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(text, "  {name:<12} {value}");
        };
        line("system", &version.map_or_else(|| system.clone(), |version| format!("{system}|{version}")));
        if let Some(definition) = concept.definition() {
            line("definition", definition);
        }
        for (is, what) in [(concept.is_inactive(), "no longer to be used"), (concept.is_abstract(), "only groups others")] {
            if is {
                line("note", what);
            }
        }
        for (name, concepts) in [("parent", concept.parents().collect::<Vec<_>>()), ("child", concept.children().collect())] {
            for other in concepts.iter().take(AROUND) {
                line(name, &format!("{}  {}", other.code(), other.display().unwrap_or_default()));
            }
            if concepts.len() > AROUND {
                line("", &format!("and {} more", concepts.len() - AROUND));
            }
        }
        concept.properties().take(AROUND).for_each(|(name, value)| line(name, value));
        concept.designations().take(AROUND).for_each(|(_, _, value)| line("also", value));
        self.answer(&value, &text, CLEAN)
    }

    fn validate(&self, system: &str, code: &str, value_set: Option<&str>, display: Option<&str>) -> Outcome {
        let system = self.system(system);
        let coding = Coding { system: &system, code, display, ..Coding::default() };
        let found = self.all().validate_code(value_set, &coding, &ValidateOptions::default()).map_err(failed)?;
        let issues: Vec<(&str, String)> = found.issues.iter().map(|(severity, issue)| (word(*severity), words(issue))).collect();
        let value = json!({
            "result": found.result, "system": found.system, "version": found.version, "code": code, "display": found.display,
            "issues": issues.iter().map(|(severity, text)| json!({ "severity": severity, "text": text })).collect::<Vec<_>>(),
        });
        let mut text = format!("{}{}\n", if found.result { "valid" } else { "not valid" }, shown(found.display.as_deref()));
        for (severity, words) in &issues {
            let _ = writeln!(text, "  {severity}: {words}");
        }
        // Whether a code of a system that is not there is right cannot be said.
        let unknown = found.issues.iter().any(|(_, issue)| matches!(issue, Issue::UnknownSystem | Issue::UnknownVersion));
        let code = match (found.result, unknown) {
            (true, _) => CLEAN,
            (false, true) => BAD_CONFIGURATION,
            (false, false) => FAILED,
        };
        self.answer(&value, &text, code)
    }

    fn subsumes(&self, system: &str, one: &str, other: &str) -> Outcome {
        let outcome = self.all().subsumes(&self.system(system), one, other).map_err(failed)?;
        let text = match outcome {
            Subsumption::Equivalent => "equivalent: both are the same\n",
            Subsumption::Subsumes => "subsumes: the second is a kind of the first\n",
            Subsumption::SubsumedBy => "subsumed-by: the first is a kind of the second\n",
            Subsumption::NotSubsumed => "not-subsumed: neither is a kind of the other\n",
        };
        self.answer(&json!({ "outcome": outcome.code() }), text, CLEAN)
    }

    fn translate(&self, system: &str, code: &str) -> Outcome {
        let key = self.system(system);
        // What is no URI is a local name.
        let name = if key.contains(':') { SystemName { uri: &key, local: "" } } else { SystemName { uri: "", local: &key } };
        let mut found = Vec::new();
        self.user.ask(name, code, &mut found);
        let rows: Vec<_> = found.iter().map(|found| (found.system, found.code.as_ref(), found.display, found.equivalence.code())).collect();
        self.translations(&rows)
    }

    fn translate_by(&self, map: &str, system: &str, code: &str) -> Outcome {
        let key = system_key(system);
        let known = self.all().concept_map(map).ok_or_else(|| failed(TerminologyError::UnknownConceptMap { key: map.to_owned() }))?;
        let mut names: Vec<&str> = known.groups().map(|(source, _)| source).filter(|source| system_key(source) == key).collect();
        names.sort_unstable();
        names.dedup();
        let mut rows = Vec::new();
        for name in names {
            let found = self.all().translate(map, name, code).map_err(failed)?;
            rows.extend(
                found.targets.iter().map(|target| (target.system, target.code.to_owned(), target.display, target.equivalence.code())),
            );
        }
        let rows: Vec<_> =
            rows.iter().map(|(system, code, display, equivalence)| (*system, code.as_str(), *display, *equivalence)).collect();
        self.translations(&rows)
    }

    fn translations(&self, rows: &[(&str, &str, Option<&str>, &str)]) -> Outcome {
        let targets: Vec<Value> = rows
            .iter()
            .map(|(system, code, display, equivalence)| {
                json!({ "system": system, "code": code, "display": display, "equivalence": equivalence })
            })
            .collect();
        let mut text = String::new();
        for (system, code, display, equivalence) in rows {
            let _ = writeln!(text, "{equivalence}  {system}  {code}{}", shown(*display));
        }
        if rows.is_empty() {
            text.push_str("no translation\n");
        }
        let code = if rows.is_empty() { FAILED } else { CLEAN };
        self.answer(&json!({ "result": !rows.is_empty(), "targets": targets }), &text, code)
    }

    fn expand(&self, value_set: &str, options: &ExpandOptions<'_>) -> Outcome {
        let expansion = self.all().expand(value_set, options).map_err(failed)?;
        let members: Vec<Value> = expansion
            .members
            .iter()
            .map(|member| {
                json!({
                    "system": member.system, "version": member.version, "code": member.code, "display": member.display,
                    "inactive": member.inactive, "abstract": member.is_abstract,
                })
            })
            .collect();
        let mut text = String::new();
        for member in &expansion.members {
            let _ = writeln!(text, "{}  {}{}", member.system, member.code, shown(member.display.as_deref()));
        }
        let _ = writeln!(text, "{} of {}", expansion.members.len(), output::count(expansion.total, "code"));
        self.answer(&json!({ "total": expansion.total, "offset": expansion.offset, "members": members }), &text, CLEAN)
    }

    fn info(&self) -> Outcome {
        let builtin = Terminology::builtin();
        let of = |all: &Terminology| {
            json!({
                "code_systems": all.code_systems().count(), "concepts": all.code_systems().map(|system| system.len()).sum::<usize>(),
                "value_sets": all.value_sets().count(), "concept_maps": all.concept_maps().count(),
            })
        };
        let mut systems: Vec<_> = self.user.own().code_systems().collect();
        systems.sort_by_key(|system| (system.url().to_owned(), system.version().map(str::to_owned)));
        let mut maps: Vec<_> = self.user.own().concept_maps().collect();
        maps.sort_by_key(|map| map.key().to_owned());
        let mut sets: Vec<_> = self.user.own().value_sets().collect();
        sets.sort_by_key(|set| set.url.clone());
        let value = json!({
            "builtin": of(builtin), "own": of(self.user.own()), "files": self.files,
            "code_systems": systems.iter().map(|system| json!({ "url": system.url(), "version": system.version(), "name": system.name(),
                "concepts": system.len(), "hierarchy": system.has_is_a_hierarchy() })).collect::<Vec<_>>(),
            "value_sets": sets.iter().map(|set| json!({ "url": set.url, "version": set.version })).collect::<Vec<_>>(),
            "concept_maps": maps.iter().map(|map| json!({ "key": map.key(), "mappings": map.len() })).collect::<Vec<_>>(),
            "unusable_mappings": self.user.unusable_mappings(),
        });
        let counts = &value["builtin"];
        let mut text = format!(
            "compiled in: {} code systems with {} codes, {} value sets, {} concept maps\n",
            counts["code_systems"], counts["concepts"], counts["value_sets"], counts["concept_maps"]
        );
        for file in &self.files {
            let _ = writeln!(text, "{}: {}", file.path.display(), file.kind);
        }
        for system in systems {
            let _ = writeln!(text, "  code system  {}  {}", system.url(), output::count(system.len(), "code"));
        }
        for set in sets {
            let _ = writeln!(text, "  value set    {}", set.url);
        }
        for map in maps {
            let _ = writeln!(text, "  concept map  {}  {}", map.key(), output::count(map.len(), "mapping"));
        }
        self.answer(&value, &text, CLEAN)
    }
}

fn shown(display: Option<&str>) -> String {
    display.map(|display| format!("  {display}")).unwrap_or_default()
}

fn word(severity: IssueSeverity) -> &'static str {
    match severity {
        IssueSeverity::Warning => "warning",
        IssueSeverity::Error => "error",
    }
}

fn words(issue: &Issue) -> String {
    match issue {
        Issue::NoSystem => "the code has no system".to_owned(),
        Issue::UnknownSystem => "the code system is not loaded; --terminology loads your own".to_owned(),
        Issue::UnknownVersion => "that version of the code system is not loaded".to_owned(),
        Issue::UnknownCode => "the code system does not have the code".to_owned(),
        Issue::WrongCase { code } => format!("the code system spells it {code}"),
        Issue::NotInFragment => "the code is not in the part of the code system that is loaded".to_owned(),
        Issue::NotInValueSet => "the value set does not have the code".to_owned(),
        Issue::WrongDisplay { expected } => format!("the display is {expected}"),
        Issue::Inactive => "the code is no longer to be used".to_owned(),
        Issue::Abstract => "the code only groups others".to_owned(),
        _ => "something else is odd about the code".to_owned(),
    }
}
