//! Job files, runner, lineage, reports
