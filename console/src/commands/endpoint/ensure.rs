//! `bookend endpoint ensure`: created where there is none, made right where it is not.
//!
//! *Invariant:* the action is recorded before Stripe is asked to change anything, under an
//! idempotency key that is the action's; the file for the signing secret is there before that, too.

use serde::Serialize;
use serde_json::json;

use super::{books, setup};
use crate::action::{Action, Attempt, Ended, Interrupt, Reason, begin, guarded, may_act};
use crate::args::{EndpointEnsure, Global};
use crate::database::Writer;
use crate::endpoint::{
    Change, Client, Decision, Listed, Made, Refusal, SecretFile, StripeError, Wanted, ensure, form,
};
use crate::failure::{Failure, chain};
use crate::output::{self, Form, fields};

/// As it is recorded.
const VERB: &str = "endpoint ensure";

/// The answer: of a dry run, or of an execution.
#[derive(Serialize)]
struct Shown<'a> {
    dry_run: bool,
    verb: &'static str,
    action: Option<&'a str>,
    endpoint: Option<&'a str>,
    steps: Vec<&'static str>,
    url: &'a str,
    events: Vec<&'a str>,
    api_version: Option<&'a str>,
    secret_file: Option<String>,
}

pub(super) fn run(global: &Global, args: &EndpointEnsure) -> Result<(), Failure> {
    let reason = args.writing.reason()?;
    let (wanted, client) = setup::prepare(args, global.timeout)?;
    match reason {
        None => {
            let (decision, _listed) = decide(&client, &wanted)?;
            show(global, args, &decision, None)?;
            if decision == Decision::Create && args.secret_file.is_none() {
                eprintln!("bookend: creating it needs --secret-file, for its signing secret");
            }
            eprintln!("bookend: a dry run, nothing was done. To do it: --execute --reason \"…\"");
            Ok(())
        }
        Some(reason) => execute(global, args, reason, &wanted, &client),
    }
}

/// Asks Stripe and decides; refusals are failures.
fn decide(client: &Client, wanted: &Wanted) -> Result<(Decision, Vec<Listed>), Failure> {
    let listed = client.list().map_err(|source| Failure::Stripe {
        doing: "listing the endpoints",
        source,
    })?;
    let what = match ensure(wanted, &listed) {
        Decision::Refuse(refusal) => refusal,
        decision @ (Decision::Create | Decision::Update { .. } | Decision::Nothing { .. }) => {
            return Ok((decision, listed));
        }
    };
    Err(match what {
        Refusal::Unknown(id) => Failure::NothingMatched {
            what: format!("Stripe lists no endpoint {id} in this mode"),
        },
        Refusal::Several(ids) => Failure::Precondition {
            what: format!(
                "several endpoints have this address: {}; say which by --endpoint; nothing was done",
                ids.join(", ")
            ),
        },
        Refusal::OtherVersion { id, has } => Failure::Precondition {
            what: format!(
                "{id} has the version {}, and Stripe does not change an endpoint's version: create a \
                 second one with a query at the end of its --url, for instance ?version=2, give the \
                 ingestor both secrets, then remove the old one; nothing was done",
                has.as_deref().unwrap_or("of the account")
            ),
        },
    })
}

/// What has been recorded and may now be asked for.
struct Begun {
    writer: Writer,
    action: Action,
    decision: Decision,
    listed: Vec<Listed>,
    file: Option<SecretFile>,
    /// Kept: while it lives, Ctrl-C does not end the process half-way.
    _interrupt: Interrupt,
}

fn execute(
    global: &Global,
    args: &EndpointEnsure,
    reason: Reason,
    wanted: &Wanted,
    client: &Client,
) -> Result<(), Failure> {
    let request = json!({
        "url": wanted.url, "events": wanted.events, "api_version": wanted.api_version,
        "endpoint": wanted.endpoint, "livemode": wanted.livemode,
        "secret_file": args.secret_file.as_ref().map(|path| path.display().to_string()),
    });
    let attempt = Attempt::new(VERB, reason, request)?;
    let mut begun = guarded(&attempt, global.timeout, || {
        prepare(global, args, &attempt, wanted, client)
    })?;
    eprintln!("bookend: action {}", begun.action.id);
    let endpoint = match &begun.decision {
        Decision::Create => create(&mut begun, args, wanted, client)?,
        Decision::Update { id, .. } => {
            let pairs = form(wanted, &begun.decision);
            match client.write(Some(id), &pairs, &begun.action.id) {
                Ok(made) => made.endpoint,
                Err(source) => return Err(failed(&mut begun, "updating the endpoint", source)),
            }
        }
        Decision::Nothing { id } | Decision::Refuse(Refusal::Unknown(id)) => {
            let found = begun.listed.iter().find(|one| one.id == *id).cloned();
            found.ok_or_else(|| Failure::NothingMatched {
                what: format!("Stripe lists no endpoint {id}"),
            })?
        }
        Decision::Refuse(Refusal::Several(_) | Refusal::OtherVersion { .. }) => {
            return Err(Failure::Undone {
                what: "a refusal was carried out".to_owned(),
            });
        }
    };
    let steps = steps(&begun.decision);
    let action = begun.action.clone();
    begun.writer.run("endpoint_accept", |db| {
        books::accept(db, wanted.url.as_str(), &endpoint)?;
        let result = json!({"endpoint": endpoint.id, "steps": steps});
        action.finish_within(db, Ended::Done, &result)
    })?;
    show(
        global,
        args,
        &begun.decision,
        Some((&action.id, &endpoint.id)),
    )
}

fn prepare(
    global: &Global,
    args: &EndpointEnsure,
    attempt: &Attempt,
    wanted: &Wanted,
    client: &Client,
) -> Result<Begun, Failure> {
    let mut writer = Writer::connect(global.timeout)?;
    writer.run("may_act", may_act)?;
    let (decision, listed) = decide(client, wanted)?;
    let steps = steps(&decision);
    args.writing.check_count(steps.len())?;
    args.writing.confirm(steps.len(), VERB)?;
    let interrupt = Interrupt::listen()?;
    let file = match (&decision, &args.secret_file) {
        (Decision::Create, Some(path)) => {
            let file = SecretFile::reserve(path).map_err(|error| Failure::Precondition {
                what: format!(
                    "--secret-file {} cannot be made new: {error}; nothing was done",
                    path.display()
                ),
            })?;
            Some(file)
        }
        (Decision::Create, None) => {
            return Err(Failure::Usage {
                what: "an endpoint must be created, which needs --secret-file".to_owned(),
            });
        }
        (Decision::Update { .. } | Decision::Nothing { .. } | Decision::Refuse(_), _) => None,
    };
    let plan = json!({"endpoint": id(&decision), "steps": steps});
    match begin(&mut writer, attempt, &plan, &[], |_, _| Ok(())) {
        Ok(action) => Ok(Begun {
            writer,
            action,
            decision,
            listed,
            file,
            _interrupt: interrupt,
        }),
        Err(failure) => {
            file.into_iter().for_each(SecretFile::discard);
            Err(failure)
        }
    }
}

/// Creates it and keeps its secret.
fn create(
    begun: &mut Begun,
    args: &EndpointEnsure,
    wanted: &Wanted,
    client: &Client,
) -> Result<Listed, Failure> {
    let pairs = form(wanted, &begun.decision);
    let Made { endpoint, secret } = match client.write(None, &pairs, &begun.action.id) {
        Ok(made) => made,
        Err(source) => return Err(failed(begun, "creating the endpoint", source)),
    };
    let kept = match (begun.file.take(), &secret) {
        (Some(file), Some(secret)) => file.keep(secret).map_err(|error| error.to_string()),
        (Some(file), None) => {
            file.discard();
            Err("Stripe's answer holds none".to_owned())
        }
        (None, _) => Err("no file was made for it".to_owned()),
    };
    let Err(why) = kept else {
        if let Some(path) = &args.secret_file {
            let path = crate::text::printable(&path.display().to_string());
            eprintln!("bookend: the signing secret is in {path}: give it to the ingestor");
        }
        return Ok(endpoint);
    };
    let result = json!({"endpoint": endpoint.id, "error": "the signing secret was not kept"});
    begun
        .action
        .finish(&mut begun.writer, Ended::Partly, &result)?;
    Err(Failure::InPart {
        what: format!(
            "{} was created, but its signing secret could not be kept: {why}; roll it, or remove the \
             endpoint, in Stripe's dashboard",
            endpoint.id
        ),
    })
}

/// Notes that Stripe did not do it, or is not known to have done it.
fn failed(begun: &mut Begun, doing: &'static str, source: StripeError) -> Failure {
    begun.file.take().into_iter().for_each(SecretFile::discard);
    let unknown = match &source {
        StripeError::Unanswered { .. }
        | StripeError::Failing { .. }
        | StripeError::Unreadable { .. } => true,
        StripeError::Refused { .. }
        | StripeError::TooMany
        | StripeError::Client { .. }
        | StripeError::Runtime { .. } => false,
    };
    if unknown {
        eprintln!(
            "bookend: whether Stripe did it is not known: look at `bookend endpoint ensure` without \
             --execute; the secret of an endpoint that was created must be rolled"
        );
    }
    let result = json!({"error": chain(&source), "known": !unknown});
    if let Err(second) = begun
        .action
        .finish(&mut begun.writer, Ended::Failed, &result)
    {
        let why = crate::text::printable(&second.explain());
        eprintln!("bookend: how it ended could not be recorded: {why}");
    }
    Failure::Stripe { doing, source }
}

fn id(decision: &Decision) -> Option<&str> {
    match decision {
        Decision::Update { id, .. } | Decision::Nothing { id } => Some(id),
        Decision::Create | Decision::Refuse(_) => None,
    }
}

fn steps(decision: &Decision) -> Vec<&'static str> {
    match decision {
        Decision::Create => vec!["create"],
        Decision::Update { changes, .. } => changes
            .iter()
            .map(|change| match change {
                Change::Enable => "enable",
                Change::SetUrl => "set the address",
                Change::SetEvents => "set the types",
            })
            .collect(),
        Decision::Nothing { .. } | Decision::Refuse(_) => Vec::new(),
    }
}

/// `done`: the action and the endpoint; none in a dry run.
fn show(
    global: &Global,
    args: &EndpointEnsure,
    decision: &Decision,
    done: Option<(&str, &str)>,
) -> Result<(), Failure> {
    let file = args.secret_file.as_ref();
    let shown = Shown {
        dry_run: done.is_none(),
        verb: VERB,
        action: done.map(|(action, _)| action),
        endpoint: done.map(|(_, endpoint)| endpoint).or_else(|| id(decision)),
        steps: steps(decision),
        url: args.url.as_str(),
        events: args.events.iter().collect(),
        api_version: args.api_version.as_deref(),
        secret_file: file
            .filter(|_| *decision == Decision::Create)
            .map(|path| path.display().to_string()),
    };
    match global.output {
        Form::Json => output::json(&shown),
        Form::Table => {
            let steps = if shown.steps.is_empty() {
                "nothing to change at Stripe".to_owned()
            } else {
                shown.steps.join(", ")
            };
            output::text(&fields([
                ("endpoint", shown.endpoint.map(str::to_owned)),
                ("steps", Some(steps)),
                ("url", Some(shown.url.to_owned())),
                ("types", Some(shown.events.join(","))),
                ("version", shown.api_version.map(str::to_owned)),
                ("secret file", shown.secret_file),
                ("action", shown.action.map(str::to_owned)),
            ]))
        }
    }
}
