//! `deid_spans`: where something identifies in a text column, one row each, without the text.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Float32Builder, Int64Builder, ListArray, StringViewArray, StringViewBuilder, StructArray},
    buffer::OffsetBuffer,
    datatypes::{DataType, Field, Fields},
};
use datafusion::{
    common::{NullHandling, Result as DataFusionResult, ScalarValue, UnnestOptions},
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, ScalarUDF, lit},
};
use serde::Deserialize;
use sutura_core::{
    ColumnMeta, PhiClass,
    record::{COL_LENGTH, COL_OFFSET, COL_SHA256, COL_SOURCE},
};
use sutura_privacy::{
    TextScrubber,
    text::{ClassSet, Span, TextClass},
};

use crate::{
    ColumnFunction,
    error::EngineError,
    functions::{args::as_text, known::KnownColumns},
    lineage,
    policy::BoundPolicy,
};

/// The column that is unnested.
const SPAN: &str = "__span";
const FUNCTION: &str = "deid_spans";

/// The third argument.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SpanOptions {
    /// Columns of the query that come along, beside the identity of the record.
    columns: Vec<String>,
    /// Columns with what is known of the patient: names, numbers, telephones, addresses, dates, each by its class.
    known: Vec<String>,
    /// Classes to look for, `all` or `identifiers`; without it those that the policy looks for.
    classes: Vec<String>,
    /// Languages of the text; without it those of the policy, else English.
    languages: Vec<String>,
    /// Whether the text of each span is a column too. It identifies: only a stated purpose shows it.
    values: bool,
}

fn bad(reason: impl Into<String>) -> EngineError {
    EngineError::BadCall { function: FUNCTION.to_owned(), reason: reason.into() }
}

/// The plan of the spans in a column of a plan.
pub(crate) fn table(
    input: LogicalPlan,
    column: &str,
    options: &SpanOptions,
    policy: Option<&BoundPolicy>,
) -> DataFusionResult<LogicalPlan> {
    let finder = Arc::new(Finder { scrubber: scrubber(options, policy)?, values: options.values });
    let schema = lineage::classified_plan_schema(&input);
    let of = |name: &str| one_column(&input, name);
    let text = of(column)?;
    let text_type = schema.field(text).data_type();
    let is_text = match text_type {
        DataType::Dictionary(_, values) => values.is_string(),
        other => other.is_string(),
    };
    if !is_text {
        return Err(bad(format!("{column:?} is no column of text")).into());
    }
    let columns = input.schema().columns();
    let mut arguments = vec![text];
    for name in &options.known {
        arguments.push(of(name)?);
    }
    let classes: Vec<Option<PhiClass>> = arguments[1..].iter().map(|at| ColumnMeta::from_field(schema.field(*at)).phi).collect();
    let identity = [COL_SOURCE, COL_OFFSET, COL_LENGTH, COL_SHA256].into_iter().filter_map(|name| of(name).ok());
    let mut kept: Vec<usize> = identity.collect();
    for name in &options.columns {
        let at = of(name)?;
        if !kept.contains(&at) {
            kept.push(at);
        }
    }

    let finding = Arc::clone(&finder);
    let whole = operational(SPAN, DataType::List(Arc::new(finder.item())), "spans");
    let find = ColumnFunction::new(FUNCTION, whole, move |columns| finding.lists(columns, &classes));
    let call = ScalarUDF::from(find).call(arguments.into_iter().map(|at| Expr::Column(columns[at].clone())).collect()).alias(SPAN);
    let kept_names: Vec<String> = kept.iter().map(|at| schema.field(*at).name().clone()).collect();
    let along = kept.iter().zip(&kept_names).map(|(at, name)| Expr::Column(columns[*at].clone()).alias(name));
    let first: Vec<Expr> = along.chain([call]).collect();

    let drop_empty = UnnestOptions { null_handling: NullHandling::Drop, ..UnnestOptions::default() };
    let unnested = LogicalPlanBuilder::from(input).project(first)?.unnest_column_with_options(SPAN, drop_empty)?;
    let mut last: Vec<Expr> = kept_names.iter().map(|name| crate::column(name)).collect();
    for (at, (name, data_type, class, doc)) in finder.parts().into_iter().enumerate() {
        let field = ColumnMeta { doc: Some(doc.to_owned()), ..ColumnMeta::of(class) }.apply(Field::new(name, data_type, true));
        let cut = ColumnFunction::new(name, field, move |columns| {
            let spans = columns[0].as_struct_opt().ok_or("a span is no struct")?;
            Ok(Arc::clone(spans.column(at)))
        });
        last.push(cut.over([SPAN]));
    }
    let language = finder.scrubber.languages().join("+");
    let place = last.len() - usize::from(options.values);
    last.insert(place, lit(ScalarValue::Utf8View(Some(language))).alias("language"));
    unnested.project(last)?.build()
}

fn scrubber(options: &SpanOptions, policy: Option<&BoundPolicy>) -> Result<TextScrubber, EngineError> {
    let scrubber = match policy {
        Some(policy) if options.languages.is_empty() => policy.scrubber().map_err(bad)?.clone(),
        _ => TextScrubber::new(policy.map(BoundPolicy::deidentifier), &options.languages).map_err(|error| bad(error.to_string()))?,
    };
    if options.classes.is_empty() {
        return Ok(scrubber);
    }
    let none = TextClass::ALL.iter().fold(ClassSet::all(), |set, class| set.without(*class));
    let mut classes = none;
    for word in &options.classes {
        let also = match word.as_str() {
            "all" => ClassSet::all(),
            "identifiers" => ClassSet::identifiers(),
            word => none.with(word.parse::<TextClass>().map_err(|error| bad(error.to_string()))?),
        };
        classes = TextClass::ALL.iter().filter(|class| also.contains(**class)).fold(classes, |set, class| set.with(*class));
    }
    Ok(scrubber.with_classes(classes))
}

/// The place of the only column of a name.
fn one_column(input: &LogicalPlan, name: &str) -> Result<usize, EngineError> {
    let fields = input.schema().fields();
    let mut found = fields.iter().enumerate().filter(|(_, field)| field.name() == name).map(|(at, _)| at);
    match (found.next(), found.next()) {
        (Some(at), None) => Ok(at),
        (Some(_), Some(_)) => Err(bad(format!("the query has several columns {name:?}; give them names of their own"))),
        (None, _) => {
            let names = fields.iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ");
            Err(bad(format!("the query has no column {name:?}; it has {names}")))
        }
    }
}

fn operational(name: &str, data_type: DataType, doc: &str) -> Field {
    ColumnMeta { doc: Some(doc.to_owned()), ..ColumnMeta::of(PhiClass::Operational) }.apply(Field::new(name, data_type, true))
}

/// Name, type, class and meaning of a column.
type Part = (&'static str, DataType, PhiClass, &'static str);

struct Finder {
    scrubber: TextScrubber,
    values: bool,
}

impl Finder {
    fn parts(&self) -> Vec<Part> {
        let mut parts = vec![
            ("class", DataType::Utf8View, PhiClass::Operational, "what identifies there"),
            ("start", DataType::Int64, PhiClass::Operational, "first byte in the text"),
            ("end", DataType::Int64, PhiClass::Operational, "byte after the last"),
            ("rule", DataType::Utf8View, PhiClass::Operational, "what found it"),
            ("score", DataType::Float32, PhiClass::Operational, "how sure the rule is, 0 to 1"),
        ];
        if self.values {
            parts.push(("value", DataType::Utf8View, PhiClass::FreeText, "the text there"));
        }
        parts
    }

    fn fields(&self) -> Fields {
        self.parts().into_iter().map(|(name, data_type, ..)| Field::new(name, data_type, true)).collect()
    }

    fn item(&self) -> Field {
        Field::new_list_field(DataType::Struct(self.fields()), true)
    }

    /// The spans of each row. The first column is the text, the others are what is known.
    fn lists(&self, columns: &[ArrayRef], classes: &[Option<PhiClass>]) -> Result<ArrayRef, String> {
        let failed = |_| "a column is no text".to_owned();
        let columns = columns.iter().map(as_text).collect::<DataFusionResult<Vec<StringViewArray>>>().map_err(failed)?;
        let [texts, known @ ..] = columns.as_slice() else { return Err("no column was given".to_owned()) };
        let mut patients = KnownColumns::new(classes.to_vec());
        let (mut rows, mut spans, mut counts) = (Rows::default(), Vec::new(), Vec::with_capacity(texts.len()));
        for (row, text) in texts.iter().enumerate() {
            spans.clear();
            if let Some(text) = text {
                let patient = patients.of_row(known.iter().map(|column| column.is_valid(row).then(|| column.value(row))));
                self.scrubber.spans(text, patient, &mut spans).map_err(|error| error.to_string())?;
                for span in &spans {
                    rows.push(text, span, self.values);
                }
            }
            counts.push(spans.len());
        }
        let values = StructArray::try_new(self.fields(), rows.finish(self.values), None).map_err(|error| error.to_string())?;
        let list = ListArray::try_new(Arc::new(self.item()), OffsetBuffer::from_lengths(counts), Arc::new(values), None);
        Ok(Arc::new(list.map_err(|error| error.to_string())?))
    }
}

/// Growing columns of spans.
#[derive(Default)]
struct Rows {
    classes: StringViewBuilder,
    starts: Int64Builder,
    ends: Int64Builder,
    rules: StringViewBuilder,
    scores: Float32Builder,
    values: StringViewBuilder,
}

impl Rows {
    fn push(&mut self, text: &str, span: &Span, value: bool) {
        let place = |byte: usize| i64::try_from(byte).unwrap_or(i64::MAX);
        self.classes.append_value(span.class.as_str());
        self.starts.append_value(place(span.start));
        self.ends.append_value(place(span.end));
        self.rules.append_value(span.rule.0);
        self.scores.append_value(span.score);
        if value {
            self.values.append_option(text.get(span.start..span.end));
        }
    }

    fn finish(mut self, values: bool) -> Vec<ArrayRef> {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.classes.finish()),
            Arc::new(self.starts.finish()),
            Arc::new(self.ends.finish()),
            Arc::new(self.rules.finish()),
            Arc::new(self.scores.finish()),
        ];
        if values {
            columns.push(Arc::new(self.values.finish()));
        }
        columns
    }
}
