//! De-identification of a data frame: what [`sutura_privacy::SchemaPlan`] decides for each column, as
//! a projection that streams and runs in every part of the plan at once.

use std::sync::Arc;

use arrow::datatypes::Field;
use datafusion::{
    common::DFSchema,
    logical_expr::{Expr, ScalarUDF},
    prelude::DataFrame,
};
use sutura_privacy::SchemaPlan;

use crate::{ColumnFunction, EngineError, Result};

/// Applies a plan that was made for [`crate::lineage::classified_schema`] of this data frame: dropped
/// columns vanish, the others come out with the class and treatment that the plan says.
pub fn deidentify(df: DataFrame, plan: &Arc<SchemaPlan>) -> Result<DataFrame> {
    let outputs = projection(df.schema(), plan)?;
    Ok(df.select(outputs)?)
}

/// The columns that come out of a plan for columns of that schema.
pub(crate) fn projection(schema: &DFSchema, plan: &Arc<SchemaPlan>) -> Result<Vec<Expr>> {
    let columns = schema.columns();
    let planned = plan.input_schema();
    let fits = columns.len() == planned.fields().len()
        && schema.fields().iter().zip(planned.fields()).all(|(a, b)| a.name() == b.name() && a.data_type() == b.data_type());
    if !fits {
        return Err(EngineError::BadCall {
            function: "deidentify".to_owned(),
            reason: "the plan was made for other columns; plan the classified schema of this data frame".to_owned(),
        });
    }
    let mut outputs: Vec<Expr> = Vec::with_capacity(columns.len());
    for (position, column) in plan.columns().iter().enumerate() {
        let Some(output) = column.output_field() else { continue };
        let mut args = vec![Expr::Column(columns[column.input()].clone())];
        args.extend(column.beside().map(|beside| Expr::Column(columns[beside].clone())));
        outputs.push(treat(plan, position, output, args));
    }
    Ok(outputs)
}

fn treat(plan: &Arc<SchemaPlan>, position: usize, output: Field, args: Vec<Expr>) -> Expr {
    let name = output.name().clone();
    let plan = Arc::clone(plan);
    let function = ColumnFunction::new(format!("deidentify_{name}"), output, move |arrays| {
        let [value, beside @ ..] = arrays else { return Err("no column was given".to_owned()) };
        plan.columns()[position].transform(value, beside).map_err(|error| error.to_string())
    });
    ScalarUDF::from(function).call(args).alias(name)
}
