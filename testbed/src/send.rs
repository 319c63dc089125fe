//! `testbed send`: one payment event for one booking, signed and sent.
//!
//! By default the fake Stripe of `testbed up` is asked to do so, and so has the event in its
//! own list when the reconciler looks; with `--target` it goes straight there.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::stripe::{API_VERSION, signature_header};
use crate::up;

/// Signs and sends one event about a booking's payment.
#[derive(Clone, Debug, clap::Args)]
pub struct SendArgs {
    /// The booking that the payment is for.
    #[arg(long, default_value = "booking-1")]
    pub booking: String,
    /// In the currency's minor unit.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(i64).range(0..))]
    pub amount: i64,
    /// Three lower-case letters.
    #[arg(long, default_value = "eur")]
    pub currency: String,
    /// What happened to the payment.
    #[arg(long, value_enum, default_value = "succeeded")]
    pub outcome: Outcome,
    /// Post straight to this URL instead of asking the fake Stripe.
    #[arg(long, requires = "secret")]
    pub target: Option<String>,
    /// The signing secret for `--target`.
    #[arg(long, requires = "target")]
    pub secret: Option<String>,
}

/// What happened to a payment intent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Outcome {
    /// Paid.
    Succeeded,
    /// Under way.
    Processing,
    /// Declined.
    Failed,
    /// Given up.
    Canceled,
}

impl Outcome {
    /// The event's type and the intent's status.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Succeeded => ("payment_intent.succeeded", "succeeded"),
            Self::Processing => ("payment_intent.processing", "processing"),
            Self::Failed => ("payment_intent.payment_failed", "requires_payment_method"),
            Self::Canceled => ("payment_intent.canceled", "canceled"),
        }
    }
}

impl SendArgs {
    /// Sends; prints the event's id.
    ///
    /// # Errors
    /// When nobody takes the event.
    pub async fn run(self) -> anyhow::Result<()> {
        #[expect(
            clippy::disallowed_methods,
            reason = "a person sends this now; the testbed has no clock to set"
        )]
        let now = SystemTime::now();
        let now = i64::try_from(now.duration_since(UNIX_EPOCH)?.as_secs())?;
        let intent = self.intent(now);
        match (&self.target, &self.secret) {
            (Some(target), Some(secret)) => self.directly(target, secret, intent, now).await,
            (_, _) => self.by_fake(intent).await,
        }
    }

    fn intent(&self, now: i64) -> Value {
        let (_, status) = self.outcome.names();
        let received = if self.outcome == Outcome::Succeeded {
            self.amount
        } else {
            0
        };
        let declined = json!({"type": "card_error", "code": "card_declined"});
        json!({
            "id": mint("pi_3"), "object": "payment_intent", "amount": self.amount,
            "amount_capturable": 0, "amount_received": received, "currency": self.currency,
            "status": status, "created": now, "livemode": false, "latest_charge": null,
            "metadata": {"booking_id": self.booking},
            "last_payment_error": (self.outcome == Outcome::Failed).then_some(declined),
            "canceled_at": (self.outcome == Outcome::Canceled).then_some(now),
        })
    }

    async fn by_fake(&self, intent: Value) -> anyhow::Result<()> {
        let base = up::value("STRIPE_API_BASE")
            .context("nothing is up: run `make up`, or give --target and --secret")?;
        let (kind, _) = self.outcome.names();
        let body = json!({"type": kind, "object": intent, "deliver": true});
        let answer = client()?
            .post(format!("{base}/_control/events"))
            .header("content-type", "application/json")
            .body(body.to_string())
            .send()
            .await
            .with_context(|| format!("no fake Stripe at {base}"))?;
        let answer: Value = serde_json::from_slice(&answer.error_for_status()?.bytes().await?)?;
        let id = answer.get("id").and_then(Value::as_str);
        println!("{}", id.context("the fake Stripe named no event")?);
        Ok(())
    }

    async fn directly(
        &self,
        target: &str,
        secret: &str,
        intent: Value,
        now: i64,
    ) -> anyhow::Result<()> {
        let (kind, _) = self.outcome.names();
        let id = mint("evt_3");
        let event = json!({
            "id": id, "object": "event", "api_version": API_VERSION, "created": now,
            "livemode": false, "pending_webhooks": 1, "type": kind, "data": {"object": intent},
            "request": {"id": null, "idempotency_key": null},
        });
        let body = event.to_string();
        let answer = client()?
            .post(target)
            .header("content-type", "application/json")
            .header(
                "stripe-signature",
                signature_header(&[secret], now, body.as_bytes(), false),
            )
            .body(body)
            .send()
            .await
            .with_context(|| format!("nobody answers at {target}"))?;
        if !answer.status().is_success() {
            bail!(
                "{target} answered {}: {}",
                answer.status(),
                answer.text().await?
            );
        }
        println!("{id}");
        Ok(())
    }
}

fn client() -> anyhow::Result<reqwest::Client> {
    let patience = Duration::from_secs(10);
    Ok(reqwest::Client::builder().timeout(patience).build()?)
}

fn mint(prefix: &str) -> String {
    format!("{prefix}{:024x}", rand::random::<u64>())
}
