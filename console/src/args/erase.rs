//! `bookend erase`.

use clap::Args;
use shared::ids::ObjectId;

use super::{LogArgs, object_id};
use crate::action::Writing;

/// Shortest e-mail address that is searched for: a shorter text would match by chance.
const LEAST_EMAIL: usize = 6;

/// A person, and whether to erase.
#[derive(Args, Debug)]
pub(crate) struct EraseArgs {
    #[command(flatten)]
    pub(crate) person: Person,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// Names of a person, in payloads; each may be given several times.
#[derive(Args, Debug, Default)]
#[group(required = true, multiple = true)]
pub(crate) struct Person {
    /// A Stripe customer (cus_…).
    #[arg(long, value_name = "ID", value_parser = object_id)]
    pub(crate) customer: Vec<ObjectId>,
    /// An e-mail address, in whatever case it is written.
    #[arg(long, value_name = "ADDRESS", value_parser = email)]
    pub(crate) email: Vec<String>,
    /// A Stripe object, for instance a payment intent of somebody without a customer.
    #[arg(long, value_name = "ID", value_parser = object_id)]
    pub(crate) object: Vec<ObjectId>,
}

/// In lower case, as it is compared.
fn email(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_one = text.len() >= LEAST_EMAIL
        && text.is_ascii()
        && text
            .split_once('@')
            .is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
        && !text.contains(|c: char| c.is_whitespace() || c == '"' || c == '\\');
    match is_one {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("not an e-mail address of ASCII characters".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_in_any_case_and_what_could_match_by_chance_is_not() {
        assert_eq!(
            email(" Jenny@Example.com"),
            Ok("jenny@example.com".to_owned())
        );
        for bad in [
            "",
            "a@b.c",
            "nobody",
            "@example.com",
            "j@localhost",
            "a b@example.com",
            "a\"@example.com",
        ] {
            assert!(email(bad).is_err(), "{bad}");
        }
    }
}
