//! ViewDefinitions (SQL on FHIR): resources in, rows out.
