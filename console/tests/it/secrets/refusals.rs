//! What is refused, with which exit code, and that nothing is done then.

use super::Setup;

fn unchanged(setup: &Setup) {
    assert!(setup.new_ones().is_empty(), "{:?}", setup.new_ones());
    assert_eq!(setup.names()[0], "main");
}

#[test]
fn what_cannot_be_rolled_is_refused_before_anything_is_done() {
    let setup = Setup::new();
    setup
        .execute(&["--endpoint", "we_nobody"])
        .failed(3, "Stripe lists no endpoint we_nobody");
    setup
        .execute(&["--old-secret", "other"])
        .failed(6, "holds no secret called other");
    setup
        .execute(&["--settle", "59s", "--timeout", "30s"])
        .failed(2, "--settle must be shorter");
    setup
        .execute(&["--settle", "1s"])
        .failed(2, "between 5s and 30m");
    unchanged(&setup);
    let text = std::fs::read_to_string(setup.file()).unwrap();
    let second = "second=whsec_0123456789abcdef0123456789abcdef\n";
    std::fs::write(setup.file(), format!("{text}{second}")).unwrap();
    setup
        .execute(&[])
        .failed(6, "--old-secret one of: main, second");
    unchanged(&setup);
    std::fs::write(setup.file(), text.replace("main=", "")).unwrap();
    setup.execute(&[]).failed(6, "have no name");
    std::fs::write(setup.file(), &text).unwrap();
    unchanged(&setup);
    let recorded = "secrets roll denied, secrets roll denied, secrets roll denied";
    assert_eq!(setup.ledger.actions(), recorded);
}

#[test]
fn a_link_as_in_a_kubernetes_mount_is_never_written_over() {
    let setup = Setup::new();
    let target = setup.dir.path().join("target");
    std::fs::rename(setup.file(), &target).unwrap();
    std::os::unix::fs::symlink(&target, setup.file()).unwrap();
    setup.execute(&[]).failed(6, "a Kubernetes mount");
    assert!(setup.file().symlink_metadata().unwrap().is_symlink());
    assert_eq!(setup.ledger.actions(), "secrets roll denied");
    unchanged(&setup);
}

#[test]
fn who_may_only_look_is_refused_with_4_and_one_roll_at_a_time_is_carried_out_of_any_endpoint() {
    let setup = Setup::new();
    let all = setup.roll(&["--execute", "--reason", "x"]);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    setup
        .bookend_as("bookend_reader", &all)
        .failed(4, "may not act");
    unchanged(&setup);
    let deaf = ["--metrics", "http://127.0.0.1:1", "--settle", "50s"];
    let mut child = setup.spawn(&deaf);
    testbed::testing::eventually(super::PATIENCE, "the first has begun", || {
        setup.names().len() == 2
    });
    setup
        .execute(&[])
        .failed(6, "is being carried out by another process");
    setup
        .execute(&["--endpoint", "we_another"])
        .failed(6, "is being carried out by another process");
    child.kill().unwrap();
    child.wait().unwrap();
}
