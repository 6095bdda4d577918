//! The reader: NDJSON, Bundles and single resources as records for the engine.
