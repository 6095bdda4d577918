//! The derived tables as they stand in `data/v2`.

const SEGMENTS: &str = include_str!("../../data/v2/segments.tsv");
const DATATYPES: &str = include_str!("../../data/v2/datatypes.tsv");
const CODES: &str = include_str!("../../data/v2/codes.tsv");
const MESSAGES: &str = include_str!("../../data/v2/messages.tsv");
const DROPS: &str = include_str!("../../data/v2/drops.tsv");

/// One row of a map of a segment or a data type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// `PID-5`, `.3`, or empty for the whole.
    pub field: &'static str,
    pub condition: &'static str,
    pub target: &'static str,
    pub map: &'static str,
    pub codes: &'static str,
    pub assignment: &'static str,
}

fn cells<const N: usize>(line: &'static str) -> [&'static str; N] {
    let mut cells = line.split('\t');
    std::array::from_fn(|_| cells.next().unwrap_or(""))
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The lines of each `@` block with its name.
fn blocks(text: &'static str) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut blocks: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in lines(text) {
        if let Some(name) = line.strip_prefix('@') {
            blocks.push((name, Vec::new()));
        } else if let Some((_, rows)) = blocks.last_mut() {
            rows.push(line);
        }
    }
    blocks
}

fn maps(text: &'static str) -> Vec<(&'static str, Vec<Row>)> {
    let row = |line| {
        let [field, condition, target, map, codes, assignment] = cells(line);
        Row { field, condition, target, map, codes, assignment }
    };
    blocks(text).into_iter().map(|(name, lines)| (name, lines.into_iter().map(row).collect())).collect()
}

/// The maps of segments by name (`PID[Patient]`).
pub(super) fn segments() -> Vec<(&'static str, Vec<Row>)> {
    maps(SEGMENTS)
}

/// The maps of data types by name (`CX[Identifier]`).
pub(super) fn datatypes() -> Vec<(&'static str, Vec<Row>)> {
    maps(DATATYPES)
}

/// The maps of codes by name: code, FHIR code, display, system.
pub(super) fn codes() -> Vec<(&'static str, Vec<[&'static str; 4]>)> {
    blocks(CODES).into_iter().map(|(name, lines)| (name, lines.into_iter().map(cells).collect())).collect()
}

/// Structure, segment, context, role, segment map, condition.
pub(super) fn messages() -> impl Iterator<Item = [&'static str; 6]> {
    lines(MESSAGES).map(cells)
}

/// Field, reason, condition.
pub(super) fn drops() -> impl Iterator<Item = [&'static str; 3]> {
    lines(DROPS).map(cells)
}
