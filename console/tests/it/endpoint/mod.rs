//! `bookend endpoint …` against a fake Stripe and a real database.

mod ensure;
mod refusals;
mod show;

use std::path::{Path, PathBuf};

use serde_json::Value;
use testbed::stripe::{Fake, FakeConfig, FakeHandle};

use crate::fixture::{Answer, Ledger, run};
use crate::operating::as_role;
use crate::stripe_api;

const URL: &str = "https://hooks.example.com/webhooks/stripe";

/// A Stripe, a database, and a folder for a secret.
struct Setup {
    stripe: FakeHandle,
    ledger: Ledger,
    folder: tempfile::TempDir,
}

impl Setup {
    fn new() -> Self {
        Self {
            stripe: Fake::start(FakeConfig::default()).unwrap(),
            ledger: Ledger::new(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn secret_file(&self) -> PathBuf {
        self.folder.path().join("whsec")
    }

    /// With other variables than usual; an empty value: without it.
    fn run_with(&self, arguments: &[&str], other: &[(&str, &str)]) -> Answer {
        let (url, base) = (
            as_role(&self.ledger.url, "bookend_console"),
            self.stripe.url(),
        );
        let mut variables = vec![
            ("DATABASE_URL", url.as_str()),
            ("BOOKEND_OPERATOR", "Ada"),
            ("DEPLOYMENT", "development"),
            ("STRIPE_API_BASE", base.as_str()),
            ("STRIPE_LIVEMODE", "false"),
            ("STRIPE_OPERATOR_KEY", self.stripe.api_key()),
        ];
        for (name, value) in other {
            variables.retain(|(known, _)| known != name);
            if !value.is_empty() {
                variables.push((name, value));
            }
        }
        let all: Vec<&str> = ["endpoint"].iter().chain(arguments).copied().collect();
        run(&all, &variables, b"")
    }

    fn plan(&self, more: &[&str]) -> Answer {
        self.run_with(&[&["ensure", "--url", URL], more].concat(), &[])
    }

    fn ensure_with(&self, more: &[&str], other: &[(&str, &str)]) -> Answer {
        let file = self.secret_file();
        let doing = [
            "ensure",
            "--url",
            URL,
            "--secret-file",
            file.to_str().unwrap(),
            "--execute",
            "--reason",
            "ticket 7",
        ];
        self.run_with(&[&doing, more].concat(), other)
    }

    fn ensure(&self, more: &[&str]) -> Answer {
        self.ensure_with(more, &[])
    }

    /// What an administrator does in the dashboard.
    fn post(&self, path: &str, form: &'static str) -> Value {
        stripe_api::call(&self.stripe, reqwest::Method::POST, path, form)
    }

    fn listed(&self) -> Vec<Value> {
        stripe_api::listed(&self.stripe)
    }
}

/// Nothing that was said or recorded holds a secret.
fn assert_hidden(setup: &Setup, answer: &Answer, secret: &str) {
    assert!(!secret.is_empty());
    let told = format!("{}{}", String::from_utf8_lossy(&answer.out), answer.err);
    assert!(!told.contains(secret), "a secret is shown: {told}");
    let recorded = setup
        .ledger
        .text("SELECT coalesce(string_agg(to_jsonb(a)::text, ' '), '') FROM operator_actions a")
        + &setup.ledger.text(
            "SELECT coalesce(string_agg(to_jsonb(e)::text, ' '), '') FROM webhook_endpoints e",
        );
    assert!(!recorded.contains(secret), "a secret is recorded");
}

fn kept(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}
