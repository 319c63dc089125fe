//! Which events are on a page: pure.

use super::Volume;

/// A page of the list: the numbers `oldest..end`, shown newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) oldest: u64,
    pub(super) end: u64,
    pub(super) has_more: bool,
}

impl Page {
    /// A page without events.
    pub(super) const NONE: Self = Self {
        oldest: 0,
        end: 0,
        has_more: false,
    };
}

/// Where a page lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Cursor {
    /// At the newest.
    #[default]
    Newest,
    /// Older than this event.
    After(u64),
    /// Newer than this event, and next to it.
    Before(u64),
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) limit: u64,
    pub(super) cursor: Cursor,
}

/// A parameter that Stripe would refuse, by name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused(pub(super) String);

impl Query {
    /// Reads the decoded pairs of a query.
    pub(super) fn parse(
        volume: Volume,
        pairs: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Refused> {
        let mut query = Self {
            from: i64::MIN,
            to: i64::MAX,
            limit: 10,
            cursor: Cursor::Newest,
        };
        for (name, value) in pairs {
            let refused = || Refused(name.clone());
            let second = || value.parse::<i64>().ok().ok_or_else(refused);
            let event = || volume.number(&value).ok_or_else(refused);
            match name.as_str() {
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=100).contains(limit));
                    query.limit = limit.ok_or_else(refused)?;
                }
                "created[gte]" => query.from = second()?,
                "created[lt]" => query.to = second()?,
                "starting_after" if query.cursor == Cursor::Newest => {
                    query.cursor = Cursor::After(event()?);
                }
                "ending_before" if query.cursor == Cursor::Newest => {
                    query.cursor = Cursor::Before(event()?);
                }
                // All have been delivered, and all are of one type.
                "delivery_success" | "types[]" | "type" => {}
                _ => return Err(refused()),
            }
        }
        Ok(query)
    }

    /// The page that answers it.
    pub(super) fn page(self, volume: Volume) -> Page {
        let (mut low, mut high) = (volume.before(self.from), volume.before(self.to));
        let page = match self.cursor {
            Cursor::Newest => None,
            Cursor::After(number) => {
                high = high.min(number);
                None
            }
            Cursor::Before(number) => {
                low = low.max(number.saturating_add(1));
                Some(low.saturating_add(self.limit).min(high))
            }
        };
        let (oldest, end) = match page {
            Some(end) => (low, end),
            None => (high.saturating_sub(self.limit).max(low), high),
        };
        if oldest >= end {
            return Page::NONE;
        }
        Page {
            oldest,
            end,
            has_more: end.saturating_sub(oldest) < high.saturating_sub(low),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOLUME: Volume = Volume {
        from: 1_000,
        to: 1_050,
        count: 137,
    };

    /// The same, by looking at each event.
    fn naive(query: Query) -> (Vec<u64>, bool) {
        let inside = |number: &u64| (query.from..query.to).contains(&VOLUME.created(*number));
        let mut all: Vec<u64> = (0..VOLUME.count).filter(inside).collect();
        let limit = usize::try_from(query.limit).unwrap();
        match query.cursor {
            Cursor::Newest => all.reverse(),
            Cursor::After(cursor) => {
                all.retain(|number| *number < cursor);
                all.reverse();
            }
            Cursor::Before(cursor) => all.retain(|number| *number > cursor),
        }
        let more = all.len() > limit;
        all.truncate(limit);
        all.sort_by_key(|number| std::cmp::Reverse(*number));
        (all, more)
    }

    fn assert_same(query: Query) {
        let page = query.page(VOLUME);
        let numbers: Vec<u64> = (page.oldest..page.end).rev().collect();
        assert_eq!((numbers, page.has_more), naive(query), "{query:?}");
    }

    #[test]
    fn pages_both_ways_are_those_of_a_list_that_is_looked_at_event_by_event() {
        let cursors = (0..VOLUME.count).step_by(3);
        let cursors: Vec<Cursor> = cursors
            .flat_map(|number| [Cursor::After(number), Cursor::Before(number)])
            .chain([Cursor::Newest])
            .collect();
        for limit in [1, 7, 100] {
            for from in [i64::MIN, 999, 1_000, 1_007, 1_049, 1_050] {
                for to in [1_000, 1_001, 1_031, 1_049, 1_050, i64::MAX] {
                    for cursor in &cursors {
                        assert_same(Query {
                            from,
                            to,
                            limit,
                            cursor: *cursor,
                        });
                    }
                }
            }
        }
    }

    #[test]
    fn a_walk_to_the_end_meets_every_event_once_in_either_direction() {
        let mut query = Query {
            from: 1_010,
            to: 1_040,
            limit: 10,
            cursor: Cursor::Newest,
        };
        let mut down = Vec::new();
        loop {
            let page = query.page(VOLUME);
            down.extend((page.oldest..page.end).rev());
            query.cursor = Cursor::After(page.oldest);
            if !page.has_more {
                break;
            }
        }
        query.cursor = Cursor::Before(VOLUME.before(1_010) - 1);
        let mut up = Vec::new();
        loop {
            let page = query.page(VOLUME);
            up.extend(page.oldest..page.end);
            query.cursor = Cursor::Before(page.end - 1);
            if !page.has_more {
                break;
            }
        }
        up.reverse();
        assert_eq!(down, up);
        assert_eq!(
            u64::try_from(down.len()).unwrap(),
            VOLUME.before(1_040) - VOLUME.before(1_010)
        );
    }

    #[test]
    fn what_stripe_would_refuse_is_refused_by_name() {
        for (name, value) in [
            ("limit", "101"),
            ("limit", "0"),
            ("created[gte]", "yesterday"),
            ("starting_after", "evt_vol_000000137"),
            ("starting_after", "evt_vol_7"),
            ("ending_before", "evt_else"),
            ("colour", "blue"),
        ] {
            let pairs = [(name.to_owned(), value.to_owned())];
            let refused = Query::parse(VOLUME, pairs.into_iter());
            assert_eq!(refused, Err(Refused(name.to_owned())), "{value}");
        }
    }
}
