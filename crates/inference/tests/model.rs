//! The tiny model of `support/tiny.rs` in the ONNX Runtime, alone and beside the rules.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "support/tiny.rs"]
mod tiny;

use std::path::Path;

use proptest::{
    prop_assert,
    test_runner::{Config, TestRunner},
};
use sutura_inference::{
    InferenceError, Runtime, Session, Tensor,
    text::{MODEL_RULE, Options, TokenClassifier, open},
};
use sutura_privacy::text::{ClassSet, KnownPatient, Replacement, Replacements, Rules, Scrubber, Span, TextClass, TextError};
use tempfile::TempDir;
use tiny::Tiny;

fn options(runtime: &Path) -> Options {
    Options { runtime: Some(runtime.to_owned()), threads: 1, threshold: None }
}

/// A tiny model in a folder of its own; none where there is no runtime.
fn opened(tiny: Tiny) -> Option<(TempDir, Result<TokenClassifier, InferenceError>)> {
    let runtime = tiny::runtime()?;
    let folder = tempfile::tempdir().unwrap();
    tiny.write(folder.path());
    let model = TokenClassifier::open(folder.path(), &options(&runtime));
    Some((folder, model))
}

fn shown(text: &str, spans: &[Span]) -> Vec<(String, TextClass)> {
    spans.iter().map(|span| (text[span.start..span.end].to_owned(), span.class)).collect()
}

#[test]
fn words_are_found_by_themselves_and_by_what_is_before_them() {
    let Some((_folder, model)) = opened(Tiny::default()) else { return };
    let model = model.unwrap();
    let text = "Seen by Q\u{fc}ux, QUUXLING, in cue M\u{e9}rida. The 45, the 93, \u{4e00}quux";
    let spans = model.find(text).unwrap();
    let expected = [
        // To this tokenizer it is the same word without the accent.
        ("Q\u{fc}ux", TextClass::Name),
        // The second piece says nothing, the word is a name all the same.
        ("QUUXLING", TextClass::Name),
        ("M\u{e9}rida", TextClass::Hospital),
        ("45", TextClass::AgeUnder90),
        ("93", TextClass::Age),
        ("quux", TextClass::Name),
    ];
    let expected: Vec<_> = expected.iter().map(|(text, class)| ((*text).to_owned(), *class)).collect();
    assert_eq!(shown(text, &spans), expected);
    assert!(spans.iter().all(|span| span.rule == MODEL_RULE && span.score > 0.9 && span.score <= 1.0));
    for nothing in ["", "  \n\t ", "the ward", "[SEP] [CLS] [PAD]"] {
        assert_eq!(model.find(nothing).unwrap(), [], "{nothing}");
    }
}

/// Tokens of bytes: a letter may be several tokens, and blanks belong to the word behind them.
#[test]
fn tokens_of_bytes_are_read() {
    let Some((_folder, model)) = opened(Tiny { of_bytes: true, positions: 40, ..Tiny::default() }) else { return };
    let model = model.unwrap();
    let text = "the quux, aquuxling and Zo\u{e9}  \u{4e00}\u{4e01} quux\nquux";
    let names = ["quux", "aquuxling", "Zo\u{e9}", "quux", "quux"].map(|name| (name.to_owned(), TextClass::Name));
    let found = shown(text, &model.find(text).unwrap());
    assert_eq!(found, names);
    let long = "\u{4e00}\u{4e01} aquux, ".repeat(2_000);
    assert_eq!(model.find(&long).unwrap().len(), 2_000);
}

/// Windows of few tokens, of the most, and of a length that the graph has fixed find the same, wherever it stands in them.
#[test]
fn long_texts_are_read_in_windows() {
    let (mut text, mut expected) = (String::new(), Vec::new());
    for number in 0..9_000usize {
        match number % 13 {
            5 => {
                text.push_str("cue ");
                expected.push((text.len(), text.len() + 4, TextClass::Hospital));
                text.push_str("moon");
            }
            // The words before it are of another number each time, so that it comes to stand everywhere in a window.
            9 if number % 3 == 0 => {
                expected.push((text.len(), text.len() + 4, TextClass::Name));
                text.push_str("quux");
            }
            _ => text.push_str(["the", "seen", "ward", ", by", "und\u{e9}rstood"][number % 5]),
        }
        text.push(if number % 40 == 39 { '\n' } else { ' ' });
    }
    let long = Tiny { positions: 512, ..Tiny::default() };
    let fixed = Tiny { positions: 48, fixed: true, ..Tiny::default() };
    for tiny in [Tiny { positions: 20, ..Tiny::default() }, long, fixed] {
        let Some((_folder, model)) = opened(tiny) else { return };
        let spans = model.unwrap().find(&text).unwrap();
        let found: Vec<_> = spans.iter().map(|span| (span.start, span.end, span.class)).collect();
        assert_eq!(found, expected, "{tiny:?}");
    }
}

#[test]
fn rules_and_model_are_merged() {
    let Some((_folder, model)) = opened(Tiny::default()) else { return };
    let scrubber = Scrubber::new(Rules::builtin(&["en"]).unwrap()).with_model(std::sync::Arc::new(model.unwrap()));
    let tagged = |scrubber: &Scrubber, text: &str, known: Option<&KnownPatient>| {
        let (mut spans, mut out) = (Vec::new(), String::new());
        scrubber.spans(text, known, &mut spans).unwrap();
        scrubber.replace(text, &spans, &Replacements::all(Replacement::Tag), &mut out);
        out
    };
    let text = "Seen 03/14/2018 by Dr. Stevens with quux in cue moon, MRN: 257475. BP 120/80, 45, 93.";
    assert_eq!(tagged(&scrubber, text, None), "Seen [DATE] by Dr. [NAME] with [NAME] in cue [HOSPITAL], MRN: [MRN]. BP 120/80, 45, [AGE].");
    // An age up to 89 goes where the policy looks for it.
    assert_eq!(tagged(&scrubber.clone().with_classes(ClassSet::all()), "the 45, the 93.", None), "the [AGE-UNDER-90], the [AGE].");
    // What is known of the patient comes first, and what the model finds beside it stays found.
    let mut known = KnownPatient::new();
    known.add_identifier("moon", TextClass::Account);
    known.add_name("Quux^Zorba");
    assert_eq!(tagged(&scrubber, "in cue moon for Zorba quux and quux", Some(&known)), "in cue [ACCOUNT] for [NAME] and [NAME]");
    // A span is the rule's or the model's.
    let mut spans = Vec::new();
    scrubber.spans(text, None, &mut spans).unwrap();
    let of_model: Vec<_> = spans.iter().filter(|span| span.rule == MODEL_RULE).map(|span| &text[span.start..span.end]).collect();
    assert_eq!(of_model, ["quux", "moon", "93"]);
    assert!(spans.iter().any(|span| span.rule.0.starts_with("date")));
}

#[test]
fn a_model_that_fails_is_never_nothing_found() {
    // Not a number; words for which it has no row.
    for tiny in [Tiny { bias: f32::NAN, ..Tiny::default() }, Tiny { missing_rows: 3, ..Tiny::default() }] {
        let Some((_folder, model)) = opened(tiny) else { return };
        let model = model.unwrap();
        assert!(matches!(model.find("the 93 secret"), Err(InferenceError::Failed(_))), "{tiny:?}");
        let scrubber = Scrubber::new(Rules::builtin(&["en"]).unwrap()).with_model(std::sync::Arc::new(model));
        let error = scrubber.spans("the 93 secret", None, &mut Vec::new()).unwrap_err();
        assert!(matches!(&error, TextError::Model(why) if !why.contains("secret") && !why.contains("93")), "{error}");
    }
}

#[test]
fn what_is_wrong_with_a_model_is_said_when_it_is_opened() {
    let Some(runtime) = tiny::runtime() else { return };
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    let said = || match open(&model, Some(&runtime)) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    };
    assert!(said().contains("cannot be read"), "{}", said());
    Tiny { labels: &["O", "B-PATIENT", "I-PATIENT", "B-HOSP", "B-PLANET"], ..Tiny::default() }.write(&model);
    assert!(said().contains("\"PLANET\"") && said().contains("labels.toml"), "{}", said());
    std::fs::write(model.join("labels.toml"), "threshold = 0.9\n[labels]\nPLANET = \"planet\"\n").unwrap();
    assert!(said().contains("labels.toml: "), "{}", said());
    std::fs::write(model.join("labels.toml"), "threshold = 0.9\n[labels]\nPLANET = \"none\"\n").unwrap();
    assert_eq!(said(), "");
    let classifier = TokenClassifier::open(&model.join("model.onnx"), &options(&runtime)).unwrap();
    assert!((classifier.threshold() - 0.9).abs() < 1e-6);
    assert_eq!(classifier.find("the 93").unwrap(), []);

    Tiny { positions: 4, ..Tiny::default() }.write(&model);
    assert!(said().contains("tokens at once"), "{}", said());
    Tiny::default().write(&model);
    std::fs::write(model.join("config.json"), r#"{"id2label": {"0": "O", "1": "PER"}}"#).unwrap();
    assert!(said().contains("as many labels"), "{}", said());
    std::fs::write(model.join("config.json"), "{").unwrap();
    assert!(said().contains("config.json: "), "{}", said());
    Tiny::default().write(&model);
    std::fs::write(model.join("tokenizer.json"), "{}").unwrap();
    assert!(said().contains("tokenizer.json: "), "{}", said());
    Tiny::default().write(&model);
    std::fs::write(model.join("model.onnx"), "no graph").unwrap();
    assert!(said().contains("does not take the model"), "{}", said());
    // Files as they lie on the hubs: the graph in a folder of its own.
    Tiny::default().write(&model);
    std::fs::create_dir(model.join("onnx")).unwrap();
    std::fs::rename(model.join("model.onnx"), model.join("onnx/model.onnx")).unwrap();
    assert_eq!(said(), "");
    assert!(TokenClassifier::open(&model.join("onnx/model.onnx"), &options(&runtime)).is_ok());
}

/// The runtime without text: any graph on tensors.
#[test]
fn a_session_runs_a_graph_on_tensors() {
    let Some(path) = tiny::runtime() else { return };
    let folder = tempfile::tempdir().unwrap();
    Tiny::default().write(folder.path());
    let runtime = Runtime::load(Some(&path)).unwrap();
    assert_eq!(Runtime::load(None).unwrap().path(), runtime.path());
    let session = Session::open(&runtime, &folder.path().join("model.onnx"), 1).unwrap();
    assert_eq!(session.inputs().iter().map(|port| port.name.as_str()).collect::<Vec<_>>(), ["input_ids", "attention_mask"]);
    assert_eq!(session.outputs()[0].shape, [None, None, Some(5)]);
    let tensor = |values: &[i64]| Tensor::I64(vec![1, values.len()], values.to_vec());
    let (shape, logits) = session.run(vec![("input_ids", tensor(&[4, 11])), ("attention_mask", tensor(&[1, 1]))], "logits").unwrap();
    assert_eq!(shape, [1, 2, 5]);
    assert_eq!(logits, [2.0, 0.0, 0.0, 0.0, 0.0, 2.0, 10.0, 0.0, 0.0, 0.0]);
    assert!(session.run(vec![("input_ids", tensor(&[4]))], "logits").is_err());
    assert!(session.run(vec![("input_ids", tensor(&[4, 99])), ("attention_mask", tensor(&[1, 1]))], "logits").is_err());
    assert!(session.run(vec![("input_ids", tensor(&[4])), ("attention_mask", tensor(&[1]))], "other").is_err());
    assert!(session.run(vec![("input_ids", Tensor::I64(vec![1, 9], vec![1])), ("attention_mask", tensor(&[1]))], "logits").is_err());
    let other = folder.path().join("libonnxruntime.so");
    std::fs::write(&other, "").unwrap();
    assert!(matches!(Runtime::load(Some(&other)), Err(InferenceError::OtherRuntime(_))));
}

/// A model that is in use is not read again, and one whose files are others now is.
#[test]
fn a_model_in_use_is_shared_until_its_files_change() {
    let Some(runtime) = tiny::runtime() else { return };
    let folder = tempfile::tempdir().unwrap();
    Tiny::default().write(folder.path());
    let model = || open(folder.path(), Some(&runtime)).unwrap();
    let first = model();
    assert!(std::sync::Arc::ptr_eq(&first, &model()));
    std::fs::write(folder.path().join("labels.toml"), "threshold = 0.9\n").unwrap();
    assert!(!std::sync::Arc::ptr_eq(&first, &model()));
    assert_eq!(first.spans("by quux").unwrap().len(), 1);
}

/// Whatever the text is, its spans lie in it, in order and on character boundaries.
#[test]
fn any_text_is_read() {
    let Some((_folder, model)) = opened(Tiny { positions: 12, ..Tiny::default() }) else { return };
    let Some((_other, of_bytes)) = opened(Tiny { positions: 14, of_bytes: true, ..Tiny::default() }) else { return };
    let (model, of_bytes) = (model.unwrap(), of_bytes.unwrap());
    let mut runner = TestRunner::new(Config { cases: 200, ..Config::default() });
    let words = proptest::collection::vec("quux|cue|45|93|##ling|[SEP]|</s>|\\PC{0,6}|[ \\t\r\n\u{a0}\u{200b}\u{0}]{0,3}", 0..60);
    let outcome = runner.run(&words, |words| {
        let text = words.concat();
        for model in [&model, &of_bytes] {
            let mut done = 0;
            for span in model.find(&text).unwrap() {
                prop_assert!(span.start < span.end && span.start >= done, "{span:?}");
                prop_assert!(text.get(span.start..span.end).is_some_and(|part| part.trim() == part && !part.is_empty()), "{span:?}");
                done = span.end;
            }
        }
        Ok(())
    });
    outcome.unwrap();
}

/// Threads share one model.
#[test]
fn threads_share_a_model() {
    let Some((_folder, model)) = opened(Tiny::default()) else { return };
    let model = model.unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(model.find("by quux in cue moon").unwrap().len(), 2);
                }
            });
        }
    });
}
