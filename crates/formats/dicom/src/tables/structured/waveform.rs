//! `waveform_channels` and `waveform_samples` (PS3.3 C.10.9).

use sutura_core::{FormatError, PhiClass};

use super::coded;
use crate::{
    element::DataSet,
    tables::spec::{Add, Form::*, Read, Row, Rows, Table, computed, item, parent, table},
    tag::Tag,
};

const WAVEFORMS: Tag = Tag(0x5400_0100);
const CHANNELS: Tag = Tag(0x003A_0200);

pub(super) fn tables() -> [Table; 2] {
    [channel_table(), sample_table()]
}

fn channel_table() -> Table {
    use PhiClass::Operational;
    let mut columns = vec![
        computed("group_number", "(5400,0100)", Operational, "number of the multiplex group, from 1", Read::Integer(|row| Some(row.outer))),
        computed(
            "channel_number",
            "(003A,0200)",
            Operational,
            "number of the channel in its group, from 1",
            Read::Integer(|row| Some(row.number)),
        ),
        parent(0, "group_label", "MultiplexGroupLabel", Text),
        parent(0, "originality", "WaveformOriginality", Text),
        parent(0, "samples", "NumberOfWaveformSamples", Integer),
        parent(0, "sampling_frequency", "SamplingFrequency", Number).in_unit("Hz"),
        parent(0, "bits_allocated", "WaveformBitsAllocated", Integer),
        parent(0, "sample_interpretation", "WaveformSampleInterpretation", Text),
        item("label", "ChannelLabel", Text),
        item("sensitivity", "ChannelSensitivity", Number),
        item("sensitivity_correction", "ChannelSensitivityCorrectionFactor", Number),
        item("baseline", "ChannelBaseline", Number),
        item("filter_low_frequency", "FilterLowFrequency", Number).in_unit("Hz"),
        item("filter_high_frequency", "FilterHighFrequency", Number).in_unit("Hz"),
        item("notch_filter_frequency", "NotchFilterFrequency", Number).in_unit("Hz"),
    ];
    columns.extend(coded!("source_code", "source_scheme", "source_meaning", 0x003A_0208, "the channel's source: the lead of an ECG"));
    columns.extend(coded!("unit_code", "unit_scheme", "unit_meaning", 0x003A_0211, "the unit of the channel's sensitivity"));
    table("waveform_channels", "one row for each channel of a waveform", Rows::Channels, columns)
}

fn sample_table() -> Table {
    use PhiClass::{Clinical, Operational};
    let columns = vec![
        computed("group_number", "(5400,0100)", Operational, "number of the multiplex group, from 1", Read::Integer(|row| Some(row.outer))),
        computed(
            "channel_number",
            "(003A,0200)",
            Operational,
            "number of the channel in its group, from 1",
            Read::Integer(|row| Some(row.depth)),
        ),
        computed("sample_number", "(5400,1010)", Operational, "number of the sample, from 0", Read::Integer(|row| Some(row.number))),
        computed(
            "seconds",
            "(003A,001A)",
            Clinical,
            "time since the group's first sample, by the sampling frequency",
            Read::Number(|row| row.values.get(2).copied().filter(|seconds| seconds.is_finite())),
        )
        .in_unit("s"),
        computed(
            "stored_value",
            "(5400,1010)",
            Clinical,
            "the sample as stored; null of recorded sound, as is the value: a voice is an identifier, and what it says is not known",
            Read::Number(|row| row.values.first().copied().filter(|stored| stored.is_finite())),
        ),
        computed(
            "value",
            "(5400,1010)",
            Clinical,
            "the sample in the unit of its channel: stored value by sensitivity and correction factor, and the baseline; null without sensitivity",
            Read::Number(|row| row.values.get(1).copied().filter(|value| value.is_finite())),
        ),
        computed(
            "unit",
            "(003A,0211)",
            Clinical,
            "code of the unit",
            Read::Text(|row| super::code(row.item, 0x003A_0211, super::CodePart::Value)),
        ),
    ];
    table("waveform_samples", "one row for each sample of each channel of a waveform", Rows::Samples, columns)
}

/// Rows of a file.
pub(in crate::tables) fn channels(row: &Row<'_>, add: &mut Add<'_>) -> Result<(), FormatError> {
    for (group, around) in row.record.data_set.items(WAVEFORMS).enumerate() {
        for (place, item) in around.items(CHANNELS).enumerate() {
            add(&Row { item, parents: &[Some(around), None, None], outer: group as i64 + 1, number: place as i64 + 1, ..*row })?;
        }
    }
    Ok(())
}

/// Whether a waveform is recorded sound: by its class, or coded as telephones do (mu-law, A-law).
fn is_sound(row: &Row<'_>, interpretation: &str) -> bool {
    let text = |tag| row.record.data_set.text(Tag(tag)).unwrap_or_default();
    text(0x0008_0016).starts_with("1.2.840.10008.5.1.4.1.1.9.4.") || text(0x0008_0060) == "AU" || matches!(interpretation, "MB" | "AB")
}

/// A channel and the line that its samples are on.
struct Channel<'d> {
    item: DataSet<'d>,
    factor: f64,
    baseline: f64,
}

/// Rows of a file.
pub(in crate::tables) fn samples(row: &Row<'_>, add: &mut Add<'_>) -> Result<(), FormatError> {
    for (group, around) in row.record.data_set.items(WAVEFORMS).enumerate() {
        let channels: Vec<Channel<'_>> = around.items(CHANNELS).map(channel).collect();
        let Some(data) = around.get(Tag(0x5400_1010)).filter(|_| !channels.is_empty()) else { continue };
        let interpretation = around.text(Tag(0x5400_1006)).unwrap_or_default();
        let size = around.integer(Tag(0x5400_1004)).and_then(|bits| usize::try_from(bits).ok()).unwrap_or(16).div_ceil(8);
        if !matches!(size, 1 | 2 | 4) {
            continue;
        }
        let step = around.number(Tag(0x003A_001A)).filter(|frequency| *frequency > 0.0).map_or(f64::NAN, |frequency| 1.0 / frequency);
        let is_sound = is_sound(row, &interpretation);
        // Samples of all channels at one time, then those of the next.
        for (position, bytes) in data.bytes().chunks_exact(size).enumerate() {
            let (number, place) = (position / channels.len(), position % channels.len());
            let stored = if is_sound { f64::NAN } else { stored(bytes, &interpretation, data.is_big_endian()) };
            let channel = &channels[place];
            let values = [stored, stored * channel.factor + channel.baseline, number as f64 * step];
            add(&Row {
                item: channel.item,
                values: &values,
                outer: group as i64 + 1,
                depth: place as i64 + 1,
                number: number as i64,
                ..*row
            })?;
        }
    }
    Ok(())
}

fn channel(item: DataSet<'_>) -> Channel<'_> {
    let sensitivity = item.number(Tag(0x003A_0210)).unwrap_or(f64::NAN);
    let correction = item.number(Tag(0x003A_0212)).unwrap_or(1.0);
    Channel { item, factor: sensitivity * correction, baseline: item.number(Tag(0x003A_0213)).unwrap_or(0.0) }
}

/// One sample (Waveform Sample Interpretation).
fn stored(bytes: &[u8], interpretation: &str, big: bool) -> f64 {
    let unsigned = if big {
        bytes.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte))
    } else {
        bytes.iter().rev().fold(0u32, |number, byte| number << 8 | u32::from(*byte))
    };
    match interpretation {
        "UB" | "US" | "UL" => f64::from(unsigned),
        "MB" => f64::from(mu_law(unsigned as u8)),
        "AB" => f64::from(a_law(unsigned as u8)),
        _ => {
            let shift = 32 - 8 * bytes.len() as u32;
            f64::from((unsigned << shift) as i32 >> shift)
        }
    }
}

/// ITU-T G.711.
fn mu_law(byte: u8) -> i32 {
    let byte = !byte;
    let magnitude = (((i32::from(byte & 0x0F) << 3) + 0x84) << (byte >> 4 & 7)) - 0x84;
    if byte & 0x80 != 0 { -magnitude } else { magnitude }
}

/// ITU-T G.711.
fn a_law(byte: u8) -> i32 {
    let byte = byte ^ 0x55;
    let (exponent, mantissa) = (byte >> 4 & 7, i32::from(byte & 0x0F) << 4);
    let magnitude = match exponent {
        0 => mantissa + 8,
        exponent => (mantissa + 0x108) << (exponent - 1),
    };
    if byte & 0x80 != 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_by_their_interpretation() {
        assert_eq!(stored(&[0xFF, 0xFF], "SS", false) as i32, -1);
        assert_eq!(stored(&[0xFF, 0xFE], "SS", true) as i32, -2);
        assert_eq!(stored(&[0xFF, 0xFF], "US", false) as i32, 65535);
        assert_eq!(stored(&[0x80], "SB", false) as i32, -128);
        assert_eq!((mu_law(0xFF), mu_law(0x00), mu_law(0x80)), (0, -32124, 32124));
        assert_eq!((a_law(0xD5), a_law(0x2A), a_law(0xAA)), (8, -32256, 32256));
    }
}
