//! Every statement that a service sends to Postgres, and the plan that Postgres makes of it.
//!
//! A service connects through a [`Recorder`], which keeps the last values of each distinct statement.
//! They are sent once more behind `EXPLAIN`, with the same rights: no copy of a statement is kept in
//! a test, and a new one is recorded as soon as a service sends it. The recorder also measures how
//! long each statement and each named transaction takes.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::Value;

use super::timings::{Answers, Rounds, Timings};

/// A statement with the values it was last sent with.
#[derive(Debug, Clone, Default)]
struct Sent {
    /// The session's first message: who connects, with which rights.
    startup: Vec<u8>,
    /// Types of its parameters, as the message `Parse` has them.
    types: Vec<u8>,
    /// Values, as the message `Bind` has them after the names; none of a simple query.
    values: Option<Vec<u8>>,
    /// The largest values so far, where they are larger than the last.
    largest: Option<Vec<u8>>,
}

type Statements = Arc<Mutex<BTreeMap<String, Sent>>>;

/// A statement and its plan.
#[derive(Debug, Clone)]
pub struct Explained {
    /// As the service sent it.
    pub sql: String,
    /// What `EXPLAIN (FORMAT JSON)` says, or why it says nothing.
    pub plan: Result<Value, String>,
}

/// A door to a Postgres server that writes down what passes.
#[derive(Debug)]
pub struct Recorder {
    server: String,
    door: String,
    statements: Statements,
    timings: Arc<Mutex<Timings>>,
}

impl Recorder {
    /// Opens a door to the server of this URL; it stays open as long as the process lives.
    ///
    /// # Panics
    /// When the URL names no host and port, or no port is free.
    #[must_use]
    pub fn to(url: &str) -> Self {
        let server = host_of(url).to_owned();
        let Ok(listener) = TcpListener::bind("127.0.0.1:0") else {
            panic!("no port is free");
        };
        let door = match listener.local_addr() {
            Ok(address) => address.to_string(),
            Err(error) => panic!("no address: {error}"),
        };
        let statements = Statements::default();
        let timings = Arc::new(Mutex::new(Timings::default()));
        let (to, kept, timed) = (
            server.clone(),
            Arc::clone(&statements),
            Arc::clone(&timings),
        );
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (to, kept, timed) = (to.clone(), Arc::clone(&kept), Arc::clone(&timed));
                std::thread::spawn(move || pass(client, &to, &kept, &timed));
            }
        });
        Self {
            server,
            door,
            statements,
            timings,
        }
    }

    /// The same URL, through the door.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        let through = url.replacen(host_of(url), &self.door, 1);
        let joint = if through.contains('?') { '&' } else { '?' };
        format!("{through}{joint}sslmode=disable&gssencmode=disable")
    }

    /// Whether a statement with this text in it was sent.
    #[must_use]
    pub fn has_seen(&self, part: &str) -> bool {
        let statements = self.statements.lock();
        let statements = statements.unwrap_or_else(PoisonError::into_inner);
        statements.keys().any(|sql| sql.contains(part))
    }

    /// The number of distinct statements so far.
    #[must_use]
    pub fn seen(&self) -> usize {
        let statements = self.statements.lock();
        statements.unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The durations since the last call, and forgets them.
    #[must_use]
    pub fn take_timings(&self) -> Timings {
        let mut timings = self.timings.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *timings)
    }

    /// Executes a recorded statement with the largest values that it had, rolls it back, and returns its
    /// profile as `EXPLAIN (ANALYZE, BUFFERS)` prints it.
    ///
    /// # Errors
    /// The reason why there is none.
    pub fn profile(&self, sql: &str) -> Result<String, String> {
        let statements = self.statements.lock();
        let statements = statements.unwrap_or_else(PoisonError::into_inner);
        let mut sent = statements.get(sql).cloned().ok_or("it was never sent")?;
        drop(statements);
        sent.values = sent.largest.take().or(sent.values);
        let rows = rows_of(&explain(
            &self.server,
            "EXPLAIN (ANALYZE, BUFFERS)",
            sql,
            &sent,
        )?)?;
        let lines = rows.iter().map(|row| String::from_utf8_lossy(row));
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }

    /// The plan of every statement that reads or writes tables.
    ///
    /// # Panics
    /// When the server does not let us in.
    #[must_use]
    pub fn explain(&self) -> Vec<Explained> {
        let statements = self.statements.lock();
        let statements = statements.unwrap_or_else(PoisonError::into_inner).clone();
        let planned = statements.into_iter().filter(|(sql, _)| has_plan(sql));
        planned
            .map(|(sql, sent)| Explained {
                plan: plan(&self.server, &sql, &sent),
                sql,
            })
            .collect()
    }
}

fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    authority.rsplit('@').next().unwrap_or(authority)
}

fn has_plan(sql: &str) -> bool {
    let sql = sql.trim_start().to_ascii_uppercase();
    let reads = ["SELECT", "WITH", "(", "DELETE"];
    let writes = ["INSERT", "UPDATE"];
    writes.iter().any(|word| sql.starts_with(word))
        || reads.iter().any(|word| sql.starts_with(word)) && sql.contains("FROM")
}

/// Carries one connection both ways, and reads what the client says.
fn pass(client: TcpStream, server: &str, kept: &Statements, timings: &Arc<Mutex<Timings>>) {
    let Ok(upstream) = TcpStream::connect(server) else {
        return;
    };
    let (Ok(answers), Ok(back)) = (upstream.try_clone(), client.try_clone()) else {
        return;
    };
    // A request is small, and each waits for the answer to the last.
    drop((upstream.set_nodelay(true), client.set_nodelay(true)));
    let mut session = Session::default();
    let (rounds, timings) = (Arc::clone(&session.rounds), Arc::clone(timings));
    std::thread::spawn(move || pass_back(answers, back, &rounds, &timings));
    let (mut client, mut upstream) = (client, upstream);
    let mut buffer = vec![0_u8; 64 * 1024];
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        let piece = buffer.get(..count).unwrap_or_default();
        // Kept before it is passed on: who sees its effect finds it here.
        session.read(piece, kept);
        if upstream.write_all(piece).is_err() {
            break;
        }
    }
    drop(upstream.shutdown(std::net::Shutdown::Both));
}

/// Carries the server's answers, and notes when each ends.
fn pass_back(
    mut answers: TcpStream,
    mut back: TcpStream,
    rounds: &Mutex<Rounds>,
    timings: &Mutex<Timings>,
) {
    let (mut found, mut buffer) = (Answers::default(), vec![0_u8; 64 * 1024]);
    while let Ok(count @ 1..) = answers.read(&mut buffer) {
        let piece = buffer.get(..count).unwrap_or_default();
        let now = Instant::now();
        for _ in 0..found.ends(piece) {
            let mut rounds = rounds.lock().unwrap_or_else(PoisonError::into_inner);
            let mut timings = timings.lock().unwrap_or_else(PoisonError::into_inner);
            rounds.answered(now, &mut timings);
        }
        if back.write_all(piece).is_err() {
            break;
        }
    }
    drop(back.shutdown(std::net::Shutdown::Both));
}

/// What is known of one connection.
#[derive(Debug, Default)]
struct Session {
    /// Requests that wait for their answers.
    rounds: Arc<Mutex<Rounds>>,
    /// The statement that the next `Sync` executes.
    bound: Option<String>,
    unread: Vec<u8>,
    startup: Vec<u8>,
    /// Prepared statements by name: text and types.
    prepared: BTreeMap<Vec<u8>, (String, Vec<u8>)>,
}

impl Session {
    fn read(&mut self, piece: &[u8], kept: &Statements) {
        self.unread.extend_from_slice(piece);
        loop {
            // Only the first message has no type.
            let typed = usize::from(!self.startup.is_empty());
            let Some(length) = length(&self.unread, typed) else {
                return;
            };
            let end = typed.saturating_add(length);
            if self.unread.len() < end {
                return;
            }
            let rest = self.unread.split_off(end);
            let message = std::mem::replace(&mut self.unread, rest);
            if typed == 0 {
                self.startup = message;
                self.asked(None);
            } else {
                self.message(&message, kept);
            }
        }
    }

    fn message(&mut self, message: &[u8], kept: &Statements) {
        let kind = message.first().copied().unwrap_or_default();
        let body = message.get(5..).unwrap_or_default();
        match kind {
            b'P' => {
                let (name, rest) = text(body);
                let (sql, types) = text(rest);
                let sql = String::from_utf8_lossy(sql).into_owned();
                self.prepared.insert(name.to_vec(), (sql, types.to_vec()));
            }
            b'B' => {
                let (_portal, rest) = text(body);
                let (name, values) = text(rest);
                if let Some((sql, types)) = self.prepared.get(name) {
                    let (sql, types) = (sql.clone(), types.clone());
                    self.keep(kept, sql.clone(), types, Some(values.to_vec()));
                    self.bound = Some(sql);
                }
            }
            b'Q' => {
                let sql = String::from_utf8_lossy(text(body).0).into_owned();
                self.keep(kept, sql.clone(), Vec::new(), None);
                self.asked(Some(sql));
            }
            b'S' => {
                let bound = self.bound.take();
                self.asked(bound);
            }
            _ => {}
        }
    }

    fn asked(&self, statement: Option<String>) {
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        rounds.asked(statement, Instant::now());
    }

    fn keep(&self, kept: &Statements, sql: String, types: Vec<u8>, values: Option<Vec<u8>>) {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let before = kept.remove(&sql).unwrap_or_default();
        let values_before = [before.largest, before.values];
        let largest = values_before.into_iter().flatten().max_by_key(Vec::len);
        let size = values.as_ref().map_or(0, Vec::len);
        let sent = Sent {
            startup: self.startup.clone(),
            types,
            largest: largest.filter(|it| it.len() > size),
            values,
        };
        kept.insert(sql, sent);
    }
}

/// The length that a message says, itself included.
fn length(bytes: &[u8], at: usize) -> Option<usize> {
    let four: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(four)).ok()
}

/// The text up to a zero byte, and what comes after it.
fn text(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let text = parts.next().unwrap_or_default();
    (text, parts.next().unwrap_or_default())
}

fn message(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = u32::try_from(body.len().saturating_add(4)).unwrap_or(u32::MAX);
    [&[kind][..], &length.to_be_bytes(), &body].concat()
}

/// The plan of a statement, which is not executed.
fn plan(server: &str, sql: &str, sent: &Sent) -> Result<Value, String> {
    let rows = rows_of(&explain(server, "EXPLAIN (FORMAT JSON)", sql, sent)?)?;
    let first = rows.first().ok_or("the server said nothing")?;
    serde_json::from_slice(first).map_err(|error| error.to_string())
}

/// Sends the statement behind `how`, with the values that it was sent with, in a transaction that is
/// rolled back; the server's whole answer.
fn explain(server: &str, how: &str, sql: &str, sent: &Sent) -> Result<Vec<u8>, String> {
    let mut stream = TcpStream::connect(server).map_err(|error| error.to_string())?;
    let mut say = |bytes: &[u8]| stream.write_all(bytes).map_err(|error| error.to_string());
    say(&sent.startup)?;
    let sql = format!("{how} {sql}\0");
    // No parameters, and one column of the answer as text.
    let none = [0, 0, 0, 0, 0, 1, 0, 0];
    let (types, values) = match &sent.values {
        Some(values) => (sent.types.as_slice(), values.as_slice()),
        None => (&[0, 0][..], &none[..]),
    };
    say(&message(b'Q', &[b"BEGIN\0"]))?;
    say(&message(b'P', &[b"\0", sql.as_bytes(), types]))?;
    say(&message(b'B', &[b"\0\0", values]))?;
    say(&message(b'E', &[b"\0", &[0; 4]]))?;
    say(&message(b'S', &[]))?;
    say(&message(b'Q', &[b"ROLLBACK\0"]))?;
    say(&message(b'X', &[]))?;
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .map_err(|error| error.to_string())?;
    Ok(answer)
}

/// The one value of each row in an answer, or the error in it.
fn rows_of(mut answer: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut rows = Vec::new();
    while let (Some(kind), Some(length)) = (answer.first(), length(answer, 1)) {
        let end = length.saturating_add(1);
        let body = answer.get(5..end).unwrap_or_default();
        match kind {
            b'D' => rows.push(body.get(6..).unwrap_or_default().to_vec()),
            b'E' => return Err(String::from_utf8_lossy(body).replace('\0', " ")),
            _ => {}
        }
        answer = answer.get(end..).unwrap_or_default();
    }
    Ok(rows)
}
