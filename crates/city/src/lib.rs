//! A synthetic city with a known truth.
