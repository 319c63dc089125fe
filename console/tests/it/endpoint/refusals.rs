//! What is refused, with which exit code, and that nothing is done then.

use testbed::stripe::ApiFault;

use super::{Setup, URL, assert_hidden};

#[test]
fn a_key_of_the_other_mode_is_refused_before_stripe_is_asked() {
    let setup = Setup::new();
    let production = ("DEPLOYMENT", "production");
    let other = [("STRIPE_OPERATOR_KEY", "rk_live_0123456789")];
    let answer = setup.ensure_with(&[], &other);
    answer.failed(
        78,
        "STRIPE_OPERATOR_KEY is of the other mode than STRIPE_LIVEMODE=false",
    );
    assert!(!answer.err.contains("rk_live_0123456789"), "{answer:?}");
    setup
        .ensure_with(&[], &[("STRIPE_LIVEMODE", "true"), production])
        .failed(78, "STRIPE_OPERATOR_KEY is of the other mode");
    assert!(setup.listed().is_empty());
    assert_eq!(setup.ledger.actions(), "");
}

#[test]
fn what_is_not_set_is_named_all_at_once() {
    let setup = Setup::new();
    let nothing = [("STRIPE_OPERATOR_KEY", ""), ("STRIPE_LIVEMODE", "")];
    let answer = setup.ensure_with(&[], &nothing);
    answer.failed(
        78,
        "STRIPE_OPERATOR_KEY (or STRIPE_OPERATOR_KEY_FILE) is not set",
    );
    assert!(
        answer.err.contains("STRIPE_LIVEMODE is not set"),
        "{answer:?}"
    );
    let plain = [("DEPLOYMENT", "production")];
    setup
        .ensure_with(&[], &plain)
        .failed(78, "STRIPE_API_BASE is no https address");
}

#[test]
fn a_refusal_of_stripes_ends_with_1_and_its_message() {
    let setup = Setup::new();
    let right = || ApiFault {
        status: 200,
        ..ApiFault::default()
    };
    setup.stripe.add_api_fault(right());
    setup.stripe.add_api_fault(ApiFault {
        status: 403,
        ..right()
    });
    let answer = setup.ensure(&[]);
    answer.failed(
        1,
        "Stripe refused with 403: An error occurred; try again later.",
    );
    assert!(!setup.secret_file().exists(), "an empty file stays");
    assert!(setup.listed().is_empty());
    assert_eq!(setup.ledger.actions(), "endpoint ensure failed");
    assert_eq!(
        setup.ledger.text("SELECT count(*) FROM webhook_endpoints"),
        "0"
    );
    assert_hidden(&setup, &answer, setup.stripe.api_key());

    let unknown = [("STRIPE_OPERATOR_KEY", "rk_test_nobody")];
    let answer = setup.ensure_with(&[], &unknown);
    answer.failed(1, "Stripe refused with 401: Invalid API Key provided.");
    assert!(!answer.err.contains("rk_test_nobody"), "{answer:?}");
}

#[test]
fn an_answer_that_fails_is_asked_for_again() {
    let setup = Setup::new();
    for status in [200, 500, 429] {
        setup.stripe.add_api_fault(ApiFault {
            status,
            ..ApiFault::default()
        });
    }
    let answer = setup.ensure(&[]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(setup.listed().len(), 1);
}

#[test]
fn several_with_one_address_are_refused_with_6_until_one_is_named() {
    let setup = Setup::new();
    let form = "url=https://hooks.example.com/webhooks/stripe&enabled_events[0]=*";
    let (first, second) = (setup.post("", form), setup.post("", form));
    let (first, second) = (
        first["id"].as_str().unwrap(),
        second["id"].as_str().unwrap(),
    );
    setup.ensure(&[]).failed(6, &format!("{first}, {second}"));
    assert_eq!(setup.ledger.actions(), "endpoint ensure denied");
    let named = setup.ensure(&["--endpoint", second]);
    assert_eq!(named.code, 0, "{named:?}");
    setup
        .ensure(&["--endpoint", "we_nobody"])
        .failed(3, "no endpoint we_nobody");
}

#[test]
fn another_version_is_refused_with_6_and_the_way_is_named() {
    let setup = Setup::new();
    assert_eq!(setup.ensure(&["--api-version", "2024-01-01"]).code, 0);
    let before = setup.listed();
    let answer = setup.ensure(&["--api-version", "2026-09-30"]);
    answer.failed(6, "has the version 2024-01-01");
    assert!(answer.err.contains("then remove the old one"), "{answer:?}");
    assert_eq!(setup.listed(), before);
    assert_eq!(
        setup.ledger.actions(),
        "endpoint ensure done, endpoint ensure denied"
    );
}

#[test]
fn a_secret_is_never_written_over_another_file_and_never_without_one() {
    let setup = Setup::new();
    std::fs::write(setup.secret_file(), "another").unwrap();
    setup.ensure(&[]).failed(6, "cannot be made new");
    let kept = std::fs::read_to_string(setup.secret_file()).unwrap();
    assert_eq!(kept, "another");
    setup
        .plan(&["--execute", "--reason", "x"])
        .failed(2, "needs --secret-file");
    setup
        .plan(&["--execute"])
        .failed(2, "--execute needs --reason");
    assert!(setup.listed().is_empty());
    assert_eq!(setup.ledger.actions(), "endpoint ensure denied");
}

#[test]
fn who_may_only_look_is_refused_with_4_and_stripe_is_not_asked_to_change_anything() {
    let setup = Setup::new();
    let url = crate::operating::as_role(&setup.ledger.url, "bookend_reader");
    setup
        .ensure_with(&[], &[("DATABASE_URL", &url)])
        .failed(4, "may not act");
    assert!(setup.listed().is_empty());
    assert!(!setup.secret_file().exists());
    assert_eq!(setup.ledger.actions(), "");
}

#[test]
fn an_address_or_a_type_that_cannot_be_is_a_usage_error() {
    let setup = Setup::new();
    for wrong in [
        &["ensure", "--url", "hooks"][..],
        &["ensure", "--url", "https://a:b@example.com/"],
        &["ensure", "--url", URL, "--events", "charge refunded"],
        &["ensure", "--url", URL, "--events", "*,charge.refunded"],
        &["ensure", "--url", URL, "--endpoint", "we/../1"],
        &["ensure"],
    ] {
        setup.run_with(wrong, &[]).failed(2, "");
    }
}
