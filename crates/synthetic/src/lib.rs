//! Synthetic patients and feeds with known truth
