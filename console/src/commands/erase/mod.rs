//! `bookend erase`: a person's data leaves the ledger.
//!
//! *Invariant:* only payloads go. Ids, hashes, signatures, times, what folding read, every booking
//! and the action with its items stay, so that money and audit trail are as before. The address
//! that was searched for is kept nowhere but as its SHA-256.
//!
//! Deliberately absent: erasing at Stripe, which comes first, and in Kafka, whose topics forget by
//! themselves: until when is said.

mod plan;

use std::collections::{BTreeMap, BTreeSet};

use diesel::pg::PgConnection;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use shared::clock::{Clock as _, SystemClock};
use shared::db::ledger;
use shared::db::payloads::{self, Unreadable};

use self::plan::{Fate, InKafka, fate, in_kafka};
use super::second;
use crate::action::{Action, Attempt, Ended, Item, Reason, begin, guarded, may_act};
use crate::args::{EraseArgs, Global, Person};
use crate::database::{Writer, read};
use crate::failure::Failure;
use crate::kafka;
use crate::ledger::erase::{self, Held, MOST};
use crate::output::{self, Form, columns};

/// As it is recorded.
const VERB: &str = "erase";
/// Payloads that are blanked in one transaction.
const CHUNK: usize = 500;

#[derive(Serialize)]
struct Row<'a> {
    subject: &'a str,
    event_type: &'a str,
    object_id: Option<&'a str>,
    disposition: Option<&'a str>,
    record: String,
    fate: Fate,
}

#[derive(Serialize)]
struct Shown<'a> {
    dry_run: bool,
    verb: &'static str,
    action: Option<&'a str>,
    matched: usize,
    erased: usize,
    plan: Vec<Row<'a>>,
    in_kafka: &'a [InKafka],
}

pub(crate) fn run(global: &Global, args: &EraseArgs) -> Result<(), Failure> {
    match args.writing.reason()? {
        None => {
            let held = read(global.timeout, "erase_plan", |db| search(db, &args.person))?;
            let lies = lies(global, args, &held);
            show(global, &held, &lies, None, 0)?;
            eprintln!(
                "bookend: a dry run, nothing was done. To do it: --expect {} --execute --reason \"…\"",
                held.len()
            );
            Ok(())
        }
        Some(reason) => execute(global, args, reason),
    }
}

fn search(db: &mut PgConnection, person: &Person) -> Result<Vec<Held>, Failure> {
    let held = erase::held(db, person)?;
    if held.is_empty() {
        return Err(Failure::NothingMatched {
            what: "no payload holds any of these names".to_owned(),
        });
    }
    if i64::try_from(held.len()).map_or(true, |found| found > MOST) {
        return Err(Failure::Precondition {
            what: format!("more than {MOST} payloads hold these names: is one of them yours?"),
        });
    }
    Ok(held)
}

/// What Kafka still holds. That it can't be asked is said, and is no reason not to erase.
fn lies(global: &Global, args: &EraseArgs, held: &[Held]) -> Vec<InKafka> {
    let topics: BTreeSet<&str> = held.iter().map(|one| one.topic.as_str()).collect();
    let mut kept = BTreeMap::new();
    for topic in topics {
        let found = kafka::settings(&args.log.kafka, args.log.deployment)
            .and_then(|settings| kafka::retention(&settings, topic, global.timeout));
        let retention = found.unwrap_or_else(|failure| {
            let why = crate::text::printable(&failure.explain());
            eprintln!("bookend: nobody tells how long {topic} keeps records: {why}");
            None
        });
        kept.insert(topic.to_owned(), retention);
    }
    in_kafka(held, &kept, SystemClock.now())
}

/// As it is recorded: an address only by its hash.
fn request(person: &Person) -> Value {
    let hash = |email: &String| hex::encode(Sha256::digest(email));
    let emails: Vec<String> = person.email.iter().map(hash).collect();
    json!({"customer": person.customer, "object": person.object, "email_sha256": emails})
}

fn execute(global: &Global, args: &EraseArgs, reason: Reason) -> Result<(), Failure> {
    let attempt = Attempt::new(VERB, reason, request(&args.person))?;
    let (mut writer, action, held) = guarded(&attempt, global.timeout, || {
        let mut writer = Writer::connect(global.timeout)?;
        writer.run("may_act", may_act)?;
        let held = writer.read("erase_plan", |db| search(db, &args.person))?;
        args.writing.check_count(held.len())?;
        args.writing
            .confirm(held.len(), "payloads to erase for good")?;
        let items: Vec<Item> = held.iter().map(item).collect();
        let plan = json!({"payloads": held.len()});
        let action = begin(&mut writer, &attempt, &plan, &items, |_db, _id| Ok(()))?;
        Ok((writer, action, held))
    })?;
    let mut erased = 0;
    for chunk in held.chunks(CHUNK) {
        erased += writer.run("erase", |db| blank(db, &action, chunk))?;
    }
    let ended = match erased {
        0 => Ended::Failed,
        some if some < held.len() => Ended::Partly,
        _all => Ended::Done,
    };
    let result = json!({"erased": erased, "stay": held.len() - erased});
    action.finish(&mut writer, ended, &result)?;
    let what = format!(
        "{} of {} payloads stay: bookend action show {} tells each",
        held.len() - erased,
        held.len(),
        action.id
    );
    match ended {
        Ended::Done => {
            let lies = lies(global, args, &held);
            show(global, &held, &lies, Some(&action), erased)
        }
        Ended::Partly | Ended::Interrupted => Err(Failure::InPart { what }),
        Ended::Failed => Err(Failure::Undone { what }),
    }
}

/// A letter and its event may have one name; an item is of one thing.
fn item(held: &Held) -> Item {
    Item {
        subject: name(held),
        source: None,
    }
}

fn name(held: &Held) -> String {
    match held.letter {
        Some(letter) => format!("letter {letter}"),
        None => held.subject.clone(),
    }
}

/// Blanks these, in the caller's transaction; returns how many. The database notes each that went,
/// and refuses an event of which a dead letter is open.
fn blank(db: &mut PgConnection, action: &Action, chunk: &[Held]) -> Result<usize, Failure> {
    let goes = |held: &&Held| fate(held) == Fate::Erased;
    let letters: Vec<i64> = chunk
        .iter()
        .filter(goes)
        .filter_map(|one| one.letter)
        .collect();
    let mut done: BTreeSet<String> = erase::erase_letters(db, &letters, &action.id)?
        .into_iter()
        .map(|letter| format!("letter {letter}"))
        .collect();
    let ids: Vec<&str> = chunk
        .iter()
        .filter(goes)
        .filter(|one| one.letter.is_none())
        .map(|one| one.subject.as_str())
        .collect();
    let removed = ledger::rows_of(db, &ids)
        .and_then(|rows| payloads::remove(db, &rows, &action.id, Unreadable::KeepNothing));
    done.extend(removed.map_err(|source| Failure::Query {
        doing: "erasing payloads",
        source,
    })?);
    let names: Vec<String> = chunk.iter().map(name).collect();
    let (gone, stay): (Vec<&str>, Vec<&str>) = names
        .iter()
        .map(String::as_str)
        .partition(|name| done.contains(*name));
    erase::stays(db, &action.id, &stay)?;
    Ok(gone.len())
}

fn show(
    global: &Global,
    held: &[Held],
    in_kafka: &[InKafka],
    action: Option<&Action>,
    erased: usize,
) -> Result<(), Failure> {
    let plan: Vec<Row<'_>> = held.iter().map(row).collect();
    match global.output {
        Form::Json => output::json(&Shown {
            dry_run: action.is_none(),
            verb: VERB,
            action: action.map(|action| action.id.as_str()),
            matched: held.len(),
            erased,
            plan,
            in_kafka,
        }),
        Form::Table => output::text(&table(plan, in_kafka, action, erased)),
    }
}

fn row(held: &Held) -> Row<'_> {
    Row {
        subject: &held.subject,
        event_type: &held.event_type,
        object_id: held.object_id.as_deref(),
        disposition: held.disposition.as_deref(),
        record: format!("{}/{}/{}", held.topic, held.partition, held.offset),
        fate: fate(held),
    }
}

fn table(
    plan: Vec<Row<'_>>,
    in_kafka: &[InKafka],
    action: Option<&Action>,
    erased: usize,
) -> String {
    let mut text = columns(
        [
            "HOLDS THE DATA",
            "TYPE",
            "OBJECT",
            "DISPOSITION",
            "RECORD",
            "PAYLOAD",
        ],
        plan.into_iter().map(|row| {
            [
                row.subject.to_owned(),
                row.event_type.to_owned(),
                row.object_id.unwrap_or("-").to_owned(),
                row.disposition.unwrap_or("dead letter").to_owned(),
                row.record,
                row.fate.told().to_owned(),
            ]
        }),
    );
    for topic in in_kafka {
        let until = topic
            .until
            .map_or_else(|| "an unknown time".to_owned(), second);
        text.push_str(&format!(
            "\nKafka's topic {} holds {} of these records until {until}",
            topic.topic, topic.records
        ));
    }
    if let Some(action) = action {
        text.push_str(&format!("\naction {}: {erased} payloads erased", action.id));
    }
    text.push('\n');
    text
}
