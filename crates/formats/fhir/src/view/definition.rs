//! From the JSON of a ViewDefinition to a plan.

use std::collections::HashSet;

use serde_json::{Map, Value as Json};
use sutura_core::PhiClass;

use super::{
    ViewError,
    class::{Follow, Reach, heavier},
    columns::Kind,
    plan::{Block, Child, Column, Path, Plan, Select, Source},
    walk::Walk,
};
use crate::{
    defs::{self, TypeId},
    fhirpath::{Date, DateTime, Decimal, Expression, Item, PathError, Time, Tree, check, types},
};

/// Selects inside one another, and selects in all.
const MAX_DEPTH: usize = 32;
const MAX_SELECTS: usize = 512;

/// Compiles a definition.
pub(super) fn compile(definition: &[u8]) -> Result<Plan, ViewError> {
    // Editors of some systems write a byte order mark.
    let definition = definition.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(definition);
    let json: Json = serde_json::from_slice(definition).map_err(|error| ViewError::Json { line: error.line(), column: error.column() })?;
    let Json::Object(view) = &json else { return wrong("view", "must be an object") };
    if let Some(kind) = view.get("resourceType")
        && kind != "ViewDefinition"
    {
        return wrong("resourceType", "must be ViewDefinition");
    }
    let resource = text(view, "resource", "view")?.unwrap_or_default();
    if resource.is_empty() {
        return wrong("resource", "is missing: name the resource type of the view");
    }
    let Some(ty) = defs::r4().type_named(&resource).filter(|ty| types::is_resource(*ty)) else {
        return wrong("resource", "is no resource type of FHIR R4");
    };
    let mut compiler =
        Compiler { constants: constants(view)?, columns: Vec::new(), selects: 0, uses_row_index: false, taint: PhiClass::Operational };
    let selects = list(view, "select", "view")?;
    if selects.is_empty() {
        return wrong("select", "is missing or empty");
    }
    let mut filters = Vec::new();
    for (at, filter) in list(view, "where", "view")?.iter().enumerate() {
        let place = format!("where[{at}]");
        let Json::Object(filter) = filter else { return wrong(&place, "must be an object with a path") };
        let Some(path) = text(filter, "path", &place)? else { return wrong(&place, "path is missing") };
        filters.push(compiler.filter(&path, ty, place)?);
    }
    let mut body = Block::default();
    for (at, select) in selects.iter().enumerate() {
        body.children.push(Child::Select(compiler.select(select, (Some(ty), &Reach::root(ty)), &format!("select[{at}]"), 1)?));
    }
    let mut names = HashSet::new();
    if let Some(column) = compiler.columns.iter().find(|column| !names.insert(column.name.clone())) {
        return Err(ViewError::DuplicateColumn(column.name.clone()));
    }
    if compiler.columns.is_empty() {
        return wrong("select", "has no column");
    }
    for column in &mut compiler.columns {
        column.class = heavier(column.class.clone(), compiler.taint.clone());
    }
    Ok(Plan {
        name: text(view, "name", "view")?,
        resource,
        columns: compiler.columns,
        filters,
        body: flattened(body),
        constants: compiler.constants,
        uses_row_index: compiler.uses_row_index,
    })
}

fn wrong<T>(place: &str, problem: &'static str) -> Result<T, ViewError> {
    Err(ViewError::Definition { place: place.to_owned(), problem })
}

fn text(object: &Map<String, Json>, key: &str, place: &str) -> Result<Option<String>, ViewError> {
    match object.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.clone())),
        Some(_) => wrong(&format!("{place}.{key}"), "must be a text"),
    }
}

fn list<'j>(object: &'j Map<String, Json>, key: &str, place: &str) -> Result<&'j [Json], ViewError> {
    match object.get(key) {
        None | Some(Json::Null) => Ok(&[]),
        Some(Json::Array(items)) => Ok(items),
        Some(_) => wrong(&format!("{place}.{key}"), "must be an array"),
    }
}

/// Selects without a source of their own are the block they stand in: fewer steps for each row.
fn flattened(block: Block) -> Block {
    let mut flat = Block { columns: block.columns, children: Vec::new() };
    for child in block.children {
        match child {
            Child::Select(Select { source: Source::Same, body }) => {
                let body = flattened(body);
                flat.columns.extend(body.columns);
                flat.children.extend(body.children);
            }
            Child::Select(select) => flat.children.push(Child::Select(Select { body: flattened(select.body), ..select })),
            Child::Union(branches) => {
                let branches = branches.into_iter().map(|branch| Select { body: flattened(branch.body), ..branch });
                flat.children.push(Child::Union(branches.collect()));
            }
        }
    }
    flat
}

/// `%name` of every constant as a value.
fn constants(view: &Map<String, Json>) -> Result<Vec<(Box<str>, Item<'static>)>, ViewError> {
    let mut constants: Vec<(Box<str>, Item<'static>)> = Vec::new();
    for (at, constant) in list(view, "constant", "view")?.iter().enumerate() {
        let place = format!("constant[{at}]");
        let Json::Object(constant) = constant else { return wrong(&place, "must be an object") };
        let Some(name) = text(constant, "name", &place)? else { return wrong(&place, "name is missing") };
        if !is_name(&name) {
            return wrong(&place, "name must begin with a letter and hold letters, digits and underscores");
        }
        if constants.iter().any(|(known, _)| **known == *name) {
            return wrong(&place, "stands twice");
        }
        let mut values = constant.iter().filter(|(key, _)| key.starts_with("value"));
        let (Some((key, value)), None) = (values.next(), values.next()) else { return wrong(&place, "needs exactly one value[x]") };
        let Some(item) = constant_value(&key["value".len()..], value) else {
            return wrong(&place, "has a value that its type does not have");
        };
        constants.push((name.into(), item));
    }
    Ok(constants)
}

fn constant_value(kind: &str, value: &Json) -> Option<Item<'static>> {
    Some(match (kind, value) {
        ("Boolean", Json::Bool(value)) => Item::Boolean(*value),
        ("Integer" | "PositiveInt" | "UnsignedInt" | "Integer64", Json::Number(number)) => Item::Integer(number.as_i64()?),
        ("Integer64", Json::String(text)) => Item::Integer(text.parse().ok()?),
        ("Decimal", Json::Number(number)) => Item::Decimal(Decimal::parse(&number.to_string())?),
        ("Date", Json::String(text)) => Item::Date(Date::parse(text)?),
        ("DateTime" | "Instant", Json::String(text)) => Item::DateTime(DateTime::parse(text)?),
        ("Time", Json::String(text)) => Item::Time(Time::parse(text)?),
        ("String" | "Code" | "Id" | "Uri" | "Url" | "Canonical" | "Oid" | "Uuid" | "Base64Binary" | "Markdown", Json::String(text)) => {
            Item::String(text.clone().into())
        }
        _ => return None,
    })
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

struct Compiler {
    constants: Vec<(Box<str>, Item<'static>)>,
    columns: Vec<Column>,
    selects: usize,
    uses_row_index: bool,
    /// The class of what decides which rows there are: that a row is there tells it, whatever the column.
    taint: PhiClass,
}

impl Compiler {
    fn path(&mut self, text: &str, focus: Option<TypeId>, place: String) -> Result<Path, ViewError> {
        let failed = |error: PathError| ViewError::Path { place: place.clone(), error };
        let expression = Expression::parse(text).map_err(failed)?;
        let mut variables = Vec::new();
        variables_of(expression.tree(), &mut variables);
        for name in variables {
            let known = matches!(name, "context" | "resource" | "rootResource" | "sct" | "loinc" | "ucum")
                || name.starts_with("vs-")
                || name.starts_with("ext-")
                || self.constants.iter().any(|(known, _)| **known == *name);
            if name == "rowIndex" {
                self.uses_row_index = true;
            } else if !known && !defines_variable(expression.tree()) {
                return Err(failed(PathError::UndefinedVariable(name.into())));
            }
        }
        let walk = focus.and_then(|ty| Walk::compile(&expression, ty, &self.constants));
        let is_row_index = matches!(expression.tree(), Tree::Variable(name) if &**name == "rowIndex");
        Ok(Path { expression, walk, is_row_index, place })
    }

    fn filter(&mut self, text: &str, ty: TypeId, place: String) -> Result<Path, ViewError> {
        let path = self.path(text, Some(ty), place)?;
        self.taint = heavier(self.taint.clone(), self.reach(&path, &Reach::root(ty)).class());
        if let Ok(shape) = check::infer(path.expression.tree(), &[ty]) {
            let not_boolean = |ty: &TypeId| types::name(*ty) != "boolean";
            if shape.system.is_some_and(|name| name != "Boolean") || shape.types.is_some_and(|types| types.iter().all(not_boolean)) {
                return Err(ViewError::FilterNotBoolean);
            }
        }
        Ok(path)
    }

    /// What a path leads to from what `focus` leads to.
    fn reach(&self, path: &Path, focus: &Reach) -> Reach {
        self.follow(path).reach(path.expression.tree(), focus)
    }

    fn follow(&self, path: &Path) -> Follow<'_> {
        Follow { constants: &self.constants, own_variables: defines_variable(path.expression.tree()) }
    }

    /// A path of `forEach`, with the type and the reach of its items.
    fn each(&mut self, path: &str, from: (Option<TypeId>, &Reach), place: String) -> Result<(Path, Option<TypeId>, Reach), ViewError> {
        let path = self.path(path, from.0, place)?;
        let ty = Self::type_of(&path, from.0);
        let reach = self.reach(&path, from.1);
        self.taint = heavier(self.taint.clone(), reach.selection());
        Ok((path, ty, reach))
    }

    fn select(&mut self, select: &Json, from: (Option<TypeId>, &Reach), place: &str, depth: usize) -> Result<Select, ViewError> {
        let Json::Object(object) = select else { return wrong(place, "must be an object") };
        self.selects += 1;
        if depth > MAX_DEPTH || self.selects > MAX_SELECTS {
            return wrong(place, "the view has too many selects or nests them too deep");
        }
        let each = text(object, "forEach", place)?;
        let each_or_null = text(object, "forEachOrNull", place)?;
        let repeat = list(object, "repeat", place)?;
        let (source, focus, reach) = match (each, each_or_null, repeat) {
            (None, None, []) => (Source::Same, from.0, from.1.clone()),
            (Some(path), None, []) => {
                let (path, ty, reach) = self.each(&path, from, format!("{place}.forEach"))?;
                (Source::Each(Box::new(path)), ty, reach)
            }
            (None, Some(path), []) => {
                let (path, ty, reach) = self.each(&path, from, format!("{place}.forEachOrNull"))?;
                (Source::EachOrNull(Box::new(path)), ty, reach)
            }
            (None, None, paths) => {
                let mut compiled = Vec::new();
                for path in paths {
                    let Json::String(path) = path else { return wrong(&format!("{place}.repeat"), "must be an array of paths") };
                    // From the second round on the focus is another type: these paths go through the evaluator.
                    compiled.push(self.path(path, None, format!("{place}.repeat"))?);
                }
                let own_variables = compiled.iter().any(|path| defines_variable(path.expression.tree()));
                let follow = Follow { constants: &self.constants, own_variables };
                let reach = follow.repeated(&compiled.iter().map(|path| path.expression.tree()).collect::<Vec<_>>(), from.1);
                self.taint = heavier(self.taint.clone(), reach.selection());
                (Source::Repeat(compiled), None, reach)
            }
            _ => return wrong(place, "has more than one of forEach, forEachOrNull and repeat"),
        };
        let mut body = Block::default();
        for (at, column) in list(object, "column", place)?.iter().enumerate() {
            let path = self.column(column, (focus, &reach), &format!("{place}.column[{at}]"))?;
            body.columns.push((self.columns.len() - 1, path));
        }
        for (at, child) in list(object, "select", place)?.iter().enumerate() {
            body.children.push(Child::Select(self.select(child, (focus, &reach), &format!("{place}.select[{at}]"), depth + 1)?));
        }
        let union = list(object, "unionAll", place)?;
        if !union.is_empty() {
            body.children.push(Child::Union(self.union(union, (focus, &reach), place, depth)?));
        }
        Ok(Select { source, body })
    }

    /// Every branch writes the same columns; those of the first branch name them.
    fn union(&mut self, branches: &[Json], from: (Option<TypeId>, &Reach), place: &str, depth: usize) -> Result<Vec<Select>, ViewError> {
        let first = self.columns.len();
        let mut selects = Vec::new();
        let mut width = 0;
        for (at, branch) in branches.iter().enumerate() {
            let start = self.columns.len();
            let mut select = self.select(branch, from, &format!("{place}.unionAll[{at}]"), depth + 1)?;
            if at == 0 {
                width = self.columns.len() - start;
                selects.push(select);
                continue;
            }
            let added = self.columns.split_off(start);
            let known = &mut self.columns[first..first + width];
            let same = added.len() == width
                && added.iter().zip(&*known).all(|(added, known)| added.name == known.name && added.list == known.list);
            if !same {
                return Err(ViewError::UnionColumns { place: format!("{place}.unionAll[{at}]") });
            }
            for (known, added) in known.iter_mut().zip(added) {
                // Branches of different types meet in text, and those of different classes in one that covers both.
                if known.kind != added.kind {
                    known.kind = Kind::Text;
                }
                known.class = known.class.clone().mix(added.class);
            }
            shift(&mut select.body, start, first);
            selects.push(select);
        }
        Ok(selects)
    }

    fn column(&mut self, column: &Json, (focus, from): (Option<TypeId>, &Reach), place: &str) -> Result<Path, ViewError> {
        let Json::Object(object) = column else { return wrong(place, "must be an object") };
        let Some(name) = text(object, "name", place)? else { return wrong(place, "name is missing") };
        if !is_name(&name) {
            return wrong(place, "name must begin with a letter and hold letters, digits and underscores");
        }
        let Some(written) = text(object, "path", place)? else { return wrong(place, "path is missing") };
        let list_of = match object.get("collection") {
            None | Some(Json::Null) => false,
            Some(Json::Bool(collection)) => *collection,
            Some(_) => return wrong(&format!("{place}.collection"), "must be true or false"),
        };
        let path = self.path(&written, focus, name.clone())?;
        let shape = focus.and_then(|focus| check::infer(path.expression.tree(), &[focus]).ok());
        let found = path.walk.as_ref().filter(|walk| !walk.is_key()).map(|walk| walk.ty);
        let inferred = found.or_else(|| match shape.as_ref().and_then(|shape| shape.types.as_deref()) {
            Some([only]) => Some(*only),
            _ => None,
        });
        let system = if path.is_row_index { Some("Integer") } else { shape.and_then(|shape| shape.system) };
        let kind = match (Self::tag(object, place)?, text(object, "type", place)?) {
            (Some(kind), _) => kind,
            (None, Some(written)) => Kind::of_type(written.rsplit(['/', '.']).next().unwrap_or_default()),
            (None, None) => inferred.map(types::name).or(system).map_or(Kind::Text, Kind::of_type),
        };
        let is_text = !matches!(system, Some("Boolean" | "Integer")) && !path.walk.as_ref().is_some_and(Walk::is_key);
        let class = heavier(self.reach(&path, from).column_class(is_text), from.presence());
        // The key of a Patient, or of a reference that can only be one.
        let patient = path.walk.as_ref().is_some_and(Walk::is_key)
            && (focus.is_some_and(|ty| types::name(ty) == "Patient") && written.contains("getResourceKey")
                || written.contains("getReferenceKey(Patient)"));
        let doc = text(object, "description", place)?;
        self.columns.push(Column { name, kind, list: list_of, path: written, doc, class, patient });
        Ok(path)
    }

    /// The type that an `ansi/type` tag asks for.
    fn tag(column: &Map<String, Json>, place: &str) -> Result<Option<Kind>, ViewError> {
        for tag in list(column, "tag", place)? {
            let field = |key: &str| tag.get(key).and_then(Json::as_str);
            if field("name") == Some("ansi/type") {
                let kind = field("value").and_then(Kind::of_ansi);
                return match kind {
                    Some(kind) => Ok(Some(kind)),
                    None => {
                        wrong(&format!("{place}.tag"), "ansi/type is not supported; use BOOLEAN, BIGINT, DOUBLE, DECIMAL(p,s) or VARCHAR")
                    }
                };
            }
        }
        Ok(None)
    }

    /// The type of the items that a path finds, if there is only one.
    fn type_of(path: &Path, focus: Option<TypeId>) -> Option<TypeId> {
        if let Some(walk) = &path.walk {
            return Some(walk.ty);
        }
        let shape = check::infer(path.expression.tree(), &[focus?]).ok()?;
        match shape.types.as_deref() {
            Some([only]) if *only != types::known().resource => Some(*only),
            _ => None,
        }
    }
}

/// Moves the columns of a branch to those of the first branch.
fn shift(block: &mut Block, from: usize, to: usize) {
    for (slot, _) in &mut block.columns {
        *slot = *slot - from + to;
    }
    for child in &mut block.children {
        match child {
            Child::Select(select) => shift(&mut select.body, from, to),
            Child::Union(branches) => branches.iter_mut().for_each(|branch| shift(&mut branch.body, from, to)),
        }
    }
}

fn variables_of<'t>(tree: &'t Tree, out: &mut Vec<&'t str>) {
    if let Tree::Variable(name) = tree {
        out.push(name);
    }
    each_child(tree, &mut |child| variables_of(child, out));
}

fn defines_variable(tree: &Tree) -> bool {
    let mut found = matches!(tree, Tree::Call { function: crate::fhirpath::Function::DefineVariable, .. });
    each_child(tree, &mut |child| found |= defines_variable(child));
    found
}

fn each_child<'t>(tree: &'t Tree, each: &mut dyn FnMut(&'t Tree)) {
    match tree {
        Tree::Member { base: Some(base), .. } | Tree::OfType { base: Some(base), .. } | Tree::Sign { operand: base, .. } => each(base),
        Tree::Item { base, index } => {
            each(base);
            each(index);
        }
        Tree::Binary { left, right, .. } => {
            each(left);
            each(right);
        }
        Tree::Call { base, arguments, .. } => {
            if let Some(base) = base {
                each(base);
            }
            arguments.iter().for_each(each);
        }
        _ => {}
    }
}
