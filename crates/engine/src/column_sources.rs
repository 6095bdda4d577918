//! Which source columns each column of a plan was made from, for lineage events and plans.
//!
//! Unlike [`crate::lineage`] this decides nothing: it is for people who want to know where a number came from.

use std::collections::BTreeSet;

use datafusion::{
    common::{Column, DFSchema, tree_node::TreeNode, tree_node::TreeNodeRecursion},
    logical_expr::{Distinct, Expr, LogicalPlan, TableScan, utils::grouping_set_to_exprlist},
};

/// A table as it is written in queries (`schema.table`), and a column of it.
pub type SourceColumn = (String, String);
type Origins = BTreeSet<SourceColumn>;

/// The origins of each output column, in order. Columns of nodes that are not known have the origins of all inputs.
pub fn column_sources(plan: &LogicalPlan) -> Vec<BTreeSet<SourceColumn>> {
    let width = plan.schema().fields().len();
    let mut origins = node(plan);
    if origins.len() != width {
        let all: Origins = plan.inputs().iter().flat_map(|input| column_sources(input)).flatten().collect();
        origins = vec![all; width];
    }
    origins
}

/// Every source column a plan looks at, filters and join keys included.
pub fn columns_read(plan: &LogicalPlan) -> BTreeSet<SourceColumn> {
    let mut found = Origins::new();
    // Walking never fails: the closure does not.
    let _ = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(table) = node {
            match table.source.get_logical_plan() {
                Some(view) => found.extend(columns_read(&view)),
                None => found.extend(scan(table).into_iter().flatten()),
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

fn node(plan: &LogicalPlan) -> Vec<Origins> {
    match plan {
        LogicalPlan::TableScan(table) => scan(table),
        LogicalPlan::Projection(projection) => over(&projection.input, &projection.expr),
        LogicalPlan::Filter(node) => column_sources(&node.input),
        LogicalPlan::Sort(node) => column_sources(&node.input),
        LogicalPlan::Limit(node) => column_sources(&node.input),
        LogicalPlan::Repartition(node) => column_sources(&node.input),
        LogicalPlan::SubqueryAlias(node) => column_sources(&node.input),
        LogicalPlan::Subquery(node) => column_sources(&node.subquery),
        LogicalPlan::Distinct(Distinct::All(input)) => column_sources(input),
        LogicalPlan::Distinct(Distinct::On(node)) => over(&node.input, &node.select_expr),
        LogicalPlan::Aggregate(aggregate) => {
            let Ok(groups) = grouping_set_to_exprlist(&aggregate.group_expr) else { return Vec::new() };
            let exprs: Vec<Expr> = groups.into_iter().cloned().chain(aggregate.aggr_expr.iter().cloned()).collect();
            over(&aggregate.input, &exprs)
        }
        LogicalPlan::Window(window) => {
            let mut origins = column_sources(&window.input);
            origins.extend(over(&window.input, &window.window_expr));
            origins
        }
        LogicalPlan::Join(join) => [column_sources(&join.left), column_sources(&join.right)].concat(),
        LogicalPlan::Union(union) => {
            let mut branches = union.inputs.iter().map(|input| column_sources(input));
            let Some(mut origins) = branches.next() else { return Vec::new() };
            for branch in branches {
                origins.iter_mut().zip(branch).for_each(|(known, more)| known.extend(more));
            }
            origins
        }
        _ => Vec::new(),
    }
}

fn scan(scan: &TableScan) -> Vec<Origins> {
    if let Some(view) = scan.source.get_logical_plan() {
        let origins = column_sources(&view);
        return match &scan.projection {
            Some(columns) => columns.iter().map(|column| origins.get(*column).cloned().unwrap_or_default()).collect(),
            None => origins,
        };
    }
    let table = match scan.table_name.schema() {
        Some(schema) => format!("{schema}.{}", scan.table_name.table()),
        None => scan.table_name.table().to_owned(),
    };
    scan.projected_schema.fields().iter().map(|field| Origins::from([(table.clone(), field.name().clone())])).collect()
}

fn over(input: &LogicalPlan, exprs: &[Expr]) -> Vec<Origins> {
    let origins = column_sources(input);
    exprs.iter().map(|expr| of_expr(expr, input.schema(), &origins)).collect()
}

fn of_expr(expr: &Expr, schema: &DFSchema, origins: &[Origins]) -> Origins {
    let mut found = Origins::new();
    let _ = expr.apply(|part| {
        if let Expr::Column(column) = part {
            found.extend(position(schema, column).and_then(|index| origins.get(index)).cloned().unwrap_or_default());
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

fn position(schema: &DFSchema, column: &Column) -> Option<usize> {
    schema.maybe_index_of_column(column).or_else(|| schema.fields().iter().position(|field| *field.name() == column.name))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::{datasource::empty::EmptyTable, prelude::SessionContext};

    use super::*;

    #[tokio::test]
    async fn columns_are_followed_to_their_tables() {
        let session = SessionContext::new();
        for table in ["people", "visits"] {
            let fields = ["id", "name", "unit"].map(|name| Field::new(name, DataType::Utf8View, true));
            session.register_table(table, Arc::new(EmptyTable::new(Arc::new(Schema::new(fields.to_vec()))))).unwrap();
        }
        session.sql("create view named as select id, upper(name) as shout from people").await.unwrap();
        let query = "select n.shout || v.unit as both, count(v.name) as visits from named n join visits v on n.id = v.id group by 1";
        let plan = session.sql(query).await.unwrap().into_unoptimized_plan();
        let pair = |table: &str, column: &str| (table.to_owned(), column.to_owned());
        let found = column_sources(&plan);
        assert_eq!(found[0], BTreeSet::from([pair("people", "name"), pair("visits", "unit")]));
        assert_eq!(found[1], BTreeSet::from([pair("visits", "name")]));
        assert!(columns_read(&plan).contains(&pair("people", "id")));
    }
}
