//! `bookend_reader` reads, and writes nothing anywhere.

use super::{READER, Roles};

#[test]
fn a_reader_may_write_no_table_and_may_call_no_function_that_writes() {
    let roles = Roles::new();
    let writable = format!(
        "SELECT string_agg(c.relname, ' ') FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v')
           AND (has_any_column_privilege('{READER}', c.oid, 'INSERT')
             OR has_any_column_privilege('{READER}', c.oid, 'UPDATE')
             OR has_table_privilege('{READER}', c.oid, 'DELETE, TRUNCATE, TRIGGER'))"
    );
    assert_eq!(roles.text(&writable), "");
    let callable = format!(
        "SELECT string_agg(p.proname, ' ') FROM pg_proc p
         WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef
           AND has_function_privilege('{READER}', p.oid, 'EXECUTE')"
    );
    assert_eq!(roles.text(&callable), "");
}

#[test]
fn a_reader_can_neither_insert_nor_record_a_refused_attempt() {
    let roles = Roles::new();
    for statement in [
        "INSERT INTO operator_actions (id, who, host, verb, reason, request)
         VALUES ('act_1', 'x', 'x', 'x', 'x', '{}')",
        "SELECT note_denied_action('act_1', 'Ada', 'h', 'replay', 'x', '{}', 'no')",
    ] {
        roles.forbidden(READER, statement);
    }
    assert_eq!(roles.text("SELECT count(*) FROM operator_actions"), "0");
}

#[test]
fn a_reader_sees_what_was_done_and_what_came_of_it() {
    let roles = Roles::new();
    for table in [
        "operator_actions",
        "operator_action_results",
        "operator_action_items",
        "replaced_evidence",
        "events",
        "certificates",
    ] {
        roles.allowed(READER, &format!("SELECT * FROM {table}"));
    }
}
