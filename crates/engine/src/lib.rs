//! The DataFusion session: table functions, SQL functions, sinks, one-pass scans
