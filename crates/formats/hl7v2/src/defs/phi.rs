//! The PHI class of every field and component of every segment.
//!
//! The class of a field is in `data/segments.tsv`, decided by data type and name plus a reviewed
//! list of overrides; the classes of components are in `data/datatypes.tsv`. What the dictionary
//! does not know (Z segments, unknown segments, extra fields and components) may hold anything and
//! is free text, the class that every policy treats most carefully.

use sutura_core::PhiClass;

use super::{Shape, datatype, segment};

/// The class of a component of a field; `component` 0 asks for the field's main content.
///
/// A field with several components mixes classes: treat it by component where that matters.
pub fn phi_class(segment_name: &str, field: usize, component: usize) -> PhiClass {
    let Some(def) = segment(segment_name).and_then(|segment| segment.field(field)) else {
        return PhiClass::FreeText;
    };
    if component == 0 {
        return def.phi.clone();
    }
    if def.shape != Shape::Composite && def.shape != Shape::Coded && def.shape != Shape::Timestamp {
        // A primitive type has one component; more of them come from an older or a local definition.
        return if component == 1 { def.phi.clone() } else { PhiClass::FreeText };
    }
    if def.shape == Shape::Timestamp {
        return if component <= 2 { def.phi.clone() } else { PhiClass::FreeText };
    }
    component_class(def.datatype, component, &def.phi)
}

/// The class of a sub-component of a component whose type is `component_type` and class `outer`.
///
/// An identifying component stays what it is; a component without identifying content may have parts that have some (the original
/// text of a code), and parts that no definition knows.
pub fn subcomponent_class(component_type: &str, subcomponent: usize, outer: &PhiClass) -> PhiClass {
    if outer.is_identifying() || subcomponent <= 1 && datatype(component_type).is_none() {
        return outer.clone();
    }
    component_class(component_type, subcomponent, outer)
}

fn component_class(datatype_name: &str, component: usize, field: &PhiClass) -> PhiClass {
    match datatype(datatype_name).and_then(|known| known.component(component)) {
        Some(part) => part.phi.clone().unwrap_or_else(|| field.clone()),
        None => PhiClass::FreeText,
    }
}

/// The class of an observation's value (OBX-5) by its value type (OBX-2). `component` 0 asks for
/// the whole value.
///
/// Numbers, codes and dates are what they are; text, references and anything unknown is free text.
pub fn observation_value_class(value_type: &str, component: usize) -> PhiClass {
    match value_type {
        "NM" | "ID" | "IS" | "SI" if component <= 1 => PhiClass::Clinical,
        "SN" | "CQ" | "NA" | "MA" | "NR" | "MO" | "CP" if component > 0 => component_class(value_type, component, &PhiClass::Clinical),
        "SN" | "CQ" | "NA" | "MA" | "NR" | "MO" | "CP" => PhiClass::Clinical,
        "CE" | "CWE" | "CNE" | "CF" if component > 0 => component_class(value_type, component, &PhiClass::Clinical),
        "CE" | "CWE" | "CNE" => PhiClass::Clinical,
        "DT" | "TM" | "TS" | "DTM" | "DR" => PhiClass::Date,
        "XAD" | "AD" | "XPN" | "PN" | "XCN" | "CN" | "XTN" | "TN" | "XON" | "CX" | "CK" | "EI" | "HD" | "PL" => {
            let whole = match value_type {
                "XAD" | "AD" => PhiClass::Geography,
                "XPN" | "PN" | "XCN" | "CN" => PhiClass::Name,
                "XTN" | "TN" => PhiClass::Phone,
                "CX" | "CK" => PhiClass::Mrn,
                _ => PhiClass::OtherId,
            };
            if component == 0 { whole } else { component_class(value_type, component, &whole) }
        }
        _ => PhiClass::FreeText,
    }
}
