//! Filters of queries as conditions that a format may apply while it reads.

use arrow::datatypes::Schema;
use datafusion::{
    common::ScalarValue,
    logical_expr::{Expr, Operator},
};
use sutura_core::{Comparison, Condition, Constant, Test};

/// The condition that a filter is, if it is one: a column of the table against a constant.
pub(crate) fn condition(filter: &Expr, schema: &Schema) -> Option<Condition> {
    let (column, test) = test(filter)?;
    Some(Condition { column: schema.index_of(column).ok()?, test })
}

fn test(filter: &Expr) -> Option<(&str, Test)> {
    match filter {
        Expr::Alias(alias) => test(&alias.expr),
        Expr::Column(column) => Some((&column.name, is(true))),
        Expr::Not(inner) => match &**inner {
            Expr::Column(column) => Some((&column.name, is(false))),
            _ => None,
        },
        Expr::IsNull(inner) => Some((name(inner)?, Test::IsNull)),
        Expr::IsNotNull(inner) => Some((name(inner)?, Test::IsNotNull)),
        Expr::InList(list) if !list.negated => {
            let constants = list.list.iter().map(constant).collect::<Option<Vec<_>>>()?;
            Some((name(&list.expr)?, Test::OneOf(constants)))
        }
        Expr::BinaryExpr(binary) if binary.op == Operator::Or => either(&binary.left, &binary.right),
        Expr::BinaryExpr(binary) => {
            let comparison = match binary.op {
                Operator::Eq => Comparison::Equal,
                Operator::NotEq => Comparison::NotEqual,
                Operator::Lt => Comparison::Less,
                Operator::LtEq => Comparison::LessOrEqual,
                Operator::Gt => Comparison::Greater,
                Operator::GtEq => Comparison::GreaterOrEqual,
                _ => return None,
            };
            match (name(&binary.left), constant(&binary.right)) {
                (Some(column), Some(constant)) => Some((column, Test::Compare(comparison, constant))),
                _ => Some((name(&binary.right)?, Test::Compare(comparison.flipped(), constant(&binary.left)?))),
            }
        }
        _ => None,
    }
}

/// `a = 'x' or a = 'y'`, which DataFusion makes of short lists.
fn either<'e>(left: &'e Expr, right: &'e Expr) -> Option<(&'e str, Test)> {
    let constants = |test| match test {
        Test::Compare(Comparison::Equal, constant) => Some(vec![constant]),
        Test::OneOf(constants) => Some(constants),
        _ => None,
    };
    let ((column, left), (other, right)) = (test(left)?, test(right)?);
    let mut all = constants(left)?;
    all.extend(constants(right)?);
    (column == other).then_some((column, Test::OneOf(all)))
}

fn is(flag: bool) -> Test {
    Test::Compare(Comparison::Equal, Constant::Flag(flag))
}

fn name(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Column(column) => Some(&column.name),
        _ => None,
    }
}

fn constant(expr: &Expr) -> Option<Constant> {
    let Expr::Literal(value, _) = expr else { return None };
    Some(match value {
        ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text)) => {
            Constant::Text(text.as_str().into())
        }
        ScalarValue::Int64(Some(number)) => Constant::Integer(*number),
        ScalarValue::Float64(Some(number)) => Constant::Number(*number),
        ScalarValue::Boolean(Some(flag)) => Constant::Flag(*flag),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};
    use datafusion::prelude::{col, lit};

    use super::*;

    #[test]
    fn filters_become_conditions_or_stay_filters() {
        let schema = Schema::new(vec![
            Field::new("code", DataType::Utf8View, true),
            Field::new("n", DataType::Int64, true),
            Field::new("active", DataType::Boolean, true),
        ]);
        let sql = |filter: Expr| condition(&filter, &schema).map(|condition| condition.test.as_sql(schema.field(condition.column).name()));
        assert_eq!(sql(col("code").eq(lit("a"))).unwrap(), "code = 'a'");
        assert_eq!(sql(lit(5_i64).lt(col("n"))).unwrap(), "n > 5");
        assert_eq!(sql(col("code").eq(lit("a")).or(lit("b").eq(col("code")))).unwrap(), "code in ('a', 'b')");
        assert_eq!(sql(col("n").in_list(vec![lit(1_i64), lit(2_i64)], false)).unwrap(), "n in (1, 2)");
        assert_eq!(sql(col("active")).unwrap(), "active = true");
        assert_eq!(sql(!col("active")).unwrap(), "active = false");
        assert_eq!(sql(col("code").is_not_null()).unwrap(), "code is not null");
        for no in [
            col("code").eq(col("code")),
            col("code").like(lit("a%")),
            col("n").in_list(vec![lit(1_i64)], true),
            col("n").eq(lit(1_i64)).or(col("code").eq(lit("a"))),
            col("code").eq(lit(ScalarValue::Utf8(None))),
            col("other").is_null(),
            lit(true),
        ] {
            assert_eq!(sql(no.clone()), None, "{no}");
        }
    }
}
