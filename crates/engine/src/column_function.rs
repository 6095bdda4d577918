//! A function over whole columns, given as a closure: what job steps are made of.
//!
//! Unlike a SQL function it is not found by name; it declares the metadata of its result, which
//! lineage then believes. So it is for code of this workspace only, where the declaration is reviewed.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arrow::{
    array::ArrayRef,
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    common::{Column, Result, internal_err},
    logical_expr::{ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};
use sutura_core::ColumnMeta;

use crate::EngineError;

/// The closure: columns in, one column of as many rows out. An error stops the plan; its text must not hold field content.
pub type ColumnClosure = dyn Fn(&[ArrayRef]) -> Result<ArrayRef, String> + Send + Sync;

/// A function over columns with a declared result.
pub struct ColumnFunction {
    id: u64,
    name: String,
    output: FieldRef,
    signature: Signature,
    closure: Arc<ColumnClosure>,
}

impl ColumnFunction {
    /// A function that gives `output`: its type, and its metadata for lineage.
    pub fn new(
        name: impl Into<String>,
        output: Field,
        closure: impl Fn(&[ArrayRef]) -> Result<ArrayRef, String> + Send + Sync + 'static,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            name: name.into(),
            output: Arc::new(output),
            signature: Signature::variadic_any(Volatility::Immutable),
            closure: Arc::new(closure),
        }
    }

    /// The function applied to columns of a data frame, under the name of its output.
    pub fn over<'a>(self, columns: impl IntoIterator<Item = &'a str>) -> Expr {
        let name = self.output.name().clone();
        let args = columns.into_iter().map(column).collect();
        ScalarUDF::from(self).call(args).alias(name)
    }

    /// What the function declares of its result.
    pub fn declared_meta(&self) -> ColumnMeta {
        ColumnMeta::from_field(&self.output)
    }
}

/// A column of a data frame by its name, as it is written: no folding of case, no parts.
pub fn column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

impl fmt::Debug for ColumnFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ColumnFunction").field("name", &self.name).field("output", &self.output).finish_non_exhaustive()
    }
}

// Two closures cannot be compared: a function equals only itself.
impl PartialEq for ColumnFunction {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for ColumnFunction {}

impl Hash for ColumnFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl ScalarUDFImpl for ColumnFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.output.data_type().clone())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::clone(&self.output))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let columns = args.args.iter().map(|value| value.to_array(rows)).collect::<Result<Vec<_>>>()?;
        match (self.closure)(&columns) {
            Ok(column) if column.len() == rows && column.data_type() == self.output.data_type() => Ok(ColumnarValue::Array(column)),
            Ok(_) => internal_err!("the function {} gave a column of another length or type", self.name),
            Err(reason) => Err(EngineError::Function { name: self.name.clone(), reason }.into()),
        }
    }
}
