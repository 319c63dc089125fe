#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

//! The laws of a join, for each kind of object, over any snapshots whatever: legal or not, in any
//! phase, explained or not, retrieved or sent.

use proptest::prelude::*;

use super::{Fields, ObjectState, Snapshot};

/// Every kind with phases of its own, its statuses (and a session's payment statuses), and one
/// without.
const KINDS: &[(&str, &[&str])] = &[
    (
        "payment_intent",
        &[
            "requires_payment_method",
            "requires_action",
            "processing",
            "requires_capture",
            "succeeded",
            "canceled",
        ],
    ),
    ("charge", &["pending", "succeeded", "failed"]),
    (
        "refund",
        &[
            "requires_action",
            "pending",
            "succeeded",
            "failed",
            "canceled",
        ],
    ),
    (
        "dispute",
        &[
            "warning_needs_response",
            "warning_closed",
            "needs_response",
            "under_review",
            "lost",
            "appeal_under_review",
            "won",
            "prevented",
        ],
    ),
    ("checkout.session", &["open", "complete", "expired"]),
    (
        "setup_intent",
        &[
            "requires_payment_method",
            "processing",
            "succeeded",
            "canceled",
        ],
    ),
    (
        "subscription",
        &[
            "incomplete",
            "incomplete_expired",
            "trialing",
            "active",
            "past_due",
            "unpaid",
            "paused",
            "canceled",
        ],
    ),
    (
        "invoice",
        &["draft", "open", "uncollectible", "paid", "void"],
    ),
    ("invoice_payment", &["open", "paid", "canceled"]),
    (
        "payout",
        &["pending", "in_transit", "paid", "failed", "canceled"],
    ),
    ("customer", &["-"]),
    ("account", &["-"]),
    ("transfer", &["-"]),
    ("product", &["-"]),
    ("price", &["-"]),
    ("of_tomorrow", &["one", "another"]),
];

fn fields(kind: &'static str, statuses: &'static [&'static str]) -> impl Strategy<Value = Fields> {
    let status = prop_oneof![9 => proptest::sample::select(statuses), 1 => Just("of_tomorrow")];
    (status, 0..2_i64, any::<bool>(), 0..20_u8).prop_map(move |(status, amount, flag, gone)| {
        if gone == 0 {
            return Fields::deleted(kind);
        }
        Fields {
            kind: kind.to_owned(),
            status: Some(status.to_owned()),
            payment_status: Some(if flag { "paid" } else { "unpaid" }.to_owned()),
            captured: Some(flag),
            amount: Some(amount),
            ..Fields::default()
        }
    })
}

fn snapshots() -> impl Strategy<Value = Vec<Snapshot>> {
    proptest::sample::select(KINDS).prop_flat_map(|(kind, statuses)| {
        let snapshot = (
            (0..3_i64, 0..30_u32, 0..10_u8, 0..4_u8),
            fields(kind, statuses),
            proptest::option::of(fields(kind, statuses)),
        );
        let snapshot = snapshot.prop_map(|((at, id, observed, entry), fields, before)| Snapshot {
            at,
            source_id: format!("evt_{id}"),
            observed: observed == 0,
            entry: entry == 0,
            fields,
            before,
            marks: super::Marks::default(),
        });
        proptest::collection::vec(snapshot, 0..40)
    })
}

fn folded<'a>(snapshots: impl IntoIterator<Item = &'a Snapshot>) -> ObjectState {
    let mut state = ObjectState::default();
    for snapshot in snapshots {
        state.join(snapshot.clone());
    }
    state
}

fn merged(a: &ObjectState, b: &ObjectState) -> ObjectState {
    let mut state = a.clone();
    state.merge(b);
    state
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn joining_is_commutative_and_idempotent_for_each_kind(
        (told, shuffled) in snapshots().prop_flat_map(|told| {
            let twice = [told.clone(), told.clone()].concat();
            (Just(told), Just(twice).prop_shuffle())
        })
    ) {
        prop_assert_eq!(folded(&shuffled), folded(&told));
    }

    #[test]
    fn merging_is_commutative_associative_and_idempotent_for_each_kind(
        (told, i, j) in (snapshots(), any::<prop::sample::Index>(), any::<prop::sample::Index>())
    ) {
        let (i, j) = (i.index(told.len() + 1), j.index(told.len() + 1));
        let (head, rest) = told.split_at(i.min(j));
        let (middle, tail) = rest.split_at(i.max(j) - i.min(j));
        let (a, b, c) = (folded(head), folded(middle), folded(tail));
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        prop_assert_eq!(merged(&a, &a), a.clone());
        prop_assert_eq!(merged(&merged(&a, &b), &c), folded(&told));
    }

    #[test]
    fn a_later_observation_of_the_winners_phase_settles_any_doubt(told in snapshots()) {
        let mut state = folded(&told);
        let Some(winner) = state.winner() else { return Ok(()) };
        let doubtful = !winner.settled;
        let seen = Snapshot {
            at: 100,
            source_id: "obs_1".into(),
            observed: true,
            entry: false,
            before: None,
            ..winner.snapshot.clone()
        };
        state.join(seen.clone());
        let winner = state.winner().unwrap();
        prop_assert!(winner.settled);
        prop_assert_eq!(&winner.snapshot.fields, &seen.fields);
        prop_assert!(!doubtful || winner.snapshot.observed);
    }
}
