//! The settings, one line each, as the services read them: from the environment.
//!
//! Each is parsed alone first, so that one that cannot be parsed hides no other.

use clap::builder::Resettable;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser};
use shared::config::{
    DatabaseArgs, Deployment, ExposeSecret as _, KafkaArgs, Problems, Secret, judge_api_key,
    read_secret,
};
use shared::kafka::KafkaSettings;

use super::report::{Check, Outcome};
use crate::args::Service;
use crate::failure::Failure;
use crate::secrets;

/// What the services read from the environment and doctor looks at.
#[derive(Parser)]
#[command(
    name = "bookend doctor",
    no_binary_name = true,
    disable_help_flag = true
)]
struct Environment {
    #[arg(long, env = "DEPLOYMENT", value_enum, default_value = "production")]
    deployment: Deployment,
    #[command(flatten)]
    kafka: KafkaArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    stripe: StripeArgs,
}

#[derive(Args)]
struct StripeArgs {
    #[arg(long, env = "STRIPE_LIVEMODE", action = clap::ArgAction::Set)]
    stripe_livemode: Option<bool>,
    #[arg(
        long,
        env = "STRIPE_API_BASE",
        default_value = "https://api.stripe.com"
    )]
    stripe_api_base: String,
    #[arg(long, env = "STRIPE_API_KEY", hide_env_values = true)]
    stripe_api_key: Option<String>,
    #[arg(long, env = "STRIPE_API_KEY_FILE")]
    stripe_api_key_file: Option<std::path::PathBuf>,
}

/// What the other checks go by. `None`: there is a failed check that says why.
pub(super) struct Settings {
    pub(super) deployment: Deployment,
    pub(super) topics: KafkaArgs,
    pub(super) kafka: Option<KafkaSettings>,
    pub(super) database: Option<Secret>,
    pub(super) livemode: Option<bool>,
    pub(super) api_bases: Vec<String>,
    pub(super) api_key: Option<Secret>,
}

/// Reads and judges them.
///
/// # Errors
/// [`Failure::Configuration`] when a variable is not UTF-8 at all.
pub(super) fn examine(service: Option<Service>) -> Result<(Settings, Vec<Check>), Failure> {
    let (environment, mut checks) = parse()?;
    let deployment = environment.deployment;
    let mut judge = |setting: &'static str, problems: Problems| {
        let bad = problems.into_result().err();
        if let Some(refused) = &bad {
            refuse(&mut checks, setting, &refused.0.join("; "));
        }
        bad.is_none()
    };

    let mut problems = Problems::default();
    let kafka = environment
        .kafka
        .settings("bookend-doctor", deployment, &mut problems);
    let kafka = judge("KAFKA_BROKERS", problems).then_some(kafka);

    let mut problems = Problems::default();
    let database = environment.database.url(deployment, &mut problems);
    // A URL that is only less safe than it should be can still be tried.
    judge("DATABASE_URL", problems);
    let database = (!database.expose_secret().is_empty()).then_some(database);

    let mut problems = Problems::default();
    let livemode = environment.stripe.stripe_livemode;
    if livemode.is_none() {
        problems.add("STRIPE_LIVEMODE must be set");
    }
    judge("STRIPE_LIVEMODE", problems);

    let mut problems = Problems::default();
    let key = api_key(&environment.stripe, livemode, deployment, &mut problems);
    judge("STRIPE_API_KEY", problems);

    let mut problems = Problems::default();
    let found = problems.take(secrets::from_environment()?.load());
    if judge("STRIPE_WEBHOOK_SECRETS", problems) {
        let number = found.map_or(0, |secrets| secrets.iter().count());
        checks.push(Check::ok(
            "STRIPE_WEBHOOK_SECRETS",
            format!("{number} good secret(s)"),
        ));
    }
    checks.retain(|check| is_needed(&check.check, service));
    let settings = Settings {
        deployment,
        topics: environment.kafka,
        kafka,
        database,
        livemode,
        api_bases: bases(&environment.stripe.stripe_api_base),
        api_key: key,
    };
    Ok((settings, checks))
}

/// Parses each setting alone; those that cannot be are left at their defaults.
fn parse() -> Result<(Environment, Vec<Check>), Failure> {
    let mut command = Environment::command();
    let mut checks = Vec::new();
    let arguments: Vec<clap::Arg> = command.get_arguments().cloned().collect();
    for argument in arguments {
        let Some(name) = argument.get_env().map(|n| n.to_string_lossy().into_owned()) else {
            continue;
        };
        let id = argument.get_id().clone();
        let secret = argument.is_hide_env_values_set();
        let alone = clap::Command::new("setting")
            .no_binary_name(true)
            .arg(argument);
        match alone.try_get_matches_from(std::iter::empty::<&str>()) {
            Ok(matches) => {
                let set = matches.value_source(id.as_str());
                checks.extend(shown(&name, secret, set, &matches, id.as_str()));
            }
            Err(error) => {
                refuse(&mut checks, &name, first_line(&error.to_string()));
                command = command.mut_arg(id, |argument| argument.env(Resettable::Reset));
            }
        }
    }
    let refused = |error: clap::Error| Failure::Configuration {
        what: first_line(&error.to_string()).to_owned(),
    };
    let matches = command
        .try_get_matches_from(std::iter::empty::<&str>())
        .map_err(refused)?;
    let environment = Environment::from_arg_matches(&matches).map_err(refused)?;
    Ok((environment, checks))
}

/// The line of a setting that could be parsed; none for one that is absent and has no default.
fn shown(
    name: &str,
    secret: bool,
    set: Option<clap::parser::ValueSource>,
    matches: &clap::ArgMatches,
    id: &str,
) -> Option<Check> {
    let raw = matches.get_raw(id)?.next()?.to_string_lossy().into_owned();
    let is_default = set == Some(clap::parser::ValueSource::DefaultValue);
    let found = match (secret, is_default) {
        (true, _) => "set".to_owned(),
        (false, true) => format!("{raw} (default)"),
        (false, false) => raw,
    };
    Some(Check::ok(name, found))
}

fn api_key(
    args: &StripeArgs,
    livemode: Option<bool>,
    deployment: Deployment,
    problems: &mut Problems,
) -> Option<Secret> {
    let key = problems.take(read_secret(
        "STRIPE_API_KEY",
        args.stripe_api_key.as_deref(),
        args.stripe_api_key_file.as_deref(),
    ))?;
    if let Some(livemode) = livemode {
        let judged = judge_api_key(key.expose_secret(), livemode, deployment);
        judged.into_iter().for_each(|problem| problems.add(problem));
    }
    Some(key)
}

fn bases(text: &str) -> Vec<String> {
    text.split(',')
        .map(|base| base.trim().trim_end_matches('/').to_owned())
        .filter(|base| !base.is_empty())
        .collect()
}

/// Makes the setting's one line a failure.
fn refuse(checks: &mut Vec<Check>, setting: &str, found: &str) {
    let failed = Check::failed(setting, found, fix(setting));
    match checks.iter_mut().find(|check| check.check == setting) {
        // The first problem is why it could not be parsed; a later one only follows from it.
        Some(check) if check.outcome == Outcome::Failed => {}
        Some(check) => *check = failed,
        None => checks.push(failed),
    }
}

fn fix(setting: &str) -> &'static str {
    match setting {
        "DEPLOYMENT" => "`production` or `development`",
        "KAFKA_BROKERS" | "KAFKA_CONFIG_FILE" => {
            "KAFKA_BROKERS=host:port[,host:port]; TLS and SASL in the file KAFKA_CONFIG_FILE names"
        }
        "EVENTS_PARTITIONS" => "the number of partitions that the events topic was made with",
        "DATABASE_URL" | "DATABASE_URL_FILE" => {
            "DATABASE_URL=postgresql://role@host/database?sslmode=verify-full, or its file"
        }
        "STRIPE_LIVEMODE" => "`true` or `false`, the same for all services",
        "STRIPE_API_KEY" | "STRIPE_API_KEY_FILE" => {
            "a restricted key (rk_…) of the mode that STRIPE_LIVEMODE names, read only"
        }
        "STRIPE_WEBHOOK_SECRETS" => {
            "the endpoint's signing secret (whsec_…) from Stripe's dashboard, or its file"
        }
        _ => "see the service's --help",
    }
}

/// Whether the service reads this setting.
fn is_needed(setting: &str, service: Option<Service>) -> bool {
    let Some(service) = service else { return true };
    match service {
        Service::Ingestor => {
            !setting.starts_with("DATABASE_")
                && !setting.starts_with("STRIPE_API_")
                && setting != "STRIPE_LIVEMODE"
        }
        Service::Processor => {
            !setting.starts_with("STRIPE_API_") && !setting.starts_with("STRIPE_WEBHOOK_")
        }
        Service::Reconciler => !setting.starts_with("STRIPE_WEBHOOK_"),
    }
}

fn first_line(text: &str) -> &str {
    text.lines()
        .next()
        .unwrap_or(text)
        .trim_start_matches("error: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_a_consistent_command() {
        Environment::command().debug_assert();
    }

    #[test]
    fn a_setting_has_one_line_and_its_first_problem_stays() {
        let mut checks = vec![Check::ok("STRIPE_LIVEMODE", "true")];
        refuse(&mut checks, "STRIPE_LIVEMODE", "first");
        refuse(&mut checks, "STRIPE_LIVEMODE", "second");
        assert_eq!(checks.len(), 1);
        assert!(
            checks
                .iter()
                .all(|c| c.found == "first" && c.outcome == Outcome::Failed)
        );
    }

    #[test]
    fn a_service_is_not_asked_for_what_it_must_not_hold() {
        assert!(!is_needed("STRIPE_API_KEY", Some(Service::Ingestor)));
        assert!(!is_needed("DATABASE_URL", Some(Service::Ingestor)));
        assert!(!is_needed("STRIPE_API_KEY", Some(Service::Processor)));
        assert!(!is_needed(
            "STRIPE_WEBHOOK_SECRETS",
            Some(Service::Reconciler)
        ));
        assert!(is_needed("STRIPE_API_KEY", None));
    }
}
