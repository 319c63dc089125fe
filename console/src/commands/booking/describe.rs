//! A booking for people: a summary, then a table of each kind of row.

use super::super::parked::queue_table;
use super::super::{millisecond, money, money_tables, second};
use super::show::Shown;
use crate::history::Step;
use crate::output::{columns, fields, or_dash};

/// The whole answer of `booking show` as text.
pub(super) fn describe(shown: Shown) -> String {
    let mut text = summary(&shown);
    let Shown {
        currencies,
        shares,
        findings,
        objects,
        refetches,
        dead_letters,
        parked,
        history,
        ..
    } = shown;
    section(&mut text, currencies, |rows| money_tables::amounts(&rows));
    section(&mut text, shares, |rows| money_tables::shares(&rows));
    section(&mut text, findings, |rows| money_tables::findings(&rows));
    section(&mut text, objects, |rows| {
        columns(
            ["OBJECT", "TYPE", "STATUS", "AMOUNT", "SETTLED"],
            rows.into_iter().map(|o| {
                let amount = or_dash(money(o.amount, o.currency.as_deref()));
                [
                    o.id,
                    o.r#type,
                    or_dash(o.status),
                    amount,
                    yes_or_no(o.settled),
                ]
            }),
        )
    });
    section(&mut text, refetches, |rows| {
        columns(
            ["REFETCH OF", "REASON", "STATE", "ASKED", "ANSWER"],
            rows.into_iter().map(|r| {
                let answer = or_dash(r.observation_id.or(r.error));
                [
                    r.object_id,
                    r.reason,
                    r.state,
                    millisecond(r.requested_at),
                    answer,
                ]
            }),
        )
    });
    section(&mut text, dead_letters, |rows| {
        columns(
            ["DEAD LETTER", "EVENT", "STAGE", "STATUS", "ERROR"],
            rows.into_iter().map(|d| {
                [
                    d.id.to_string(),
                    or_dash(d.event_id),
                    d.stage,
                    d.status,
                    d.error,
                ]
            }),
        )
    });
    section(&mut text, parked, |rows| queue_table(&rows));
    section(&mut text, history, |steps| {
        columns(
            ["CREATED", "APPLIED", "EVENT", "TYPE", "SOURCE", "EFFECT"],
            steps.into_iter().map(line),
        )
    });
    text
}

fn summary(shown: &Shown) -> String {
    let mut rows = vec![("booking", Some(shown.id.clone()))];
    match &shown.booking {
        None => rows.push(("status", Some("not folded yet".to_owned()))),
        Some(b) => {
            let of = |amount| money(Some(amount), b.currency.as_deref());
            rows.extend([
                ("status", Some(b.status.clone())),
                ("hold", b.hold.clone()),
                ("account", b.account.clone()),
                ("amount", money(b.amount, b.currency.as_deref())),
                ("paid", of(b.amounts.amount_paid)),
                ("refunded", of(b.amounts.amount_refunded)),
                ("net", of(b.amounts.amount_net)),
            ]);
            if let Some(until) = b.authorized_until {
                rows.push(("authorized until", Some(second(until))));
            }
            rows.extend([
                ("version", Some(b.version.to_string())),
                ("updated", Some(millisecond(b.updated_at))),
            ]);
        }
    }
    if let Some(r) = &shown.registration {
        let folded = if r.folded_at.is_some() {
            ""
        } else {
            " (not folded yet)"
        };
        let at = millisecond(r.registered_at);
        rows.push(("expected", money(Some(r.amount), Some(&r.currency))));
        rows.push(("registered", Some(format!("{at}{folded}"))));
        rows.push(("payment intent", r.payment_intent_id.clone()));
    }
    if let Some(a) = &shown.amendment {
        let (amount, at) = (money(Some(a.amount), Some(&a.currency)), millisecond(a.at));
        let amended = format!("{} by {} at {at}", or_dash(amount), a.action_id);
        rows.push(("expected since", Some(amended)));
    }
    fields(rows)
}

fn line(step: Step) -> [String; 6] {
    match step.event {
        Some(event) => [
            second(event.created),
            or_dash(event.applied_at.map(millisecond)),
            event.id,
            event.r#type,
            event.source,
            step.effect,
        ],
        None => {
            let cause = step.transitions.into_iter().next();
            let (at, kind, id) = cause.map_or_else(Default::default, |t| {
                (millisecond(t.at), t.cause_kind, t.cause_id)
            });
            ["-".to_owned(), at, id, kind, "-".to_owned(), step.effect]
        }
    }
}

fn section<T>(text: &mut String, rows: Vec<T>, table: impl FnOnce(Vec<T>) -> String) {
    if !rows.is_empty() {
        text.push('\n');
        text.push_str(&table(rows));
    }
}

fn yes_or_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}
