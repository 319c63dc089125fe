//! Where reading begins, with the words and the meaning of `kafka-consumer-groups`.
//!
//! Pure. Invariant: times are absolute by the time one of these exists, so that a plan means the
//! same later. Left out: the end, and what is picked between (see `ranges` and `filter`).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

/// Partitions of a file: Kafka itself has fewer in a topic.
const MAX_LINES: usize = 10_000;

/// Where reading begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    /// At the log's (or the ledger's) beginning.
    Earliest,
    /// At this offset of every partition.
    Offset(i64),
    /// So many records before our progress.
    Back(i64),
    /// At the first record that is not older.
    Since(DateTime<Utc>),
    /// At these offsets; partitions that are not named are not read.
    Offsets(BTreeMap<i32, i64>),
}

/// Why a file is no plan.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FileError {
    #[error("line {0} is not topic,partition,offset")]
    Shape(usize),
    #[error("line {line} names topic {found}, not {wanted}")]
    Topic {
        line: usize,
        found: String,
        wanted: String,
    },
    #[error("partition {0} is named twice")]
    Twice(i32),
    #[error("no line names a partition")]
    Empty,
    #[error("more than {MAX_LINES} lines")]
    TooLong,
}

/// Reads what `kafka-consumer-groups --export` (or `bookend replay --export`) wrote:
/// `topic,partition,offset` a line, values in double quotes or not.
///
/// # Errors
/// [`FileError`]: nothing of the file is used.
pub(crate) fn offsets(text: &str, topic: &str) -> Result<BTreeMap<i32, i64>, FileError> {
    let mut found = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let number = at.saturating_add(1);
        if number > MAX_LINES {
            return Err(FileError::TooLong);
        }
        if line.trim().is_empty() {
            continue;
        }
        let (named, partition, offset) = fields(line).ok_or(FileError::Shape(number))?;
        if named != topic {
            return Err(FileError::Topic {
                line: number,
                found: named.to_owned(),
                wanted: topic.to_owned(),
            });
        }
        if found.insert(partition, offset).is_some() {
            return Err(FileError::Twice(partition));
        }
    }
    if found.is_empty() {
        return Err(FileError::Empty);
    }
    Ok(found)
}

fn fields(line: &str) -> Option<(&str, i32, i64)> {
    let mut fields = line.split(',').map(|field| {
        let field = field.trim();
        // Kafka's tool quotes names of more than 24 characters.
        let inner = field
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        inner.unwrap_or(field)
    });
    let topic = fields.next().filter(|topic| !topic.is_empty())?;
    let partition = fields.next()?.parse().ok().filter(|number| *number >= 0)?;
    let offset = fields.next()?.parse().ok().filter(|number| *number >= 0)?;
    fields
        .next()
        .is_none()
        .then_some((topic, partition, offset))
}

/// Part of a topic: `t` or `t:0,3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) topic: String,
    /// None: all partitions.
    pub(crate) partitions: Option<Vec<i32>>,
}

impl Scope {
    /// Reads `t` or `t:p,p`.
    ///
    /// # Errors
    /// What is expected.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let odd = || "not topic or topic:partition,partition".to_owned();
        let (topic, list) = match text.split_once(':') {
            Some((topic, list)) => (topic, Some(list)),
            None => (text, None),
        };
        if topic.is_empty() {
            return Err(odd());
        }
        let partitions = list
            .map(|list| {
                list.split(',')
                    .map(|one| one.trim().parse().ok().filter(|number: &i32| *number >= 0))
                    .collect::<Option<Vec<i32>>>()
                    .ok_or_else(odd)
            })
            .transpose()?;
        Ok(Self {
            topic: topic.to_owned(),
            partitions,
        })
    }

    /// Whether a partition belongs to it.
    pub(crate) fn holds(&self, partition: i32) -> bool {
        self.partitions
            .as_ref()
            .is_none_or(|list| list.contains(&partition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kafkas_tool_exports_is_read_quoted_or_not() {
        let text = "stripe.events,0,17\n\"stripe.events\",11,0\n\n";
        assert_eq!(
            offsets(text, "stripe.events"),
            Ok(BTreeMap::from([(0, 17), (11, 0)]))
        );
    }

    #[test]
    fn a_file_that_is_no_plan_is_refused_as_a_whole() {
        let read = |text| offsets(text, "t");
        assert_eq!(read(""), Err(FileError::Empty));
        assert_eq!(read("t,0,1\nt,0,2"), Err(FileError::Twice(0)));
        for bad in [
            "t,0",
            "t,0,1,2",
            "t,-1,0",
            "t,0,-5",
            "t,0,x",
            ",0,1",
            "group,t,0,1",
        ] {
            assert_eq!(read(bad), Err(FileError::Shape(1)), "{bad}");
        }
        assert!(matches!(
            read("other,0,1"),
            Err(FileError::Topic { line: 1, .. })
        ));
        assert_eq!(
            read(&"\n".repeat(MAX_LINES.saturating_add(1))),
            Err(FileError::TooLong)
        );
    }

    #[test]
    fn a_scope_is_a_topic_or_some_of_its_partitions() {
        let some = Scope::parse("t:0,3");
        assert!(some.is_ok_and(|scope| scope.holds(3) && !scope.holds(1)));
        assert!(Scope::parse("t").is_ok_and(|scope| scope.holds(7)));
        for bad in ["", ":1", "t:", "t:x", "t:-1", "t:1,,2"] {
            assert!(Scope::parse(bad).is_err(), "{bad:?}");
        }
    }
}
