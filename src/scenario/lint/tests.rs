//! The lint on tables of small scripts.
