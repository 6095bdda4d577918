//! HL7 v2 messages and C-CDA documents as FHIR, in SQL.
//!
//! What comes out is a whole record of a person: its class is free text, whatever goes in.

use std::{
    collections::BTreeMap,
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{
    array::StringViewBuilder,
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    common::{Result, plan_err},
    logical_expr::{
        ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
        expr::ScalarFunction,
        simplify::{ExprSimplifyResult, SimplifyContext},
    },
};
use sutura_convert::report::Report;
use sutura_core::{ColumnMeta, PhiClass};

use super::args::{TextArg, result};
use crate::convert::{ConvertOptions, RecordKind, Refusal, RowConverter, source_of};

pub(super) fn all() -> impl Iterator<Item = ScalarUDF> {
    // Without options nothing can be wrong with them.
    let converters =
        [RecordKind::Hl7v2, RecordKind::Ccda].into_iter().filter_map(|kind| RowConverter::new(kind, &ConvertOptions::default()).ok());
    converters.map(|converter| {
        let signature = Signature::variadic_any(Volatility::Stable);
        ScalarUDF::from(ConvertFunction { converter: Arc::new(converter), signature, tally: None })
    })
}

/// `hl7v2_to_fhir` and `ccda_to_fhir`.
#[derive(Debug)]
pub(super) struct ConvertFunction {
    converter: Arc<RowConverter>,
    signature: Signature,
    /// What could not be converted in one query; none for the function as it is registered.
    tally: Option<Arc<Tally>>,
}

impl ConvertFunction {
    /// A whole record.
    pub(super) fn declared_meta() -> ColumnMeta {
        ColumnMeta { phi: Some(PhiClass::FreeText), ..ColumnMeta::default() }
    }

    fn kind(&self) -> RecordKind {
        self.converter.kind()
    }
}

impl PartialEq for ConvertFunction {
    fn eq(&self, other: &Self) -> bool {
        self.kind() == other.kind()
    }
}

impl Eq for ConvertFunction {}

impl Hash for ConvertFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind().hash(state);
    }
}

impl ScalarUDFImpl for ConvertFunction {
    fn name(&self) -> &str {
        match self.kind() {
            RecordKind::Hl7v2 => "hl7v2_to_fhir",
            RecordKind::Ccda => "ccda_to_fhir",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        if args.arg_fields.len() != 1 {
            return match self.kind() {
                RecordKind::Hl7v2 => plan_err!("hl7v2_to_fhir takes the text of a message: hl7v2_to_fhir(text)"),
                RecordKind::Ccda => plan_err!("ccda_to_fhir takes the text of a document: ccda_to_fhir(text)"),
            };
        }
        Ok(Arc::new(Self::declared_meta().apply(Field::new(self.name(), DataType::Utf8View, true))))
    }

    /// Each query gets a function of its own, which says at the end of the query what could not be converted.
    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        if self.tally.is_some() {
            return Ok(ExprSimplifyResult::Original(args));
        }
        let tally = Tally { name: self.name().to_owned(), refused: Mutex::default() };
        let counting = Self { converter: Arc::clone(&self.converter), signature: self.signature.clone(), tally: Some(Arc::new(tally)) };
        let call = ScalarFunction::new_udf(Arc::new(ScalarUDF::from(counting)), args);
        Ok(ExprSimplifyResult::Simplified(Expr::ScalarFunction(call)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let values = args.args.iter().map(TextArg::of).collect::<Result<Vec<_>>>()?;
        let [texts] = values.as_slice() else { return plan_err!("{} was called with the wrong number of arguments", self.name()) };
        let scalar = matches!(texts, TextArg::Scalar(_));
        let rows = if scalar { 1 } else { args.number_rows };
        let mut builder = StringViewBuilder::with_capacity(rows);
        let (mut report, mut bundle) = (Report::new(), Vec::new());
        for row in 0..rows {
            let Some(text) = texts.get(row) else {
                builder.append_null();
                continue;
            };
            bundle.clear();
            match self.converter.convert(text, &source_of(text), &mut report, &mut bundle) {
                Ok(()) => builder.append_option(std::str::from_utf8(&bundle).ok()),
                Err(refusal) => {
                    builder.append_null();
                    if let Some(tally) = &self.tally {
                        tally.add(refusal);
                    }
                }
            }
        }
        result(Arc::new(builder.finish()), scalar)
    }
}

/// What all parts of one query could not convert. It is logged when its plan is dropped, which is when it has ended.
#[derive(Debug)]
struct Tally {
    name: String,
    refused: Mutex<BTreeMap<Refusal, u64>>,
}

impl Tally {
    fn add(&self, refusal: Refusal) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner).entry(refusal).or_default() += 1;
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let refused = self.refused.get_mut().unwrap_or_else(PoisonError::into_inner);
        let rows: u64 = refused.values().sum();
        if rows > 0 {
            let reasons: Vec<String> = refused.iter().map(|(refusal, count)| format!("{} ({count})", refusal.0)).collect();
            tracing::warn!(rows, reasons = %reasons.join("; "), "{}() gave null where a record could not be converted", self.name);
        }
    }
}
