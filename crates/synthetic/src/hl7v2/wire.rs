//! Writing a message in wire form, without an allocation per field.

use sutura_hl7v2::{Delimiters, escape::escape_into};

use crate::calendar::Stamp;

/// The segments the feed writes, so that they can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seg {
    Msh,
    Evn,
    Pid,
    Nk1,
    Pv1,
    Pv2,
    Al1,
    Dg1,
    In1,
    Mrg,
    Orc,
    Obr,
    Obx,
    Nte,
    Tq1,
    Rxe,
    Rxr,
    Rxd,
    Rxa,
    Txa,
    Sch,
    Rgs,
    Ais,
    Zpv,
}

/// Their names, in the order of [`Seg`].
pub(crate) const SEGMENTS: [&str; 24] = [
    "MSH", "EVN", "PID", "NK1", "PV1", "PV2", "AL1", "DG1", "IN1", "MRG", "ORC", "OBR", "OBX", "NTE", "TQ1", "RXE", "RXR", "RXD", "RXA",
    "TXA", "SCH", "RGS", "AIS", "ZPV",
];

/// The text of one message: segments joined by CR, none after the last.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) text: String,
    pub(crate) segments: [u32; SEGMENTS.len()],
    field: usize,
    delimiters: Delimiters,
}

impl Wire {
    pub(crate) fn new() -> Self {
        Self { text: String::with_capacity(8192), segments: [0; SEGMENTS.len()], field: 0, delimiters: Delimiters::default() }
    }

    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.segments = [0; SEGMENTS.len()];
    }

    /// Begins a segment. After MSH the next field is 3.
    #[inline]
    pub(crate) fn segment(&mut self, segment: Seg) -> &mut Self {
        if !self.text.is_empty() {
            self.text.push('\r');
        }
        self.text.push_str(SEGMENTS[segment as usize]);
        self.segments[segment as usize] += 1;
        self.field = 0;
        if segment == Seg::Msh {
            self.text.push_str("|^~\\&");
            self.field = 2;
        }
        self
    }

    /// Goes to a field; fields are written in ascending order.
    #[inline]
    pub(crate) fn at(&mut self, field: usize) -> &mut Self {
        for _ in self.field..field {
            self.text.push('|');
        }
        self.field = field;
        self
    }

    /// Appends what is in wire form already.
    #[inline]
    pub(crate) fn raw(&mut self, wire: &str) -> &mut Self {
        self.text.push_str(wire);
        self
    }

    /// Appends plain text, escaped.
    #[inline]
    pub(crate) fn plain(&mut self, text: &str) -> &mut Self {
        escape_into(text, &self.delimiters, &mut self.text);
        self
    }

    /// Appends a timestamp.
    #[inline]
    pub(crate) fn stamp(&mut self, stamp: &Stamp) -> &mut Self {
        self.raw(stamp.as_str())
    }

    /// Appends a number.
    pub(crate) fn number(&mut self, number: u64) -> &mut Self {
        self.padded(number, 1)
    }

    /// Appends a number with at least this many digits.
    pub(crate) fn padded(&mut self, mut number: u64, width: usize) -> &mut Self {
        let mut digits = [b'0'; 20];
        let mut at = digits.len();
        while number > 0 {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
        }
        let at = at.min(digits.len() - width.min(digits.len()));
        self.raw(std::str::from_utf8(&digits[at..]).unwrap_or_default())
    }

    /// Appends a number counted in units of 10^-`decimals`.
    pub(crate) fn decimal(&mut self, value: i32, decimals: u32) -> &mut Self {
        if value < 0 {
            self.text.push('-');
        }
        let scale = 10_u64.pow(decimals);
        let value = u64::from(value.unsigned_abs());
        self.number(value / scale);
        if decimals > 0 {
            self.text.push('.');
            self.padded(value % scale, decimals as usize);
        }
        self
    }

    /// Appends a coded element: code, text, coding system.
    #[inline]
    pub(crate) fn coded(&mut self, (code, text): (&str, &str), system: &str) -> &mut Self {
        self.raw(code).raw("^").plain(text).raw("^").raw(system)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_land_where_they_belong() {
        let mut wire = Wire::new();
        wire.segment(Seg::Msh).at(3).raw("LAB").at(7).raw("2025");
        wire.segment(Seg::Obx).at(1).number(0).at(5).decimal(1205, 2).raw(" ").decimal(-7, 1).raw(" ").padded(42, 5).at(6).plain("a|b&c");
        assert_eq!(wire.text, "MSH|^~\\&|LAB||||2025\rOBX|0||||12.05 -0.7 00042|a\\F\\b\\T\\c");
        assert_eq!(wire.segments[Seg::Obx as usize], 1);
    }
}
