//! From a call to the file that holds the function.

use super::{
    Collection, Function, PathError,
    ast::Pattern,
    eval::{Call, Evaluator},
};

impl<'d> Evaluator<'_, 'd> {
    /// Calls a function.
    pub(crate) fn call(&mut self, call: Call<'_, 'd>, pattern: &'d Pattern) -> Result<Collection<'d>, PathError> {
        use Function as F;
        match call.function {
            F::ToBoolean
            | F::ToInteger
            | F::ToLong
            | F::ToDecimal
            | F::ToDate
            | F::ToDateTime
            | F::ToTime
            | F::ToString
            | F::ToQuantity => self.convert(&call),
            F::ConvertsToBoolean
            | F::ConvertsToInteger
            | F::ConvertsToLong
            | F::ConvertsToDecimal
            | F::ConvertsToDate
            | F::ConvertsToDateTime
            | F::ConvertsToTime
            | F::ConvertsToString
            | F::ConvertsToQuantity => self.converts(&call),
            F::IndexOf
            | F::LastIndexOf
            | F::Substring
            | F::StartsWith
            | F::EndsWith
            | F::Contains
            | F::Upper
            | F::Lower
            | F::Replace
            | F::Matches
            | F::MatchesFull
            | F::ReplaceMatches
            | F::Length
            | F::ToChars
            | F::Trim
            | F::Split
            | F::Join
            | F::Encode
            | F::Decode
            | F::Escape
            | F::Unescape => self.text_function(&call, pattern),
            F::Abs | F::Ceiling | F::Exp | F::Floor | F::Ln | F::Log | F::Power | F::Round | F::Sqrt | F::Truncate => {
                self.number_function(&call)
            }
            F::Now
            | F::TimeOfDay
            | F::Today
            | F::LowBoundary
            | F::HighBoundary
            | F::Precision
            | F::YearOf
            | F::MonthOf
            | F::DayOf
            | F::HourOf
            | F::MinuteOf
            | F::SecondOf
            | F::MillisecondOf
            | F::TimezoneOffsetOf
            | F::DateOf
            | F::TimeOf
            | F::Difference
            | F::Duration => self.date_function(&call),
            F::Extension
            | F::HasValue
            | F::GetValue
            | F::Resolve
            | F::CheckModifiers
            | F::HtmlChecks
            | F::MemberOf
            | F::ConformsTo
            | F::Subsumes
            | F::SubsumedBy
            | F::ElementDefinition
            | F::Slice
            | F::GetResourceKey
            | F::GetReferenceKey => self.fhir_function(&call),
            _ => self.collection_function(call),
        }
    }
}
