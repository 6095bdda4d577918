//! Data quality: checks, dimensions, scores, gates
