//! Every object's present state, by account and id, in the order of creation.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::model::{IllegalStep, number, step, text};

/// An object and its place among all of them.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) value: Value,
    /// `(created, order of creation)`.
    pub(crate) place: (i64, u64),
}

type Key = (Option<String>, String);

#[derive(Debug, Default)]
pub(crate) struct Objects {
    by_id: BTreeMap<Key, Stored>,
    created: u64,
}

fn key(account: Option<&str>, id: &str) -> Key {
    (account.map(str::to_owned), id.to_owned())
}

impl Objects {
    /// Puts a new object, or replaces one by hand.
    pub(crate) fn put(&mut self, account: Option<&str>, value: Value) {
        self.created += 1;
        let id = text(&value, "id").to_owned();
        let place = (number(&value, "created"), self.created);
        self.by_id
            .insert(key(account, &id), Stored { value, place });
    }

    pub(crate) fn get(&self, account: Option<&str>, id: &str) -> Option<&Value> {
        self.by_id
            .get(&key(account, id))
            .map(|stored| &stored.value)
    }

    /// One step of an object; returns its `previous_attributes`.
    ///
    /// # Errors
    /// When the object's state machine has no such step; nothing changed. An unknown object is
    /// a step to nowhere and changes nothing either.
    pub(crate) fn step(
        &mut self,
        account: Option<&str>,
        id: &str,
        patch: &Value,
    ) -> Result<Value, IllegalStep> {
        match self.by_id.get_mut(&key(account, id)) {
            Some(stored) => step(&mut stored.value, patch),
            None => Ok(Value::Null),
        }
    }

    /// All objects of one kind of one account.
    pub(crate) fn of_kind<'a>(
        &'a self,
        account: Option<&'a str>,
        kind: &'a str,
    ) -> impl Iterator<Item = &'a Stored> {
        self.by_id
            .iter()
            .filter(move |((owner, _), _)| owner.as_deref() == account)
            .map(|(_, stored)| stored)
            .filter(move |stored| text(&stored.value, "object") == kind)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&Key, &Value)> {
        self.by_id.iter().map(|(key, stored)| (key, &stored.value))
    }
}
