//! docs/configuration.md: its table of all settings is made from the services' own options.
//!
//! `BOOKEND_WRITE_PAGES=1` writes the table anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use testbed::services::binary;

const BEGIN: &str = "<!-- made from the services' options -->\n";
const END: &str = "<!-- end -->\n";

/// A setting, as a service's `--help` describes it.
#[derive(Debug, Clone, Default, PartialEq)]
struct Setting {
    services: Vec<&'static str>,
    default: Option<String>,
    meaning: String,
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md")
}

fn help(service: &str, arguments: &[&str]) -> String {
    let output = Command::new(binary(service))
        .args(arguments)
        .env_clear()
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The options of a help text: each begins with its flag and names its variable.
fn settings(help: &str, service: &'static str, into: &mut BTreeMap<String, Setting>) {
    for option in help.split("\n      --").skip(1) {
        let lines: Vec<&str> = option.lines().skip(1).map(str::trim).collect();
        let within = |name: &str| {
            let found = lines.iter().find_map(|line| line.strip_prefix(name));
            found.map(|rest| rest.trim_end_matches(']').trim_end_matches('=').to_owned())
        };
        let Some(name) = within("[env: ") else {
            continue;
        };
        let setting = into.entry(name).or_default();
        setting.services.push(service);
        setting.default = within("[default: ");
        setting.meaning = lines.first().copied().unwrap_or_default().to_owned();
    }
}

fn table() -> String {
    let mut all = BTreeMap::new();
    for (service, arguments) in [
        ("ingestor", &["run", "--help"][..]),
        ("processor", &["run", "--help"]),
        ("reconciler", &["--help"]),
    ] {
        settings(&help(service, arguments), service, &mut all);
    }
    assert!(all.len() > 70, "only {} settings seen", all.len());
    let mut table = "| variable | services | default | meaning |\n|---|---|---|---|\n".to_owned();
    for (name, setting) in all {
        let services = match setting.services.len() {
            3 => "all".to_owned(),
            _ => setting.services.join(", "),
        };
        let default = setting
            .default
            .map_or_else(|| "–".to_owned(), |text| format!("`{text}`"));
        let meaning = setting.meaning.replace('|', "\\|");
        table.push_str(&format!(
            "| `{name}` | {services} | {default} | {meaning} |\n"
        ));
    }
    table
}

#[test]
fn the_table_of_all_settings_is_that_of_the_services_options() {
    let text = std::fs::read_to_string(page()).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    let made = table();
    if std::env::var_os("BOOKEND_WRITE_PAGES").is_some() {
        std::fs::write(page(), format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
        return;
    }
    assert!(
        written == made,
        "docs/configuration.md is not of these options: run the tests with BOOKEND_WRITE_PAGES=1 and read the difference"
    );
}
