//! The model with its tokenizer and labels.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use sutura_privacy::text::{Model, Span, TextError};
use tokenizers::{Encoding, Tokenizer};

use super::{
    labels::{LABELS_FILE, Label, Table},
    spans::{Spans, Token, verdict},
    windows::{Window, ceil, chunks, floor, windows},
};
use crate::{
    error::InferenceError,
    runtime::Runtime,
    session::{Numbers, Port, Session, Tensor},
};

/// A token counts when the model holds it likelier than this that it identifies somebody.
pub const DEFAULT_THRESHOLD: f32 = 0.5;
/// Threads of one run, unless asked otherwise: more do not make short texts faster.
const DEFAULT_THREADS: usize = 8;
/// Tokens that are given to a model at once; its configuration may say fewer.
const MOST_TOKENS: usize = 512;
/// A window with fewer tokens of text is none.
const FEWEST_TOKENS: usize = 8;
const MOST_TOKENIZER_BYTES: u64 = 128 << 20;
const MOST_CONFIG_BYTES: u64 = 4 << 20;

/// How a model is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// The library, a file or its folder. Without it `ORT_DYLIB_PATH` says where it is.
    pub runtime: Option<PathBuf>,
    /// Threads of one run.
    pub threads: usize,
    /// How likely a token must be to identify somebody, 0 to 1. Without it `labels.toml` says it, else [`DEFAULT_THRESHOLD`].
    pub threshold: Option<f32>,
}

impl Default for Options {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { runtime: None, threads: cores.min(DEFAULT_THREADS), threshold: None }
    }
}

/// A token-classification model: text to spans.
///
/// Long texts are given to it in overlapping windows, so that memory does not grow with the text. It is exact: a model that cannot run, or gives what is no
/// number, is an error and never "nothing found".
pub struct TokenClassifier {
    session: Session,
    tokenizer: Tokenizer,
    labels: Vec<Label>,
    threshold: f32,
    inputs: Vec<Input>,
    output: String,
    /// Special tokens before and after a text.
    before: Vec<i64>,
    after: Vec<i64>,
    /// Tokens of text in a window.
    window: usize,
    /// Tokens that a window must have, where the graph says so; the rest is padding.
    exactly: Option<usize>,
    pad: i64,
}

impl std::fmt::Debug for TokenClassifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenClassifier")
            .field("labels", &self.labels.len())
            .field("threshold", &self.threshold)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}

/// An input that the graph wants, by what it is.
#[derive(Debug)]
struct Input {
    name: String,
    role: Role,
    is_narrow: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Ids,
    Mask,
    Types,
}

/// `config.json`, as far as it is needed.
#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    id2label: BTreeMap<String, String>,
    max_position_embeddings: Option<usize>,
    model_type: Option<String>,
    pad_token_id: Option<i64>,
}

/// `tokenizer_config.json`, where there is one.
#[derive(Deserialize, Default)]
struct TokenizerConfig {
    /// Some write 1e30 for "any length".
    model_max_length: Option<f64>,
}

impl TokenClassifier {
    /// Opens a folder with `model.onnx` (or `onnx/model.onnx`), `tokenizer.json` and `config.json`, or a model file that has these beside it.
    /// `labels.toml` in the folder says what labels stand for that are not of the usual ones.
    ///
    /// # Errors
    /// When the runtime cannot be loaded, a file is missing or wrong, a label is not known, or the graph is none of token classification.
    pub fn open(path: &Path, options: &Options) -> Result<Self, InferenceError> {
        let files = Files::of(path)?;
        let table = match files.read_if_there(LABELS_FILE, MOST_CONFIG_BYTES)? {
            Some(text) => Table::parse(&text).map_err(|reason| files.bad(LABELS_FILE, reason))?,
            None => Table::default(),
        };
        let config: Config = files.json("config.json")?;
        let labels = table.labels(&config.id2label, &files.folder.join("config.json"))?;
        let of_tokenizer: TokenizerConfig = if files.folder.join("tokenizer_config.json").is_file() {
            files.json("tokenizer_config.json")?
        } else {
            TokenizerConfig::default()
        };
        let tokenizer = files.tokenizer()?;

        let runtime = Runtime::load(options.runtime.as_deref())?;
        let session = Session::open(&runtime, &files.model, options.threads)?;
        let inputs = session.inputs().iter().map(input).collect::<Result<Vec<_>, _>>()?;
        let ids = session.inputs().iter().zip(&inputs).find(|(_, input)| input.role == Role::Ids);
        let Some((ids, _)) = ids else { return Err(InferenceError::OtherTask("it takes no input_ids".to_owned())) };
        let exactly = ids.shape.get(1).copied().flatten();
        let output = output(session.outputs(), labels.len())?;

        let (before, after) = special_tokens(&tokenizer)?;
        let most = exactly.unwrap_or_else(|| positions(&config, &of_tokenizer)).min(MOST_TOKENS);
        let window = most.saturating_sub(before.len() + after.len());
        if window < FEWEST_TOKENS || exactly.is_some_and(|exactly| exactly > MOST_TOKENS) {
            return Err(InferenceError::OtherTask(format!("it takes {most} tokens at once; 16 to 512 are usual")));
        }
        let threshold = options.threshold.or(table.threshold).unwrap_or(DEFAULT_THRESHOLD).clamp(0.0, 1.0);
        let pad = config.pad_token_id.unwrap_or(0).max(0);
        Ok(Self { session, tokenizer, labels, threshold, inputs, output, before, after, window, exactly, pad })
    }

    /// How likely a token must be to identify somebody.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// The spans of a text, in order and without overlaps, with byte offsets on character boundaries.
    ///
    /// # Errors
    /// When the tokenizer or the model fails.
    pub fn find(&self, text: &str) -> Result<Vec<Span>, InferenceError> {
        let mut spans = Spans::new(text, self.threshold);
        for chunk in chunks(text) {
            let seen = &text[chunk.seen.clone()];
            if seen.trim().is_empty() {
                continue;
            }
            let encoding = self.tokenizer.encode(seen, false).map_err(|_| InferenceError::Tokenizer)?;
            for window in windows(encoding.len(), self.window) {
                self.run(&encoding, &window, chunk.seen.start, &mut |token| {
                    // A token is of the chunk in which it begins.
                    if chunk.core.contains(&token.place.start) {
                        spans.push(&Token { place: floor(text, token.place.start)..ceil(text, token.place.end), ..token });
                    }
                })?;
            }
        }
        Ok(spans.finish())
    }

    /// Gives one window to the model, and what it says of the window's own tokens to `push`.
    fn run(&self, encoding: &Encoding, window: &Window, offset: usize, push: &mut dyn FnMut(Token)) -> Result<(), InferenceError> {
        let mut ids: Vec<i64> = self.before.clone();
        ids.extend(encoding.get_ids()[window.seen.clone()].iter().map(|id| i64::from(*id)));
        ids.extend(&self.after);
        let used = ids.len();
        ids.resize(self.exactly.unwrap_or(used).max(used), self.pad);
        let length = ids.len();
        let inputs = self.inputs.iter().map(|input| (input.name.as_str(), input.tensor(&ids, used))).collect();
        let (shape, logits) = self.session.run(inputs, &self.output)?;
        let labels = self.labels.len();
        if shape != [1, length, labels] || logits.len() != length * labels {
            return Err(InferenceError::Failed("the output is not one row of labels for each token"));
        }
        for token in window.own.clone() {
            let row = (self.before.len() + token - window.seen.start) * labels;
            let Some((score, class, begins)) = verdict(&logits[row..row + labels], &self.labels) else {
                return Err(InferenceError::Failed("the output is not a number"));
            };
            let (start, end) = encoding.get_offsets()[token];
            let place: Range<usize> = offset + start..offset + end;
            push(Token { place, word: encoding.get_word_ids()[token], class, begins, score });
        }
        Ok(())
    }
}

impl Model for TokenClassifier {
    fn spans(&self, text: &str) -> Result<Vec<Span>, TextError> {
        self.find(text).map_err(|error| TextError::Model(error.to_string()))
    }
}

impl Input {
    fn tensor(&self, ids: &[i64], used: usize) -> Tensor {
        let values = match self.role {
            Role::Ids => ids.to_vec(),
            Role::Mask => (0..ids.len()).map(|place| i64::from(place < used)).collect(),
            Role::Types => vec![0; ids.len()],
        };
        let shape = vec![1, ids.len()];
        if self.is_narrow { Tensor::I32(shape, values.into_iter().map(|value| value as i32).collect()) } else { Tensor::I64(shape, values) }
    }
}

fn input(port: &Port) -> Result<Input, InferenceError> {
    let role = match port.name.as_str() {
        "input_ids" => Role::Ids,
        "attention_mask" => Role::Mask,
        "token_type_ids" => Role::Types,
        other => {
            let known = "input_ids, attention_mask and token_type_ids are known";
            return Err(InferenceError::OtherTask(format!("it takes the input {other:?}; {known}")));
        }
    };
    let is_narrow = port.numbers == Numbers::I32;
    let is_of_batches = port.shape.len() == 2 && matches!(port.shape[0], None | Some(1));
    if !is_of_batches || !(is_narrow || port.numbers == Numbers::I64) {
        return Err(InferenceError::OtherTask(format!("the input {:?} is not integers of batch and token", port.name)));
    }
    Ok(Input { name: port.name.clone(), role, is_narrow })
}

/// The output with a row of labels for each token: `logits`, else the only one that may be.
fn output(ports: &[Port], labels: usize) -> Result<String, InferenceError> {
    let fits = |port: &&Port| port.numbers == Numbers::F32 && port.shape.len() == 3 && port.shape[2].is_none_or(|extent| extent == labels);
    let found = ports.iter().find(|port| port.name == "logits").or_else(|| ports.iter().find(fits)).filter(fits);
    found.map(|port| port.name.clone()).ok_or_else(|| {
        let reason = "it has no output of batch, token and label with as many labels as id2label, of 32-bit floating point";
        InferenceError::OtherTask(reason.to_owned())
    })
}

/// How many tokens the model has places for.
fn positions(config: &Config, of_tokenizer: &TokenizerConfig) -> usize {
    // These count places from the padding on.
    let counts_from_padding = ["roberta", "camembert", "longformer", "mpnet"];
    let taken = config.model_type.as_deref().is_some_and(|model| counts_from_padding.iter().any(|known| model.contains(known)));
    let taken = if taken { config.pad_token_id.unwrap_or(1).clamp(0, 16) as usize + 1 } else { 0 };
    let places = config.max_position_embeddings.map_or(MOST_TOKENS, |places| places.saturating_sub(taken));
    let most = of_tokenizer.model_max_length.filter(|most| (1.0..1e6).contains(most)).map_or(MOST_TOKENS, |most| most as usize);
    places.min(most)
}

/// What the tokenizer puts before and after a text.
fn special_tokens(tokenizer: &Tokenizer) -> Result<(Vec<i64>, Vec<i64>), InferenceError> {
    let with = tokenizer.encode("a", true).map_err(|_| InferenceError::Tokenizer)?;
    let (ids, mask) = (with.get_ids(), with.get_special_tokens_mask());
    let before = mask.iter().take_while(|special| **special == 1).count();
    let after = if before == mask.len() { 0 } else { mask.iter().rev().take_while(|special| **special == 1).count() };
    let wide = |ids: &[u32]| ids.iter().map(|id| i64::from(*id)).collect();
    Ok((wide(&ids[..before]), wide(&ids[ids.len() - after..])))
}

/// The files of a model.
struct Files {
    model: PathBuf,
    folder: PathBuf,
}

impl Files {
    fn of(path: &Path) -> Result<Self, InferenceError> {
        let not_readable = |path: &Path, kind| InferenceError::NotReadable { path: path.to_owned(), kind };
        let model = if path.is_dir() {
            let places = [path.join("model.onnx"), path.join("onnx/model.onnx")];
            let found = places.iter().find(|place| place.is_file());
            found.cloned().ok_or_else(|| not_readable(&places[0], std::io::ErrorKind::NotFound))?
        } else {
            fs::metadata(path).map_err(|error| not_readable(path, error.kind()))?;
            path.to_owned()
        };
        let beside = model.parent().map_or_else(PathBuf::new, Path::to_owned);
        let above = beside.parent().filter(|_| beside.ends_with("onnx")).map(Path::to_owned);
        let folder = above.filter(|above| !beside.join("tokenizer.json").is_file() && above.join("tokenizer.json").is_file());
        Ok(Self { folder: folder.unwrap_or(beside), model })
    }

    fn bad(&self, name: &str, reason: impl Into<String>) -> InferenceError {
        InferenceError::BadFile { path: self.folder.join(name), reason: reason.into() }
    }

    fn read(&self, name: &str, most: u64) -> Result<String, InferenceError> {
        let path = self.folder.join(name);
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
        match read {
            Err(error) => Err(InferenceError::NotReadable { path, kind: error.kind() }),
            Ok(read) if read as u64 > most => Err(InferenceError::TooLarge { path, most }),
            Ok(_) => String::from_utf8(bytes).map_err(|_| self.bad(name, "is not UTF-8")),
        }
    }

    fn read_if_there(&self, name: &str, most: u64) -> Result<Option<String>, InferenceError> {
        match self.read(name, most) {
            Err(InferenceError::NotReadable { kind: std::io::ErrorKind::NotFound, .. }) => Ok(None),
            other => other.map(Some),
        }
    }

    fn json<T: for<'de> Deserialize<'de>>(&self, name: &str) -> Result<T, InferenceError> {
        let text = self.read(name, MOST_CONFIG_BYTES)?;
        serde_json::from_str(&text).map_err(|error| self.bad(name, format!("is not the JSON that was expected: {error}")))
    }

    fn tokenizer(&self) -> Result<Tokenizer, InferenceError> {
        let name = "tokenizer.json";
        let text = self.read(name, MOST_TOKENIZER_BYTES)?;
        let mut tokenizer = Tokenizer::from_bytes(text.as_bytes()).map_err(|error| self.bad(name, error.to_string()))?;
        // Windows are ours; and what looks like a special token in a text is text.
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| self.bad(name, error.to_string()))?;
        tokenizer.set_encode_special_tokens(true);
        Ok(tokenizer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str) -> Config {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn models_say_how_many_tokens_they_take() {
        let any = TokenizerConfig::default();
        assert_eq!(positions(&config(r#"{"max_position_embeddings": 512, "model_type": "bert", "pad_token_id": 0}"#), &any), 512);
        assert_eq!(positions(&config(r#"{"max_position_embeddings": 514, "model_type": "xlm-roberta", "pad_token_id": 1}"#), &any), 512);
        assert_eq!(positions(&config("{}"), &TokenizerConfig { model_max_length: Some(128.0) }), 128);
        assert_eq!(positions(&config("{}"), &TokenizerConfig { model_max_length: Some(1e30) }), 512);
    }

    #[test]
    fn a_graph_of_another_task_is_refused() {
        let port = |name: &str, numbers, shape: &[Option<usize>]| Port { name: name.to_owned(), numbers, shape: shape.to_vec() };
        assert!(input(&port("input_ids", Numbers::I64, &[None, None])).is_ok());
        assert!(input(&port("attention_mask", Numbers::I32, &[Some(1), Some(128)])).is_ok());
        for bad in [
            port("pixel_values", Numbers::F32, &[None, Some(3), None, None]),
            port("input_ids", Numbers::F32, &[None, None]),
            port("input_ids", Numbers::I64, &[Some(8), None]),
            port("input_ids", Numbers::I64, &[None]),
        ] {
            assert!(input(&bad).is_err(), "{bad:?}");
        }
        let logits = port("logits", Numbers::F32, &[None, None, Some(3)]);
        assert_eq!(output(std::slice::from_ref(&logits), 3).unwrap(), "logits");
        assert!(output(&[logits], 4).is_err());
        assert_eq!(output(&[port("output", Numbers::F32, &[None, None, None])], 4).unwrap(), "output");
        assert!(output(&[port("pooled", Numbers::F32, &[None, Some(4)])], 4).is_err());
    }
}
