//! The interactive shell: statements of many lines up to a semicolon, history, completion, a few commands.

use std::{fmt::Write, fs, path::Path, time::Instant};

use rustyline::{CompletionType, Config, Editor, error::ReadlineError, history::DefaultHistory};
use sutura_engine::Engine;

use super::{Target, complete::ShellHelper, note_passed_over, print_rows, statements};
use crate::{
    args::RowFormat,
    commands::interruptible,
    failure::{CLEAN, Failure, Outcome},
    output::{self, Console},
};

const HELP: &str = "\
End a statement with ; and it runs. Identifying columns show as their class.
  \\d                  the formats and their tables
  \\d TABLE            the columns of a table
  \\f [FORMAT]         how rows are printed: table, ndjson, csv, json
  \\timing             how long each statement took, on or off
  \\?                  this help
  \\q                  leave (or end the input with ctrl-d)
Reading: select * from read_hl7v2('feed/', 'observations') limit 10;
         select code, count(*) from rejects('feed/') group by code;
         create view labs as select * from read_hl7v2('feed/', 'observations');
Under a policy (--policy): select * from deidentified(read_hl7v2('feed/', 'observations'));
";

/// Runs until the input ends.
pub(crate) fn run(engine: &Engine, target: Target, history: Option<&Path>, console: Console) -> Outcome {
    let config = Config::builder().completion_type(CompletionType::List).history_ignore_space(true).build();
    let mut editor: Editor<ShellHelper, DefaultHistory> = Editor::with_config(config).map_err(Failure::failed)?;
    editor.set_helper(Some(ShellHelper::new(engine)));
    if let Some(file) = history {
        prepare_history(file)?;
        editor.load_history(file).map_err(|error| Failure::configuration(format!("{}: {error}", file.display())))?;
    }
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::failed(format!("starting worker threads: {error}")))?;
    let mut shell = Shell { engine, target, timing: false, console };
    console.note("sutura sql: \\? for help, \\q to leave");
    loop {
        match editor.readline("sql> ") {
            Ok(line) if line.trim().is_empty() => {}
            Ok(line) => {
                let _ = editor.add_history_entry(line.trim());
                match shell.line(line.trim(), &runtime) {
                    Ok(true) => {}
                    Ok(false) => break,
                    // A wrong statement is said, and the shell goes on.
                    Err(failure) => {
                        output::fail(&failure);
                    }
                }
            }
            Err(ReadlineError::Interrupted) => console.note("ctrl-d or \\q to leave"),
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(Failure::failed(error)),
        }
        if let Some(file) = history {
            editor.save_history(file).map_err(|error| Failure::failed(format!("{}: {error}", file.display())))?;
        }
    }
    Ok(CLEAN)
}

/// Whether the text ends in a semicolon of its own.
pub(crate) fn is_complete(text: &str) -> bool {
    // A mark behind the end is a statement of its own only when the text before it is closed.
    text.ends_with(';') && statements(&format!("{text} mark")).last().is_some_and(|last| last == "mark")
}

/// A history file is for its owner only, before the first query goes in.
fn prepare_history(file: &Path) -> Outcome<()> {
    let bad = |error: std::io::Error| Failure::configuration(format!("{}: {error}", file.display()));
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        options.mode(0o600);
        let opened = options.open(file).map_err(bad)?;
        opened.set_permissions(fs::Permissions::from_mode(0o600)).map_err(bad)
    }
    #[cfg(not(unix))]
    options.open(file).map(|_| ()).map_err(bad)
}

struct Shell<'e> {
    engine: &'e Engine,
    target: Target,
    timing: bool,
    console: Console,
}

impl Shell<'_> {
    /// Does one line; answers whether the shell goes on.
    fn line(&mut self, line: &str, runtime: &tokio::runtime::Runtime) -> Outcome<bool> {
        let mut words = line.split_whitespace();
        match (words.next().unwrap_or_default().trim_end_matches(';'), words.next().map(|word| word.trim_end_matches(';'))) {
            ("\\q" | "exit" | "quit", None) => return Ok(false),
            ("\\?" | "\\h" | "help", None) => output::print(HELP)?,
            ("\\d" | "\\dt", None) => output::print(&self.list_tables())?,
            ("\\d", Some(table)) => output::print(&self.describe(table)?)?,
            ("\\f", None) => self.console.note(&format!("rows are printed as {}", word(self.target.format))),
            ("\\f", Some(name)) => {
                self.target.format = <RowFormat as clap::ValueEnum>::from_str(name, true)
                    .map_err(|_| Failure::configuration("there are the formats table, ndjson, csv, json"))?;
            }
            ("\\timing", None) => {
                self.timing = !self.timing;
                self.console.note(if self.timing { "timing is on" } else { "timing is off" });
            }
            (command, _) if command.starts_with('\\') => return Err(Failure::configuration("no such command; \\? lists them")),
            _ => {
                for statement in statements(line) {
                    self.statement(&statement, runtime)?;
                }
            }
        }
        Ok(true)
    }

    fn statement(&self, statement: &str, runtime: &tokio::runtime::Runtime) -> Outcome<()> {
        let clock = Instant::now();
        let rows = runtime.block_on(interruptible(async {
            let frame = self.engine.sql(statement).await?;
            print_rows(frame, &self.target, self.console).await
        }))?;
        note_passed_over(self.engine, self.console);
        if self.timing {
            self.console.note(&format!("{rows} rows, {:.3} s", clock.elapsed().as_secs_f64()));
        }
        Ok(())
    }

    fn list_tables(&self) -> String {
        let mut text = String::new();
        for format in self.engine.formats() {
            for table in format.tables() {
                let call = format!("read_{}('path', '{}')", format.name(), table.name);
                let _ = writeln!(text, "{call:<42} {}", table.doc);
            }
        }
        let _ = writeln!(text, "{:<42} {}", "rejects('path')", sutura_core::reject::rejects_table().doc);
        text
    }

    fn describe(&self, name: &str) -> Outcome<String> {
        let formats = self.engine.formats();
        let table = formats.iter().find_map(|format| format.table(name));
        let table = table.or_else(|| Some(sutura_core::reject::rejects_table()).filter(|_| name == "rejects"));
        table
            .map(crate::commands::tables::columns_text)
            .ok_or_else(|| Failure::configuration("no format has that table; \\d lists them (for a view of yours: describe NAME;)"))
    }
}

fn word(format: RowFormat) -> &'static str {
    match format {
        RowFormat::Table => "table",
        RowFormat::Ndjson => "ndjson",
        RowFormat::Csv => "csv",
        RowFormat::Json => "json",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_ends_at_its_own_semicolon() {
        assert!(is_complete("select 1;"));
        assert!(!is_complete("select 1"));
        assert!(!is_complete("select ';"));
        assert!(!is_complete("select 1 -- ;"));
        assert!(is_complete("select ';';"));
    }

    #[cfg(unix)]
    #[test]
    fn history_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("history");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        prepare_history(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
