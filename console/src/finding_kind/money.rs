//! Contradictions about amounts: paid twice, divided, refunded, disputed, not proven.

use super::FindingKind;

pub(super) const KINDS: [FindingKind; 11] = [
    FindingKind {
        name: "paid_twice",
        meaning: "A booking was paid by more than one payment: more than is expected, or without a \
                  registration.",
        rule: "All payments count; a registered booking is an amount_mismatch, another one stays \
               confirmed.",
        remedy: "Refund one payment at Stripe, move it with `bookend object assign`, or close the \
                 finding if both are right.",
    },
    FindingKind {
        name: "lost_twice",
        meaning: "The same money was refunded and lost in a dispute.",
        rule: "Both count: the net amount may be below zero.",
        remedy: "Contest the dispute at Stripe and name the refund as evidence. Close the finding \
                 when it is settled.",
    },
    FindingKind {
        name: "paid_unregistered",
        meaning: "A booking was paid and is not registered, although a registration is required.",
        rule: "The booking stays pending.",
        remedy: "Register it from the booking application, or move the payment with `bookend \
                 object assign`.",
    },
    FindingKind {
        name: "overlapping_payment",
        meaning: "Another payment is under way for a booking that is paid.",
        rule: "The booking stays confirmed; the other payment counts once it is captured.",
        remedy: "Cancel the other payment at Stripe while that is possible. The finding closes by \
                 itself when the payment ends.",
    },
    FindingKind {
        name: "shared_payment",
        meaning: "A payment pays several bookings and cannot be divided among them by its lines.",
        rule: "The part that cannot be divided is unassigned.",
        remedy: "The evidence names the candidates: assign the payment to one of them with \
                 `bookend object assign`.",
    },
    FindingKind {
        name: "shared_refund",
        meaning: "A refund of a payment that several bookings share does not say whose it is.",
        rule: "It is divided in proportion to the part that is left of each share.",
        remedy: "Name the booking in the refund's metadata at Stripe, or close the finding if the \
                 division is right.",
    },
    FindingKind {
        name: "refunds_disagree",
        meaning: "The total that a charge shows as refunded is not the sum of its refunds, also \
                  after Stripe was asked.",
        rule: "The charge's total counts, corrected by later refunds.",
        remedy: "Compare the payment's page at Stripe with `bookend booking show`. Ask Stripe's \
                 support if its own figures differ.",
    },
    FindingKind {
        name: "dispute_partial",
        meaning: "A dispute was lost and a part came back, which cannot be told in its own currency.",
        rule: "All of it counts as lost.",
        remedy: "Read the balance transactions at Stripe, then use `bookend booking accept` or \
                 `bookend booking amend`, or close the finding.",
    },
    FindingKind {
        name: "release_unproven",
        meaning: "A charge was captured in part, and it is not proven whether the rest was released \
                  or refunded.",
        rule: "It counts as refunded.",
        remedy: "Compare the payment's page at Stripe. Use `bookend booking accept` if the booking \
                 is right as it is.",
    },
    FindingKind {
        name: "settlement_unproven",
        meaning: "An invoice is paid, and no payment of it and no evidence of another settlement is \
                  known.",
        rule: "Nothing counts as paid until there is evidence.",
        remedy: "Look at the invoice at Stripe. A payment outside Stripe counts when the invoice \
                 says `paid_out_of_band` or has a payment record.",
    },
    FindingKind {
        name: "too_many_payments",
        meaning: "A booking has more than 1,000 payments and attempts.",
        rule: "Events, objects and shares are kept up to date; the booking itself is held.",
        remedy: "Find the program that reuses the booking id and correct it. Take payments out \
                 with `bookend object unassign`.",
    },
];
