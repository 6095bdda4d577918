//! Conversions as published: the SI brochure, NIST SP 811 and Handbook 44, and tables of clinical units.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use sutura_terminology::{TerminologyError, ucum};

#[test]
fn published_conversions() {
    for (value, from, to, expected) in [
        // Lengths, areas, volumes: exact by definition.
        (1.0, "[in_i]", "cm", 2.54),
        (1.0, "[ft_i]", "m", 0.3048),
        (1.0, "[yd_i]", "m", 0.9144),
        (1.0, "[mi_i]", "km", 1.609_344),
        (1.0, "[nmi_i]", "m", 1852.0),
        (1.0, "[sin_i]", "cm2", 6.4516),
        (1.0, "[acr_us]", "m2", 4_046.872_609_874_252),
        (1.0, "[gal_us]", "L", 3.785_411_784),
        (1.0, "[pt_us]", "mL", 473.176_473),
        (1.0, "[foz_us]", "mL", 29.573_529_562_5),
        (1.0, "[tbs_us]", "mL", 14.786_764_781_25),
        (1.0, "[tsp_us]", "mL", 4.928_921_593_75),
        (1.0, "[gal_br]", "L", 4.546_09),
        (1.0, "[foz_br]", "mL", 28.413_062_5),
        (1.0, "[tsp_m]", "mL", 5.0),
        (20.0, "[drp]", "mL", 1.0),
        (1.0, "Ao", "nm", 0.1),
        // Masses.
        (1.0, "[lb_av]", "kg", 0.453_592_37),
        (1.0, "[oz_av]", "g", 28.349_523_125),
        (1.0, "[oz_tr]", "g", 31.103_476_8),
        (1.0, "[gr]", "mg", 64.798_91),
        (1.0, "[stone_av]", "kg", 6.350_293_18),
        (1.0, "[ston_av]", "kg", 907.184_74),
        (1.0, "t", "kg", 1000.0),
        (1.0, "[car_m]", "mg", 200.0),
        // Times.
        (1.0, "wk", "d", 7.0),
        (1.0, "a", "d", 365.25),
        (1.0, "mo", "d", 30.4375),
        (1.0, "d", "s", 86_400.0),
        // Pressure, force, energy, power.
        (1.0, "atm", "Pa", 101_325.0),
        (1.0, "bar", "kPa", 100.0),
        (760.0, "mm[Hg]", "kPa", 101.324_72),
        (1.0, "mm[Hg]", "Pa", 133.322),
        (1.0, "cm[H2O]", "Pa", 98.0665),
        (1.0, "[psi]", "kPa", 6.894_757_293_168),
        (1.0, "kgf", "N", 9.806_65),
        (1.0, "[lbf_av]", "N", 4.448_221_615_260_5),
        (1.0, "dyn", "uN", 10.0),
        (1.0, "cal_th", "J", 4.184),
        (1.0, "cal_IT", "J", 4.1868),
        (1.0, "[Cal]", "kJ", 4.184),
        (1.0, "[Btu_IT]", "kJ", 1.055_055_852_62),
        (1.0, "kW.h", "MJ", 3.6),
        (1.0, "[HP]", "W", 745.699_871_582_270_2),
        // Temperatures.
        (0.0, "Cel", "K", 273.15),
        (100.0, "Cel", "[degF]", 212.0),
        (-40.0, "[degF]", "Cel", -40.0),
        (98.6, "[degF]", "Cel", 37.0),
        (0.0, "K", "[degF]", -459.67),
        (80.0, "[degRe]", "Cel", 100.0),
        // Logarithms and angles.
        (7.4, "[pH]", "nmol/L", 39.810_717_055_349_7),
        (1e-7, "mol/L", "[pH]", 7.0),
        (20.0, "dB", "1", 100.0),
        (120.0, "dB[SPL]", "Pa", 20.0),
        (180.0, "deg", "rad", std::f64::consts::PI),
        (1.0, "circ", "deg", 360.0),
        // Radiation, electricity, optics.
        (1.0, "Ci", "GBq", 37.0),
        (1.0, "RAD", "mGy", 10.0),
        (1.0, "REM", "mSv", 10.0),
        (1.0, "R", "mC/kg", 0.258),
        (1.0, "G", "uT", 100.0),
        (2.0, "[diop]", "/cm", 0.02),
        // Clinical chemistry and haematology.
        (1.0, "g/dL", "mg/L", 10_000.0),
        (1.0, "ng/mL", "ug/L", 1.0),
        (1.0, "mg%", "mg/dL", 1.0),
        (5.0, "10*3/uL", "10*9/L", 5.0),
        (4.5, "10*6/uL", "10*12/L", 4.5),
        (1.0, "U/L", "nkat/L", 16.666_666_666_666_668),
        (60.0, "U", "umol/s", 1.0),
        (1.0, "meq/L", "mmol/L", 1.0),
        (290.0, "mosm/kg", "mmol/kg", 290.0),
        (1.0, "[IU]/mL", "k[IU]/L", 1.0),
        (1.0, "m[IU]/L", "u[IU]/mL", 1.0),
        (1.0, "mL/min/kg", "L/(h.kg)", 0.06),
        (1.0, "ug/kg/min", "mg/(kg.h)", 0.06),
        (1.0, "[PRU]", "mm[Hg].s/mL", 1.0),
        (1.0, "[wood'U]", "mm[Hg].min/L", 1.0),
        (50.0, "%", "1", 0.5),
        (1.0, "[ppm]", "mg/kg", 1.0),
        (25.0, "kg/m2", "[lb_av]/[in_i]2", 0.035_558_358),
        (1.0, "MiBy", "By", 1_048_576.0),
    ] {
        let found = ucum::convert(value, from, to).unwrap_or_else(|error| panic!("{value} {from} {to}: {error}"));
        assert!((found - expected).abs() <= 1e-6 * expected.abs().max(1e-12), "{value} {from} is {found} {to}, not {expected}");
        let back = ucum::convert(found, to, from).unwrap();
        assert!((back - value).abs() <= 1e-9 * value.abs().max(1e-9), "{value} {from} comes back as {back}");
    }
}

#[test]
fn what_measures_something_else_is_refused() {
    for (from, to) in [
        ("mg", "mL"),
        ("[IU]", "mg"),
        ("[IU]", "1"),
        ("[IU]", "[arb'U]"),
        ("Cel", "m"),
        ("mmol/L", "mg/dL"),
        ("m[IU]/L", "mmol/L"),
        ("[CFU]", "[PFU]"),
    ] {
        assert!(matches!(ucum::convert(1.0, from, to), Err(TerminologyError::Dimension { .. })), "{from} {to}");
    }
    for code in [
        "", " ", "mmHg", "mg/dl/", "mcg", "k", "kk", "2mg", "m^2", "mg{", "m[Hg", "Cel2", "Cel/h", "°C", "µg", "L/", "(m", "m)", "m//s",
        "kh", "k[in_i]", "hmin",
    ] {
        assert!(!ucum::is_valid(code), "{code}");
    }
    for code in [
        "mg/dL",
        "1",
        "{score}",
        "10*3/uL",
        "10^3/uL",
        "m[H2O]",
        "mL/min/{1.73_m2}",
        "/min",
        "kg.m/s2",
        "[in_i'Hg]",
        "%{saturation}",
        "mmol/mol{creat}",
        "a",
        "u[IU]/mL",
        "%",
        "(8.h)-1",
    ] {
        assert_eq!(ucum::is_valid(code), code != "(8.h)-1", "{code}");
    }
}

#[test]
fn numbers_that_cannot_be_converted_are_refused() {
    for value in ["", "-", ".", "1,5", "5 ", "0x10", "NaN", "inf", "1e400", "1e-400", "<5", "--1", "99999999999999999999999999999999999999"]
    {
        let found = ucum::convert_decimal(value, "g", "kg");
        assert_eq!(found.is_ok(), value == "5 ", "{value}: {found:?}");
    }
    assert!(ucum::convert(f64::NAN, "g", "kg").is_err() && ucum::convert(f64::INFINITY, "g", "kg").is_err());
    assert!(ucum::convert(-1.0, "mol/L", "[pH]").is_err());
}
