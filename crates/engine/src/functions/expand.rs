//! `code_expand('value set' [, 'words'])`: the codes of a value set as a table.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanArray, RecordBatch, StringViewArray},
    datatypes::DataType,
};
use datafusion::{
    catalog::{MemTable, TableFunctionArgs, TableFunctionImpl, TableProvider},
    common::{Result, ScalarValue},
    logical_expr::Expr,
};
use sutura_core::{ColumnDef, PhiClass, TableDef};
use sutura_terminology::{ExpandOptions, UserTerminology};

use super::terminology::asked;
use crate::EngineError;

/// Its name.
pub(super) const NAME: &str = "code_expand";

#[derive(Debug)]
pub(super) struct ExpandFunction {
    user: Option<Arc<UserTerminology>>,
}

impl ExpandFunction {
    pub(super) fn new(user: Option<&Arc<UserTerminology>>) -> Self {
        Self { user: user.cloned() }
    }
}

impl TableFunctionImpl for ExpandFunction {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let bad = |reason: String| EngineError::BadCall { function: NAME.to_owned(), reason };
        let usage = "write code_expand('value set' [, 'words'])";
        let texts: Vec<&str> = args.exprs().iter().filter_map(text).collect();
        let (set, words) = match texts.as_slice() {
            [set] if args.exprs().len() == 1 => (*set, ""),
            [set, words] if args.exprs().len() == 2 => (*set, *words),
            _ => return Err(bad(format!("takes one or two text literals; {usage}")).into()),
        };
        let options = ExpandOptions { text: words, ..ExpandOptions::default() };
        let expansion = asked(self.user.as_ref()).expand(set, &options).map_err(|error| bad(error.to_string()))?;
        let texts = |of: fn(&sutura_terminology::Member) -> Option<&str>| -> ArrayRef {
            Arc::new(expansion.members.iter().map(of).collect::<StringViewArray>())
        };
        let flags = |of: fn(&sutura_terminology::Member) -> bool| -> ArrayRef {
            Arc::new(expansion.members.iter().map(|member| Some(of(member))).collect::<BooleanArray>())
        };
        let columns = vec![
            texts(|member| Some(&member.system)),
            texts(|member| Some(&member.code)),
            texts(|member| member.display.as_deref()),
            flags(|member| member.inactive),
            flags(|member| member.is_abstract),
        ];
        let schema = table().schema();
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
        Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
    }
}

/// What comes out. Nothing of it is of a person.
fn table() -> TableDef {
    let column = |name, data_type, meaning| ColumnDef::new(name, data_type, "", PhiClass::Operational, meaning);
    TableDef::new(
        NAME,
        "the codes of a value set",
        vec![
            column("system", DataType::Utf8View, "URI of the code system"),
            column("code", DataType::Utf8View, "code"),
            column("display", DataType::Utf8View, "what it means"),
            column("inactive", DataType::Boolean, "no longer to be used"),
            column("abstract", DataType::Boolean, "only groups others"),
        ],
    )
}

fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text), _) => text.as_deref(),
        _ => None,
    }
}
