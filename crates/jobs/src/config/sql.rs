//! Which tables a query reads, known before anything runs.

use sutura_engine::datafusion::{
    common::TableReference,
    sql::{
        parser::{DFParser, Statement},
        resolve::resolve_table_references,
        sqlparser::ast,
    },
};

use crate::build::plain;

/// The tables a SELECT statement reads, as they are written in jobs (`feed.messages`, `step_name`).
///
/// # Errors
/// A message for people when the text is not exactly one SELECT statement.
pub fn tables_of(query: &str) -> Result<Vec<String>, String> {
    let statements = DFParser::parse_sql(query).map_err(|error| format!("the query cannot be parsed: {}", plain(error)))?;
    let (Some(statement), 1) = (statements.front(), statements.len()) else {
        return Err(format!("write exactly one SELECT statement, not {}", statements.len()));
    };
    let is_query = matches!(statement, Statement::Statement(inner) if matches!(**inner, ast::Statement::Query(_)));
    if !is_query {
        return Err("a step may only SELECT; use a [[sink]] to write".into());
    }
    let (tables, _) = resolve_table_references(statement, true).map_err(plain)?;
    let mut names: Vec<String> = tables.iter().map(table_name).collect();
    names.sort();
    Ok(names)
}

fn table_name(reference: &TableReference) -> String {
    match reference.schema() {
        Some(schema) => format!("{schema}.{}", reference.table()),
        None => reference.table().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_a_query() {
        let tables = tables_of("with x as (select 1 as a) select * from feed.messages m join other o on m.a = o.a, x").unwrap();
        assert_eq!(tables, ["feed.messages", "other"]);
        assert!(tables_of("drop table a").unwrap_err().contains("only SELECT"));
        assert!(tables_of("select 1; select 2").unwrap_err().contains("exactly one"));
        assert!(tables_of("selec 1").is_err());
        assert_eq!(tables_of("select * from read_hl7v2('a')").unwrap(), ["read_hl7v2"]);
    }
}
