//! Which identifying information each column of a query's result holds.
//!
//! DataFusion keeps field metadata only where it happens to; a function's result has none. Here the
//! logical plan is walked from the scans upwards, and every output column gets the class of all
//! that went into it. The rule behind every rule: never under-classify. What is not understood is
//! unclassified, which sinks refuse.
//!
//! - A plain column reference keeps everything: class, path, unit, patient mark, treatment.
//! - Any other expression (operators, functions, CASE with its conditions, casts, aggregates) has the
//!   mixed class of its inputs ([`PhiClass::mix`]) and no path, unit or patient mark.
//! - Literals, counts, `row_number` and `ntile` are operational.
//! - A treatment (`sutura.deid`) survives when every identifying input was treated.
//! - The privacy functions ([`crate::functions`]) declare what they make of their input.
//!
//! What it is not: information-flow control. *Which rows* a query returns can tell something too
//! (`select 1 from patients where name = ...`); that is for the person who releases the result.

use std::{
    any::Any,
    collections::{BTreeSet, HashMap},
};

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{Column, DFSchema, tree_node::TreeNode, tree_node::TreeNodeRecursion};
use datafusion::datasource::source_as_provider;
use datafusion::functions_table::generate_series::GenerateSeriesTable;
use datafusion::logical_expr::{
    BinaryExpr, DdlStatement, Distinct, Expr, Join, JoinType, LogicalPlan, Operator, Subquery, TableScan,
    expr::WindowFunctionDefinition,
    utils::{grouping_set_to_exprlist, split_conjunction},
};
use datafusion::prelude::DataFrame;
use sutura_core::{ColumnMeta, PhiClass};

/// The metadata of each output column of `plan`, in order.
pub fn column_meta(plan: &LogicalPlan) -> Vec<ColumnMeta> {
    Tracer::default().plan(plan, None)
}

/// The Arrow schema of a data frame with the metadata that [`column_meta`] finds in place of what
/// DataFusion kept.
pub fn classified_schema(df: &DataFrame) -> Schema {
    classified_plan_schema(df.logical_plan())
}

/// [`classified_schema`] for a logical plan.
pub fn classified_plan_schema(plan: &LogicalPlan) -> Schema {
    let schema = plan.schema().as_arrow();
    let metas = column_meta(plan);
    let fields = schema.fields().iter().zip(metas).map(|(field, meta)| meta.apply(Field::clone(field))).collect::<Vec<_>>();
    Schema::new_with_metadata(fields, schema.metadata().clone())
}

/// Mixes what went into an expression: the class of all of it, the treatment only where nothing
/// identifying went in untreated. No input at all is operational.
pub fn mix<'a>(inputs: impl IntoIterator<Item = &'a ColumnMeta>) -> ColumnMeta {
    let mut class = Some(PhiClass::Operational);
    let mut marks = BTreeSet::new();
    let (mut identifying, mut untreated_identifying, mut untreated, mut any) = (false, false, false, false);
    for input in inputs {
        any = true;
        let identifies = input.phi.as_ref().is_none_or(PhiClass::is_identifying);
        identifying |= identifies;
        match &input.deid {
            Some(mark) => {
                marks.extend(mark.split('+').map(str::to_owned));
            }
            None => {
                untreated_identifying |= identifies;
                untreated |= input.phi != Some(PhiClass::Operational);
            }
        }
        class = match (class, &input.phi) {
            (Some(sum), Some(phi)) => Some(sum.mix(phi.clone())),
            _ => None,
        };
    }
    let lost = if identifying { untreated_identifying } else { untreated };
    let deid = (any && class.is_some() && !lost && !marks.is_empty()).then(|| marks.into_iter().collect::<Vec<_>>().join("+"));
    ColumnMeta { phi: class, deid, ..ColumnMeta::default() }
}

/// The metadata of a scanned field. A nested field is at least as identifying as its children.
fn scanned(field: &Field) -> ColumnMeta {
    let mut meta = ColumnMeta::from_field(field);
    let mut children = Vec::new();
    nested_metas(field.data_type(), &mut children);
    if !children.is_empty() && meta.phi.is_some() {
        let own = ColumnMeta { phi: meta.phi.clone(), deid: meta.deid.clone(), ..ColumnMeta::default() };
        let mixed = mix(children.iter().chain([&own]));
        meta.phi = mixed.phi;
        meta.deid = mixed.deid;
    }
    meta
}

/// The classes that nested fields declare; a nested field without one follows its parent.
fn nested_metas(data_type: &DataType, out: &mut Vec<ColumnMeta>) {
    let mut visit = |field: &Field| {
        let meta = ColumnMeta::from_field(field);
        if meta.phi.is_some() {
            out.push(meta);
        }
        nested_metas(field.data_type(), out);
    };
    match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => visit(field),
        DataType::Struct(fields) => fields.iter().for_each(|field| visit(field)),
        DataType::Union(fields, _) => fields.iter().for_each(|(_, field)| visit(field)),
        _ => {}
    }
}

fn operational() -> ColumnMeta {
    ColumnMeta::of(PhiClass::Operational)
}

/// The columns an expression can see: its node's input, and around it the query that a subquery is in.
struct Scope<'a> {
    schema: &'a DFSchema,
    metas: &'a [ColumnMeta],
    outer: Option<&'a Scope<'a>>,
}

impl Scope<'_> {
    /// The column's metadata; unclassified when it is not there. An unqualified name that fits
    /// several columns has the class of all of them.
    fn column(&self, column: &Column) -> ColumnMeta {
        if column.relation.is_some() {
            return self.schema.maybe_index_of_column(column).and_then(|index| self.metas.get(index)).cloned().unwrap_or_default();
        }
        let matches: Vec<&ColumnMeta> =
            self.schema.fields().iter().zip(self.metas).filter(|(field, _)| *field.name() == column.name).map(|(_, meta)| meta).collect();
        match matches.as_slice() {
            [] => ColumnMeta::default(),
            [only] => (*only).clone(),
            several => mix(several.iter().copied()),
        }
    }

    /// A column of an enclosing query.
    fn outer_column(&self, column: &Column) -> ColumnMeta {
        let mut scope = self.outer;
        while let Some(outer) = scope {
            if outer.schema.maybe_index_of_column(column).is_some() {
                return outer.column(column);
            }
            scope = outer.outer;
        }
        ColumnMeta::default()
    }
}

/// Walks a plan; holds what the recursive queries around it are known to yield.
#[derive(Default)]
struct Tracer {
    work_tables: HashMap<String, Vec<ColumnMeta>>,
}

impl Tracer {
    fn plan(&mut self, plan: &LogicalPlan, outer: Option<&Scope<'_>>) -> Vec<ColumnMeta> {
        stacker::maybe_grow(128 * 1024, 2 * 1024 * 1024, || {
            let mut metas = self.node(plan, outer);
            // A node whose shape was not what we expect is not understood.
            if metas.len() != plan.schema().fields().len() {
                metas = vec![ColumnMeta::default(); plan.schema().fields().len()];
            }
            metas
        })
    }

    fn node(&mut self, plan: &LogicalPlan, outer: Option<&Scope<'_>>) -> Vec<ColumnMeta> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan, outer),
            LogicalPlan::Projection(node) => self.over(&node.input, &node.expr, outer),
            LogicalPlan::Filter(node) => self.plan(&node.input, outer),
            LogicalPlan::Sort(node) => self.plan(&node.input, outer),
            LogicalPlan::Limit(node) => self.plan(&node.input, outer),
            LogicalPlan::Repartition(node) => self.plan(&node.input, outer),
            LogicalPlan::SubqueryAlias(node) => self.plan(&node.input, outer),
            LogicalPlan::Subquery(node) => self.plan(&node.subquery, outer),
            LogicalPlan::Distinct(Distinct::All(input)) => self.plan(input, outer),
            LogicalPlan::Distinct(Distinct::On(node)) => self.over(&node.input, &node.select_expr, outer),
            LogicalPlan::Aggregate(node) => {
                let Ok(groups) = grouping_set_to_exprlist(&node.group_expr) else { return Vec::new() };
                let input = self.plan(&node.input, outer);
                let scope = Scope { schema: node.input.schema(), metas: &input, outer };
                let mut metas: Vec<ColumnMeta> = groups.into_iter().map(|expr| self.expr(expr, &scope)).collect();
                if matches!(node.group_expr.as_slice(), [Expr::GroupingSet(_)]) {
                    metas.push(operational()); // the internal grouping id
                }
                metas.extend(node.aggr_expr.iter().map(|expr| self.expr(expr, &scope)));
                metas
            }
            LogicalPlan::Window(node) => {
                let mut metas = self.plan(&node.input, outer);
                let windows: Vec<ColumnMeta> = {
                    let scope = Scope { schema: node.input.schema(), metas: &metas, outer };
                    node.window_expr.iter().map(|expr| self.expr(expr, &scope)).collect()
                };
                metas.extend(windows);
                metas
            }
            LogicalPlan::Join(node) => self.join(node, outer),
            LogicalPlan::Union(node) => {
                let branches: Vec<Vec<ColumnMeta>> = node.inputs.iter().map(|input| self.plan(input, outer)).collect();
                union(&branches)
            }
            LogicalPlan::Values(node) => {
                let scope = Scope { schema: &node.schema, metas: &[], outer };
                let rows: Vec<Vec<ColumnMeta>> =
                    node.values.iter().map(|row| row.iter().map(|expr| self.expr(expr, &scope)).collect()).collect();
                union(&rows)
            }
            LogicalPlan::Unnest(node) => {
                let input = self.plan(&node.input, outer);
                node.dependency_indices.iter().map(|&index| input.get(index).map(|meta| mix([meta])).unwrap_or_default()).collect()
            }
            LogicalPlan::RecursiveQuery(node) => {
                let before = self.work_tables.get(&node.name).cloned();
                let mut metas = self.plan(&node.static_term, outer);
                // Classes only grow, so this ends quickly; a bound all the same.
                for round in 0.. {
                    self.work_tables.insert(node.name.clone(), metas.clone());
                    let step = self.plan(&node.recursive_term, outer);
                    let next = union(&[metas.clone(), step]);
                    if next == metas {
                        break;
                    }
                    metas = next;
                    if round == 32 {
                        metas = vec![ColumnMeta::default(); metas.len()];
                        break;
                    }
                }
                match before {
                    Some(before) => self.work_tables.insert(node.name.clone(), before),
                    None => self.work_tables.remove(&node.name),
                };
                metas
            }
            LogicalPlan::EmptyRelation(node) if !node.produce_one_row => node.schema.fields().iter().map(|field| scanned(field)).collect(),
            // What these print is about the query, not out of the data.
            LogicalPlan::Explain(_)
            | LogicalPlan::Analyze(_)
            | LogicalPlan::DescribeTable(_)
            | LogicalPlan::Statement(_)
            | LogicalPlan::Ddl(_) => plan.schema().fields().iter().map(|_| operational()).collect(),
            _ => Vec::new(),
        }
    }

    /// Expressions over one input.
    fn over(&mut self, input: &LogicalPlan, exprs: &[Expr], outer: Option<&Scope<'_>>) -> Vec<ColumnMeta> {
        let metas = self.plan(input, outer);
        let scope = Scope { schema: input.schema(), metas: &metas, outer };
        exprs.iter().map(|expr| self.expr(expr, &scope)).collect()
    }

    fn scan(&mut self, scan: &TableScan, outer: Option<&Scope<'_>>) -> Vec<ColumnMeta> {
        if let Some(work_table) = self.work_tables.get(scan.table_name.table()) {
            return match &scan.projection {
                Some(columns) => columns.iter().map(|&column| work_table.get(column).cloned().unwrap_or_default()).collect(),
                None => work_table.clone(),
            };
        }
        // A view: what counts is its query, not the schema it was registered with.
        if let Some(view) = scan.source.get_logical_plan() {
            let metas = self.plan(&view, outer);
            return match &scan.projection {
                Some(columns) => columns.iter().map(|&column| metas.get(column).cloned().unwrap_or_default()).collect(),
                None => metas,
            };
        }
        if scan.table_name.schema() == Some("information_schema") || is_generated(scan) {
            return scan.projected_schema.fields().iter().map(|_| operational()).collect();
        }
        scan.projected_schema.fields().iter().map(|field| scanned(field)).collect()
    }

    fn join(&mut self, join: &Join, outer: Option<&Scope<'_>>) -> Vec<ColumnMeta> {
        let (left, right) = (self.plan(&join.left, outer), self.plan(&join.right, outer));
        match join.join_type {
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => [left, right].concat(),
            JoinType::LeftSemi | JoinType::LeftAnti => left,
            JoinType::RightSemi | JoinType::RightAnti => right,
            // The mark says whether a partner was found; take it for all that was compared.
            JoinType::LeftMark => {
                let mark = mix(right.iter());
                [left, vec![mark]].concat()
            }
            JoinType::RightMark => {
                let mark = mix(left.iter());
                [right, vec![mark]].concat()
            }
        }
    }

    fn expr(&mut self, expr: &Expr, scope: &Scope<'_>) -> ColumnMeta {
        stacker::maybe_grow(128 * 1024, 2 * 1024 * 1024, || self.expr_kind(expr, scope))
    }

    fn expr_kind(&mut self, expr: &Expr, scope: &Scope<'_>) -> ColumnMeta {
        match expr {
            Expr::Column(column) => scope.column(column),
            Expr::Alias(alias) => self.expr(&alias.expr, scope),
            Expr::OuterReferenceColumn(_, column) => scope.outer_column(column),
            // The elements of an array argument, which is mixed where it is passed in.
            Expr::Literal(..) | Expr::LambdaVariable(_) => operational(),
            Expr::Placeholder(_) | Expr::ScalarVariable(..) => ColumnMeta::default(),
            Expr::ScalarFunction(call) => {
                let args: Vec<ColumnMeta> = call.args.iter().map(|arg| self.expr(arg, scope)).collect();
                crate::functions::declared_meta(&call.func, &args).unwrap_or_else(|| mix(&args))
            }
            Expr::AggregateFunction(call) => {
                if is_count(call.func.name()) {
                    return operational();
                }
                let args = call.params.args.iter().chain(call.params.filter.as_deref());
                self.mix_exprs(args, scope)
            }
            Expr::WindowFunction(call) => {
                let params = &call.params;
                let inputs = params.args.iter().chain(params.filter.as_deref());
                match &call.fun {
                    WindowFunctionDefinition::AggregateUDF(function) if is_count(function.name()) => operational(),
                    WindowFunctionDefinition::AggregateUDF(_) => self.mix_exprs(inputs, scope),
                    WindowFunctionDefinition::WindowUDF(function) => match function.name() {
                        "row_number" | "ntile" => operational(),
                        "lag" | "lead" | "first_value" | "last_value" | "nth_value" => self.mix_exprs(inputs, scope),
                        // rank and its like are made from the ordering values.
                        _ => self.mix_exprs(inputs.chain(params.order_by.iter().map(|sort| &sort.expr)), scope),
                    },
                }
            }
            Expr::ScalarSubquery(subquery) => self.subquery(subquery, None, true, scope),
            Expr::InSubquery(test) => self.subquery(&test.subquery, Some(&test.expr), true, scope),
            Expr::SetComparison(test) => self.subquery(&test.subquery, Some(&test.expr), true, scope),
            Expr::Exists(test) => self.subquery(&test.subquery, None, false, scope),
            other => {
                let mut inputs = Vec::new();
                let walked = other.apply_children(|child| {
                    inputs.push(self.expr(child, scope));
                    Ok(TreeNodeRecursion::Continue)
                });
                if walked.is_ok() && !inputs.is_empty() { mix(&inputs) } else { ColumnMeta::default() }
            }
        }
    }

    fn mix_exprs<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr>, scope: &Scope<'_>) -> ColumnMeta {
        let metas: Vec<ColumnMeta> = exprs.into_iter().map(|expr| self.expr(expr, scope)).collect();
        mix(&metas)
    }

    /// A subquery as a value: its columns (unless it is only asked whether it has rows), what it is
    /// compared with, and the conditions inside it.
    fn subquery(&mut self, subquery: &Subquery, compared: Option<&Expr>, yields: bool, scope: &Scope<'_>) -> ColumnMeta {
        let mut inputs = self.conditions(&subquery.subquery, scope);
        if yields {
            inputs.extend(self.plan(&subquery.subquery, Some(scope)));
        }
        inputs.extend(compared.map(|expr| self.expr(expr, scope)));
        mix(&inputs)
    }

    /// What the filters inside a subquery look at. Column = column is how tables are joined and
    /// tells nothing about either value.
    fn conditions(&mut self, plan: &LogicalPlan, outer: &Scope<'_>) -> Vec<ColumnMeta> {
        let mut found = Vec::new();
        let walked = plan.apply(|node| {
            let (inputs, predicate) = match node {
                LogicalPlan::Filter(filter) => (vec![&filter.input], &filter.predicate),
                LogicalPlan::Join(Join { left, right, filter: Some(filter), .. }) => (vec![left, right], filter),
                _ => return Ok(TreeNodeRecursion::Continue),
            };
            let metas: Vec<ColumnMeta> = inputs.iter().flat_map(|input| self.plan(input, Some(outer))).collect();
            let mut schema = DFSchema::clone(inputs[0].schema());
            for input in &inputs[1..] {
                schema = schema.join(input.schema())?;
            }
            let scope = Scope { schema: &schema, metas: &metas, outer: Some(outer) };
            found.extend(split_conjunction(predicate).into_iter().filter(|part| !joins_columns(part)).map(|part| self.expr(part, &scope)));
            Ok(TreeNodeRecursion::Continue)
        });
        if walked.is_err() {
            found.push(ColumnMeta::default());
        }
        found
    }
}

/// Numbers out of nowhere: `generate_series` and `range`.
fn is_generated(scan: &TableScan) -> bool {
    source_as_provider(&scan.source).is_ok_and(|provider| {
        let provider: &dyn Any = provider.as_ref();
        provider.is::<GenerateSeriesTable>()
    })
}

/// `a = b` between two columns.
fn joins_columns(expr: &Expr) -> bool {
    let is_column = |expr: &Expr| matches!(expr, Expr::Column(_) | Expr::OuterReferenceColumn(..));
    matches!(expr, Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) if is_column(left) && is_column(right))
}

/// Aggregates that say how many, not what.
fn is_count(name: &str) -> bool {
    matches!(name, "count" | "approx_distinct" | "regr_count")
}

/// Rows of several origins in the same columns. What all agree on stays.
fn union(branches: &[Vec<ColumnMeta>]) -> Vec<ColumnMeta> {
    let Some((first, rest)) = branches.split_first() else { return Vec::new() };
    if rest.iter().any(|branch| branch.len() != first.len()) {
        return Vec::new();
    }
    let common = |position: usize, part: fn(&ColumnMeta) -> Option<&String>| {
        let value = part(&first[position]);
        rest.iter().all(|branch| part(&branch[position]) == value).then(|| value.cloned()).flatten()
    };
    (0..first.len())
        .map(|position| ColumnMeta {
            path: common(position, |meta| meta.path.as_ref()),
            unit: common(position, |meta| meta.unit.as_ref()),
            doc: common(position, |meta| meta.doc.as_ref()),
            patient: branches.iter().all(|branch| branch[position].patient),
            ..mix(branches.iter().map(|branch| &branch[position]))
        })
        .collect()
}

/// Most nodes in a plan. A view that reads another view twice doubles it; a dozen of such views on top of each other
/// would keep the optimiser busy for hours.
const MOST_NODES: usize = 20_000;

/// Why a statement is not run: it would write or copy data past the sinks, which are what checks
/// for identifying columns; or no machine could plan it. `None` when it may run.
pub fn refused_statement(plan: &LogicalPlan) -> Option<&'static str> {
    let mut refused = None;
    let mut nodes = 0;
    let walked = plan.apply(|node| {
        nodes += 1;
        refused = match node {
            _ if nodes > MOST_NODES => {
                Some("the query is too large: with the tables of other queries that it reads, each as often as it reads them, it has more than 20,000 operators; write a table that is read often with a sink and read that")
            }
            LogicalPlan::Copy(_) => Some("COPY is not available; write the query's result with -o or a job's sink"),
            LogicalPlan::Dml(_) => Some("INSERT, UPDATE and DELETE are not available; write the query's result with -o or a job's sink"),
            LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(_)) => Some("CREATE TABLE is not available; use CREATE VIEW"),
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        Ok(TreeNodeRecursion::Stop)
    });
    if walked.is_err() { Some("the statement is nested too deep") } else { refused }
}

#[cfg(test)]
mod tests;
