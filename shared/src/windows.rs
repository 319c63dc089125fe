//! Which span of Stripe's time a sweep looks at next.
//!
//! Keeps: windows are half-open (`created` in `[from, to)`), end at least `lag` in the past, begin
//! at least `overlap` before the cursor, never reach behind what Stripe still lists, and joined
//! together cover all time from the first to the last without a hole. What Stripe no longer lists
//! is named, never skipped in silence.
//!
//! Leaves out: the clock, the listing and the cursor's storage. All times are whole seconds since
//! 1970, because that is the unit of an event's `created`.

/// How long Stripe lists an event after its creation, in seconds: 30 days.
/// Source: <https://docs.stripe.com/api/events/list>.
pub const STRIPE_RETENTION_S: i64 = 30 * 86_400;

/// Distance kept from the edge of [`STRIPE_RETENTION_S`], in seconds: events must not age out
/// between the first page of a listing and the last.
pub const RETENTION_MARGIN_S: i64 = 600;

/// A half-open span of seconds, `from <= created < to`. Never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    from: i64,
    to: i64,
}

impl Window {
    /// The span `[from, to)` in seconds since 1970; `None` when it would hold no second.
    pub fn new(from: i64, to: i64) -> Option<Self> {
        (from < to).then_some(Self { from, to })
    }

    /// The first second that belongs to the window.
    pub fn from(&self) -> i64 {
        self.from
    }

    /// The first second after the window.
    pub fn to(&self) -> i64 {
        self.to
    }

    /// Length in seconds, at least 1.
    pub fn seconds(&self) -> i64 {
        self.to.saturating_sub(self.from)
    }

    /// Whether an event created in this second belongs to the window.
    pub fn contains(&self, created: i64) -> bool {
        self.from <= created && created < self.to
    }

    /// The earlier half, for a window that holds more events than one sweep may; `None` when the
    /// window is a single second and can't be made smaller.
    pub fn earlier_half(&self) -> Option<Self> {
        Self::new(self.from, self.from.saturating_add(self.seconds() / 2))
    }

    /// The window cut into pieces of at most `span` seconds, earliest first, without a hole.
    /// A `span` below one second counts as one.
    pub fn pieces(&self, span: i64) -> impl Iterator<Item = Self> {
        let (end, span) = (self.to, span.max(1));
        let mut from = self.from;
        std::iter::from_fn(move || {
            let piece = Self::new(from, from.saturating_add(span).min(end))?;
            from = piece.to;
            Some(piece)
        })
    }
}

/// The bounds of a sweep, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How far in the past a window ends: an event may be listed some seconds after its `created`.
    pub lag: i64,
    /// How far before the cursor a window begins: what was listed late is seen by a later sweep.
    pub overlap: i64,
    /// Longest stretch by which one sweep moves the cursor; bounds what one sweep holds in memory.
    pub span: i64,
}

/// What a tail sweep has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// The span to list and compare. Once that is done the cursor may move to its end.
    pub window: Window,
    /// Seconds the cursor had not covered and Stripe no longer lists: a hole to report.
    pub aged_out: Option<Window>,
}

/// The next tail window: `[cursor - overlap, now - lag)`, clipped to what Stripe still lists and to
/// `span` beyond the cursor. Without a cursor (a first start) it begins at the edge of Stripe's
/// list. `None` when nothing new has come to lie `lag` in the past.
pub fn next_tail(cursor: Option<i64>, now: i64, rules: Rules) -> Option<Planned> {
    let oldest = oldest_listed(now);
    let latest = now.saturating_sub(rules.lag.max(0));
    let covered = cursor.unwrap_or(oldest).max(oldest);
    let to = covered.saturating_add(rules.span.max(1)).min(latest);
    if to <= covered {
        return None;
    }
    let from = covered.saturating_sub(rules.overlap.max(0)).max(oldest);
    Some(Planned {
        window: Window::new(from, to)?,
        aged_out: cursor.and_then(|cursor| Window::new(cursor, oldest)),
    })
}

/// A pass over all that Stripe lists, in pieces: where it stands and where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// Everything before it is done.
    pub position: i64,
    /// Where the pass ends; equal to `position` when it is over.
    pub target: i64,
}

/// The next piece of a pass, and the pass as it is while that piece is swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    pub window: Window,
    pub pass: Pass,
    /// Seconds that the pass had not reached and Stripe no longer lists: a hole to report.
    pub aged_out: Option<Window>,
}

/// The next piece of at most `span` seconds: of the pass that runs, or, when that is over since
/// `every` seconds, of a new one from the edge of Stripe's list to `now - lag`. `None`: nothing is
/// due.
pub fn next_piece(pass: Option<Pass>, now: i64, lag: i64, span: i64, every: i64) -> Option<Piece> {
    let (oldest, latest) = (oldest_listed(now), now.saturating_sub(lag.max(0)));
    let fresh = Pass {
        position: oldest,
        target: latest,
    };
    let (pass, aged_out) = match pass {
        Some(pass) if pass.position < pass.target && pass.target <= oldest => {
            (fresh, Window::new(pass.position, pass.target))
        }
        Some(pass) if pass.position < pass.target => {
            let position = pass.position.max(oldest);
            let aged_out = Window::new(pass.position, position);
            // Its end moves with the clock, so that where it ends the tail has been.
            let target = latest.max(pass.target);
            (Pass { position, target }, aged_out)
        }
        Some(pass) if pass.target.saturating_add(every.max(1)) > latest => return None,
        Some(_) | None => (fresh, None),
    };
    let to = pass
        .position
        .saturating_add(span.max(1))
        .min(pass.target)
        .min(latest);
    let window = Window::new(pass.position, to)?;
    Some(Piece {
        window,
        pass,
        aged_out,
    })
}

/// What of the asked-for span can be compared: clipped to what Stripe lists and to `now - lag`.
/// An absent end means that bound. `None` when nothing is left.
pub fn clip(from: Option<i64>, to: Option<i64>, now: i64, lag: i64) -> Option<Window> {
    let (oldest, latest) = (oldest_listed(now), now.saturating_sub(lag.max(0)));
    Window::new(
        from.map_or(oldest, |from| from.max(oldest)),
        to.map_or(latest, |to| to.min(latest)),
    )
}

/// The earliest second that Stripe lists for certain while a sweep that begins at `now` runs.
pub fn oldest_listed(now: i64) -> i64 {
    now.saturating_sub(STRIPE_RETENTION_S - RETENTION_MARGIN_S)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests fail by panicking"
    )]
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_800_000_000;
    const RULES: Rules = Rules {
        lag: 60,
        overlap: 900,
        span: 86_400,
    };

    #[test]
    fn window_of_no_second_does_not_exist() {
        assert_eq!(Window::new(5, 5), None);
        assert_eq!(Window::new(6, 5), None);
        assert_eq!(Window::new(5, 6).unwrap().seconds(), 1);
    }

    #[test]
    fn window_holds_its_first_second_and_not_its_last() {
        let window = Window::new(10, 20).unwrap();
        let held: Vec<i64> = (8..22).filter(|s| window.contains(*s)).collect();
        assert_eq!(held, (10..20).collect::<Vec<_>>());
    }

    #[test]
    fn tail_window_begins_before_the_cursor_and_ends_in_the_past() {
        let planned = next_tail(Some(NOW - 120), NOW, RULES).unwrap();
        assert_eq!(planned.window.from(), NOW - 120 - 900);
        assert_eq!(planned.window.to(), NOW - 60);
        assert_eq!(planned.aged_out, None);
    }

    #[test]
    fn nothing_is_planned_until_a_new_second_lies_lag_in_the_past() {
        assert_eq!(next_tail(Some(NOW - 60), NOW, RULES), None);
        assert!(next_tail(Some(NOW - 61), NOW, RULES).is_some());
    }

    #[test]
    fn cursor_ahead_of_the_clock_is_waited_for() {
        assert_eq!(next_tail(Some(NOW + 3_600), NOW, RULES), None);
    }

    #[test]
    fn first_start_begins_at_the_edge_of_what_stripe_lists() {
        let planned = next_tail(None, NOW, RULES).unwrap();
        assert_eq!(planned.window.from(), oldest_listed(NOW));
        assert_eq!(planned.window.seconds(), RULES.span);
        assert_eq!(planned.aged_out, None);
    }

    #[test]
    fn seconds_that_stripe_no_longer_lists_are_named_as_a_hole() {
        let cursor = NOW - STRIPE_RETENTION_S - 1_000;
        let planned = next_tail(Some(cursor), NOW, RULES).unwrap();
        assert_eq!(planned.window.from(), oldest_listed(NOW));
        assert_eq!(planned.aged_out, Window::new(cursor, oldest_listed(NOW)));
    }

    #[test]
    fn a_pass_covers_all_that_stripe_lists_and_the_next_begins_a_day_later() {
        let (mut pass, mut now, mut covered) = (None, NOW, Vec::new());
        while let Some(piece) = next_piece(pass, now, 60, 86_400, 86_400) {
            covered.push(piece.window);
            now += 30;
            pass = Some(Pass {
                position: piece.window.to(),
                ..piece.pass
            });
        }
        assert_eq!(covered[0].from(), oldest_listed(NOW));
        assert_eq!(covered[covered.len() - 1].to(), now - 30 - 60);
        assert!(covered.windows(2).all(|two| two[0].to() == two[1].from()));
        let ended = now - 30;
        assert_eq!(next_piece(pass, ended + 86_399, 60, 86_400, 86_400), None);
        let again = next_piece(pass, ended + 86_400, 60, 86_400, 86_400).unwrap();
        assert_eq!(again.window.from(), oldest_listed(ended + 86_400));
    }

    #[test]
    fn a_pass_that_stood_still_until_stripe_forgot_says_what_it_missed() {
        let old = Pass {
            position: NOW - STRIPE_RETENTION_S - 500,
            target: NOW - STRIPE_RETENTION_S + 90_000,
        };
        let piece = next_piece(Some(old), NOW, 60, 86_400, 86_400).unwrap();
        assert_eq!(piece.window.from(), oldest_listed(NOW));
        assert_eq!(
            piece.aged_out,
            Window::new(old.position, oldest_listed(NOW))
        );
        let lost = Pass {
            position: 0,
            target: 10,
        };
        let anew = next_piece(Some(lost), NOW, 60, 86_400, 86_400).unwrap();
        assert_eq!(anew.window.from(), oldest_listed(NOW));
        assert_eq!(anew.aged_out, Window::new(0, 10));
    }

    #[test]
    fn asked_for_span_is_clipped_at_both_ends() {
        assert_eq!(
            clip(Some(0), Some(i64::MAX), NOW, 60),
            Window::new(oldest_listed(NOW), NOW - 60)
        );
        assert_eq!(
            clip(None, None, NOW, 60),
            Window::new(oldest_listed(NOW), NOW - 60)
        );
        assert_eq!(clip(Some(NOW), Some(NOW + 5), NOW, 60), None);
        assert_eq!(clip(Some(0), Some(5), NOW, 60), None);
    }

    #[test]
    fn single_second_can_not_be_halved() {
        assert_eq!(Window::new(7, 8).unwrap().earlier_half(), None);
        assert_eq!(
            Window::new(7, 10).unwrap().earlier_half(),
            Window::new(7, 8)
        );
    }

    proptest! {
        /// However late and however often the sweeps run, joined windows leave no second out.
        #[test]
        fn windows_cover_time_without_gaps(
            steps in prop::collection::vec(0i64..200_000, 1..60),
            lag in 0i64..300, overlap in 0i64..2_000, span in 1i64..100_000,
        ) {
            let rules = Rules { lag, overlap, span };
            let (mut now, mut cursor) = (NOW, NOW - 1_000);
            let mut covered_to = cursor;
            for step in steps {
                now += step;
                let Some(planned) = next_tail(Some(cursor), now, rules) else { continue };
                let window = planned.window;
                match planned.aged_out {
                    None => prop_assert!(window.from() <= covered_to),
                    // The hole joins what was covered to where listing goes on.
                    Some(hole) => {
                        prop_assert_eq!(hole.from(), covered_to);
                        prop_assert_eq!(hole.to(), window.from());
                    }
                }
                prop_assert!(window.to() > covered_to);
                prop_assert!(window.to() <= now - lag);
                prop_assert!(window.from() >= oldest_listed(now));
                prop_assert!(window.seconds() <= span + overlap);
                cursor = window.to();
                covered_to = cursor;
            }
        }

        #[test]
        fn pieces_join_to_the_whole(from in -1_000i64..1_000, len in 1i64..5_000, span in -1i64..700) {
            let whole = Window::new(from, from + len).unwrap();
            let pieces: Vec<Window> = whole.pieces(span).collect();
            prop_assert_eq!(pieces.first().unwrap().from(), whole.from());
            prop_assert_eq!(pieces.last().unwrap().to(), whole.to());
            prop_assert!(pieces.windows(2).all(|p| p[0].to() == p[1].from()));
            prop_assert!(pieces.iter().all(|p| p.seconds() <= span.max(1)));
        }

        #[test]
        fn extreme_times_neither_overflow_nor_panic(cursor: i64, now: i64, lag: i64, overlap: i64, span: i64) {
            next_tail(Some(cursor), now, Rules { lag, overlap, span });
            clip(Some(cursor), Some(overlap), now, lag);
            next_piece(Some(Pass { position: cursor, target: overlap }), now, lag, span, overlap);
        }
    }
}
