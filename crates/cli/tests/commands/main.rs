//! The command from outside: what it prints, what it writes, what it exits with, and that it shows
//! nothing identifying unless told to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

mod canary;
mod convert;
mod deidentify;
mod deidentify_model;
mod dicom;
mod fhir;
mod fhir_resources;
mod images;
mod inspect;
mod jobs;
mod plumbing;
mod s3;
mod sql;
mod sql_policy;
mod terminology;

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

/// Two messages and bytes that are none. Every value that may identify somebody holds CANARY.
const FEED: &str = "MSH|^~\\&|LAB|CANARYFAC|EHR|CANARYFAC2|20260314150900-0500||ORU^R01^ORU_R01|CANARYCTRL1|P|2.5.1\r\
PID|1||CANARYMRN^^^CANARYAUTH^MR||CANARYFAMILY^CANARYGIVEN||19800101|F|||CANARYSTREET^^CANARYTOWN^NY^12345||CANARYPHONE\r\
PV1|1|I|CANARYWARD^101^A\r\
OBR|1|CANARYPLACER|CANARYFILLER|718-7^Hemoglobin^LN|||20260314150000\r\
OBX|1|NM|718-7^Hemoglobin^LN||13.5|g/dL|12-16|N|||F\r\
OBX|2|NM|718-7^Hemoglobin^LN||CANARYNUMBER|g/dL||||F\r\
OBX|3|TX|11506-3^Note^LN||CANARYTEXT was seen||||||F\r\
NTE|1||CANARYNOTE\r\
ZZZ|CANARYLOCAL\r\
CANARYLINE without a segment\r\
\r\
MSH|^~\\&|ADT|CANARYFAC|||20260315||ADT^A01^ADT_A01|CANARYCTRL2|P|2.5.1\r\
EVN||20260315\r\
PID|1||CANARYMRN2||CANARYFAMILY2\r\
PV1|1|I\r\
BTS|1\r\
CANARYJUNK behind the batch\r";

/// The command in a folder.
fn sutura(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sutura"));
    command.current_dir(folder).env_remove("SUTURA_LOG").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    sutura(folder).args(arguments).output().unwrap()
}

/// Runs with a text on standard input.
fn run_with(folder: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = sutura(folder).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[track_caller]
fn expect(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "stdout:\n{}\nstderr:\n{}", stdout(output), stderr(output));
}

/// A folder with the feed in `feed.hl7`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("feed.hl7"), FEED).unwrap();
    folder
}
