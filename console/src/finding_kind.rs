//! Kinds of findings: for each its meaning, the rule's decision, and a person's options.
//!
//! Pure. *Invariant:* every kind that the table `findings` allows has one entry here.

mod claims;
mod money;
mod sweeping;

/// One kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FindingKind {
    /// As in `findings.kind`.
    pub(crate) name: &'static str,
    /// The contradiction or the gap.
    pub(crate) meaning: &'static str,
    /// The decision that holds until a person makes another.
    pub(crate) rule: &'static str,
    /// A person's options.
    pub(crate) remedy: &'static str,
}

/// All kinds, those of folding first.
pub(crate) fn all() -> impl Iterator<Item = &'static FindingKind> {
    let folding = claims::KINDS.iter().chain(&money::KINDS);
    folding.chain(&sweeping::KINDS)
}

/// The kind of this name.
pub(crate) fn find(name: &str) -> Option<&'static FindingKind> {
    all().find(|kind| kind.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_three_texts_and_a_name_of_its_own() {
        let names: BTreeSet<&str> = all().map(|kind| kind.name).collect();
        assert_eq!(names.len(), all().count());
        for kind in all() {
            for text in [kind.meaning, kind.rule, kind.remedy] {
                assert!(text.ends_with('.') && text.len() > 20, "{kind:?}");
            }
        }
    }

    #[test]
    fn an_unknown_name_is_no_kind() {
        assert!(find("paid_twice").is_some());
        for name in ["", "Paid_twice", "paid"] {
            assert!(find(name).is_none(), "{name:?}");
        }
    }
}
