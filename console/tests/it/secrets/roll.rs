//! Rolled under load, killed at each step, and gone on with.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::AtomicBool;

use serde_json::json;
use testbed::stripe::ApiFault;
use testbed::testing::eventually;

use super::{Load, OLD, PATIENCE, Setup};

/// The answer to the `number`-th request that writes does not come; what it asked for is done.
fn withhold(setup: &Setup, number: u32) {
    setup.stripe.clear_api_faults();
    let right = ApiFault {
        status: 200,
        writes: true,
        ..ApiFault::default()
    };
    for _ in 1..number {
        setup.stripe.add_api_fault(right.clone());
    }
    setup.stripe.add_api_fault(ApiFault {
        slow_ms: 600_000,
        ..right
    });
}

/// Rolls, and kills it once this is so.
fn killed_when(setup: &Setup, more: &[&str], what: &str, so: impl Fn(&Setup) -> bool) {
    let mut child = setup.spawn(more);
    eventually(PATIENCE, what, || {
        let ended = child.try_wait().unwrap();
        assert!(
            ended.is_none(),
            "it ended before it could be killed: {what}"
        );
        so(setup)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    setup.stripe.clear_api_faults();
    assert!(setup.new_ones().len() <= 1, "a second new endpoint: {what}");
}

fn assert_rolled(setup: &Setup) {
    let listed = setup.listed();
    assert_eq!(listed.len(), 1, "{listed:?}");
    let new = &listed[0];
    assert_eq!(new["metadata"]["bookend_replaces"], OLD);
    assert_eq!(new["enabled_events"], json!(["*"]));
    let url = format!("{}/webhooks/stripe", setup.ingestor.url());
    assert_eq!(new["url"], url);
    assert_eq!(setup.names(), [new["id"].as_str().unwrap()]);
    let mode = std::fs::metadata(setup.file()).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    let ours = "SELECT string_agg(id, ',') FROM webhook_endpoints WHERE ours";
    assert_eq!(setup.ledger.text(ours), new["id"].as_str().unwrap());
}

#[test]
fn a_secret_is_rolled_under_load_and_no_delivery_is_refused() {
    let (setup, stop) = (Setup::new(), AtomicBool::new(false));
    let ops = setup.ingestor.ops_url();
    let metrics = ["--metrics", ops.as_str(), "-o", "json"];
    std::thread::scope(|scope| {
        let _load = Load::start(scope, &setup, &stop);
        let plan = setup.roll(&metrics);
        let plan: Vec<&str> = plan.iter().map(String::as_str).collect();
        let plan = setup.bookend(&plan).json();
        assert_eq!(plan["dry_run"], true);
        assert_eq!(plan["old_secret"], "main");
        assert_eq!(plan["steps"][0], "create");
        assert_eq!((setup.new_ones().len(), setup.names().len()), (0, 1));
        let answer = setup.execute(&metrics);
        assert_eq!(answer.code, 0, "{answer:?}");
        let mut steps = answer.json()["steps"].as_array().unwrap().clone();
        // It may be over before it is come to.
        steps.retain(|step| step != "overlap");
        let steps: Vec<&str> = steps.iter().map(|step| step.as_str().unwrap()).collect();
        let expected = [
            "create", "load", "widen", "see", "disable", "delete", "forget",
        ];
        assert_eq!(steps, expected, "{answer:?}");
        let text = std::fs::read_to_string(setup.file()).unwrap();
        let secret = text.trim().split('=').nth(1).unwrap();
        let told = format!("{}{}", answer.text(), answer.err);
        let recorded = setup
            .ledger
            .text("SELECT string_agg(to_jsonb(a)::text, ' ') FROM operator_actions a");
        assert!(!told.contains(secret) && !recorded.contains(secret));
        assert!(!told.contains(setup.stripe.api_key()));
    });
    assert_rolled(&setup);
    setup.assert_nothing_refused();
    let status = ["secrets", "status", "--metrics", &ops, "-o", "json"];
    let status = setup.bookend(&status).json();
    let secrets = status["secrets"].as_array().unwrap();
    let new = secrets.iter().find(|one| one["name"] == setup.names()[0]);
    let new = new.unwrap_or_else(|| panic!("{status:#}"));
    assert_eq!((&new["loaded_by"], &new["asked"]), (&json!(1), &json!(1)));
    assert!(new["verified"].as_u64().unwrap() > 0, "{new:#}");
    assert_eq!(new["removable"], "no", "{new:#}");
    let again = setup.execute(&["--metrics", &ops, "-o", "json"]);
    assert_eq!(again.json()["steps"], json!([]), "{again:?}");
    assert_eq!(
        setup.ledger.actions(),
        "secrets roll done, secrets roll done"
    );
}

#[test]
fn a_roll_that_is_killed_at_any_step_goes_on_and_no_delivery_is_refused() {
    let (setup, stop) = (Setup::new(), AtomicBool::new(false));
    let ops = setup.ingestor.ops_url();
    let metrics = ["--metrics", ops.as_str()];
    let made = |setup: &Setup| setup.new_ones().len() == 1;
    let wide = |setup: &Setup| {
        let new = setup.new_ones();
        new.iter().any(|one| one["enabled_events"] == json!(["*"]))
    };
    let old = |setup: &Setup, status: &str| {
        let listed = setup.listed();
        listed
            .iter()
            .any(|one| one["id"] == OLD && one["status"] == status)
    };
    std::thread::scope(|scope| {
        let _load = Load::start(scope, &setup, &stop);
        withhold(&setup, 1);
        killed_when(&setup, &metrics, "made, its secret lost", made);
        let first = setup.new_ones()[0]["id"].clone();
        withhold(&setup, 1);
        killed_when(&setup, &metrics, "the half-made one removed", |setup| {
            !made(setup)
        });
        // The first key's answer tells the one that was removed; the second makes another.
        withhold(&setup, 2);
        killed_when(&setup, &metrics, "made again, its secret lost again", made);
        assert_ne!(setup.new_ones()[0]["id"], first);
        assert_eq!(setup.names(), ["main"]);
        let nobody = ["--metrics", "http://127.0.0.1:1", "--settle", "50s"];
        killed_when(&setup, &nobody, "its secret is in the file", |setup| {
            setup.names().len() == 2
        });
        assert!(!wide(&setup), "nobody is known to have the secret");
        withhold(&setup, 1);
        killed_when(&setup, &metrics, "it delivers", wide);
        withhold(&setup, 1);
        killed_when(&setup, &metrics, "the old one is disabled", |setup| {
            old(setup, "disabled")
        });
        withhold(&setup, 1);
        killed_when(&setup, &metrics, "the old one is removed", |setup| {
            !old(setup, "disabled")
        });
        assert_eq!(setup.names().len(), 2, "the old secret goes last");
        let answer = setup.execute(&[&metrics[..], &["-o", "json"]].concat());
        assert_eq!(answer.code, 0, "{answer:?}");
        assert_eq!(answer.json()["steps"], json!(["forget"]), "{answer:?}");
    });
    assert_rolled(&setup);
    setup.assert_nothing_refused();
    let open = "SELECT count(*) FROM operator_actions WHERE state = 'running'";
    assert_eq!(setup.ledger.text(open), "7", "killed, and on record");
}

#[test]
fn a_new_endpoint_delivers_nothing_before_every_ingestor_has_its_secret() {
    let setup = Setup::new();
    let deaf = ["--metrics", "http://127.0.0.1:1"];
    let answer = setup.execute(&deaf);
    answer.failed(1, "http://127.0.0.1:1/metrics did not answer");
    assert_eq!(setup.new_ones().len(), 1);
    let narrow = json!(["test_helpers.test_clock.deleted"]);
    assert_eq!(setup.new_ones()[0]["enabled_events"], narrow);
    let id = setup.new_ones()[0]["id"].clone();
    // The file that is brought to the ingestors is another than the one they watch.
    let copy = setup.dir.path().join("copy");
    std::fs::rename(setup.file(), &copy).unwrap();
    let old = std::fs::read_to_string(&copy).unwrap();
    let old = old.lines().next().unwrap();
    std::fs::write(setup.file(), format!("{old}\n")).unwrap();
    let ops = setup.ingestor.ops_url();
    let copied = copy.display().to_string();
    eventually(PATIENCE, "the ingestor has only the old one", || {
        let text = setup.ingestor.get("/metrics").unwrap().1;
        !text.contains(id.as_str().unwrap())
    });
    let more = ["--metrics", ops.as_str(), "--file", &copied];
    let answer = setup.execute(&more);
    answer.failed(124, "1 ingestor(s) have not loaded the secret");
    assert!(answer.err.contains("Bring the content of"), "{answer:?}");
    assert_eq!(setup.new_ones()[0]["enabled_events"], narrow);
    std::fs::copy(&copy, setup.file()).unwrap();
    let quiet = [&more[..], &["--timeout", "8s"]].concat();
    let answer = setup.execute(&quiet);
    answer.failed(124, "nothing that the new secret verified was seen yet");
    assert_eq!(setup.new_ones()[0]["enabled_events"], json!(["*"]));
    assert_eq!(setup.new_ones()[0]["id"], id, "one new endpoint, all along");
}

#[test]
fn the_overlap_is_not_waited_for_beyond_the_time_and_the_same_command_goes_on() {
    let (setup, stop) = (Setup::new(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _load = Load::start(scope, &setup, &stop);
        let answer = setup.execute(&["--overlap", "24h"]);
        answer.failed(124, "both endpoints deliver until");
        assert_eq!(setup.listed().len(), 2);
        assert_eq!(setup.ledger.actions(), "secrets roll partly");
        let answer = setup.execute(&["--overlap", "0s"]);
        assert_eq!(answer.code, 0, "{answer:?}");
    });
    assert_rolled(&setup);
    setup.assert_nothing_refused();
}

#[test]
fn the_old_secret_stays_while_nothing_else_is_verified_and_goes_when_something_is() {
    let (setup, stop) = (Setup::new(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _load = Load::start(scope, &setup, &stop);
        // Made, widened, disabled, removed: the last answer does not come.
        withhold(&setup, 4);
        killed_when(
            &setup,
            &["--overlap", "0s"],
            "the old one is removed",
            |setup| setup.listed().iter().all(|one| one["id"] != OLD),
        );
    });
    eventually(PATIENCE, "everything is delivered", || {
        setup.stripe.is_idle()
    });
    let answer = setup.execute(&["--timeout", "9s"]);
    answer.failed(124, "nothing was verified by another one since");
    let names = setup.names();
    assert!(names.len() == 2 && names[0] == "main", "{names:?}");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _load = Load::start(scope, &setup, &stop);
        let answer = setup.execute(&["-o", "json"]);
        assert_eq!(answer.code, 0, "{answer:?}");
        assert_eq!(answer.json()["steps"], json!(["forget"]), "{answer:?}");
    });
    assert_rolled(&setup);
    setup.assert_nothing_refused();
}

#[test]
fn the_old_endpoint_stays_while_the_new_one_is_disabled_or_lacks_types() {
    let (setup, stop) = (Setup::new(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _load = Load::start(scope, &setup, &stop);
        let answer = setup.execute(&["--overlap", "24h"]);
        answer.failed(124, "both endpoints deliver until");
        let id = setup.new_ones()[0]["id"].as_str().unwrap().to_owned();
        setup.write(&id, "disabled=true");
        let answer = setup.execute(&["--overlap", "0s"]);
        answer.failed(6, &format!("{id}, which replaces it, is not enabled"));
        assert!(setup.listed().iter().any(|one| one["id"] == OLD));
        setup.write(&id, "disabled=false&enabled_events[0]=customer.created");
        let answer = setup.execute(&["--overlap", "0s", "-o", "json"]);
        assert_eq!(answer.code, 0, "{answer:?}");
        assert_eq!(answer.json()["steps"][0], "widen", "{answer:?}");
    });
    assert_rolled(&setup);
    setup.assert_nothing_refused();
    let lacking = "SELECT count(*) FROM webhook_endpoints WHERE accepted_events <> '{*}'";
    assert_eq!(
        setup.ledger.text(lacking),
        "0",
        "what it lacked is accepted"
    );
}
