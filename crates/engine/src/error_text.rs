//! What an error says to people: about the query and its names, never about a value.
//!
//! Messages of DataFusion and Arrow that are made while rows flow can quote a field (`cannot cast 'DOE' to Int64`, or the
//! pattern of a regular expression), so none of their words are passed on: what they are about is said instead.

use std::{error::Error, io::ErrorKind};

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;

use crate::error::EngineError;

/// DataFusion's error in words without field content.
pub(crate) fn datafusion_text(error: &DataFusionError) -> String {
    match root(error) {
        // These speak of the query and its names, not of rows.
        found @ (DataFusionError::SQL(..)
        | DataFusionError::Plan(_)
        | DataFusionError::SchemaError(..)
        | DataFusionError::NotImplemented(_)
        | DataFusionError::Configuration(_)) => without_noise(&found.strip_backtrace()),
        found @ DataFusionError::ResourcesExhausted(_) => {
            format!("{}; raise the memory limit or ask for less at once", without_noise(&found.strip_backtrace()))
        }
        DataFusionError::ArrowError(inner, _) => arrow_text(inner),
        DataFusionError::External(inner) => any_text(inner.as_ref()),
        DataFusionError::IoError(inner) => io_text(inner),
        DataFusionError::ObjectStore(inner) => store_text(inner),
        DataFusionError::Execution(_) => withheld("a function could not work with a value"),
        _ => withheld("the query engine stopped"),
    }
}

/// Arrow's error in words without field content.
pub(crate) fn arrow_text(error: &ArrowError) -> String {
    let about = match error {
        ArrowError::CastError(_) | ArrowError::ParseError(_) => {
            "a value cannot be converted to the type asked for; try_cast() gives null instead"
        }
        ArrowError::DivideByZero => return "division by zero; use nullif(x, 0)".to_owned(),
        ArrowError::ArithmeticOverflow(_) => "a number is too large for its type",
        ArrowError::IoError(_, inner) => return io_text(inner),
        ArrowError::ExternalError(inner) => return any_text(inner.as_ref()),
        _ => "a value does not fit",
    };
    withheld(about)
}

/// An error of any kind in words without field content.
pub(crate) fn any_text(error: &(dyn Error + Send + Sync + 'static)) -> String {
    if let Some(engine) = error.downcast_ref::<EngineError>() {
        return engine.to_string();
    }
    if let Some(inner) = error.downcast_ref::<DataFusionError>() {
        return datafusion_text(inner);
    }
    if let Some(inner) = error.downcast_ref::<ArrowError>() {
        return arrow_text(inner);
    }
    if let Some(io) = error.downcast_ref::<std::io::Error>() {
        return io_text(io);
    }
    // Of an error that is not known it is not known what it says.
    withheld("the query engine stopped")
}

/// An error without a place: a full disk is that of temporary files, since outputs name their place.
fn io_text(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => format!(
            "the disk for temporary files is full ({}): free some space, set TMPDIR to another folder, or raise the memory limit",
            std::env::temp_dir().display()
        ),
        _ => io_words(error),
    }
}

/// An I/O error, which can be one of an object store.
pub(crate) fn io_words(error: &std::io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<object_store::Error>()) {
        Some(store) => store_text(store),
        None => error.to_string(),
    }
}

/// What an object store answered: its code and message, not the document around them.
pub(crate) fn store_text(error: &object_store::Error) -> String {
    let text = chain(error);
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(inner, _)| short(inner))
    };
    match (element("Code"), element("Message")) {
        (Some(code), Some(message)) if !message.is_empty() => format!("{code}: {message}"),
        (Some(code), _) => code,
        // A page of a proxy, or no document at all.
        (None, _) => short(text.split('<').next().unwrap_or_default()),
    }
}

/// One line of bounded length.
fn short(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.trim_end_matches([':', ' ', '-']);
    if text.chars().count() <= 300 { text.to_owned() } else { text.chars().take(300).chain(['…']).collect() }
}

/// Whether what was asked for is wrong, rather than that it failed while running.
pub(crate) fn is_about_the_query(error: &DataFusionError) -> bool {
    matches!(
        root(error),
        DataFusionError::SQL(..)
            | DataFusionError::Plan(_)
            | DataFusionError::SchemaError(..)
            | DataFusionError::NotImplemented(_)
            | DataFusionError::Configuration(_)
            | DataFusionError::Diagnostic(..)
    )
}

/// The error below contexts and shared wrappers.
fn root(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => root(inner),
        DataFusionError::Shared(inner) => root(inner),
        DataFusionError::Collection(errors) => errors.first().map_or(error, root),
        other => other,
    }
}

/// The error and its causes, each once.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}

fn withheld(about: &str) -> String {
    format!("the query failed on its rows: {about} (the engine's own message is withheld, since it can hold field content)")
}

/// The engine's message in our style: no prefix, no backtrace hint.
fn without_noise(text: &str) -> String {
    let text = text.trim();
    let text = ["Error during planning: ", "SQL error: ", "Schema error: ", "This feature is not implemented: ", "Resources exhausted: "]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .unwrap_or(text);
    let text = text.strip_prefix("ParserError(\"").and_then(|inner| inner.strip_suffix("\")")).unwrap_or(text);
    let text = text
        .replace("\"read_hl7v2()\".", "")
        .replace("\"read_fhir()\".", "")
        .replace("\"read_ccda()\".", "")
        .replace("\"read_dicom()\".", "")
        .replace("datafusion.public.", "");
    let mut chars = text.trim_end_matches('.').chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rows_say_is_withheld() {
        let cast = || ArrowError::CastError("Cannot cast string 'CANARY' to value of Int64 type".to_owned());
        let errors = [
            EngineError::Arrow(cast()),
            EngineError::from(DataFusionError::ArrowError(Box::new(cast()), None)),
            EngineError::from(DataFusionError::Execution("bad value CANARY".to_owned())),
            EngineError::Consumer { name: "sink".to_owned(), source: Box::new(EngineError::Arrow(cast())) },
            EngineError::Consumer { name: "sink".to_owned(), source: "CANARY".into() },
            EngineError::Encode(Box::new(ArrowError::ExternalError(Box::new(cast())))),
            EngineError::Arrow(ArrowError::ExternalError("pattern CANARY( is wrong".into())),
            EngineError::Arrow(ArrowError::ComputeError("regular expression did not compile: CANARY(".into())),
            EngineError::Task("task 7 panicked with CANARY".to_owned()),
            EngineError::from(DataFusionError::Execution("CANARY".to_owned()).context("while reading")),
        ];
        for error in errors {
            assert!(!error.to_string().contains("CANARY"), "{error}");
            assert!(!error.is_configuration());
        }
    }

    #[test]
    fn what_the_query_says_is_told() {
        let error = EngineError::from(DataFusionError::Plan("Table 'x' not found.".to_owned()));
        assert_eq!((error.to_string().as_str(), error.is_configuration()), ("table 'x' not found", true));
    }

    #[test]
    fn a_full_disk_is_said_in_words() {
        let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
        let written = EngineError::Write { location: "/out".to_owned(), source: full() }.to_string();
        assert!(written.starts_with("writing /out: the disk that holds it is full: free some space"), "{written}");
        let spilled = EngineError::from(DataFusionError::IoError(full()).context("while sorting"));
        assert!(spilled.to_string().contains("temporary files is full") && !spilled.is_configuration(), "{spilled}");
    }

    #[test]
    fn of_a_stores_answer_only_code_and_message_are_told() {
        let generic = |body: &str| object_store::Error::Generic { store: "S3", source: body.to_owned().into() };
        let xml = "Server returned non-2xx status code: 403 Forbidden: <?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code>\
                   <Message>Access &quot;denied&quot;</Message><RequestId>SECRET</RequestId></Error>";
        assert_eq!(store_text(&generic(xml)), "AccessDenied: Access \"denied\"");
        let error = EngineError::ObjectStore { uri: "s3://b/".to_owned(), source: Box::new(generic(xml)) };
        assert_eq!(error.to_string(), "object store, s3://b/: AccessDenied: Access \"denied\"");
        let wrapped = EngineError::Io { uri: "s3://b/x".to_owned(), source: std::io::Error::other(generic(xml)) };
        assert_eq!(wrapped.to_string(), "reading s3://b/x: AccessDenied: Access \"denied\"");
        assert!(!store_text(&generic("502 Bad Gateway: <html><body>proxy</body></html>")).contains("proxy"));
        assert!(store_text(&generic(&"x".repeat(9000))).len() < 400);
    }
}
