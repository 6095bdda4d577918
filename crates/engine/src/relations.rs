//! Table functions that take a query: `deidentified(query [, 'table'])` and `deid_spans(query, 'column' [, 'options'])`.
//!
//! A query is a SELECT in brackets, the name of a table, or a table function such as `read_hl7v2('feed/', 'patients')`. DataFusion's own table
//! functions take values only, so these are planned where a query names its tables.

use std::{ops::ControlFlow, sync::Arc};

use datafusion::{
    common::Result as DataFusionResult,
    logical_expr::{
        LogicalPlan, LogicalPlanBuilder,
        planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning},
    },
    sql::{
        parser::{DFParser, Statement},
        sqlparser::ast::{
            self, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, ObjectNamePart, Query, TableFactor, Value,
            VisitMut, VisitorMut,
        },
    },
};

use crate::{
    deid,
    error::EngineError,
    lineage,
    policy::{BoundPolicy, NO_POLICY},
    spans::{self, SpanOptions},
};

/// Plans the functions, under the policy of the session if it has one.
#[derive(Debug)]
pub(crate) struct Relations {
    policy: Option<Arc<BoundPolicy>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Deidentified,
    Spans,
}

impl Function {
    fn of(name: &ObjectName) -> Option<Self> {
        let [ObjectNamePart::Identifier(name)] = name.0.as_slice() else { return None };
        [Self::Deidentified, Self::Spans].into_iter().find(|function| name.value.eq_ignore_ascii_case(function.name()))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Deidentified => "deidentified",
            Self::Spans => "deid_spans",
        }
    }

    fn usage(self) -> &'static str {
        match self {
            Self::Deidentified => {
                "write deidentified((select ...) [, 'table']), deidentified(table) or deidentified(read_hl7v2('path', 'patients'))"
            }
            Self::Spans => "write deid_spans((select ...), 'column' [, '{\"option\": value}'])",
        }
    }

    fn wrong(self, reason: &str) -> EngineError {
        EngineError::BadCall { function: self.name().to_owned(), reason: reason.to_owned() }
    }

    fn called_wrongly(self) -> EngineError {
        self.wrong(self.usage())
    }
}

impl Relations {
    pub(crate) fn new(policy: Option<&Arc<BoundPolicy>>) -> Self {
        Self { policy: policy.cloned() }
    }

    fn deidentified(&self, input: LogicalPlan, table: Option<&str>) -> DataFusionResult<LogicalPlan> {
        let wrong = |reason: &str| Function::Deidentified.wrong(reason);
        let policy = self.policy.as_ref().ok_or_else(|| wrong(NO_POLICY))?;
        // What it says of columns is on several lines.
        let flat = |text: String| text.lines().map(str::trim).collect::<Vec<_>>().join("; ");
        let schema = lineage::classified_plan_schema(&input);
        let plan = policy.deidentifier().plan_table(table, &schema).map_err(|error| wrong(&flat(error.to_string())))?;
        let columns = deid::projection(input.schema(), &Arc::new(plan))?;
        LogicalPlanBuilder::from(input).project(columns)?.build()
    }

    fn plan(
        &self,
        function: Function,
        arguments: Vec<FunctionArg>,
        context: &mut dyn RelationPlannerContext,
    ) -> DataFusionResult<LogicalPlan> {
        let mut arguments = arguments.into_iter();
        let first = arguments.next().and_then(expression).ok_or_else(|| function.called_wrongly())?;
        let input = relation(first).ok_or_else(|| function.called_wrongly())?;
        let texts: Vec<Option<String>> =
            arguments.map(text).collect::<Result<_, NotText>>().map_err(|NotText| function.called_wrongly())?;
        let input = context.plan(input)?;
        match (function, texts.as_slice()) {
            (Function::Deidentified, []) => self.deidentified(input, None),
            (Function::Deidentified, [table]) => self.deidentified(input, table.as_deref()),
            (Function::Spans, [Some(column), options @ ..]) if options.len() < 2 => {
                let options = match options.first().cloned().flatten() {
                    Some(json) => serde_json::from_str(&json)
                        .map_err(|error| function.wrong(&format!("the options are not JSON that is known ({error})")))?,
                    None => SpanOptions::default(),
                };
                spans::table(input, column, &options, self.policy.as_deref())
            }
            _ => Err(function.called_wrongly().into()),
        }
    }
}

impl RelationPlanner for Relations {
    fn plan_relation(&self, relation: TableFactor, context: &mut dyn RelationPlannerContext) -> DataFusionResult<RelationPlanning> {
        match relation {
            TableFactor::Table { name, alias, args: Some(arguments), .. } if Function::of(&name).is_some() => {
                let function = Function::of(&name).unwrap_or(Function::Deidentified);
                let plan = self.plan(function, arguments.args, context)?;
                // Columns of the query inside are not to be named by its tables.
                let plan = LogicalPlanBuilder::from(plan).alias(function.name())?.build()?;
                Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
            }
            other => Ok(RelationPlanning::Original(Box::new(other))),
        }
    }
}

fn expression(argument: FunctionArg) -> Option<Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Some(expression),
        _ => None,
    }
}

/// An argument that is no text in quotes.
struct NotText;

/// A text in quotes; none for null.
fn text(argument: FunctionArg) -> Result<Option<String>, NotText> {
    match expression(argument) {
        Some(Expr::Value(value)) => match value.value {
            Value::SingleQuotedString(text) => Ok(Some(text)),
            Value::Null => Ok(None),
            _ => Err(NotText),
        },
        _ => Err(NotText),
    }
}

/// What a query argument reads.
fn relation(argument: Expr) -> Option<TableFactor> {
    match argument {
        Expr::Subquery(subquery) => Some(TableFactor::Derived { lateral: false, subquery, alias: None, sample: None }),
        Expr::Nested(inner) => relation(*inner),
        _ => None,
    }
}

/// Puts `(select * from name)` where one of the functions is given the name of a table, or another table function: DataFusion looks
/// tables up before it plans, and finds them only where a query names them. `deidentified` is told the name of the table, for rules of its own.
pub(crate) fn name_queries(statement: &mut Statement) {
    match statement {
        Statement::Statement(statement) => {
            let _ = statement.visit(&mut Naming);
        }
        Statement::Explain(explain) => name_queries(&mut explain.statement),
        _ => {}
    }
}

struct Naming;

impl VisitorMut for Naming {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, args: Some(arguments), .. } = factor else { return ControlFlow::Continue(()) };
        let (Some(function), Some(first)) = (Function::of(name), arguments.args.first_mut()) else { return ControlFlow::Continue(()) };
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) = first else { return ControlFlow::Continue(()) };
        let table = match argument {
            Expr::Identifier(name) => Some(folded(name)),
            Expr::CompoundIdentifier(parts) => parts.last().map(folded),
            Expr::Function(call) => second_text(call),
            _ => return ControlFlow::Continue(()),
        };
        if let Some(query) = query_of(argument) {
            *argument = Expr::Subquery(query);
            if let (Function::Deidentified, Some(table), 1) = (function, table, arguments.args.len()) {
                let table = Expr::value(Value::SingleQuotedString(table));
                arguments.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(table)));
            }
        }
        ControlFlow::Continue(())
    }
}

/// `select * from` a name or a call.
fn query_of(source: &Expr) -> Option<Box<Query>> {
    let statements = DFParser::parse_sql(&format!("select * from {source}")).ok()?;
    match statements.into_iter().next()? {
        Statement::Statement(statement) => match *statement {
            ast::Statement::Query(query) => Some(query),
            _ => None,
        },
        _ => None,
    }
}

/// An identifier as it is looked up: without quotes in small letters.
fn folded(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

/// The table that a reader is asked for.
fn second_text(call: &ast::Function) -> Option<String> {
    let FunctionArguments::List(list) = &call.args else { return None };
    text(list.args.get(1)?.clone()).ok().flatten()
}

/// What the functions are called for those who ask which tables a query reads: they read nothing themselves, and a table may have their name.
pub(crate) const NO_TABLE: &str = "a function over a query";

/// Gives the functions that name.
pub(crate) fn rename_functions(statement: &mut Statement) {
    if let Statement::Statement(statement) = statement {
        let _ = statement.visit(&mut Renaming);
    }
}

struct Renaming;

impl VisitorMut for Renaming {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: Some(_), .. } = factor
            && Function::of(name).is_some()
        {
            *name = ObjectName::from(vec![Ident::with_quote('"', NO_TABLE)]);
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests;
