//! `docs/src/reference/cli.md` is written from the help texts and held current here.

use std::{fmt::Write, path::Path};

use clap::{Command, CommandFactory};

use crate::args::Cli;

const PREFACE: &str = "# Commands

<!-- Written from the help texts by the tests of crate sutura with SUTURA_WRITE_REFERENCE=1. -->

What `sutura COMMAND --help` prints. Results go to standard output, everything else to standard error; see also the
[exit codes](exit-codes.md).
";

fn page() -> String {
    let mut root = Cli::command().term_width(100);
    root.build();
    let mut out = PREFACE.to_owned();
    section(&mut out, &mut root, "sutura");
    out
}

fn section(out: &mut String, command: &mut Command, name: &str) {
    let help = command.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = write!(out, "\n## {name}\n\n```text\n{}\n```\n", lines.join("\n").trim_end());
    let children: Vec<String> = command.get_subcommands().map(|child| child.get_name().to_owned()).collect();
    for child in children.iter().filter(|child| *child != "help") {
        if let Some(found) = command.find_subcommand_mut(child) {
            section(out, found, &format!("{name} {child}"));
        }
    }
}

#[test]
fn the_reference_page_is_current() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/reference/cli.md");
    let wanted = page();
    if std::env::var_os("SUTURA_WRITE_REFERENCE").is_some() {
        std::fs::write(&file, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(found == wanted, "{} is out of date; run the tests of crate sutura with SUTURA_WRITE_REFERENCE=1", file.display());
}

#[test]
fn the_arguments_are_consistent() {
    Cli::command().debug_assert();
}
