//! HL7 v2 messages and C-CDA documents as FHIR, in SQL.
//!
//! What comes out is a whole record of a person: its class is free text, whatever goes in.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
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
use serde::Deserialize;
use sutura_convert::report::Report;
use sutura_core::{ColumnMeta, PhiClass};
use sutura_terminology::UserTerminology;

use super::{
    args::{TextArg, result},
    tally::Tally,
};
use crate::EngineError;
use crate::convert::{ConvertOptions, RecordKind, RowConverter, source_of};

pub(super) fn all(user: Option<&Arc<UserTerminology>>) -> impl Iterator<Item = ScalarUDF> {
    let options = ConvertOptions { terminology: user.cloned(), ..ConvertOptions::default() };
    // Without a zone nothing can be wrong with them.
    let converters = [RecordKind::Hl7v2, RecordKind::Ccda].into_iter().filter_map(move |kind| RowConverter::new(kind, &options).ok());
    let user = user.cloned();
    converters.map(move |converter| {
        let signature = Signature::variadic_any(Volatility::Stable);
        let (converter, options, user) = (Arc::new(converter), None, user.clone());
        ScalarUDF::from(ConvertFunction { converter, options, user, signature, tally: None })
    })
}

/// What the second argument says.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    zone: Option<String>,
    base: Option<String>,
    namespace_base: Option<String>,
    local_systems: Option<String>,
    provenance: bool,
}

/// `hl7v2_to_fhir` and `ccda_to_fhir`.
#[derive(Debug)]
pub(super) struct ConvertFunction {
    converter: Arc<RowConverter>,
    /// The text of the options that the converter has.
    options: Option<String>,
    user: Option<Arc<UserTerminology>>,
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

    /// The converter for these options.
    fn converter_for(&self, options: Option<&str>) -> Result<Arc<RowConverter>> {
        if options == self.options.as_deref() {
            return Ok(Arc::clone(&self.converter));
        }
        let bad = |reason: String| EngineError::BadCall { function: self.name().to_owned(), reason };
        let settings: Settings = match options {
            Some(text) => serde_json::from_str(text).map_err(|error| bad(format!("the options are not JSON that is known ({error})")))?,
            None => Settings::default(),
        };
        let options = ConvertOptions {
            zone: settings.zone,
            base_url: settings.base,
            namespace_base: settings.namespace_base,
            local_systems: settings.local_systems,
            terminology: self.user.clone(),
            provenance: settings.provenance,
        };
        Ok(Arc::new(RowConverter::new(self.kind(), &options).map_err(bad)?))
    }
}

impl PartialEq for ConvertFunction {
    fn eq(&self, other: &Self) -> bool {
        let user = |function: &Self| function.user.as_ref().map(Arc::as_ptr);
        self.kind() == other.kind() && self.options == other.options && user(self) == user(other)
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
        if !matches!(args.arg_fields.len(), 1 | 2) {
            return match self.kind() {
                RecordKind::Hl7v2 => plan_err!("hl7v2_to_fhir takes the text of a message and options: hl7v2_to_fhir(text [, 'options'])"),
                RecordKind::Ccda => plan_err!("ccda_to_fhir takes the text of a document and options: ccda_to_fhir(text [, 'options'])"),
            };
        }
        if let Some(options) = args.scalar_arguments.get(1) {
            let Some(options) = options else { return plan_err!("the options of {} are a text literal", self.name()) };
            self.converter_for(options.try_as_str().flatten())?;
        }
        Ok(Arc::new(Self::declared_meta().apply(Field::new(self.name(), DataType::Utf8View, true))))
    }

    /// Each query gets a function of its own, which says at the end of the query what could not be converted.
    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        if self.tally.is_some() {
            return Ok(ExprSimplifyResult::Original(args));
        }
        let options = match args.get(1) {
            Some(Expr::Literal(value, _)) => value.try_as_str().flatten().map(str::to_owned),
            _ => None,
        };
        let tally = Tally::new(self.name(), "converted");
        let counting = Self {
            converter: self.converter_for(options.as_deref())?,
            options,
            user: self.user.clone(),
            signature: self.signature.clone(),
            tally: Some(Arc::new(tally)),
        };
        let call = ScalarFunction::new_udf(Arc::new(ScalarUDF::from(counting)), args);
        Ok(ExprSimplifyResult::Simplified(Expr::ScalarFunction(call)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let values = args.args.iter().map(TextArg::of).collect::<Result<Vec<_>>>()?;
        let (texts, options) = match values.as_slice() {
            [texts] => (texts, None),
            [texts, TextArg::Scalar(options)] => (texts, options.as_deref()),
            _ => return plan_err!("{} was called with other arguments than planned", self.name()),
        };
        let converter = self.converter_for(options)?;
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
            match converter.convert(text, &source_of(text), &mut report, &mut bundle) {
                Ok(()) => builder.append_option(std::str::from_utf8(&bundle).ok()),
                Err(refusal) => {
                    builder.append_null();
                    if let Some(tally) = &self.tally {
                        tally.add(refusal.0);
                    }
                }
            }
        }
        result(Arc::new(builder.finish()), scalar)
    }
}
