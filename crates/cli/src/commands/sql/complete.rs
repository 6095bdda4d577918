//! What the shell offers behind the tabulator key: table functions with their tables, the columns of
//! the format, SQL words and functions, and file names inside quotes.

use rustyline::{
    Context, Helper,
    completion::{Completer, FilenameCompleter, Pair},
    highlight::Highlighter,
    hint::Hinter,
    validate::{ValidationContext, ValidationResult, Validator},
};
use sutura_engine::Engine;

const KEYWORDS: [&str; 34] = [
    "select",
    "from",
    "where",
    "group by",
    "order by",
    "having",
    "limit",
    "join",
    "left join",
    "on",
    "as",
    "and",
    "or",
    "not",
    "in",
    "is null",
    "is not null",
    "like",
    "between",
    "case",
    "when",
    "then",
    "else",
    "end",
    "distinct",
    "count(*)",
    "union all",
    "with",
    "create view",
    "explain",
    "describe",
    "show tables",
    "desc",
    "asc",
];

/// Completion for the shell.
pub(crate) struct ShellHelper {
    words: Vec<String>,
    /// The function that reads a format, and the names of its tables.
    tables: Vec<(String, Vec<String>)>,
    files: FilenameCompleter,
}

impl ShellHelper {
    /// Words of an engine's formats and functions.
    pub(crate) fn new(engine: &Engine) -> Self {
        let mut words: Vec<String> = KEYWORDS.iter().map(|&word| word.to_owned()).collect();
        let mut tables = Vec::new();
        for format in engine.formats() {
            words.push(format!("read_{}('", format.name()));
            tables.push((format!("read_{}(", format.name()), format.tables().iter().map(|table| table.name.clone()).collect()));
            for table in format.tables() {
                words.extend(table.columns.iter().map(|column| column.name.clone()));
            }
        }
        words.extend(["rejects('", "deidentified(", "deid_spans("].map(str::to_owned));
        let state = engine.session().state();
        words.extend(state.scalar_functions().keys().chain(state.aggregate_functions().keys()).map(|name| format!("{name}(")));
        words.sort();
        words.dedup();
        Self { words, tables, files: FilenameCompleter::new() }
    }

    fn candidates(&self, line: &str, position: usize) -> (usize, Vec<String>) {
        let before = &line[..position];
        let quoted = before.matches('\'').count() % 2 == 1;
        let start = before
            .rfind(|c: char| !(c.is_alphanumeric() || c == '_'))
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let typed = before[start..].to_lowercase();
        // The tables of the format that is read last before the cursor.
        let of_format =
            || self.tables.iter().filter_map(|(function, tables)| Some((before.rfind(function)?, tables))).max_by_key(|found| found.0);
        let words = if quoted { of_format().map_or(&[][..], |(_, tables)| tables) } else { &self.words };
        if typed.is_empty() && !quoted {
            return (start, Vec::new());
        }
        (start, words.iter().filter(|word| word.starts_with(&typed)).cloned().collect())
    }
}

impl Completer for ShellHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, position: usize, context: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = &line[..position];
        let quotes = before.matches('\'').count();
        // The first text inside a function's parentheses is a path, the second a table.
        let is_path = quotes % 2 == 1 && before.rfind('\'').is_some_and(|at| before[..at].trim_end().ends_with('('));
        if is_path {
            return self.files.complete(line, position, context);
        }
        let (start, words) = self.candidates(line, position);
        Ok((start, words.into_iter().map(|word| Pair { display: word.clone(), replacement: word }).collect()))
    }
}

impl Hinter for ShellHelper {
    type Hint = String;
}

impl Highlighter for ShellHelper {}

impl Validator for ShellHelper {
    /// A statement goes on until its semicolon; a command of the shell is one line.
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input().trim();
        let complete = text.is_empty() || text.starts_with('\\') || is_word(text) || super::shell::is_complete(text);
        Ok(if complete { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

fn is_word(text: &str) -> bool {
    matches!(text, "exit" | "quit" | "help")
}

impl Helper for ShellHelper {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_functions_tables_and_columns() {
        let helper = ShellHelper::new(&crate::commands::engine(None, None).unwrap());
        let of = |line: &str| helper.candidates(line, line.len()).1;
        assert_eq!(of("select * from read_h"), ["read_hl7v2('"]);
        assert!(of("select message_ty").contains(&"message_type".to_owned()));
        assert_eq!(of("select * from read_hl7v2('feed/', 'observ"), ["observations"]);
        assert_eq!(of("select * from read_fhir('x', 'observ"), ["observations", "observation_components"]);
        assert!(of("select * from read_hl7v2('feed/', '").len() > 10);
        assert!(of("select ").is_empty());
        assert!(of("selé").is_empty());
    }
}
