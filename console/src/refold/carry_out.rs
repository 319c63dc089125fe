//! A plan of refolds carried out: recorded, published, waited for.

use serde_json::{Value, json};

use super::args::RefoldArgs;
use super::wanted::Plan;
use crate::action::{
    Action, Attempt, Ended, Interrupt, Item, Outgoing, Publisher, Results, await_results, begin,
    may_act, results,
};
use crate::args::Global;
use crate::database::Writer;
use crate::failure::Failure;

/// Publishes the plan's commands and waits for what the processor says of each.
///
/// # Errors
/// 3 for a plan of nothing, 4 when this role may not, 6 when the plan is not as expected, 124 when
/// the results did not come in time, 130 when it was interrupted, 1 and 5 when all or some of it
/// failed.
pub(crate) fn carry_out(
    global: &Global,
    args: &RefoldArgs,
    attempt: &Attempt,
    plan: Plan,
    told: &Value,
) -> Result<(Action, Results), Failure> {
    let mut writer = Writer::connect(global.timeout)?;
    writer.run("refold_may_act", may_act)?;
    args.writing.check_count(plan.len())?;
    if plan.is_empty() {
        return Err(Failure::NothingMatched {
            what: "nothing differs, so there is nothing to refold (--force does it all the same)"
                .to_owned(),
        });
    }
    args.writing
        .confirm(plan.len(), "bookings and objects to refold")?;
    let publisher = Publisher::connect(&args.log, global.timeout)?;
    let interrupt = Interrupt::listen()?;
    let items: Vec<Item> = plan
        .keys()
        .map(|subject| Item {
            subject: subject.clone(),
            source: None,
        })
        .collect();
    let action = begin(&mut writer, attempt, told, &items, |_, _| Ok(()))?;
    eprintln!("bookend: {} refolds as {}", plan.len(), action.id);
    publish(&publisher, &mut writer, &action, plan, &interrupt)?;
    let results = await_results(&mut writer, &action, global.timeout, &interrupt)?;
    action.finish(&mut writer, results.ended(), &json!(results))?;
    results.verdict(&action)?;
    Ok((action, results))
}

/// One after the other, so that Ctrl-C finds an end between two.
fn publish(
    publisher: &Publisher,
    writer: &mut Writer,
    action: &Action,
    plan: Plan,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    for (subject, wanted) in plan {
        let failure = if interrupt.is_raised() {
            Failure::Interrupted {
                what: format!(
                    "the rest was not published; see: bookend action show {}",
                    action.id
                ),
            }
        } else {
            let record = Outgoing::command(action, &wanted.key, wanted.wish)?;
            match publisher.publish(writer, action, &subject, record) {
                Ok(()) => continue,
                Err(failure) => failure,
            }
        };
        let so_far = writer.run("refold_so_far", |db| results(db, &action.id))?;
        action.finish(writer, Ended::Interrupted, &json!(so_far))?;
        return Err(failure);
    }
    Ok(())
}
