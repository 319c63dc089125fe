//! `bookend secrets …`.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use shared::config::duration;

use super::endpoint::word;
use super::{StripeAccess, moment};
use crate::action::Writing;
use crate::ingestors::ops_url;

/// Stripe's own longest overlap is a day, its retries take three.
const LONGEST_OVERLAP: Duration = Duration::from_hours(72);

#[derive(Subcommand, Debug)]
pub(crate) enum SecretsCommand {
    /// Show each signing secret: how much it verified, when last, and whether it may be removed.
    ///
    /// What was verified is read from the ledger, which keeps one copy of each event: where two
    /// endpoints deliver the same, the secret of the copy that came first is counted. With --metrics
    /// the ingestors are asked as well, which know every copy, since each of them began. Secrets that
    /// verified nothing are shown where a configuration names them: --secrets-file,
    /// STRIPE_WEBHOOK_SECRETS or STRIPE_WEBHOOK_SECRETS_FILE, or an ingestor.
    #[command(after_long_help = "\
Example: which secrets may go?
  bookend secrets status -o json | jq -r '.secrets[] | select(.removable == \"yes\") | .name'")]
    Status(SecretsStatus),
    /// Roll an endpoint's signing secret by replacing the endpoint; no delivery is refused meanwhile.
    ///
    /// A second endpoint is created with the old one's address, version, metadata and Connect flag,
    /// subscribed to a type that does not occur; its secret goes into --file, under the endpoint's id;
    /// when the ingestors have it (--metrics, else after --settle), the new endpoint gets the old
    /// one's types; when something was verified by it and --overlap is over, the old endpoint is
    /// disabled and removed, and its secret taken out of the file. Every event comes twice meanwhile,
    /// which changes nothing.
    ///
    /// Without --execute the steps are shown. What stands is at Stripe and in the file: after a kill,
    /// Ctrl-C or the end of --timeout (10m where it is not given) the same command goes on. It ends
    /// with 124 where more time is needed, and says what for. The key is a write key of the operator's
    /// own, as of `endpoint ensure`.
    #[command(after_long_help = "\
Example: looked at, then done; the same again a day later ends it
  bookend secrets roll --endpoint we_1MrgZlJDPojXS6LNrp4lFpKh --file /etc/bookend/secrets
  bookend secrets roll --endpoint we_1MrgZlJDPojXS6LNrp4lFpKh --file /etc/bookend/secrets \\
    --metrics http://ingestor-0:9464,http://ingestor-1:9464 --execute --reason \"yearly roll\"")]
    Roll(Box<SecretsRoll>),
}

/// What is shown.
#[derive(Args, Debug)]
pub(crate) struct SecretsStatus {
    /// Received at or after: RFC 3339, or a duration back from now; at least a day. More costs more.
    #[arg(long, value_parser = moment, default_value = "1d", value_name = "TIME")]
    pub(crate) since: DateTime<Utc>,
    /// A file of the signing secrets, or a folder of such files; `-` is standard input.
    #[arg(long, value_name = "PATH")]
    pub(crate) secrets_file: Option<PathBuf>,
    /// Operations listeners of the ingestors, comma-separated.
    #[arg(long, value_parser = ops_url, value_delimiter = ',', value_name = "URL,…")]
    pub(crate) metrics: Vec<reqwest::Url>,
}

/// Which secret is rolled, and how.
#[derive(Args, Debug)]
pub(crate) struct SecretsRoll {
    /// The endpoint whose secret is rolled; its id changes with it.
    #[arg(long, value_parser = word, value_name = "ID")]
    pub(crate) endpoint: String,
    /// The file of signing secrets that the ingestors watch (STRIPE_WEBHOOK_SECRETS_FILE), or a copy
    /// that you bring to them.
    #[arg(long, value_name = "PATH")]
    pub(crate) file: PathBuf,
    /// The name of the old endpoint's secret in the file; not needed where it is the only one, or
    /// where it is called as the endpoint.
    #[arg(long, value_name = "NAME")]
    pub(crate) old_secret: Option<String>,
    /// How long both endpoints deliver, from the moment the new one does: 0s to 72h.
    #[arg(long, value_parser = overlap, default_value = "24h")]
    pub(crate) overlap: Duration,
    /// How long an ingestor may take to have a changed file: it looks every second, a Kubernetes
    /// mount follows within two minutes. With --metrics it is the longest wait, without, the wait.
    /// The old secret goes when it has verified nothing for so long.
    #[arg(long, value_parser = settle, default_value = "3m")]
    pub(crate) settle: Duration,
    /// Operations listeners of all ingestors, comma-separated: the new endpoint delivers as soon as,
    /// and not before, each of them has its secret.
    #[arg(long, value_parser = ops_url, value_delimiter = ',', value_name = "URL,…")]
    pub(crate) metrics: Vec<reqwest::Url>,
    #[command(flatten)]
    pub(crate) stripe: StripeAccess,
    #[command(flatten)]
    pub(crate) writing: Writing,
}

fn overlap(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time > LONGEST_OVERLAP {
        return Err("between 0s and 72h".to_owned());
    }
    Ok(time)
}

/// Above the ingestors' second, with a margin.
fn settle(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if !(Duration::from_secs(5)..=Duration::from_mins(30)).contains(&time) {
        return Err("between 5s and 30m".to_owned());
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_are_bounded() {
        assert!(overlap("0s").is_ok() && overlap("72h").is_ok() && overlap("73h").is_err());
        assert!(settle("5s").is_ok() && settle("4s").is_err() && settle("31m").is_err());
    }
}
