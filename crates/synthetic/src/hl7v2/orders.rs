//! Pharmacy orders (RDE^O11), dispenses (RDS^O13), vaccinations (VXU^V04) and appointments (SIU^S12).

use crate::{
    calendar::{DAY, Moment, Precision, Stamp},
    clinical::{DRUGS, Drug, REASONS, VACCINES},
};

use super::{facilities::Version, messages::Page, wire::Seg};

/// The drug a visit's next order is for.
fn next_drug(page: &mut Page<'_>) -> &'static Drug {
    page.rng.pick(&DRUGS)
}

fn common_order(page: &mut Page<'_>, control: &str, number: u64) {
    let at = page.stamp(page.at);
    page.wire.segment(Seg::Orc).at(1).raw(control).at(2).raw("R").padded(number, 9).raw("^EHR");
    page.wire.at(3).raw("X").padded(number, 9).raw("^RXFLOW").at(9).stamp(&at).at(12);
    page.clinician(page.visit.attending);
}

pub(crate) fn order(page: &mut Page<'_>) {
    page.pid();
    page.pv1();
    let orders = page.rng.between(1, 2);
    for _ in 0..orders {
        let drug = next_drug(page);
        let number = page.rng.below(1_000_000_000);
        let start = page.stamp(page.at);
        let stop = page.stamp(page.at.plus(10 * DAY));
        common_order(page, "NW", number);
        let wire = &mut *page.wire;
        wire.segment(Seg::Rxe);
        wire.at(2).coded((drug.code, drug.name), "RXNORM").at(3).raw(drug.dose).at(5).coded((drug.unit, drug.unit), "UCUM");
        wire.at(6)
            .coded(drug.form, "HL70292")
            .at(7)
            .raw("^")
            .plain("Take with food & water")
            .at(10)
            .raw("30")
            .at(11)
            .coded(drug.form, "HL70292");
        wire.at(12).raw("2").at(15).raw("RX").padded(number, 9);
        wire.segment(Seg::Tq1)
            .at(1)
            .raw("1")
            .at(3)
            .raw(drug.frequency.0)
            .raw("&")
            .raw(drug.frequency.1)
            .raw("&HL70335")
            .at(7)
            .stamp(&start)
            .at(8)
            .stamp(&stop)
            .at(9)
            .raw("R");
        wire.segment(Seg::Rxr).at(1).raw("PO^Oral^HL70162");
    }
}

pub(crate) fn dispense(page: &mut Page<'_>) {
    page.pid();
    page.pv1();
    let drug = next_drug(page);
    let number = page.rng.below(1_000_000_000);
    let at = page.stamp(page.at);
    common_order(page, "RE", number);
    let wire = &mut *page.wire;
    wire.segment(Seg::Rxd).at(1).raw("1").at(2).coded((drug.code, drug.name), "RXNORM").at(3).stamp(&at).at(4).raw("30");
    wire.at(5).coded(drug.form, "HL70292").at(7).raw("RX").padded(number, 9);
    wire.segment(Seg::Rxr).at(1).raw("PO^Oral^HL70162");
}

pub(crate) fn vaccination(page: &mut Page<'_>) {
    page.pid();
    page.nk1();
    let doses = page.rng.between(1, 3);
    let first = page.rng.below(VACCINES.len() as u64) as usize;
    for dose in 0..doses as usize {
        let (code, name, maker, maker_name) = VACCINES[(first + dose) % VACCINES.len()];
        let number = page.rng.below(1_000_000_000);
        let given = Stamp::new(page.at, Precision::Day, 0);
        let expires = Stamp::new(Moment(page.at.0 + 300 * DAY), Precision::Day, 0);
        common_order(page, "RE", number);
        page.wire.segment(Seg::Rxa).at(1).raw("0").at(2).raw("1").at(3).stamp(&given).at(4).stamp(&given).at(5).coded((code, name), "CVX");
        page.wire.at(6).raw("0.5").at(7).raw("mL^^UCUM").at(9).raw("00^New immunization record^NIP001").at(10);
        page.clinician(page.visit.attending);
        page.wire.at(15).raw("LOT").padded(number % 100_000, 5).at(16).stamp(&expires).at(17).coded((maker, maker_name), "MVX");
        page.wire.at(20).raw("CP").at(21).raw("A");
        page.wire.segment(Seg::Rxr).at(1).raw("IM^Intramuscular^HL70162").at(2).raw("LA^Left Arm^HL70163");
    }
}

pub(crate) fn appointment(page: &mut Page<'_>) {
    let start = page.stamp(page.visit.start);
    let end = page.stamp(page.visit.start.plus(1800));
    let wire = &mut *page.wire;
    wire.segment(Seg::Sch).at(1).raw("AP").padded(page.visit.number, 9).raw("^EHR").at(2).raw("AF").padded(page.visit.number, 9);
    wire.raw("^SCHEDPLUS").at(6).raw("ROUTINE^Routine appointment^HL70276").at(7).raw("^").plain(REASONS[page.visit.reason].1);
    wire.at(8).raw("NORMAL^Routine schedule request type^HL70277").at(9).raw("30").at(10).raw("min^minute^UCUM");
    if page.version < Version::V27 {
        wire.at(11).raw("^^30^").stamp(&start).raw("^").stamp(&end);
    }
    wire.at(16);
    page.clinician(page.visit.attending);
    page.wire.at(20);
    page.clinician(page.visit.attending / 3);
    page.wire.at(25).raw("Booked^Booked^HL70278");
    page.pid();
    page.pv1();
    let wire = &mut *page.wire;
    wire.segment(Seg::Rgs).at(1).raw("1").at(2).raw("A");
    wire.segment(Seg::Ais)
        .at(1)
        .raw("1")
        .at(2)
        .raw("A")
        .at(3)
        .raw("OV^Office visit^L")
        .at(4)
        .stamp(&start)
        .at(7)
        .raw("30")
        .at(8)
        .raw("min^minute^UCUM");
}
