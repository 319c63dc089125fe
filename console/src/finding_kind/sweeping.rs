//! Gaps that a sweep of the reconciler found.

use super::FindingKind;

const REPAIRED: &str = "The sweep publishes the event again, or waits for a repair plan.";

pub(super) const KINDS: [FindingKind; 6] = [
    FindingKind {
        name: "never_delivered",
        meaning: "Stripe has an event that reached no ingestor.",
        rule: REPAIRED,
        remedy: "Check the endpoint with `bookend endpoint show`. A large repair waits in `bookend \
                 sweep plans`.",
    },
    FindingKind {
        name: "refused_by_us",
        meaning: "Stripe delivered an event, and an ingestor refused it.",
        rule: REPAIRED,
        remedy: "Read the evidence with -o json: the answer's code names the reason.",
    },
    FindingKind {
        name: "acknowledged_but_lost",
        meaning: "An ingestor answered 200 for an event that is in no log.",
        rule: REPAIRED,
        remedy: "Treat it as an incident: check Kafka's retention and replication, and follow the \
                 runbook about a hole in the log.",
    },
    FindingKind {
        name: "not_applied",
        meaning: "An event is in the log and was not applied.",
        rule: REPAIRED,
        remedy: "Check `bookend lag`, `bookend parked list` and `bookend dead list`.",
    },
    FindingKind {
        name: "booking_differs",
        meaning: "A booking is not what Stripe's objects say.",
        rule: "Stripe's objects are observed again and folded.",
        remedy: "Compare `bookend booking show` with the payment's page at Stripe.",
    },
    FindingKind {
        name: "unknown",
        meaning: "An event is missing, and the evidence does not decide why.",
        rule: REPAIRED,
        remedy: "Read the evidence with -o json: it names the classes that remain.",
    },
];
