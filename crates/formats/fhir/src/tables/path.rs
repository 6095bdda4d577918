//! Paths of columns, merged into one tree for each table: a resource is walked once, whatever the number of columns.

use crate::json::{Kind, Value};

/// No value was found.
pub(super) const NOTHING: u32 = u32::MAX;

/// What a path found: its place on the tape, and how late the path stood among the alternatives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub node: u32,
    rank: u8,
}

impl Found {
    pub(super) const NOTHING: Self = Self { node: NOTHING, rank: u8::MAX };
}

/// A place in a resource, and what is wanted of it and below it.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Columns that want this value, and the rank of the path.
    wanted: Vec<(usize, u8)>,
    members: Vec<Branch>,
}

#[derive(Debug)]
struct Branch {
    name: String,
    /// `.where(path='text')`: the first element for which this holds.
    choice: Option<Choice>,
    tree: Tree,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) path: Vec<String>,
    equals: String,
}

impl Tree {
    /// Adds the alternatives of a column.
    pub(super) fn add(&mut self, column: usize, path: &str) {
        for (rank, alternative) in path.split(" | ").enumerate() {
            let mut tree = &mut *self;
            for (name, choice) in steps(alternative) {
                tree = tree.branch(name, choice);
            }
            tree.wanted.push((column, rank as u8));
        }
    }

    fn branch(&mut self, name: String, choice: Option<Choice>) -> &mut Tree {
        let found = self.members.iter().position(|branch| branch.name == name && branch.choice == choice);
        let at = found.unwrap_or_else(|| {
            self.members.push(Branch { name, choice, tree: Tree::default() });
            self.members.len() - 1
        });
        &mut self.members[at].tree
    }

    /// Finds what is wanted below `value`.
    pub(super) fn walk(&self, value: Value<'_>, found: &mut [Found]) {
        let kind = value.kind();
        if kind == Kind::Null {
            return;
        }
        for &(column, rank) in &self.wanted {
            if rank < found[column].rank {
                found[column] = Found { node: value.index(), rank };
            }
        }
        if self.members.is_empty() {
            return;
        }
        match kind {
            Kind::Object => {}
            Kind::Array => {
                if let Some(first) = value.items().next() {
                    self.walk_members(first, found);
                }
                return;
            }
            _ => return,
        }
        self.walk_members(value, found);
    }

    fn walk_members(&self, object: Value<'_>, found: &mut [Found]) {
        for (name, member) in object.entries() {
            for branch in &self.members {
                if branch.name != name {
                    continue;
                }
                match &branch.choice {
                    None => branch.tree.walk(member, found),
                    Some(choice) => {
                        if let Some(chosen) = elements(member).find(|element| choice.holds(*element)) {
                            branch.tree.walk(chosen, found);
                        }
                    }
                }
            }
        }
    }
}

impl Choice {
    fn holds(&self, element: Value<'_>) -> bool {
        fn any(value: Value<'_>, path: &[String], equals: &str) -> bool {
            match path.split_first() {
                None => value.as_str() == Some(equals),
                Some((name, rest)) => value.get(name).is_some_and(|member| elements(member).any(|element| any(element, rest, equals))),
            }
        }
        any(element, &self.path, &self.equals)
    }
}

/// The elements of an array, or the value itself.
pub(super) fn elements(value: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    let alone = (value.kind() != Kind::Array).then_some(value);
    value.items().chain(alone)
}

/// The steps of a path: names, each with the condition that follows it.
pub(super) fn steps(path: &str) -> Vec<(String, Option<Choice>)> {
    let mut steps: Vec<(String, Option<Choice>)> = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(condition) = rest.strip_prefix("where(") {
            let (condition, after) = condition.split_once("')").unwrap_or((condition, ""));
            let (left, right) = condition.split_once("='").unwrap_or((condition, ""));
            let choice = Choice { path: left.split('.').map(str::to_owned).collect(), equals: right.to_owned() };
            if let Some(last) = steps.last_mut() {
                last.1 = Some(choice);
            }
            rest = after.strip_prefix('.').unwrap_or(after);
        } else {
            let (name, after) = rest.split_once('.').unwrap_or((rest, ""));
            steps.push((name.to_owned(), None));
            rest = after;
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Parser;

    fn find(paths: &[&str], json: &str) -> Vec<Option<String>> {
        let mut tree = Tree::default();
        for (column, path) in paths.iter().enumerate() {
            tree.add(column, path);
        }
        let mut parser = Parser::default();
        let document = parser.parse(json.as_bytes()).unwrap();
        let mut found = vec![Found::NOTHING; paths.len()];
        tree.walk(document.root(), &mut found);
        found.iter().map(|found| document.value_at(found.node).map(|value| value.raw_text().to_owned())).collect()
    }

    #[test]
    fn paths_choose_among_elements_and_alternatives() {
        let json = r#"{"id":"1","b":{"c":2},"name":[{"family":"A","given":["x","y"]},{"family":"B"}],
            "identifier":[{"system":"s","value":"1"},{"type":{"coding":[{"code":"Q"},{"code":"MR"}]},"value":"2"}],"n":null}"#;
        let paths = [
            "id",
            "name.family",
            "name.given",
            "identifier.where(type.coding.code='MR').value",
            "identifier.where(system='s').value",
            "identifier.where(system='http://x.y/z').value",
            "a.c | b.c | id",
            "n | id",
            "id.x",
        ];
        let found = find(&paths, json);
        let found: Vec<_> = found.iter().map(|text| text.as_deref().unwrap_or("-")).collect();
        assert_eq!(found, ["\"1\"", "\"A\"", "[\"x\",\"y\"]", "\"2\"", "\"1\"", "-", "2", "\"1\"", "-"]);
    }

    #[test]
    fn an_address_in_a_condition_is_one_literal() {
        let steps = steps("extension.where(url='http://a.b/c').extension.where(url='d').valueCoding.code");
        assert_eq!(steps.len(), 4);
        assert_eq!(steps[0].1.as_ref().unwrap().equals, "http://a.b/c");
        assert_eq!(steps[3].0, "code");
    }
}
