//! From a plan to a deed: `--execute`, `--reason`, and on a terminal a yes.
//!
//! *Invariant:* without `--execute` nothing is done, and without a terminal nothing is asked.

use std::io::{IsTerminal as _, Write as _};

use clap::Args;

use crate::failure::Failure;

/// Longest reason, characters.
const MOST: usize = 1000;

/// Options of every command that writes.
#[derive(Args, Debug, Default)]
pub(crate) struct Writing {
    /// Do it; without this the plan is shown and nothing is done.
    #[arg(long)]
    pub(crate) execute: bool,
    /// Why: it is kept with the action. Required with --execute.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Do not ask once more on a terminal. Off a terminal nothing is ever asked.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Refuse (exit 6) unless the plan is of exactly so many things, as a dry run told.
    #[arg(long, value_name = "COUNT")]
    pub(crate) expect: Option<usize>,
}

/// Why something is done, in the operator's words: never blank, bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason(String);

impl Reason {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Writing {
    /// The reason when it is to be done, none when it is a dry run. To be asked before anything is
    /// tried.
    ///
    /// # Errors
    /// 2 when `--execute` lacks its reason.
    pub(crate) fn reason(&self) -> Result<Option<Reason>, Failure> {
        if !self.execute {
            return Ok(None);
        }
        let reason = self.reason.as_deref().map(str::trim).unwrap_or_default();
        let problem = if reason.is_empty() {
            "--execute needs --reason \"…\": why it is done"
        } else if reason.chars().count() > MOST {
            "--reason is longer than 1000 characters"
        } else {
            return Ok(Some(Reason(reason.to_owned())));
        };
        Err(Failure::Usage {
            what: problem.to_owned(),
        })
    }

    /// The plan is of as many things as was expected.
    ///
    /// # Errors
    /// 6 when it is not.
    pub(crate) fn check_count(&self, things: usize) -> Result<(), Failure> {
        match self.expect {
            Some(expected) if expected != things => Err(Failure::Precondition {
                what: format!(
                    "the plan has changed: {things} instead of the {expected} of --expect; \
                     nothing was done"
                ),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Asks once when more than one thing is touched and somebody is there to answer.
    ///
    /// # Errors
    /// 130 when the answer is not yes; nothing was done.
    pub(crate) fn confirm(&self, things: usize, what: &str) -> Result<(), Failure> {
        let attended = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if self.yes || things <= 1 || !attended {
            return Ok(());
        }
        let mut err = std::io::stderr().lock();
        let asked = write!(err, "{what}: {things}. Go on? [y/N] ").and_then(|()| err.flush());
        let mut answer = String::new();
        let read = asked.and_then(|()| std::io::stdin().read_line(&mut answer));
        let answer = answer.trim().to_ascii_lowercase();
        if read.is_ok() && (answer == "y" || answer == "yes") {
            return Ok(());
        }
        Err(Failure::Interrupted {
            what: "not confirmed, nothing was done".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writing(execute: bool, reason: Option<&str>) -> Writing {
        Writing {
            execute,
            reason: reason.map(str::to_owned),
            ..Writing::default()
        }
    }

    #[test]
    fn what_is_executed_says_why() {
        assert_eq!(writing(false, None).reason().ok(), Some(None));
        assert_eq!(writing(false, Some("x")).reason().ok(), Some(None));
        let told = writing(true, Some(" ticket 7 ")).reason().ok().flatten();
        assert_eq!(told.as_ref().map(Reason::as_str), Some("ticket 7"));
        for blank in [None, Some(""), Some(" \t")] {
            let refused = writing(true, blank).reason();
            assert!(refused.is_err_and(|f| f.exit_code() == 2), "{blank:?}");
        }
    }

    #[test]
    fn a_plan_that_has_changed_is_refused() {
        let expecting = |expect| Writing {
            expect,
            ..Writing::default()
        };
        assert!(expecting(None).check_count(3).is_ok());
        assert!(expecting(Some(3)).check_count(3).is_ok());
        let refused = expecting(Some(2)).check_count(3);
        assert!(refused.is_err_and(|f| f.exit_code() == 6));
    }
}
