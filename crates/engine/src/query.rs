//! What can be known of a query before anything runs, and tables to plan it over.

use std::sync::Arc;

use datafusion::{
    catalog::{MemorySchemaProvider, SchemaProvider},
    common::{DataFusionError, TableReference},
    datasource::empty::EmptyTable,
    sql::{
        parser::{DFParser, Statement},
        resolve::resolve_table_references,
        sqlparser::ast,
    },
};
use sutura_core::TableDef;

use crate::{Engine, EngineError, Result, relations};

/// The tables a SELECT statement reads, as they are written (`feed.messages`, `step_name`), sorted. Table functions are among them, but for those over a query, whose
/// own tables are.
///
/// # Errors
/// When the text is not exactly one SELECT statement.
pub fn tables_of(query: &str) -> Result<Vec<String>> {
    let refused = |reason: String| EngineError::BadCall { function: "query".to_owned(), reason };
    let mut statements = DFParser::parse_sql(query)?;
    for statement in &mut statements {
        relations::name_queries(statement);
        relations::rename_functions(statement);
    }
    let (Some(statement), 1) = (statements.front(), statements.len()) else {
        return Err(refused(format!("write exactly one SELECT statement, not {}", statements.len())));
    };
    if !matches!(statement, Statement::Statement(inner) if matches!(**inner, ast::Statement::Query(_))) {
        return Err(refused("only SELECT is possible here; what is to be written goes into a sink".to_owned()));
    }
    let (tables, _) = resolve_table_references(statement, true)?;
    let mut names: Vec<String> = tables.iter().map(table_name).filter(|name| name != relations::NO_TABLE).collect();
    names.sort();
    Ok(names)
}

fn table_name(reference: &TableReference) -> String {
    match reference.schema() {
        Some(schema) => format!("{schema}.{}", reference.table()),
        None => reference.table().to_owned(),
    }
}

impl Engine {
    /// Registers tables without rows as `<schema>.<table>`, to plan queries over.
    pub fn register_empty<'a>(&self, schema: &str, tables: impl IntoIterator<Item = &'a TableDef>) -> Result<()> {
        let provider = MemorySchemaProvider::new();
        for table in tables {
            provider.register_table(table.name.clone(), Arc::new(EmptyTable::new(table.schema())))?;
        }
        let default = self.session().state().config_options().catalog.default_catalog.clone();
        let catalog = self.session().catalog(&default).ok_or_else(|| DataFusionError::Internal("no default catalog".to_owned()))?;
        catalog.register_schema(schema, Arc::new(provider))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_a_query() {
        let tables = tables_of("with x as (select 1 as a) select * from feed.messages m join other o on m.a = o.a, x").unwrap();
        assert_eq!(tables, ["feed.messages", "other"]);
        let refusal = |query: &str| tables_of(query).unwrap_err().to_string();
        assert!(refusal("drop table a").contains("only SELECT"));
        assert!(refusal("select 1; select 2").contains("exactly one"));
        assert!(tables_of("selec 1").unwrap_err().is_configuration());
        assert_eq!(tables_of("select * from read_hl7v2('a')").unwrap(), ["read_hl7v2"]);
    }

    #[tokio::test]
    async fn empty_tables_have_columns() {
        let engine = Engine::new(crate::EngineOptions::default()).unwrap();
        let formats = crate::formats();
        engine.register_empty("feed", formats[0].tables()).unwrap();
        let rows = engine.sql("select message_type from feed.messages").await.unwrap().count().await.unwrap();
        assert_eq!(rows, 0);
    }
}
