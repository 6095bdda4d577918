//! A token-classification model small enough to be written by hand: the bytes of its graph, its tokenizer and its labels. And the runtime to run it, if it is there.
//!
//! The graph is an embedding, a convolution over three tokens and nothing else. It knows: the word `quux` is a patient; what follows the word `cue` is a hospital;
//! `45` and `93` are ages. Everything else is nothing, whatever it looks like, so that what is found is found by it.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The words, by token id. A row of the embedding for each.
const WORDS: [&str; 16] =
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "seen", "by", "in", "ward", ".", ",", "quux", "##ling", "cue", "45", "93"];
pub(crate) const LABELS: [&str; 5] = ["O", "B-PATIENT", "I-PATIENT", "B-HOSP", "U-AGE"];
/// What the embedding says of a word: a patient, a word before a hospital, an age.
const FEATURES: usize = 3;

/// The model that is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tiny {
    /// How many tokens it says it takes.
    pub(crate) positions: usize,
    /// What is added to the logit of `O`: not a number makes a model that fails.
    pub(crate) bias: f32,
    /// Rows of its embedding that are left out: words that it then cannot be given.
    pub(crate) missing_rows: usize,
    /// Whether its tokens are bytes, as those of RoBERTa, in place of words. It then knows `quux`, and the first byte of letters such as `\u{e9}`.
    pub(crate) of_bytes: bool,
    /// Whether its graph has this length and no other.
    pub(crate) fixed: bool,
    pub(crate) labels: &'static [&'static str],
}

impl Default for Tiny {
    fn default() -> Self {
        Self { positions: 64, bias: 2.0, missing_rows: 0, of_bytes: false, fixed: false, labels: &LABELS }
    }
}

impl Tiny {
    /// Writes `model.onnx`, `tokenizer.json` and `config.json` into a folder.
    pub(crate) fn write(&self, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("model.onnx"), self.graph()).unwrap();
        fs::write(folder.join("tokenizer.json"), if self.of_bytes { tokenizer_of_bytes() } else { tokenizer() }).unwrap();
        let labels: Vec<String> = self.labels.iter().enumerate().map(|(id, label)| format!("\"{id}\": \"{label}\"")).collect();
        let config = format!(
            r#"{{"model_type": "{}", "max_position_embeddings": {}, "pad_token_id": {}, "id2label": {{{}}}}}"#,
            if self.of_bytes { "roberta" } else { "bert" },
            self.positions,
            u8::from(self.of_bytes),
            labels.join(", ")
        );
        fs::write(folder.join("config.json"), config).unwrap();
    }

    fn graph(&self) -> Vec<u8> {
        let words = if self.of_bytes { words_of_bytes() } else { WORDS.map(str::to_owned).to_vec() };
        let rows = words.len() - self.missing_rows;
        let mut embedding = vec![0f32; rows * FEATURES];
        for (word, feature) in [("quux", 0), ("\u{c3}", 0), ("cue", 1), ("45", 2), ("93", 2)] {
            if let Some(id) = words.iter().position(|known| known == word).filter(|id| *id < rows) {
                embedding[id * FEATURES + feature] = 1.0;
            }
        }
        // Label by feature by place: before, at, behind the token.
        let labels = self.labels.len();
        let mut weights = vec![0f32; labels * FEATURES * 3];
        for (label, feature, place) in [(1, 0, 1), (3, 1, 0), (4, 2, 1)] {
            weights[(label * FEATURES + feature) * 3 + place] = 10.0;
        }
        let mut bias = vec![0f32; labels];
        bias[0] = self.bias;

        let mut graph = Vec::new();
        message(&mut graph, 1, &node("Gather", &["embedding", "input_ids"], "embedded", &[]));
        message(&mut graph, 1, &node("Cast", &["attention_mask"], "mask", &[int("to", 1)]));
        message(&mut graph, 1, &node("Unsqueeze", &["mask", "last"], "wide_mask", &[]));
        message(&mut graph, 1, &node("Mul", &["embedded", "wide_mask"], "masked", &[]));
        message(&mut graph, 1, &node("Transpose", &["masked"], "turned", &[ints("perm", &[0, 2, 1])]));
        message(&mut graph, 1, &node("Conv", &["turned", "weights", "bias"], "seen", &[ints("kernel_shape", &[3]), ints("pads", &[1, 1])]));
        message(&mut graph, 1, &node("Transpose", &["seen"], "logits", &[ints("perm", &[0, 2, 1])]));
        message(&mut graph, 2, b"tiny");
        message(&mut graph, 5, &floats("embedding", &[rows, FEATURES], &embedding));
        message(&mut graph, 5, &floats("weights", &[labels, FEATURES, 3], &weights));
        message(&mut graph, 5, &floats("bias", &[labels], &bias));
        message(&mut graph, 5, &tensor("last", 7, &[1], &2i64.to_le_bytes()));
        let tokens = if self.fixed { Extent::Is(self.positions) } else { Extent::Named("tokens") };
        let batch = Extent::Named("batch");
        message(&mut graph, 11, &port("input_ids", 7, &[batch, tokens]));
        message(&mut graph, 11, &port("attention_mask", 7, &[batch, tokens]));
        message(&mut graph, 12, &port("logits", 1, &[batch, tokens, Extent::Is(labels)]));

        let mut model = Vec::new();
        number(&mut model, 1, 8);
        let mut opset = Vec::new();
        message(&mut opset, 1, b"");
        number(&mut opset, 2, 17);
        message(&mut model, 8, &opset);
        message(&mut model, 7, &graph);
        model
    }
}

/// The library: where `ORT_DYLIB_PATH` says, else where `tools/test-tools.sh` put it (`target/tools/onnxruntime`). Without it the test has nothing to run on.
pub(crate) fn runtime() -> Option<PathBuf> {
    let said = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()).map(PathBuf::from);
    let test = std::env::current_exe().ok()?;
    let installed = || test.ancestors().map(|folder| folder.join("tools/onnxruntime")).find(|folder| folder.is_dir());
    let found = said.or_else(installed);
    if found.is_none() {
        println!(
            "SKIPPED: ONNX Runtime not found in ORT_DYLIB_PATH or target/tools/onnxruntime; `make test` installs it where there is Python"
        );
    }
    found
}

fn tokenizer() -> String {
    let vocabulary: Vec<String> = WORDS.iter().enumerate().map(|(id, word)| format!("\"{word}\": {id}")).collect();
    let special = |id: usize| {
        let word = WORDS[id];
        format!(
            r#"{{"id": {id}, "content": "{word}", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}}"#
        )
    };
    let specials: Vec<String> = (0..4).map(special).collect();
    format!(
        r###"{{
  "version": "1.0",
  "truncation": {{"direction": "Right", "max_length": 16, "strategy": "LongestFirst", "stride": 0}},
  "padding": null,
  "added_tokens": [{specials}],
  "normalizer": {{"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true}},
  "pre_tokenizer": {{"type": "BertPreTokenizer"}},
  "post_processor": {{
    "type": "TemplateProcessing",
    "single": [{{"SpecialToken": {{"id": "[CLS]", "type_id": 0}}}}, {{"Sequence": {{"id": "A", "type_id": 0}}}}, {{"SpecialToken": {{"id": "[SEP]", "type_id": 0}}}}],
    "pair": [{{"Sequence": {{"id": "A", "type_id": 0}}}}, {{"Sequence": {{"id": "B", "type_id": 1}}}}],
    "special_tokens": {{
      "[CLS]": {{"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}},
      "[SEP]": {{"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}
    }}
  }},
  "decoder": null,
  "model": {{"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": {{{vocabulary}}}}}
}}"###,
        specials = specials.join(", "),
        vocabulary = vocabulary.join(", "),
    )
}

/// Special tokens, every byte as the letter that stands for it, and three merges.
fn words_of_bytes() -> Vec<String> {
    let shown = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let hidden: Vec<u32> = (0..256).filter(|byte| !shown(*byte)).collect();
    let letter = |byte: u32| hidden.iter().position(|known| *known == byte).map_or(byte, |place| 256 + place as u32);
    let bytes = (0..256).map(|byte| char::from_u32(letter(byte)).unwrap().to_string());
    let special = ["<s>", "<pad>", "</s>", "<unk>"].map(str::to_owned);
    special.into_iter().chain(bytes).chain(["qu", "quu", "quux"].map(str::to_owned)).collect()
}

fn tokenizer_of_bytes() -> String {
    let quoted = |word: &String| word.replace('\\', "\\\\").replace('"', "\\\"");
    let vocabulary: Vec<String> = words_of_bytes().iter().enumerate().map(|(id, word)| format!("\"{}\": {id}", quoted(word))).collect();
    let special = |(id, word): (usize, &str)| {
        format!(
            r#"{{"id": {id}, "content": "{word}", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}}"#
        )
    };
    let specials: Vec<String> = ["<s>", "<pad>", "</s>", "<unk>"].into_iter().enumerate().map(special).collect();
    format!(
        r#"{{
  "version": "1.0", "truncation": null, "padding": null, "added_tokens": [{specials}], "normalizer": null, "decoder": {{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}},
  "pre_tokenizer": {{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}},
  "post_processor": {{"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": true, "add_prefix_space": false}},
  "model": {{"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false,
    "vocab": {{{vocabulary}}}, "merges": ["q u", "qu u", "quu x"]}}
}}"#,
        specials = specials.join(", "),
        vocabulary = vocabulary.join(", "),
    )
}

// The graph in the bytes of protocol buffers: onnx.proto, the few fields that are needed.

#[derive(Clone, Copy)]
enum Extent {
    Is(usize),
    Named(&'static str),
}

fn node(operator: &str, inputs: &[&str], output: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for input in inputs {
        message(&mut out, 1, input.as_bytes());
    }
    message(&mut out, 2, output.as_bytes());
    message(&mut out, 4, operator.as_bytes());
    for attribute in attributes {
        message(&mut out, 5, attribute);
    }
    out
}

fn int(name: &str, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, 1, name.as_bytes());
    number(&mut out, 3, value);
    number(&mut out, 20, 2);
    out
}

fn ints(name: &str, values: &[u64]) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, 1, name.as_bytes());
    for value in values {
        number(&mut out, 8, *value);
    }
    number(&mut out, 20, 7);
    out
}

fn floats(name: &str, shape: &[usize], values: &[f32]) -> Vec<u8> {
    tensor(name, 1, shape, &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
}

fn tensor(name: &str, kind: u64, shape: &[usize], bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for extent in shape {
        number(&mut out, 1, *extent as u64);
    }
    number(&mut out, 2, kind);
    message(&mut out, 8, name.as_bytes());
    message(&mut out, 9, bytes);
    out
}

fn port(name: &str, kind: u64, shape: &[Extent]) -> Vec<u8> {
    let mut extents = Vec::new();
    for extent in shape {
        let mut one = Vec::new();
        match extent {
            Extent::Is(value) => number(&mut one, 1, *value as u64),
            Extent::Named(name) => message(&mut one, 2, name.as_bytes()),
        }
        message(&mut extents, 1, &one);
    }
    let mut of_tensor = Vec::new();
    number(&mut of_tensor, 1, kind);
    message(&mut of_tensor, 2, &extents);
    let mut kind = Vec::new();
    message(&mut kind, 1, &of_tensor);
    let mut out = Vec::new();
    message(&mut out, 1, name.as_bytes());
    message(&mut out, 2, &kind);
    out
}

fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

fn message(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
