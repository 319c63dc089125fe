//! `bookend sweep …` on a real database. The reconciler's part is played by SQL here: rows that it
//! would have written.

mod reading;
mod repair;

use crate::fixture::{Answer, Ledger, run};
use crate::operating::as_role;

/// A database with the reconciler's notes in it.
struct Notes(Ledger);

impl Notes {
    /// A sweep that found three events missing, two certificates, and a proof that ends at `proven`
    /// ago.
    fn new(proven: &str) -> Self {
        let mut ledger = Ledger::new();
        ledger.execute(&format!(
            "INSERT INTO sweeps (kind, account, window_from, window_to, finished_at, listed, missing,
                 repaired, outcome, error)
             VALUES ('tail', '', '2026-11-01T00:00:00Z', '2026-11-01T01:00:00Z', now(), 40, 0, 0,
                 'complete', NULL),
                ('deep', '', '2026-11-02T00:00:00Z', '2026-11-03T00:00:00Z', now(), 900, 3, 0,
                 'planned', 'more than 2 are missing'),
                ('tail', 'acct_1', '2026-11-02T00:00:00Z', '2026-11-03T00:00:00Z', NULL, 0, 0, 0,
                 NULL, NULL);
             INSERT INTO proofs (account, proven_from, proven_to)
             VALUES ('', now() - interval '20 days', now() - interval '{proven}');
             INSERT INTO certificates (account, window_from, window_to, stripe_count, ledger_count,
                 ids_hash, ledger_hash, complete, issued_by)
             VALUES ('', '2026-11-01T00:00:00Z', '2026-11-01T01:00:00Z', 40, 40, 'aa', 'aa', true,
                 '0.1.0'),
                ('', '2026-11-02T00:00:00Z', '2026-11-03T00:00:00Z', 900, 897, 'bb', 'cc', false,
                 '0.1.0')"
        ));
        Self(ledger)
    }

    /// With an open plan of three events, `plan_a`.
    fn with_plan() -> Self {
        let mut notes = Self::new("2 hours");
        notes.0.execute(
            "INSERT INTO repair_plans (id, sweep_id, window_from, window_to, missing, cap)
             SELECT 'plan_a', id, window_from, window_to, 3, 2 FROM sweeps WHERE kind = 'deep';
             INSERT INTO findings (sweep_id, plan_id, kind, confidence, evidence, event_id,
                 booking_id)
             SELECT id, 'plan_a', 'never_delivered', 0.6,
                 '{\"what\": \"listed_not_in_ledger\", \"pending_webhooks\": 1}', 'evt_' || n,
                 'bk_' || n
             FROM sweeps, generate_series(1, 3) AS n WHERE kind = 'deep'",
        );
        notes
    }

    fn run_as(&self, role: &str, arguments: &[&str]) -> Answer {
        let url = as_role(&self.0.url, role);
        let variables = [("DATABASE_URL", url.as_str()), ("BOOKEND_OPERATOR", "Ada")];
        let arguments: Vec<&str> = ["sweep"].iter().chain(arguments).copied().collect();
        run(&arguments, &variables, b"")
    }

    /// As the operators' role.
    fn run(&self, arguments: &[&str]) -> Answer {
        self.run_as("bookend_console", arguments)
    }
}
