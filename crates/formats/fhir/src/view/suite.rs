//! Test files of SQL on FHIR, case by case, and the report that the specification's site collects.
//!
//! A file holds `resources` and `tests`; a test holds a `view` and what is expected of it (`expect`, `expectCount`, `expectColumns` or
//! `expectError`), as the specification's own files do.

use std::{fs, io, path::PathBuf};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{DataType, Float64Type, Int64Type},
};
use serde_json::{Map, Value, json};

use super::{View, ViewError};
use crate::json::Parser;

/// One case: the file, its title, and what differed (nothing is a pass).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// File name.
    pub file: String,
    /// Title of the test.
    pub title: String,
    /// What differed: counts, places and names of columns, no value of a resource.
    pub reasons: Vec<String>,
}

/// Runs every case of these files.
///
/// # Errors
/// When a file cannot be read or is no JSON.
pub fn run(files: &[PathBuf]) -> io::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for path in files {
        let suite: Value = serde_json::from_slice(&fs::read(path)?)?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let resources: Vec<Vec<u8>> =
            suite["resources"].as_array().into_iter().flatten().map(serde_json::to_vec).collect::<Result<_, _>>()?;
        for test in suite["tests"].as_array().into_iter().flatten() {
            let title = test["title"].as_str().unwrap_or_default().to_owned();
            cases.push(Case { file: file.clone(), title, reasons: check(test, &resources)? });
        }
    }
    Ok(cases)
}

/// The report in the form that the specification's site collects.
pub fn report(cases: &[Case]) -> Value {
    let mut files: Map<String, Value> = Map::new();
    for case in cases {
        let mut result = json!({"passed": case.reasons.is_empty()});
        if !case.reasons.is_empty() {
            result["error"] = json!(case.reasons.join("; "));
        }
        let entry = files.entry(case.file.clone()).or_insert_with(|| json!({"tests": []}));
        if let Some(tests) = entry["tests"].as_array_mut() {
            tests.push(json!({"name": case.title, "result": result}));
        }
    }
    Value::Object(files)
}

fn rows_of(test: &Value, resources: &[Vec<u8>]) -> Result<(View, RecordBatch), ViewError> {
    let view = View::from_json(test["view"].to_string().as_bytes())?;
    let mut parser = Parser::default();
    let batch = {
        let mut rows = view.rows();
        for resource in resources {
            if let Ok(document) = parser.parse(resource) {
                rows.append(document.root())?;
            }
        }
        rows.finish()?
    };
    Ok((view, batch))
}

fn check(test: &Value, resources: &[Vec<u8>]) -> io::Result<Vec<String>> {
    let must_fail = test["expectError"] == json!(true);
    let (view, batch) = match rows_of(test, resources) {
        Ok(_) if must_fail => return Ok(vec!["gave rows instead of an error".to_owned()]),
        Ok(found) => found,
        Err(_) if must_fail => return Ok(Vec::new()),
        Err(error) => return Ok(vec![format!("gave an error: {error}")]),
    };
    let mut reasons = Vec::new();
    let names: Vec<String> = view.schema().fields().iter().map(|field| field.name().clone()).collect();
    if let Some(expected) = test["expectColumns"].as_array()
        && !expected.iter().filter_map(Value::as_str).eq(names.iter().map(String::as_str))
    {
        reasons.push(format!("columns {names:?}"));
    }
    if let Some(count) = test["expectCount"].as_u64()
        && count != batch.num_rows() as u64
    {
        reasons.push(format!("{} rows instead of {count}", batch.num_rows()));
    }
    if let Some(expected) = test["expect"].as_array() {
        let mut found: Vec<Value> = (0..batch.num_rows()).map(|row| row_of(&batch, &names, row)).collect::<io::Result<_>>()?;
        if found.len() != expected.len() {
            reasons.push(format!("{} rows instead of {}", found.len(), expected.len()));
        }
        // The order of rows is not defined. Rows are named by their place: people test their views on real records.
        let mut missing = Vec::new();
        for (place, wanted) in expected.iter().enumerate() {
            match found.iter().position(|row| same(row, wanted)) {
                Some(at) => drop(found.swap_remove(at)),
                None => missing.push(place.to_string()),
            }
        }
        if !missing.is_empty() {
            reasons.push(format!("no row is as expect[{}]; {} rows are left", missing.join(", "), found.len()));
        }
    }
    Ok(reasons)
}

/// Numbers by value, and a key that is not expected may be null.
fn same(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Number(found), Value::Number(wanted)) => found.as_f64() == wanted.as_f64(),
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| same(found, wanted))
        }
        (Value::Object(found), Value::Object(wanted)) => {
            found.iter().all(|(key, value)| same(value, wanted.get(key).unwrap_or(&Value::Null)))
                && wanted.keys().all(|key| found.contains_key(key))
        }
        _ => found == wanted,
    }
}

fn row_of(batch: &RecordBatch, names: &[String], row: usize) -> io::Result<Value> {
    let mut object = Map::new();
    for (name, column) in names.iter().zip(batch.columns()) {
        object.insert(name.clone(), cell(column.as_ref(), row)?);
    }
    Ok(Value::Object(object))
}

fn cell(array: &dyn Array, row: usize) -> io::Result<Value> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match array.data_type() {
        DataType::Utf8View => json!(array.as_string_view().value(row)),
        DataType::Boolean => json!(array.as_boolean().value(row)),
        DataType::Int64 => json!(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => json!(array.as_primitive::<Float64Type>().value(row)),
        DataType::List(_) => {
            let values = array.as_list::<i32>().value(row);
            Value::Array((0..values.len()).map(|at| cell(values.as_ref(), at)).collect::<io::Result<_>>()?)
        }
        other => return Err(io::Error::other(format!("a column of type {other}"))),
    })
}
