//! What is measured, given and diagnosed: codes with their texts, units and usual ranges.

/// A laboratory test. Values are whole numbers in units of 10^-`decimals`.
#[derive(Debug)]
pub(crate) struct Lab {
    /// LOINC code.
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    /// UCUM unit.
    pub(crate) unit: &'static str,
    pub(crate) decimals: u32,
    /// Reference range.
    pub(crate) low: i32,
    pub(crate) high: i32,
    /// Values outside are critical.
    pub(crate) critical: (i32, i32),
    /// Values outside are not drawn.
    pub(crate) possible: (i32, i32),
}

impl Lab {
    /// How a value stands to the ranges (HL7 table 0078): `N`, `L`, `H`, `LL` or `HH`.
    pub(crate) fn flag(&self, value: i32) -> &'static str {
        if value < self.critical.0 {
            "LL"
        } else if value > self.critical.1 {
            "HH"
        } else if value < self.low {
            "L"
        } else if value > self.high {
            "H"
        } else {
            "N"
        }
    }
}

const fn lab(
    code: &'static str,
    name: &'static str,
    unit: &'static str,
    decimals: u32,
    (low, high): (i32, i32),
    critical: (i32, i32),
    possible: (i32, i32),
) -> Lab {
    Lab { code, name, unit, decimals, low, high, critical, possible }
}

pub(crate) const LABS: [Lab; 38] = [
    lab("2951-2", "Sodium [Moles/volume] in Serum or Plasma", "mmol/L", 0, (136, 145), (120, 160), (112, 168)),
    lab("2823-3", "Potassium [Moles/volume] in Serum or Plasma", "mmol/L", 1, (35, 51), (28, 62), (22, 75)),
    lab("2075-0", "Chloride [Moles/volume] in Serum or Plasma", "mmol/L", 0, (98, 107), (80, 120), (75, 126)),
    lab("2028-9", "Carbon dioxide, total [Moles/volume] in Serum or Plasma", "mmol/L", 0, (22, 29), (10, 40), (6, 45)),
    lab("3094-0", "Urea nitrogen [Mass/volume] in Serum or Plasma", "mg/dL", 0, (7, 20), (2, 100), (2, 140)),
    lab("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL", 2, (60, 120), (20, 740), (20, 1100)),
    lab("2345-7", "Glucose [Mass/volume] in Serum or Plasma", "mg/dL", 0, (70, 99), (45, 450), (28, 700)),
    lab("17861-6", "Calcium [Mass/volume] in Serum or Plasma", "mg/dL", 1, (86, 102), (65, 130), (58, 145)),
    lab("6690-2", "Leukocytes [#/volume] in Blood by Automated count", "10*3/uL", 1, (45, 110), (20, 300), (5, 620)),
    lab("789-8", "Erythrocytes [#/volume] in Blood by Automated count", "10*6/uL", 2, (420, 590), (200, 750), (170, 790)),
    lab("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 1, (120, 175), (70, 200), (48, 215)),
    lab("4544-3", "Hematocrit [Volume Fraction] of Blood by Automated count", "%", 1, (360, 500), (210, 600), (160, 640)),
    lab("787-2", "MCV [Entitic mean volume] in Red Blood Cells by Automated count", "fL", 1, (800, 1000), (600, 1250), (580, 1280)),
    lab("785-6", "MCH [Entitic mass] by Automated count", "pg", 1, (270, 330), (180, 400), (175, 410)),
    lab("786-4", "MCHC [Mass/volume] in Red Blood Cells by Automated count", "g/dL", 1, (320, 360), (270, 390), (265, 395)),
    lab("788-0", "Erythrocyte distribution width [Ratio] by Automated count", "%", 1, (115, 145), (90, 280), (95, 270)),
    lab("777-3", "Platelets [#/volume] in Blood by Automated count", "10*3/uL", 0, (150, 400), (30, 1000), (8, 1200)),
    lab("1742-6", "Alanine aminotransferase [Enzymatic activity/volume] in Serum or Plasma", "U/L", 0, (7, 56), (1, 1000), (3, 1800)),
    lab("1920-8", "Aspartate aminotransferase [Enzymatic activity/volume] in Serum or Plasma", "U/L", 0, (10, 40), (1, 1000), (4, 1900)),
    lab("6768-6", "Alkaline phosphatase [Enzymatic activity/volume] in Serum or Plasma", "U/L", 0, (44, 147), (5, 900), (15, 980)),
    lab("1975-2", "Bilirubin.total [Mass/volume] in Serum or Plasma", "mg/dL", 1, (1, 12), (0, 150), (1, 220)),
    lab("1751-7", "Albumin [Mass/volume] in Serum or Plasma", "g/dL", 1, (35, 50), (15, 70), (12, 60)),
    lab("2885-2", "Protein [Mass/volume] in Serum or Plasma", "g/dL", 1, (60, 83), (35, 120), (40, 105)),
    lab("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", "mg/dL", 0, (125, 200), (40, 500), (70, 380)),
    lab("2571-8", "Triglyceride [Mass/volume] in Serum or Plasma", "mg/dL", 0, (40, 150), (10, 1000), (25, 1300)),
    lab("2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma", "mg/dL", 0, (40, 80), (10, 150), (15, 115)),
    lab("13457-7", "Cholesterol in LDL [Mass/volume] in Serum or Plasma by calculation", "mg/dL", 0, (50, 130), (10, 400), (22, 260)),
    lab("5902-2", "Prothrombin time (PT)", "s", 1, (110, 135), (80, 400), (95, 620)),
    lab("6301-6", "INR in Platelet poor plasma by Coagulation assay", "{INR}", 1, (8, 11), (5, 50), (8, 75)),
    lab("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%", 1, (40, 56), (30, 150), (38, 158)),
    lab("3016-3", "Thyrotropin [Units/volume] in Serum or Plasma", "m[IU]/L", 2, (40, 400), (1, 6000), (1, 8000)),
    lab("10839-9", "Troponin I.cardiac [Mass/volume] in Serum or Plasma", "ng/mL", 2, (0, 4), (0, 40), (0, 900)),
    lab("1988-5", "C reactive protein [Mass/volume] in Serum or Plasma", "mg/L", 1, (0, 100), (0, 2000), (0, 3400)),
    lab("2524-7", "Lactate [Moles/volume] in Serum or Plasma", "mmol/L", 1, (5, 22), (2, 40), (4, 130)),
    lab("30934-4", "Natriuretic peptide B [Mass/volume] in Serum or Plasma", "pg/mL", 0, (0, 100), (0, 2000), (0, 4200)),
    lab("19123-9", "Magnesium [Mass/volume] in Serum or Plasma", "mg/dL", 1, (17, 22), (10, 47), (9, 50)),
    lab("2777-1", "Phosphate [Mass/volume] in Serum or Plasma", "mg/dL", 1, (25, 45), (10, 89), (8, 98)),
    lab("2532-0", "Lactate dehydrogenase [Enzymatic activity/volume] in Serum or Plasma", "U/L", 0, (140, 280), (40, 2000), (90, 2600)),
];

/// An order and the consecutive tests of [`LABS`] it reports.
pub(crate) struct Panel {
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    pub(crate) specimen: (&'static str, &'static str),
    pub(crate) first: usize,
    pub(crate) count: usize,
}

const SERUM: (&str, &str) = ("SER", "Serum");
const BLOOD: (&str, &str) = ("BLD", "Whole blood");
const PLASMA: (&str, &str) = ("PLAS", "Plasma");

pub(crate) const PANELS: [Panel; 6] = [
    Panel { code: "24321-2", name: "Basic metabolic 2000 panel - Serum or Plasma", specimen: SERUM, first: 0, count: 8 },
    Panel { code: "58410-2", name: "CBC panel - Blood by Automated count", specimen: BLOOD, first: 8, count: 9 },
    Panel { code: "24325-3", name: "Hepatic function 2000 panel - Serum or Plasma", specimen: SERUM, first: 17, count: 6 },
    Panel { code: "24331-1", name: "Lipid 1996 panel - Serum or Plasma", specimen: SERUM, first: 23, count: 4 },
    Panel { code: "34528-0", name: "PT panel - Platelet poor plasma by Coagulation assay", specimen: PLASMA, first: 27, count: 2 },
    Panel { code: "18719-5", name: "Chemistry studies (set)", specimen: SERUM, first: 29, count: 9 },
];

/// A drug as ordered: RxNorm code, text, dose, its unit, form, route, frequency.
pub(crate) struct Drug {
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    pub(crate) dose: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) form: (&'static str, &'static str),
    pub(crate) frequency: (&'static str, &'static str),
}

const TABLET: (&str, &str) = ("TAB", "Tablet");
const CAPSULE: (&str, &str) = ("CAP", "Capsule");
const DAILY: (&str, &str) = ("QD", "Daily");
const TWICE: (&str, &str) = ("BID", "Twice a day");
const THRICE: (&str, &str) = ("TID", "Three times a day");
const SIX_HOURLY: (&str, &str) = ("Q6H", "Every 6 hours");

const fn drug(
    code: &'static str,
    name: &'static str,
    dose: &'static str,
    form: (&'static str, &'static str),
    frequency: (&'static str, &'static str),
) -> Drug {
    Drug { code, name, dose, unit: "mg", form, frequency }
}

pub(crate) const DRUGS: [Drug; 12] = [
    drug("197361", "Amlodipine 5 MG Oral Tablet", "5", TABLET, DAILY),
    drug("860975", "24 HR Metformin hydrochloride 500 MG Extended Release Oral Tablet", "500", TABLET, DAILY),
    drug("617310", "Atorvastatin 20 MG Oral Tablet", "20", TABLET, DAILY),
    drug("314076", "Lisinopril 10 MG Oral Tablet", "10", TABLET, DAILY),
    drug("198440", "Acetaminophen 500 MG Oral Tablet", "500", TABLET, SIX_HOURLY),
    drug("310965", "Ibuprofen 200 MG Oral Tablet", "200", TABLET, THRICE),
    drug("308191", "Amoxicillin 500 MG Oral Capsule", "500", CAPSULE, THRICE),
    drug("312961", "Simvastatin 20 MG Oral Tablet", "20", TABLET, DAILY),
    drug("866924", "Metoprolol Tartrate 25 MG Oral Tablet", "25", TABLET, TWICE),
    drug("310798", "Hydrochlorothiazide 25 MG Oral Tablet", "25", TABLET, DAILY),
    drug("855332", "Warfarin Sodium 5 MG Oral Tablet", "5", TABLET, DAILY),
    drug("313782", "Acetaminophen 325 MG Oral Tablet", "325", TABLET, SIX_HOURLY),
];

/// A vaccine: CVX code and text, manufacturer (MVX) code and text.
pub(crate) const VACCINES: [(&str, &str, &str, &str); 7] = [
    ("141", "Influenza, seasonal, injectable", "PMC", "Sanofi Pasteur"),
    ("08", "Hep B, adolescent or pediatric", "MSD", "Merck & Co., Inc."),
    ("03", "MMR", "MSD", "Merck & Co., Inc."),
    ("21", "Varicella", "MSD", "Merck & Co., Inc."),
    ("20", "DTaP", "SKB", "GlaxoSmithKline"),
    ("115", "Tdap", "SKB", "GlaxoSmithKline"),
    ("133", "Pneumococcal conjugate PCV 13", "PFR", "Pfizer, Inc"),
];

/// Reasons to come: ICD-10-CM.
pub(crate) const REASONS: [(&str, &str); 12] = [
    ("J18.9", "Pneumonia, unspecified organism"),
    ("N17.9", "Acute kidney failure, unspecified"),
    ("R07.9", "Chest pain, unspecified"),
    ("A41.9", "Sepsis, unspecified organism"),
    ("N39.0", "Urinary tract infection, site not specified"),
    ("R10.9", "Unspecified abdominal pain"),
    ("K35.80", "Unspecified acute appendicitis"),
    ("S72.001A", "Fracture of unspecified part of neck of right femur, initial encounter for closed fracture"),
    ("J20.9", "Acute bronchitis, unspecified"),
    ("R55", "Syncope & collapse"),
    ("L03.115", "Cellulitis of right lower limb"),
    ("Z00.00", "Encounter for general adult medical examination without abnormal findings"),
];

/// Chronic conditions: ICD-10-CM.
pub(crate) const CONDITIONS: [(&str, &str); 10] = [
    ("I10", "Essential (primary) hypertension"),
    ("E11.9", "Type 2 diabetes mellitus without complications"),
    ("I50.9", "Heart failure, unspecified"),
    ("J44.9", "Chronic obstructive pulmonary disease, unspecified"),
    ("E78.5", "Hyperlipidemia, unspecified"),
    ("K21.9", "Gastro-esophageal reflux disease without esophagitis"),
    ("J45.909", "Unspecified asthma, uncomplicated"),
    ("N18.30", "Chronic kidney disease, stage 3 unspecified"),
    ("E03.9", "Hypothyroidism, unspecified"),
    ("F41.9", "Anxiety disorder, unspecified"),
];

/// Allergies: type (HL7 table 0127), code, text, coding system, reaction.
pub(crate) const ALLERGIES: [(&str, &str, &str, &str, &str); 7] = [
    ("DA", "70618", "Penicillin", "RXNORM", "Hives"),
    ("DA", "2670", "Codeine", "RXNORM", "Nausea & vomiting"),
    ("DA", "1191", "Aspirin", "RXNORM", "Wheezing"),
    ("DA", "10180", "Sulfamethoxazole", "RXNORM", "Rash"),
    ("FA", "91935009", "Allergy to peanut", "SCT", "Anaphylaxis"),
    ("FA", "300913006", "Allergy to shellfish", "SCT", "Swelling"),
    ("EA", "300916003", "Allergy to latex", "SCT", "Contact dermatitis"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_cover_the_tests_and_ranges_nest() {
        assert_eq!(PANELS.iter().map(|panel| panel.count).sum::<usize>(), LABS.len());
        for lab in &LABS {
            assert!(lab.low < lab.high, "{}", lab.code);
            assert!(lab.critical.0 <= lab.low && lab.high <= lab.critical.1, "{}", lab.code);
            assert!(lab.possible.0 <= lab.low && lab.high <= lab.possible.1, "{}", lab.code);
        }
    }
}
