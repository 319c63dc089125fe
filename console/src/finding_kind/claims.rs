//! Contradictions about ownership: the booking that an object belongs to.

use super::FindingKind;

pub(super) const KINDS: [FindingKind; 10] = [
    FindingKind {
        name: "claims_differ",
        meaning: "An object names another booking than the one that it inherits from its parent.",
        rule: "The inherited booking counts; the object's own claim does not.",
        remedy: "Correct the metadata at Stripe, or decide with `bookend object assign`. Close the \
                 finding if the inherited booking is right.",
    },
    FindingKind {
        name: "claim_changed",
        meaning: "An object has named two bookings in the course of time.",
        rule: "The booking that the latest snapshot names counts.",
        remedy: "Compare both bookings with `bookend booking show`. If the earlier one is right, \
                 use `bookend object assign`; else close the finding.",
    },
    FindingKind {
        name: "claim_removed",
        meaning: "The latest snapshot of an object names no booking, an earlier one named this \
                  booking.",
        rule: "The earlier claim still counts: emptied metadata does not unpay a booking.",
        remedy: "Restore the metadata at Stripe, or close the finding. If the money belongs to no \
                 booking, use `bookend object unassign`.",
    },
    FindingKind {
        name: "foreign_claim",
        meaning: "An object of a connected account names a booking that is not registered for that \
                  account, or a session's client reference names a booking of another amount or \
                  currency.",
        rule: "The claim does not count. It is judged again when a registration arrives.",
        remedy: "Register the booking for the account if it is right, or decide with `bookend \
                 object assign --account`. Close the finding if the account may not pay it.",
    },
    FindingKind {
        name: "reassigned",
        meaning: "Captured money has moved from one booking to another.",
        rule: "It counts for the new booking; both bookings have changed and said so.",
        remedy: "Check both bookings. Move it back with `bookend object assign`, or close the \
                 finding.",
    },
    FindingKind {
        name: "intent_taken",
        meaning: "A payment intent was registered for several bookings.",
        rule: "The earliest registration keeps it; this booking has no payment intent.",
        remedy: "Find the reason in the booking application. If the money belongs to this booking, \
                 use `bookend object assign`.",
    },
    FindingKind {
        name: "suspicious_booking_id",
        meaning: "A booking id looks like the text of a missing value, for instance undefined or \
                  null.",
        rule: "The id counts like every other id.",
        remedy: "Repair the program that writes the metadata. Move the payment to its booking with \
                 `bookend object assign`.",
    },
    FindingKind {
        name: "unassigned_money",
        meaning: "Captured money belongs to no booking.",
        rule: "It is listed as unassigned and changes no booking.",
        remedy: "Use `bookend object assign` if it pays a booking. Close the finding if it is \
                 another business's money.",
    },
    FindingKind {
        name: "account_unreadable",
        meaning: "Stripe does not let us read a connected account.",
        rule: "Nothing is asked about it for a day, then once more. Its webhooks are folded as before.",
        remedy: "Ask whether the account has disconnected, or whether the API key lacks rights for \
                 it. The finding closes itself when Stripe answers again.",
    },
    FindingKind {
        name: "abandoned",
        meaning: "A booking has waited or been held for longer than ABANDON_AFTER without a change, \
                  and Stripe's answers changed nothing.",
        rule: "Its status stays, and Stripe is not asked about it any more. An event still changes it.",
        remedy: "Cancel the payment at Stripe, or release the seat in the booking application and \
                 close the finding. It closes itself when the booking changes.",
    },
];
