//! `bookend endpoint …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use shared::config::Deployment;

use crate::action::Writing;
use crate::endpoint::{Types, Url};
use crate::failure::Failure;

/// Longest id or version, bytes.
const LONGEST: usize = 255;

#[derive(Subcommand, Debug)]
pub(crate) enum EndpointCommand {
    /// Show the webhook endpoints at Stripe as last seen, and the alarms that stand.
    ///
    /// It is the reconciler that looks at Stripe; here its notes are read.
    #[command(after_long_help = "\
Example: what is wrong with the sender, since when?
  bookend endpoint show -o json | jq .alarms")]
    Show(EndpointShow),
    /// Create our webhook endpoint at Stripe, or make it right: enabled, its address, its types.
    ///
    /// Without --execute Stripe is only asked, and the steps are shown. The key is a write key of the
    /// operator's own, in STRIPE_OPERATOR_KEY or in the file that STRIPE_OPERATOR_KEY_FILE names; it
    /// is never stored or printed. The endpoint is the one with this address, or the one of
    /// --endpoint. When one is created, its signing secret is written into a new file, and nowhere
    /// else. What is right in the end is accepted: a change of it by others raises an alarm. Ends
    /// with 6 where several endpoints have this address, or where the version differs, which cannot
    /// be changed: create a second one (with a query at the end of its address), then remove the old.
    #[command(after_long_help = "\
Example: looked at, then done
  bookend endpoint ensure --url https://hooks.example.com/webhooks/stripe
  bookend endpoint ensure --url https://hooks.example.com/webhooks/stripe \\
    --secret-file ./whsec --execute --reason \"first set-up\"")]
    Ensure(Box<EndpointEnsure>),
}

/// What is shown.
#[derive(Args, Debug, Default)]
pub(crate) struct EndpointShow {
    /// Endpoints that are gone and alarms that are over, too.
    #[arg(long)]
    pub(crate) all: bool,
}

/// Where Stripe is asked by the operator's own key, and in which mode.
#[derive(Args, Debug)]
pub(crate) struct StripeAccess {
    /// The mode that counts: `true` or `false`.
    #[arg(long, env = "STRIPE_LIVEMODE", action = clap::ArgAction::Set)]
    pub(crate) stripe_livemode: Option<bool>,
    /// Where Stripe's API is; of several the first.
    #[arg(
        long,
        env = "STRIPE_API_BASE",
        default_value = "https://api.stripe.com"
    )]
    pub(crate) stripe_api_base: String,
    /// `development` refuses live keys, and permits addresses without TLS.
    #[arg(long, env = "DEPLOYMENT", value_enum, default_value = "production")]
    pub(crate) deployment: Deployment,
}

impl StripeAccess {
    /// The mode that counts.
    ///
    /// # Errors
    /// 78 when nobody said.
    pub(crate) fn livemode(&self) -> Result<bool, Failure> {
        self.stripe_livemode.ok_or_else(|| Failure::Configuration {
            what: "STRIPE_LIVEMODE is not set".to_owned(),
        })
    }
}

/// How the endpoint shall be.
#[derive(Args, Debug)]
pub(crate) struct EndpointEnsure {
    /// Where Stripe shall deliver to: the ingestor's public address.
    #[arg(long, value_parser = Url::parse, value_name = "URL")]
    pub(crate) url: Url,
    /// The types of events, comma-separated; `*` is all.
    #[arg(long, value_parser = Types::parse, default_value = "*", value_name = "TYPE,…|*")]
    pub(crate) events: Types,
    /// The API version that events are rendered in; without it, any: a new endpoint gets the
    /// account's.
    #[arg(long, value_parser = word, value_name = "VERSION")]
    pub(crate) api_version: Option<String>,
    /// This endpoint, whatever its address is now.
    #[arg(long, value_parser = word, value_name = "ID")]
    pub(crate) endpoint: Option<String>,
    /// Where a new endpoint's signing secret is written to; the file must not exist. Required when
    /// one must be created.
    #[arg(long, value_name = "PATH")]
    pub(crate) secret_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) stripe: StripeAccess,
    #[command(flatten)]
    pub(crate) writing: Writing,
}

pub(super) fn word(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if text.is_empty() || text.len() > LONGEST || !text.chars().all(fits) {
        return Err("letters, digits, dots, dashes and underscores".to_owned());
    }
    Ok(text.to_owned())
}
