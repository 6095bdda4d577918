//! `make bench-deid`: how well and how fast free text is scrubbed, over corpora whose truth is known.
//!
//! Prints tables and writes `target/bench-deid.json`. Every corpus is shown in two halves: the rules were written while looking at
//! records of even number ("seen"); those of odd number ("held out") were only counted. A span counts as found when every letter and
//! digit of it was found ("full"); a note leaks when any identifier of it was not.
//!
//! Arguments: `--data DIR` (test data; else SUTURA_TEST_DATA), `--rules DIR` (rule files instead of the built-in ones), `--misses N` and
//! `--tag FILE` (print that text with tags instead; `--language es`),
//! `--corpus NAME` (print what was missed and wrongly found in seen records), `--no-speed`, `--out FILE`.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeMap, fs, path::PathBuf, time::Instant};

use serde::Deserialize;
use sutura_privacy::text::{ClassSet, Replacement, Replacements, Rules, Scrubber, Span, TextClass};

struct Note {
    text: String,
    /// Byte offsets and the corpus' own type.
    gold: Vec<(usize, usize, String)>,
    group: String,
    hard_negative: bool,
}

struct Corpus {
    name: &'static str,
    languages: &'static [&'static str],
    classes: ClassSet,
    /// Types that are counted but belong to no identifier by law.
    quasi: &'static [&'static str],
    notes: Vec<Note>,
    /// Whether all identifiers are marked, so that other spans are wrong.
    precise: bool,
    /// Words inside marked values that identify nobody and need not be found (titles, the words of a label, states).
    ignored: &'static [&'static str],
    /// Classes that the corpus holds but does not mark; left out of precision.
    unmarked: &'static [TextClass],
}

#[derive(Default, Clone)]
struct Count {
    gold: usize,
    full: usize,
    partial: usize,
}

#[derive(Default)]
struct Half {
    by_type: BTreeMap<String, Count>,
    by_group: BTreeMap<String, Count>,
    found: usize,
    right: usize,
    notes: usize,
    leaking: usize,
    hard: usize,
    touched: usize,
    strict: usize,
    wrong_by_class: BTreeMap<String, usize>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1)).cloned();
    let data = value("--data")
        .or_else(|| std::env::var("SUTURA_TEST_DATA").ok())
        .map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from)
        .join("deid");
    if !data.is_dir() {
        println!("SKIPPED: test data not found in {} (set SUTURA_TEST_DATA)", data.display());
        return;
    }
    let misses: usize = value("--misses").and_then(|number| number.parse().ok()).unwrap_or(0);
    let only = value("--corpus");
    let rule_folder = value("--rules").map(PathBuf::from);
    let rules = |languages: &[&str]| match &rule_folder {
        None => Rules::builtin(languages).expect("built-in rules"),
        Some(folder) => {
            let read = |file: String| fs::read_to_string(folder.join(file)).expect("rule file");
            let sources: Vec<String> = languages.iter().map(|language| read(format!("{language}.toml"))).collect();
            let mut lists = vec![read("names.lst".to_owned())];
            lists.extend(languages.iter().map(|language| read(format!("words-{language}.lst"))));
            let strings = |all: &[String]| all.iter().map(String::as_str).collect::<Vec<_>>().join("\u{0}");
            let (sources, lists) = (strings(&sources), strings(&lists));
            Rules::from_data(&sources.split('\u{0}').collect::<Vec<_>>(), &lists.split('\u{0}').collect::<Vec<_>>())
                .unwrap_or_else(|error| panic!("{error}"))
        }
    };
    if let Some(file) = value("--tag") {
        let language = value("--language").unwrap_or_else(|| "en".to_owned());
        let text = fs::read_to_string(file).expect("a text file");
        let scrubber = Scrubber::new(rules(&[language.as_str()]));
        let (mut spans, mut out) = (Vec::new(), String::new());
        scrubber.spans(&text, None, &mut spans).expect("no model");
        scrubber.replace(&text, &spans, &Replacements::all(Replacement::Tag), &mut out);
        println!("{out}");
        return;
    }
    let mut json = serde_json::Map::new();
    for corpus in corpora(&data) {
        if only.as_ref().is_some_and(|only| only != corpus.name) {
            continue;
        }
        let scrubber = Scrubber::new(rules(corpus.languages)).with_classes(corpus.classes);
        let halves = measure(&corpus, &scrubber, misses);
        report(&corpus, &halves, &mut json);
    }
    if !arguments.iter().any(|argument| argument == "--no-speed") {
        speed(&data, &rules(&["en"]), &mut json);
    }
    let out = value("--out").map_or_else(
        || PathBuf::from(std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".into())).join("bench-deid.json"),
        PathBuf::from,
    );
    fs::write(&out, serde_json::to_string_pretty(&json).expect("json")).expect("write the report");
    println!("\nwritten: {}", out.display());
}

fn measure(corpus: &Corpus, scrubber: &Scrubber, misses: usize) -> [Half; 2] {
    let mut halves = [Half::default(), Half::default()];
    let mut shown = 0;
    for (number, note) in corpus.notes.iter().enumerate() {
        let half = &mut halves[number % 2];
        let mut spans = Vec::new();
        scrubber.spans(&note.text, None, &mut spans).expect("no model");
        half.notes += 1;
        let mut leaks = false;
        for (start, end, kind) in &note.gold {
            let (strict_covered, strict_all) = coverage(&note.text, *start, *end, &spans, &[]);
            let (covered, all) = coverage(&note.text, *start, *end, &spans, corpus.ignored);
            half.strict += usize::from(strict_covered == strict_all);
            let counts = [half.by_type.entry(kind.clone()).or_default()];
            for count in counts {
                count.gold += 1;
                count.full += usize::from(covered == all);
                count.partial += usize::from(covered > 0);
            }
            if kind.contains("NAME") || kind == "PERSON" || kind.starts_with("NOMBRE") {
                let count = half.by_group.entry(note.group.clone()).or_default();
                count.gold += 1;
                count.full += usize::from(covered == all);
            }
            if covered < all && !corpus.quasi.contains(&kind.as_str()) {
                leaks = true;
            }
            if covered < all && number % 2 == 0 && shown < misses {
                shown += 1;
                println!("MISSED {kind} {:?} in {:?}", &note.text[*start..*end], around(&note.text, *start, *end));
            }
        }
        half.leaking += usize::from(leaks);
        if note.hard_negative {
            half.hard += 1;
            half.touched += usize::from(!spans.is_empty());
        }
        for span in spans.iter().filter(|span| !corpus.unmarked.contains(&span.class)) {
            half.found += 1;
            let right = note.gold.iter().any(|(start, end, _)| *start < span.end && span.start < *end);
            half.right += usize::from(right);
            if !right {
                *half.wrong_by_class.entry(format!("{} {}", span.class, span.rule)).or_default() += 1;
                if number % 2 == 0 && shown < misses && corpus.precise {
                    shown += 1;
                    println!(
                        "WRONG {} {} {:?} in {:?}",
                        span.class,
                        span.rule,
                        &note.text[span.start..span.end],
                        around(&note.text, span.start, span.end)
                    );
                }
            }
        }
    }
    halves
}

fn around(text: &str, start: usize, end: usize) -> String {
    let from = (0..=start.saturating_sub(40)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let to = ((end + 30).min(text.len())..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    text[from..to].to_owned()
}

/// Letters and digits of a gold span that lie in spans, and all of them, without the ignored words.
fn coverage(text: &str, start: usize, end: usize, spans: &[Span], ignored: &[&str]) -> (usize, usize) {
    let mut counts = (0, 0);
    let mut word_start = None;
    let value = &text[start..end];
    for (at, character) in value.char_indices().chain([(value.len(), ' ')]) {
        if character.is_alphanumeric() {
            word_start.get_or_insert(at);
            continue;
        }
        let Some(first) = word_start.take() else { continue };
        let word = &value[first..at];
        if ignored.iter().any(|other| word.eq_ignore_ascii_case(other)) && word.len() < value.len() {
            continue;
        }
        for (offset, _) in word.char_indices() {
            let place = start + first + offset;
            counts.1 += 1;
            counts.0 += usize::from(spans.iter().any(|span| span.start <= place && place < span.end));
        }
    }
    counts
}

fn report(corpus: &Corpus, halves: &[Half; 2], json: &mut serde_json::Map<String, serde_json::Value>) {
    println!("\n== {} ==", corpus.name);
    println!("{:<36} {:>7} {:>7} {:>7}   {:>7} {:>7} {:>7}", "type", "seen", "full", "touched", "held", "full", "touched");
    let types: Vec<String> =
        halves.iter().flat_map(|half| half.by_type.keys().cloned()).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    let mut entry = serde_json::Map::new();
    let rate = |part: usize, all: usize| if all == 0 { 1.0 } else { part as f64 / all as f64 };
    let mut by_type = serde_json::Map::new();
    for kind in &types {
        let counts: Vec<Count> = halves.iter().map(|half| half.by_type.get(kind).cloned().unwrap_or_default()).collect();
        println!(
            "{:<36} {:>7} {:>7.4} {:>7.4}   {:>7} {:>7.4} {:>7.4}",
            kind,
            counts[0].gold,
            rate(counts[0].full, counts[0].gold),
            rate(counts[0].partial, counts[0].gold),
            counts[1].gold,
            rate(counts[1].full, counts[1].gold),
            rate(counts[1].partial, counts[1].gold)
        );
        let row = |count: &Count| serde_json::json!({"gold": count.gold, "full": rate(count.full, count.gold), "touched": rate(count.partial, count.gold)});
        by_type.insert(kind.clone(), serde_json::json!({"seen": row(&counts[0]), "held_out": row(&counts[1])}));
    }
    for (half, name) in halves.iter().zip(["seen", "held_out"]) {
        let sum = |quasi: bool| {
            let counts = half.by_type.iter().filter(|(kind, _)| quasi || !corpus.quasi.contains(&kind.as_str()));
            counts.fold((0, 0), |(full, gold), (_, count)| (full + count.full, gold + count.gold))
        };
        let (full, gold) = sum(false);
        let (full_all, gold_all) = sum(true);
        let precision = rate(half.right, half.found);
        let leak = rate(half.leaking, half.notes);
        println!(
            "{name:<9} recall {:.4} ({full}/{gold}; every letter of every value {:.4}), with quasi-identifiers {:.4}; precision {:.4} ({}/{}); notes that leak {:.4} ({}/{}); hard negatives touched {}/{}",
            rate(full, gold),
            rate(half.strict, gold_all),
            rate(full_all, gold_all),
            precision,
            half.right,
            half.found,
            leak,
            half.leaking,
            half.notes,
            half.touched,
            half.hard
        );
        let mut groups = serde_json::Map::new();
        for (group, count) in &half.by_group {
            if !group.is_empty() {
                println!("          names, {group}: {:.4} of {}", rate(count.full, count.gold), count.gold);
                groups.insert(group.clone(), serde_json::json!({"gold": count.gold, "full": rate(count.full, count.gold)}));
            }
        }
        if corpus.precise && name == "seen" {
            println!("          wrong: {:?}", half.wrong_by_class);
        }
        entry.insert(
            name.to_owned(),
            serde_json::json!({"recall": rate(full, gold), "recall_with_quasi": rate(full_all, gold_all), "recall_every_letter": rate(half.strict, gold_all), "precision": precision,
                "precision_is_bounded": corpus.precise, "notes": half.notes, "notes_leaking": half.leaking, "hard_negatives": half.hard,
                "hard_negatives_touched": half.touched, "names_by_group": groups}),
        );
    }
    entry.insert("by_type".to_owned(), by_type.into());
    json.insert(corpus.name.to_owned(), entry.into());
}

/// Megabytes a second of one core, by the process's own processor time.
fn speed(data: &std::path::Path, rules: &Rules, json: &mut serde_json::Map<String, serde_json::Value>) {
    let notes = synthetic(data);
    let mut text = String::new();
    while text.len() < 16 << 20 {
        for note in &notes {
            text.push_str(&note.text);
            text.push('\n');
        }
    }
    let scrubber = Scrubber::new(rules.clone());
    let (mut best_processor, mut best_wall) = (f64::MAX, f64::MAX);
    for _ in 0..3 {
        let mut spans = Vec::new();
        let wall = Instant::now();
        let before = processor_seconds();
        scrubber.spans(&text, None, &mut spans).expect("no model");
        let mut out = String::with_capacity(text.len());
        scrubber.replace(&text, &spans, &Replacements::all(Replacement::Tag), &mut out);
        let after = processor_seconds();
        best_wall = best_wall.min(wall.elapsed().as_secs_f64());
        if let (Some(before), Some(after)) = (before, after) {
            best_processor = best_processor.min(after - before);
        }
    }
    let megabytes = text.len() as f64 / 1e6;
    let per_second = |seconds: f64| if seconds >= f64::MAX || seconds <= 0.0 { 0.0 } else { megabytes / seconds };
    println!(
        "\nspeed: {:.1} MB/s by processor time, {:.1} MB/s by the clock ({megabytes:.1} MB, find and replace, one core, best of 3{})",
        per_second(best_processor),
        per_second(best_wall),
        if cfg!(debug_assertions) { "; DEBUG BUILD" } else { "" }
    );
    json.insert("speed".to_owned(), serde_json::json!({"mb_per_processor_second": per_second(best_processor), "mb_per_second": per_second(best_wall), "mb": megabytes, "debug": cfg!(debug_assertions)}));
}

/// Processor time of this process (Linux).
fn processor_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/schedstat").ok()?;
    Some(stat.split_whitespace().next()?.parse::<u64>().ok()? as f64 / 1e9)
}

#[derive(Deserialize)]
struct JsonNote {
    text: String,
    spans: Vec<(usize, usize, String)>,
    #[serde(default)]
    kind: String,
}

fn corpora(data: &std::path::Path) -> Vec<Corpus> {
    let identifiers = ClassSet::identifiers();
    let meddocan = |file: &str| jsonl(&fs::read_to_string(data.join(file)).unwrap_or_default());
    let mut spanish = meddocan("meddocan/train.jsonl");
    spanish.extend(meddocan("meddocan/dev.jsonl"));
    vec![
        Corpus {
            name: "synthetic-notes",
            languages: &["en"],
            classes: identifiers,
            quasi: &[],
            notes: synthetic(data),
            precise: true,
            ignored: &[],
            unmarked: &[TextClass::Url],
        },
        Corpus {
            name: "asq-phi",
            languages: &["en"],
            classes: identifiers,
            quasi: &[],
            notes: asq(data),
            precise: true,
            ignored: NOT_IDENTIFYING,
            unmarked: &[],
        },
        Corpus {
            name: "meddocan",
            languages: &["es"],
            classes: ClassSet::all(),
            quasi: &[
                "EDAD_SUJETO_ASISTENCIA",
                "SEXO_SUJETO_ASISTENCIA",
                "FAMILIARES_SUJETO_ASISTENCIA",
                "PROFESION",
                "PAIS",
                "OTROS_SUJETO_ASISTENCIA",
            ],
            notes: spanish,
            precise: true,
            ignored: &[],
            unmarked: &[],
        },
        Corpus {
            name: "presidio-research",
            languages: &["en"],
            classes: ClassSet::all(),
            quasi: &["AGE", "NRP", "TITLE", "ORGANIZATION"],
            notes: presidio(data),
            precise: false,
            ignored: &[],
            unmarked: &[],
        },
    ]
}

/// ASQ-PHI marks titles, the words of labels and states together with the value: `Dr. Smith`, `Site ID: 98765`, `Houston, Texas`. The law
/// lets these words stay.
const NOT_IDENTIFYING: &[&str] = &[
    "dr",
    "mr",
    "mrs",
    "ms",
    "the",
    "in",
    "at",
    "id",
    "site",
    "patient",
    "case",
    "al",
    "ak",
    "az",
    "ar",
    "ca",
    "co",
    "ct",
    "de",
    "dc",
    "fl",
    "ga",
    "hi",
    "il",
    "ia",
    "ks",
    "ky",
    "la",
    "me",
    "md",
    "ma",
    "mi",
    "mn",
    "ms",
    "mo",
    "mt",
    "ne",
    "nv",
    "nh",
    "nj",
    "nm",
    "ny",
    "nc",
    "nd",
    "oh",
    "ok",
    "or",
    "pa",
    "ri",
    "sc",
    "sd",
    "tn",
    "tx",
    "ut",
    "vt",
    "va",
    "wa",
    "wv",
    "wi",
    "wy",
    "california",
    "colorado",
    "florida",
    "georgia",
    "illinois",
    "massachusetts",
    "michigan",
    "minnesota",
    "ohio",
    "oregon",
    "texas",
    "washington",
    "pennsylvania",
    "arizona",
    "maryland",
    "virginia",
];

fn synthetic(data: &std::path::Path) -> Vec<Note> {
    jsonl(&fs::read_to_string(data.join("synthetic-notes/notes-200.jsonl")).unwrap_or_default())
}

fn jsonl(text: &str) -> Vec<Note> {
    text.lines()
        .map(|line| {
            let note: JsonNote = serde_json::from_str(line).expect("a note of the corpus");
            note_of_characters(note.text, note.spans, note.kind)
        })
        .collect()
}

/// Offsets of the corpora count characters.
fn note_of_characters(text: String, spans: Vec<(usize, usize, String)>, group: String) -> Note {
    let mut bytes: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    bytes.push(text.len());
    let gold = spans.into_iter().filter_map(|(start, end, kind)| Some((*bytes.get(start)?, *bytes.get(end)?, kind))).collect();
    Note { text, gold, group, hard_negative: false }
}

/// Values are marked wherever they stand, but not inside longer words.
fn asq(data: &std::path::Path) -> Vec<Note> {
    #[derive(Deserialize)]
    struct Tag {
        identifier_type: String,
        value: String,
    }
    let text = fs::read_to_string(data.join("asq-phi/queries-1-700.txt")).unwrap_or_default();
    let mut notes = Vec::new();
    for record in text.split("===QUERY===").skip(1) {
        let Some((query, tags)) = record.split_once("===PHI_TAGS===") else { continue };
        let query = query.trim().to_owned();
        let tags: Vec<Tag> = tags.lines().filter(|line| line.starts_with('{')).filter_map(|line| serde_json::from_str(line).ok()).collect();
        let mut gold = Vec::new();
        for tag in &tags {
            let letter = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
            for (at, found) in query.match_indices(&tag.value) {
                let inside = letter(query[..at].chars().next_back()) && letter(found.chars().next())
                    || letter(query[at + found.len()..].chars().next()) && letter(found.chars().next_back());
                if !inside {
                    gold.push((at, at + found.len(), tag.identifier_type.clone()));
                }
            }
        }
        gold.sort();
        gold.dedup();
        notes.push(Note { hard_negative: tags.is_empty(), text: query, gold, group: String::new() });
    }
    notes
}

fn presidio(data: &std::path::Path) -> Vec<Note> {
    #[derive(Deserialize)]
    struct Sentence {
        full_text: String,
        spans: Vec<Marked>,
    }
    #[derive(Deserialize)]
    struct Marked {
        entity_type: String,
        start_position: usize,
        end_position: usize,
    }
    let text = fs::read_to_string(data.join("presidio-research/synth_dataset_v2.json")).unwrap_or_else(|_| "[]".into());
    let sentences: Vec<Sentence> = serde_json::from_str(&text).expect("the sentences");
    sentences
        .into_iter()
        .map(|sentence| {
            let spans = sentence.spans.into_iter().map(|span| (span.start_position, span.end_position, span.entity_type)).collect();
            note_of_characters(sentence.full_text, spans, String::new())
        })
        .collect()
}
