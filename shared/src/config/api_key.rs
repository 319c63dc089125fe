//! Stripe's API key against the mode that counts.

use super::Deployment;

/// What is wrong with a key; nothing for a good one, and nothing for an empty text, which is
/// missing rather than wrong. Never shows the key. Pure.
///
/// A key tells its mode in its prefix. Source: <https://docs.stripe.com/keys>.
#[must_use]
pub fn judge_api_key(key: &str, livemode: bool, deployment: Deployment) -> Vec<String> {
    let live = key.starts_with("sk_live_") || key.starts_with("rk_live_");
    let test = key.starts_with("sk_test_") || key.starts_with("rk_test_");
    let mut problems = Vec::new();
    if live && deployment.is_development() {
        problems.push("DEPLOYMENT=development refuses a live STRIPE_API_KEY".to_owned());
    }
    if (live && !livemode) || (test && livemode) {
        problems.push(format!(
            "STRIPE_API_KEY is of the other mode than STRIPE_LIVEMODE={livemode}"
        ));
    }
    if !key.is_empty() && !live && !test {
        problems.push("STRIPE_API_KEY is no secret or restricted key (sk_…, rk_…)".to_owned());
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_must_be_of_the_mode_that_counts() {
        let judge = |key, livemode| judge_api_key(key, livemode, Deployment::Production);
        assert!(judge("rk_live_1", true).is_empty());
        assert!(judge("sk_test_1", false).is_empty());
        assert_eq!(judge("rk_test_1", true).len(), 1);
        assert_eq!(judge("rk_live_1", false).len(), 1);
        assert_eq!(judge("pk_live_1", true).len(), 1);
        let development = judge_api_key("rk_live_1", true, Deployment::Development);
        assert_eq!(development.len(), 1);
    }
}
