//! `directory_records`: what a DICOMDIR lists (PS3.3 annex F).

use std::{borrow::Cow, collections::HashMap};

use sutura_core::{FormatError, PhiClass};

use crate::{
    element::DataSet,
    tables::{
        instances,
        spec::{Add, Form::*, Read, Row, Rows, Table, computed, item, parent},
    },
    tag::Tag,
};

const RECORDS: Tag = Tag(0x0004_1220);
const NEXT: Tag = Tag(0x0004_1400);
const LOWER: Tag = Tag(0x0004_1420);
const KIND: Tag = Tag(0x0004_1430);
/// Records inside one another: patient, study, series, instance, and room for private ones.
const MOST_LEVELS: usize = 16;

pub(super) fn table() -> Table {
    let mut columns = instances::identity();
    columns.extend([
        computed(
            "record_number",
            "(0004,1220)",
            PhiClass::Operational,
            "number of the record, from 1, in the order of the file",
            Read::Integer(|row| Some(row.number)),
        ),
        computed(
            "parent_number",
            "(0004,1420)",
            PhiClass::Operational,
            "number of the record that it belongs to; null at the top",
            Read::Integer(|row| Some(row.outer).filter(|number| *number > 0)),
        ),
        item("record_type", "DirectoryRecordType", Text),
        item("in_use", "RecordInUseFlag", Integer),
        computed(
            "file",
            "(0004,1500)",
            PhiClass::OtherId,
            "path of the file that it is about, from the DICOMDIR's folder",
            Read::Text(|row| row.item.text(Tag(0x0004_1500)).map(|text| Cow::Owned(text.replace('\\', "/")))),
        ),
        item("referenced_sop_class_uid", "ReferencedSOPClassUIDInFile", Text),
        item("referenced_sop_instance_uid", "ReferencedSOPInstanceUIDInFile", Text),
        item("referenced_transfer_syntax_uid", "ReferencedTransferSyntaxUIDInFile", Text),
        parent(0, "patient_id", "PatientID", Text).of_patient(),
        parent(0, "patient_name", "PatientName", Text),
        parent(1, "study_instance_uid", "StudyInstanceUID", Text),
        parent(1, "study_date", "StudyDate", Date),
        parent(1, "study_time", "StudyTime", Time),
        parent(1, "study_id", "StudyID", Text),
        parent(1, "study_description", "StudyDescription", Text),
        parent(1, "accession_number", "AccessionNumber", Text),
        parent(2, "series_instance_uid", "SeriesInstanceUID", Text),
        parent(2, "series_number", "SeriesNumber", Integer),
        parent(2, "modality", "Modality", Text),
        item("instance_number", "InstanceNumber", Integer),
    ]);
    Table::new(
        "directory_records",
        "one row for each record of a DICOMDIR: patients, studies, series, files",
        Rows::DirectoryRecords,
        columns,
    )
}

/// Rows of a file.
pub(in crate::tables) fn each(row: &Row<'_>, add: &mut Add<'_>) -> Result<(), FormatError> {
    let records: Vec<DataSet<'_>> = row.record.data_set.items(RECORDS).collect();
    let by_offset: HashMap<usize, usize> = records.iter().enumerate().map(|(place, record)| (record.offset(), place)).collect();
    let at = |record: &DataSet<'_>, tag: Tag| {
        let offset = usize::try_from(record.integer(tag)?).ok().filter(|offset| *offset > 0)?;
        by_offset.get(&offset).copied()
    };
    // Offsets may say anything: a record gets one parent and keeps it.
    let mut parents: Vec<Option<usize>> = vec![None; records.len()];
    for (place, record) in records.iter().enumerate() {
        let mut child = at(record, LOWER);
        while let Some(below) = child.filter(|below| *below != place && parents[*below].is_none()) {
            parents[below] = Some(place);
            child = at(&records[below], NEXT);
        }
    }
    for (place, record) in records.iter().enumerate() {
        let mut levels = [None; 3];
        let mut above = Some(place);
        for _ in 0..MOST_LEVELS {
            let Some(here) = above else { break };
            let level = match records[here].text(KIND).as_deref() {
                Some("PATIENT") => Some(0),
                Some("STUDY") => Some(1),
                Some("SERIES") => Some(2),
                _ => None,
            };
            if let Some(level) = level {
                levels[level] = levels[level].or(Some(records[here]));
            }
            above = parents[here];
        }
        let outer = parents[place].map_or(0, |parent| parent as i64 + 1);
        add(&Row { item: *record, parents: &levels, number: place as i64 + 1, outer, ..*row })?;
    }
    Ok(())
}
