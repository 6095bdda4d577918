//! SQL functions of Sutura.

use std::{any::Any, sync::Arc};

use datafusion::logical_expr::ScalarUDF;
use sutura_core::ColumnMeta;

use crate::ColumnFunction;

/// What one of our functions says its result is, given what goes into it; `None` for other functions.
pub(crate) fn declared_meta(function: &Arc<ScalarUDF>, _args: &[ColumnMeta]) -> Option<ColumnMeta> {
    let implementation: &dyn Any = function.inner().as_ref();
    if let Some(step) = implementation.downcast_ref::<ColumnFunction>() {
        return Some(step.declared_meta());
    }
    None
}
