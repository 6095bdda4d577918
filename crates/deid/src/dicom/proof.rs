//! What was done to a file, without any value.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, StringViewBuilder, UInt32Builder, UInt64Builder},
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
};
use serde::Serialize;
use sutura_core::{ColumnMeta, PhiClass};
use sutura_dicom::{Tag, dictionary};

use super::{identity::Identity, options::Options, rules::By};

/// Different places of one file that are told apart; the rest are counted together.
const MOST_PLACES: usize = 20_000;

/// What was done to one file: serialisable, and free of values. A place is a path of tags; items of a sequence are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// The new SOP Instance UID.
    pub instance: String,
    /// Name and version of the policy.
    pub policy: String,
    /// Id of the key.
    pub key: String,
    /// The profile and the options that were on.
    pub options: Vec<&'static str>,
    /// What was done, where and how often.
    pub actions: Vec<ActionCount>,
    /// Elements that stayed as they were, because nothing says that they identify anybody.
    pub untouched: u64,
    /// Areas of pixels that were painted over.
    pub boxes: Vec<CleanedBox>,
    /// What a person should look at: stable words.
    pub warnings: Vec<&'static str>,
    #[serde(skip)]
    counts: BTreeMap<(Vec<Tag>, &'static str, By), u64>,
}

/// What was done at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActionCount {
    /// The tags from the outermost sequence to the element; `(private)` and `(unknown)` for those that the dictionary does not have.
    pub path: String,
    /// Keyword of the element; empty of private and unknown ones.
    pub keyword: &'static str,
    /// `removed`, `emptied`, `dummy`, `uid`, `code`, `date`, `age`, `cleaned`, `stripped`, `defaced` or `kept`.
    pub action: &'static str,
    /// What decided: `basic`, an option, `class` (not in the profile's table), `private`, `unknown` (not in the dictionary) or `reference` (a
    /// sequence of references), what was stripped (`not-of-the-image`, `not-of-a-frame`, `offset-table`, `unused-bits`, ...), `tokens` (a name or number of
    /// somebody in the document was found in it), `local-code` (a code of no common terminology, or a text in its place), `meaning` (of a code, written anew)
    /// or `concept` (a content item that is about somebody).
    pub by: &'static str,
    /// How often.
    pub count: u64,
}

/// An area of pixels that was painted over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CleanedBox {
    /// The first frame, from 0.
    pub frame: u32,
    /// Frames from there on.
    pub frames: u32,
    /// Column of the left edge, from 0.
    pub x: u32,
    /// Row of the upper edge, from 0.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// The rule that said so, or `detected`.
    pub by: &'static str,
}

impl Proof {
    pub(crate) fn new(identity: &Identity, options: &Options) -> Self {
        Self {
            instance: String::new(),
            policy: identity.policy().to_owned(),
            key: identity.key_id().to_owned(),
            options: options.words(),
            actions: Vec::new(),
            untouched: 0,
            boxes: Vec::new(),
            warnings: Vec::new(),
            counts: BTreeMap::new(),
        }
    }

    pub(crate) fn record(&mut self, path: &[Tag], action: &'static str, by: By) {
        let key = (path.to_vec(), action, by);
        if let Some(count) = self.counts.get_mut(&key) {
            *count += 1;
        } else if self.counts.len() < MOST_PLACES {
            self.counts.insert(key, 1);
        } else {
            *self.counts.entry((Vec::new(), action, by)).or_default() += 1;
        }
    }

    pub(crate) fn warn(&mut self, warning: &'static str) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Writes the counts out.
    pub(crate) fn finish(&mut self) {
        let counts = std::mem::take(&mut self.counts);
        self.actions = counts
            .into_iter()
            .map(|((tags, action, by), count)| {
                let path = tags.iter().copied().map(shown).collect::<Vec<_>>().join("/");
                let keyword = tags.last().and_then(|tag| dictionary::attribute(*tag)).map_or("", |attribute| attribute.keyword);
                ActionCount { path, keyword, action, by, count }
            })
            .collect();
    }

    /// How often an action was done.
    pub fn count(&self, action: &str) -> u64 {
        self.actions.iter().filter(|row| row.action == action).map(|row| row.count).sum()
    }
}

/// A tag; of one that the dictionary does not have only that it was one: its four bytes are of the file, and may be a text.
fn shown(tag: Tag) -> String {
    match dictionary::attribute(tag) {
        Some(_) => tag.to_string(),
        None if tag.element() == 0 => "(group length)".to_owned(),
        None if tag.is_private() => "(private)".to_owned(),
        None => "(unknown)".to_owned(),
    }
}

/// The schema of the table `deid_actions`: a row for each place of a file.
pub fn actions_schema() -> SchemaRef {
    let column = |name: &str, data_type, phi, doc: &str, deid: Option<&str>| {
        let meta = ColumnMeta { doc: Some(doc.to_owned()), deid: deid.map(str::to_owned), ..ColumnMeta::of(phi) };
        meta.apply(Field::new(name, data_type, false))
    };
    let text = || DataType::Utf8View;
    Arc::new(Schema::new(vec![
        column("instance", text(), PhiClass::OtherId, "SOP Instance UID of the released file", Some("pseudonym")),
        column("path", text(), PhiClass::Operational, "tags from the outermost sequence to the element", None),
        column("keyword", text(), PhiClass::Operational, "keyword of the element; empty of private and unknown ones", None),
        column(
            "action",
            text(),
            PhiClass::Operational,
            "removed, emptied, dummy, uid, code, date, age, cleaned, stripped, kept, defaced or painted",
            None,
        ),
        column(
            "decided_by",
            text(),
            PhiClass::Operational,
            "basic, an option, class, private, unknown, tokens, or the rule of pixels",
            None,
        ),
        column("count", DataType::UInt64, PhiClass::Operational, "how often", None),
        column("frame", DataType::UInt32, PhiClass::Operational, "first frame of a painted area, from 0; else 0", None),
        column("frames", DataType::UInt32, PhiClass::Operational, "frames of a painted area; else 0", None),
        column("x", DataType::UInt32, PhiClass::Operational, "left edge of a painted area; else 0", None),
        column("y", DataType::UInt32, PhiClass::Operational, "upper edge of a painted area; else 0", None),
        column("width", DataType::UInt32, PhiClass::Operational, "columns of a painted area; else 0", None),
        column("height", DataType::UInt32, PhiClass::Operational, "rows of a painted area; else 0", None),
    ]))
}

/// The table `deid_actions` of some proofs.
///
/// # Errors
/// Never in practice: when Arrow refuses the columns.
pub fn actions_table<'p>(proofs: impl IntoIterator<Item = &'p Proof>) -> Result<RecordBatch, ArrowError> {
    let mut texts: [StringViewBuilder; 5] = std::array::from_fn(|_| StringViewBuilder::new());
    let mut count = UInt64Builder::new();
    let mut places: [UInt32Builder; 6] = std::array::from_fn(|_| UInt32Builder::new());
    for proof in proofs {
        let mut row = |values: [&str; 5], times: u64, place: [u32; 6]| {
            texts.iter_mut().zip(values).for_each(|(builder, value)| builder.append_value(value));
            count.append_value(times);
            places.iter_mut().zip(place).for_each(|(builder, value)| builder.append_value(value));
        };
        for action in &proof.actions {
            row([&proof.instance, &action.path, action.keyword, action.action, action.by], action.count, [0; 6]);
        }
        for area in &proof.boxes {
            let place = [area.frame, area.frames, area.x, area.y, area.width, area.height];
            row([&proof.instance, "(7FE0,0010)", "PixelData", "painted", area.by], 1, place);
        }
    }
    let mut columns: Vec<ArrayRef> = texts.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef).collect();
    columns.push(Arc::new(count.finish()));
    columns.extend(places.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef));
    RecordBatch::try_new(actions_schema(), columns)
}
