//! Certificates, sweeps and findings: the reconciler writes each part once.

use super::{RECONCILER, Roles};

const END: &str = "UPDATE sweeps SET finished_at = now(), outcome = 'complete', listed = 1,
                       missing = 0, repaired = 0, error = NULL";

/// A sweep that runs, a certificate and a finding.
fn noted() -> Roles {
    let roles = Roles::new();
    for statement in [
        "INSERT INTO sweeps (kind, window_from, window_to)
         VALUES ('tail', now() - interval '1 hour', now())",
        "INSERT INTO certificates (window_from, window_to, stripe_count, ledger_count, ids_hash,
             ledger_hash, complete, issued_by)
         VALUES (now() - interval '1 hour', now(), 1, 0, 'a', 'b', false, 'test')",
        "INSERT INTO findings (sweep_id, kind, confidence, evidence, event_id, booking_id)
         SELECT id, 'unknown', 0, '{}', 'evt_1', 'bk_1' FROM sweeps",
    ] {
        assert_eq!(roles.allowed(RECONCILER, statement), 1);
    }
    roles
}

#[test]
fn a_certificate_that_was_issued_cannot_change() {
    let roles = noted();
    for change in [
        "complete = true",
        "ids_hash = ledger_hash",
        "window_to = now()",
    ] {
        roles.forbidden(RECONCILER, &format!("UPDATE certificates SET {change}"));
    }
    roles.forbidden(RECONCILER, "DELETE FROM certificates");
}

#[test]
fn a_sweep_ends_once_and_its_window_never_changes() {
    let roles = noted();
    for change in [
        "window_from = now()",
        "kind = 'deep'",
        "account = 'x'",
        "started_at = now()",
    ] {
        roles.forbidden(RECONCILER, &format!("UPDATE sweeps SET {change}"));
    }
    assert_eq!(roles.allowed(RECONCILER, END), 1);
    roles.refused(RECONCILER, END, "has ended is evidence");
    roles.refused(
        RECONCILER,
        "UPDATE sweeps SET missing = 7",
        "has ended is evidence",
    );
}

#[test]
fn what_a_finding_is_about_cannot_change_and_its_class_and_repair_can() {
    let roles = noted();
    for change in [
        "event_id = 'evt_2'",
        "booking_id = 'bk_2'",
        "object_id = 'pi_1'",
        "sweep_id = NULL",
        "account = 'x'",
        "identity = 'x'",
        "closed_by = 'act_1'",
    ] {
        roles.forbidden(RECONCILER, &format!("UPDATE findings SET {change}"));
    }
    let classified = "UPDATE findings SET kind = 'never_delivered', confidence = 0.9,
                          evidence = '{}', repaired_at = now()";
    assert_eq!(roles.allowed(RECONCILER, classified), 1);
}
