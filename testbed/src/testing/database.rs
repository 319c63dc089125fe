//! A database for one test: a copy of a template that is migrated once for each process.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{database_url, eventually, unique};
use crate::stack::postgres::execute;
use crate::stack::url::with;

static TEMPLATE: Mutex<Option<String>> = Mutex::new(None);

/// A database of its own; dropped, with whoever is connected, when this goes.
#[derive(Debug)]
pub struct TestDatabase {
    server: String,
    name: String,
}

impl TestDatabase {
    /// Makes the database; `migrate` is given a superuser's URL, once for each process.
    ///
    /// # Panics
    /// When there is no server, or it refuses.
    pub fn create(migrate: impl FnOnce(&str)) -> Self {
        let server = database_url();
        let template = template(&server, migrate);
        let name = unique("test");
        let sql = format!("CREATE DATABASE {name} TEMPLATE {template}");
        create(&server, &sql);
        Self { server, name }
    }

    /// The superuser's URL.
    #[must_use]
    pub fn url(&self) -> String {
        with(&self.server, None, &self.name)
    }

    /// The URL for another role, without a password (the server of `testbed exec` asks none).
    #[must_use]
    pub fn url_as(&self, role: &str) -> String {
        with(&self.server, Some(role), &self.name)
    }

    /// The database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // The server may be the one that the test has stopped.
        if let Err(error) = execute(&self.server, &sql) {
            eprintln!("testbed: {error}");
        }
    }
}

fn template(server: &str, migrate: impl FnOnce(&str)) -> String {
    let mut template = TEMPLATE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(name) = &*template {
        return name.clone();
    }
    let name = unique("template");
    create(server, &format!("CREATE DATABASE {name}"));
    migrate(&with(server, None, &name));
    *template = Some(name.clone());
    name
}

/// Creates a database; tries again while the template's last session is still going away.
fn create(server: &str, sql: &str) {
    let mut last = String::new();
    let mut tries = 0;
    let done = eventually(Duration::from_secs(30), sql, || {
        tries += 1;
        match execute(server, sql) {
            Ok(()) => Some(Ok(())),
            Err(error) => {
                last = error.to_string();
                let passing = last.contains("being accessed by other users");
                (!passing).then(|| Err(last.clone()))
            }
        }
    });
    if let Err(error) = done {
        panic!("{error}");
    }
}
