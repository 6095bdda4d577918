//! `sutura inspect`: messages and images as readable trees, documents as outlines, or all of them as JSON for a program.

mod dicom;
mod document;
mod json;
mod records;

use std::io::Write;

use sutura_core::{Finding, Reject};
use sutura_hl7v2::{Message, charset, charset::Charset, inspect, validate::validate};

use self::records::{Found, Opened, Records};
use crate::{
    args::InspectArgs,
    failure::{CLEAN, Failure, Outcome},
    output::{self, Console},
};

/// Runs the command.
pub(crate) fn run(args: &InspectArgs, console: Console) -> Outcome {
    let reveal = args.allow.stated_purpose()?.is_some();
    let default = Charset::from_name(&args.charset)
        .ok_or_else(|| Failure::configuration("--charset: not a name of HL7 table 0211; use 8859/1, UNICODE UTF-8 or the like"))?;
    let opened = Records::open(&args.file)?;
    if args.preview.is_some() && !matches!(opened, Opened::Image(_)) {
        return Err(Failure::configuration(format!("{}: --preview is for DICOM files, and this is none", args.file)));
    }
    let mut records = match opened {
        Opened::Feed(records) => records,
        Opened::Document(bytes) => return document::run(args, bytes, reveal),
        Opened::Image(input) => return dicom::run(args, input, reveal, console),
    };
    let mut out = output::stdout();
    let written = |error: std::io::Error| Failure::io("standard output", &error);
    let mut number = 0;
    let mut shown = 0;
    while let Some(found) = records.next_record()? {
        number += 1;
        let wanted = match &args.control_id {
            Some(id) => found.control_id() == Some(id.as_str()),
            None => args.all || number == args.message,
        };
        if !wanted {
            continue;
        }
        shown += 1;
        let text = match &found {
            Found::Message { offset, bytes, .. } => show_message(number, *offset, bytes, default, args.json, reveal),
            Found::Reject(reject) => show_reject(number, reject, args.json),
        };
        out.write_all(text.as_bytes()).map_err(written)?;
        if !args.all {
            break;
        }
    }
    out.flush().map_err(written)?;
    if shown == 0 {
        return Err(nothing_shown(args, number));
    }
    if !args.all && args.control_id.is_none() && records.next_record()?.is_some() {
        console.note(&format!("record {number} shown; there are more: --message N, --control-id ID or --all"));
    }
    Ok(CLEAN)
}

fn nothing_shown(args: &InspectArgs, seen: u64) -> Failure {
    let file = &args.file;
    match (&args.control_id, seen) {
        (_, 0) => Failure::configuration(format!("{file}: no HL7 v2 message and nothing else to show; the file is empty or blank")),
        (Some(_), _) => Failure::configuration(format!("{file}: none of the {seen} records has that control id (MSH-10)")),
        (None, _) => Failure::configuration(format!("{file}: there is no record {}; the file has {seen}", args.message)),
    }
}

fn show_message(number: u64, offset: u64, bytes: &[u8], default: Charset, as_json: bool, reveal: bool) -> String {
    let mut findings: Vec<Finding> = Vec::new();
    let decoded = charset::decode_message(bytes, default, &mut findings);
    let message = match Message::parse(&decoded.text) {
        Ok(message) => message,
        // The reader took it, so this cannot happen; say so rather than stop.
        Err(error) => return format!("record {number} at byte {offset}, {} bytes: {error}\n", bytes.len()),
    };
    validate(&message, &mut findings);
    if as_json {
        return format!("{}\n", json::message(number, offset, bytes.len(), &message, &findings, reveal));
    }
    let tree = inspect::tree(&message, &findings, reveal);
    format!("record {number} at byte {offset}, {} bytes, {}\n{tree}\n", bytes.len(), output::count(findings.len(), "finding"))
}

fn show_reject(number: u64, reject: &Reject, as_json: bool) -> String {
    if as_json {
        return format!("{}\n", json::reject(number, reject));
    }
    let at = if reject.location.is_empty() { String::new() } else { format!("{}: ", reject.location) };
    format!(
        "record {number} at byte {}, {} bytes: rejected\n  ! error {}: {at}{}\n\n",
        reject.id.offset, reject.id.length, reject.code, reject.reason
    )
}
