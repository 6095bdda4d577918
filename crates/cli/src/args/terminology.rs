//! `sutura terminology ...`.

use clap::{Args, Subcommand};

use super::TerminologyArgs;

/// Ask code systems, value sets and concept maps
///
/// Those of HL7 are compiled in; --terminology adds your own. A code system may be named by its URI, its OID, its name in HL7 table 0396 (LN) or its local
/// name. Nothing is asked over the network.
#[derive(Debug, Subcommand)]
#[command(after_long_help = "\
Exit codes:
  0    found, valid, translated
  1    the code is not there, not valid, or has no translation
  2    the code system, value set, map or file is not there or wrong

Examples:
  sutura terminology lookup LN 2345-7 --terminology loinc.zip
  sutura terminology validate http://hl7.org/fhir/administrative-gender femal
  sutura terminology validate LN 2345-7 --value-set http://hospital.example/labs --terminology own/
  sutura terminology translate 99LAB GLU --terminology lab-to-loinc.csv
  sutura terminology expand http://hl7.org/fhir/ValueSet/administrative-gender
  sutura terminology info --terminology own/ --json")]
pub(crate) enum TerminologyCommand {
    /// What a code means, and what is around it
    Lookup {
        /// The code system
        system: String,
        /// The code
        code: String,
        #[command(flatten)]
        shared: Shared,
    },
    /// Whether a code is right
    ///
    /// In its code system, in a value set where one is named, and with its display where one is given.
    Validate {
        /// The code system
        system: String,
        /// The code
        code: String,
        /// URL of the value set that it is to be in
        #[arg(long, value_name = "URL")]
        value_set: Option<String>,
        /// The display that it is to have
        #[arg(long, value_name = "TEXT")]
        display: Option<String>,
        #[command(flatten)]
        shared: Shared,
    },
    /// How one code relates to another, by the hierarchy of kinds
    Subsumes {
        /// The code system
        system: String,
        /// One code
        one: String,
        /// The other code
        other: String,
        #[command(flatten)]
        shared: Shared,
    },
    /// The codes that stand for a code elsewhere
    ///
    /// Without --map what conversion takes: of all of your maps what says no more than the code itself, the closest for each target system.
    Translate {
        /// The code system
        system: String,
        /// The code
        code: String,
        /// Key or URL of one map; then all that it has, whatever its equivalence
        #[arg(long, value_name = "MAP")]
        map: Option<String>,
        #[command(flatten)]
        shared: Shared,
    },
    /// The codes of a value set
    Expand {
        /// URL of the value set
        value_set: String,
        /// Only codes whose names have all of these words
        #[arg(long, value_name = "WORDS", default_value = "")]
        filter: String,
        /// At most so many codes
        #[arg(long, value_name = "N")]
        count: Option<u32>,
        /// Pass over so many codes
        #[arg(long, value_name = "N", default_value_t = 0)]
        offset: u32,
        /// No codes that are no longer to be used
        #[arg(long)]
        active: bool,
        #[command(flatten)]
        shared: Shared,
    },
    /// What is loaded
    Info {
        #[command(flatten)]
        shared: Shared,
    },
}

/// What all of them take.
#[derive(Debug, Args)]
pub(crate) struct Shared {
    #[command(flatten)]
    pub(crate) terminology: TerminologyArgs,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}
