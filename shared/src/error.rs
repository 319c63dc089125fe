//! What every service does with errors: a class that decides, a chain that tells.

use std::error::Error;

/// What an error means for whoever must go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Something around us is in trouble: try again, for as long as it takes.
    Infrastructure,
    /// A named rule refuses this data.
    Business,
    /// It fails alone while all around it works, and nobody has named why: a bug, most likely
    /// ours. Kept and tried for ever, because mending the code is what it needs.
    Unclassified,
    /// These bytes can never be read.
    Poison,
}

impl Class {
    /// Stable label, as in `dead_letters.error_class` and `parked_events.error_class`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Infrastructure => "infrastructure",
            Self::Business => "business",
            Self::Unclassified => "unclassified",
            Self::Poison => "poison",
        }
    }
}

/// An error and its causes in one line, outermost first, joined by `: `. Each level tells its
/// own part; a level that only repeats its cause is left out.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let part = cause.to_string();
        if !text.ends_with(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] Inner);
    #[derive(Debug, thiserror::Error)]
    #[error("inner")]
    struct Inner;

    #[test]
    fn a_chain_tells_every_level_once() {
        assert_eq!(chain(&Outer(Inner)), "outer: inner");
        assert_eq!(chain(&Inner), "inner");
    }
}
