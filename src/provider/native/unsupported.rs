//! What a service cannot be asked for: found out before anything is sent, since to leave it out would be another request than
//! the one that the scenario asks for.

/// A parameter that a service does not take, or not so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// Its name under `params`, as it is written.
    pub param: String,
    /// Why it cannot be sent, in words that go on behind its name.
    pub why: String,
    /// What to do about it.
    pub help: String,
}

impl Unsupported {
    /// A parameter that a service does not know.
    pub(super) fn unknown(param: &str, help: &str) -> Self {
        Self::new(param, "is nothing that it takes", help)
    }

    /// A parameter that cannot be sent as it stands.
    pub(super) fn new(param: &str, why: impl Into<String>, help: impl Into<String>) -> Self {
        Self { param: param.to_owned(), why: why.into(), help: help.into() }
    }
}
