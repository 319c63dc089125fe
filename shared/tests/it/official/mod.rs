//! Our check of signatures beside Stripe's own: the official Python and Node libraries judge the
//! same hundred thousand cases.
//!
//! Three say the same, or the case itself shows one of the named exceptions; nothing is accepted
//! that both libraries refuse, but a body that they cannot read as text and whose bytes are
//! signed all the same.

mod case;
mod exceptions;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::thread;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use shared::signature::{Secrets, SigningSecret, verify};
use testbed::testing::{official_node, official_python, run_tool};

use case::Case;
use exceptions::{ALL, Exception, Verdicts};

const CASES: usize = 100_000;
const SEED: u64 = 20_261_101;

/// A secret that cannot be configured verifies nothing.
fn ours(case: &Case) -> bool {
    if SigningSecret::new("main", &case.secret).is_err() {
        return false;
    }
    let secrets = Secrets::parse(&case.secret).unwrap();
    let headers: Vec<&[u8]> = case.header.iter().map(Vec::as_slice).collect();
    verify(&secrets, &headers, &case.body, case.now).is_ok()
}

/// A library's verdicts, in the order of the cases.
fn told(mut library: Command, cases: &Path) -> Vec<Value> {
    library.stdin(File::open(cases).unwrap());
    let told = run_tool(&mut library, "the official library could not judge");
    let verdicts: Vec<Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(verdicts.len(), CASES);
    verdicts
}

fn judged(cases: &Path) -> (Vec<Value>, Vec<Value>) {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/official");
    let mut python = Command::new(official_python());
    python.arg(scripts.join("verify.py"));
    let mut node = Command::new("node");
    node.arg(scripts.join("verify.mjs")).arg(official_node());
    thread::scope(|scope| {
        let python = scope.spawn(move || told(python, cases));
        let node = told(node, cases);
        (python.join().unwrap(), node)
    })
}

#[test]
fn a_hundred_thousand_signatures_are_judged_as_the_official_libraries_judge_them() {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let cases: Vec<Case> = (0..CASES).map(|_| case::next(&mut random)).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cases");
    let mut file = BufWriter::new(File::create(&path).unwrap());
    for case in &cases {
        writeln!(file, "{}", case.as_json()).unwrap();
    }
    file.into_inner().unwrap();
    let (python, node) = judged(&path);

    let accepted = |verdict: &Value| verdict["accepted"].as_bool().unwrap();
    let (mut accepts, mut met) = (0, BTreeMap::<Exception, usize>::new());
    for (case, (python, node)) in cases.iter().zip(python.iter().zip(&node)) {
        let said = Verdicts {
            ours: ours(case),
            python: accepted(python),
            node: accepted(node),
            raw: python["raw"].as_bool().unwrap(),
        };
        accepts += usize::from(said.ours);
        let named = exceptions::of(case);
        let alone = said.ours && !said.python && !said.node;
        assert!(
            !alone || named.contains(&Exception::BodyNotText) && said.raw,
            "accepted what both refuse: {said:?} {named:?}\n{case:?}"
        );
        if said.agree() {
            continue;
        }
        assert!(
            named.iter().any(|exception| exception.explains(said)),
            "a disagreement without a name: {said:?} {named:?}\n{case:?}"
        );
        // Only where it stands alone it is proved that this one made the difference.
        if let (Some(exception), 1) = (named.first(), named.len()) {
            *met.entry(*exception).or_default() += 1;
        }
    }
    println!("{accepts} of {CASES} accepted; exceptions met: {met:#?}");
    assert!(accepts * 5 >= CASES, "only {accepts} of {CASES} accepted");
    for exception in ALL {
        assert!(met.contains_key(&exception), "{exception:?} never occurred");
    }
}
