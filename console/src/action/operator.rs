//! Who is at the keyboard, as they call themselves.
//!
//! It is a note, not a proof: what a person may do is decided by their database role and by Kafka's
//! access rules, and the role is recorded beside it by the database itself.

use crate::failure::Failure;
use crate::settings;

/// Longest name that is kept, characters.
const MOST: usize = 255;

/// A person and their machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operator {
    /// `BOOKEND_OPERATOR`, else the login name, else the user's number.
    pub(crate) who: String,
    pub(crate) host: String,
}

impl Operator {
    /// Who runs this process.
    ///
    /// # Errors
    /// 78 when `BOOKEND_OPERATOR` is set and is no name.
    pub(crate) fn current() -> Result<Self, Failure> {
        let who = match settings::variable("BOOKEND_OPERATOR")? {
            Some(name) => named(&name)?,
            None => login(),
        };
        let host = nix::unistd::gethostname()
            .ok()
            .and_then(|name| name.into_string().ok())
            .filter(|name| !name.is_empty());
        Ok(Self {
            who,
            host: host.unwrap_or_else(|| "unknown".to_owned()),
        })
    }
}

fn named(name: &str) -> Result<String, Failure> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MOST || name.chars().any(char::is_control) {
        return Err(Failure::Configuration {
            what: format!("BOOKEND_OPERATOR must be a name of 1 to {MOST} printable characters"),
        });
    }
    Ok(name.to_owned())
}

fn login() -> String {
    let uid = nix::unistd::getuid();
    match nix::unistd::User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        // A container's user need not have a name.
        Ok(None) | Err(_) => format!("uid {uid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_printable_and_bounded() {
        assert_eq!(named(" Ada L. ").ok().as_deref(), Some("Ada L."));
        for bad in ["", "  ", "a\u{1b}[2Jb", &"x".repeat(256)] {
            assert!(named(bad).is_err(), "{bad:?}");
        }
        assert!(!login().is_empty());
    }
}
