//! What the benchmark and the throughput example both read: which tables and columns, and how.

use std::{hint::black_box, ops::ControlFlow};

use bytes::Bytes;
use sutura_core::{BlockDecoder, Decoded, DecoderSpec, Format, FormatError, ReadStats, TableRequest};
use sutura_hl7v2::{Decoder, Hl7v2};

/// The columns of PID, PV1 and OBX that everybody reads.
pub(crate) const COLUMNS: [(&str, &[&str]); 3] = [
    (
        "patients",
        &[
            "_offset",
            "message_control_id",
            "patient_id",
            "family_name",
            "given_name",
            "birth_date",
            "sex",
            "street",
            "city",
            "state",
            "postal_code",
            "phone_home",
            "account_number",
            "ssn",
        ],
    ),
    (
        "visits",
        &[
            "_offset",
            "message_control_id",
            "patient_class",
            "location_point_of_care",
            "location_room",
            "location_bed",
            "attending_id",
            "visit_number",
            "admit_datetime",
        ],
    ),
    (
        "observations",
        &[
            "_offset",
            "message_control_id",
            "patient_id",
            "set_id",
            "value_type",
            "observation_code",
            "observation_name",
            "value_number",
            "value_text",
            "units",
            "reference_range",
            "abnormal_flags",
            "result_status",
            "observation_datetime",
        ],
    ),
];

/// What is asked of the reader.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted {
    /// [`COLUMNS`].
    Columns,
    /// The table of messages, with the hash of each.
    Messages,
    /// Every table with columns of its own.
    Typed,
    /// Those, every field in long form, and the findings.
    Everything,
}

/// The tables and columns as a decoder is asked for them.
pub(crate) fn requests(wanted: Wanted) -> Vec<TableRequest> {
    let whole = |name: &str| TableRequest::whole(name);
    let tables = Hl7v2.tables().iter().map(|table| table.name.as_str());
    match wanted {
        Wanted::Columns => COLUMNS
            .iter()
            .map(|(table, columns)| {
                let definition = Hl7v2.table(table);
                let columns = definition.map(|definition| columns.iter().filter_map(|name| definition.index_of(name)).collect());
                TableRequest { table: (*table).to_owned(), columns, filter: Vec::new() }
            })
            .collect(),
        Wanted::Messages => vec![whole("messages")],
        Wanted::Typed => tables.filter(|name| !matches!(*name, "segments" | "findings")).map(whole).collect(),
        Wanted::Everything => tables.map(whole).collect(),
    }
}

/// Reads the feed in blocks of 4 MiB, on this thread.
pub(crate) fn read(feed: &Bytes, requests: &[TableRequest]) -> Result<ReadStats, FormatError> {
    let spec = DecoderSpec {
        source: "bench:feed".into(),
        start: 0,
        end: None,
        options: serde_json::Value::Null,
        requests: requests.to_vec(),
        batch_rows: 8192,
    };
    let mut decoder = Decoder::new(spec)?;
    let mut sink = |decoded: Decoded| {
        black_box(decoded);
        ControlFlow::Continue(())
    };
    let mut at = 0;
    while at < feed.len() {
        let end = (at + (4 << 20)).min(feed.len());
        decoder.push(feed.slice(at..end), &mut sink)?;
        at = end;
    }
    decoder.finish(&mut sink)
}
