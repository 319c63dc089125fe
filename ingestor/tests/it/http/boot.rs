//! No start with a secret by which anyone could sign.

use std::process::Command;

use testbed::services::binary;

/// Starts the ingestor with these secrets; what it says when it has ended.
fn refused(secrets: Option<&str>) -> String {
    let mut command = Command::new(binary("ingestor"));
    command
        .env_clear()
        .env("DEPLOYMENT", "development")
        .env("KAFKA_BROKERS", "127.0.0.1:1")
        .env("LISTEN_ADDR", "127.0.0.1:0")
        .env("OPS_ADDR", "127.0.0.1:0");
    if let Some(secrets) = secrets {
        command.env("STRIPE_WEBHOOK_SECRETS", secrets);
    }
    let output = command.output().expect("ingestor runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{secrets:?}: {told}");
    assert!(
        told.contains("STRIPE_WEBHOOK_SECRETS") || told.contains("signing secret"),
        "{told}"
    );
    told
}

#[test]
fn no_secret_at_all_ends_the_start() {
    assert!(refused(None).contains("must be set"));
}

#[test]
fn an_empty_or_blank_secret_ends_the_start() {
    for blank in ["", " ", "\n", "\t \r\n"] {
        assert!(refused(Some(blank)).contains("blank"), "{blank:?}");
    }
    assert!(refused(Some(",")).contains("anyone could sign"));
    assert!(refused(Some("main=")).contains("anyone could sign"));
}

#[test]
fn a_secret_that_is_not_stripes_or_too_short_ends_the_start_and_is_not_shown() {
    let weak = "0123456789abcdef0123456789abcdef";
    let rows = [
        (format!("a={weak}"), "does not begin with whsec_"),
        (format!("a=WHSEC_{weak}"), "does not begin with whsec_"),
        (
            "a=whsec_0123456789abcdef012345678".to_owned(),
            "shorter than 32",
        ),
        (format!("a=whsec_0123 {weak}"), "white space"),
    ];
    for (secrets, problem) in rows {
        let told = refused(Some(&secrets));
        assert!(told.contains("`a`") && told.contains(problem), "{told}");
        assert!(!told.contains("0123"), "{told}");
    }
}

#[test]
fn one_weak_secret_among_good_ones_ends_the_start() {
    let told = refused(Some(
        "good=whsec_0123456789abcdef0123456789abcdef\nbad=whsec_short",
    ));
    assert!(told.contains("`bad`") && !told.contains("`good`"), "{told}");
}
