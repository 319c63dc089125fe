//! The table of statuses: one pure function from a booking's money and attempts to its status.

/// Statuses of unfinished attempts, the one that got furthest first.
const FURTHEST: [&str; 4] = ["processing", "requires_action", "payment_failed", "pending"];

/// Everything that decides a booking's status. Amounts are minor units of its own currency.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing<'a> {
    /// Expected amount; none: the booking is not registered.
    pub(super) expected: Option<i64>,
    /// Money of finished payments.
    pub(super) finished: i64,
    pub(super) net: i64,
    pub(super) refunded: i64,
    pub(super) authorized: i64,
    /// A dispute is open.
    pub(super) disputed: bool,
    /// A dispute is lost.
    pub(super) lost: bool,
    /// Money in a second currency belongs to the booking.
    pub(super) second_currency: bool,
    /// A session of 0 is complete.
    pub(super) free: bool,
    /// Status of each attempt.
    pub(super) attempts: &'a [&'static str],
}

/// The first row of the table that applies.
pub(super) fn status(of: &Standing<'_>) -> &'static str {
    let paid = of.finished > 0;
    if of.disputed || (of.lost && of.expected != Some(of.net)) {
        return "disputed";
    }
    if of.second_currency {
        return "amount_mismatch";
    }
    if of.expected == Some(of.net) && (paid || of.expected == Some(0)) {
        return "confirmed";
    }
    if paid && of.net == 0 {
        return "refunded";
    }
    match of.expected {
        Some(expected)
            if of.finished >= expected && expected > of.net && of.net > 0 && of.refunded > 0 =>
        {
            "partially_refunded"
        }
        Some(_) if paid || of.free => "amount_mismatch",
        None if paid || of.free => match (of.net < 0, of.refunded > 0) {
            (true, _) => "refunded",
            (_, true) => "partially_refunded",
            _ => "confirmed",
        },
        _ if of.authorized > 0 => "authorized",
        _ => unpaid(of.attempts),
    }
}

fn unpaid(attempts: &[&'static str]) -> &'static str {
    let furthest = FURTHEST.into_iter().find(|one| attempts.contains(one));
    let all_canceled = !attempts.is_empty() && attempts.iter().all(|one| *one == "canceled");
    furthest.unwrap_or(if all_canceled { "canceled" } else { "pending" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_of_statuses_is_reached() {
        let registered = |finished, net, refunded| Standing {
            expected: Some(100),
            finished,
            net,
            refunded,
            ..Standing::default()
        };
        let unregistered = |finished, net, refunded| Standing {
            expected: None,
            ..registered(finished, net, refunded)
        };
        let attempts = |attempts: &'static [&'static str]| Standing {
            attempts,
            ..Standing::default()
        };
        let cases = [
            (
                Standing {
                    disputed: true,
                    ..registered(100, 0, 0)
                },
                "disputed",
            ),
            (
                Standing {
                    lost: true,
                    ..registered(100, 40, 0)
                },
                "disputed",
            ),
            (
                Standing {
                    lost: true,
                    ..registered(200, 100, 0)
                },
                "confirmed",
            ),
            (
                Standing {
                    second_currency: true,
                    ..registered(100, 100, 0)
                },
                "amount_mismatch",
            ),
            (registered(200, 100, 100), "confirmed"),
            (registered(100, 0, 100), "refunded"),
            (registered(100, 70, 30), "partially_refunded"),
            (registered(100, 70, 0), "amount_mismatch"),
            (registered(10, 9, 1), "amount_mismatch"),
            (unregistered(100, -10, 110), "refunded"),
            (unregistered(100, 70, 30), "partially_refunded"),
            (unregistered(100, 100, 0), "confirmed"),
            (
                Standing {
                    free: true,
                    ..registered(0, 0, 0)
                },
                "amount_mismatch",
            ),
            (
                Standing {
                    free: true,
                    ..unregistered(0, 0, 0)
                },
                "confirmed",
            ),
            (
                Standing {
                    authorized: 120,
                    ..registered(0, 0, 0)
                },
                "authorized",
            ),
            (
                attempts(&["canceled", "payment_failed", "processing"]),
                "processing",
            ),
            (attempts(&["canceled", "canceled"]), "canceled"),
            (attempts(&[]), "pending"),
        ];
        for (standing, wanted) in cases {
            assert_eq!(status(&standing), wanted, "{standing:?}");
        }
    }
}
