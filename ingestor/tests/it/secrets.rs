//! Signing secrets that come and go while the process runs.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Scope};

use testbed::services::Service;
use testbed::testing::{TestTopics, eventually};

use crate::client::{OTHER, SECRET, event, now, send, signed_by};
use crate::process::{PATIENCE, address, builder, ready};

/// The value of a series of one secret; none: there is no such series.
fn series(service: &Service, metric: &str, secret: &str) -> Option<f64> {
    let (_, text) = service.get("/metrics")?;
    let start = format!("{metric}{{");
    let label = format!("secret=\"{secret}\"");
    let mut lines = text.lines();
    let line = lines.find(|line| line.starts_with(&start) && line.contains(&label))?;
    line.rsplit(' ').next()?.parse().ok()
}

fn verified(service: &Service, secret: &str) -> Option<f64> {
    series(service, "bookend_webhook_verified_total", secret)
}

fn last_seen(service: &Service, secret: &str) -> Option<f64> {
    series(
        service,
        "bookend_secret_last_seen_timestamp_seconds",
        secret,
    )
}

#[test]
fn each_secret_tells_how_much_it_verified_and_when_until_it_is_removed() {
    let (topics, dir) = (TestTopics::create(), tempfile::tempdir().expect("dir"));
    let file = dir.path().join("secrets");
    fs::write(&file, format!("old={SECRET}\nnew={OTHER}\n")).expect("written");
    let path = file.to_string_lossy().into_owned();
    let service = ready(
        dir.path(),
        builder(&topics).env("STRIPE_WEBHOOK_SECRETS_FILE", path),
    );
    let deliver = |id: &str, secret| {
        let answer = send(address(&service), &signed_by(secret, &event(id, 300)));
        assert_eq!(answer.status, 200);
    };
    assert_eq!(
        (verified(&service, "new"), last_seen(&service, "new")),
        (Some(0.0), Some(0.0)),
        "it is loaded, and has not signed yet"
    );
    let before = now();
    deliver("evt_1", SECRET);
    deliver("evt_2", SECRET);
    let forged = "whsec_nobody_knows_this_one_0123456789";
    let refused = send(address(&service), &signed_by(forged, &event("evt_3", 300)));
    assert_eq!(refused.status, 400);
    assert_eq!(verified(&service, "old"), Some(2.0));
    assert_eq!(verified(&service, "new"), Some(0.0));
    let at = last_seen(&service, "old").expect("a time");
    assert!((before as f64..=now() as f64).contains(&at), "{at}");
    fs::write(&file, format!("new={OTHER}\n")).expect("written");
    eventually(PATIENCE, "the series of the removed one end", || {
        verified(&service, "old").is_none() && last_seen(&service, "old").is_none()
    });
    deliver("evt_4", OTHER);
    assert_eq!(verified(&service, "new"), Some(1.0));
}

/// Deliveries by one secret, one after the other; each must be answered 200.
#[derive(Default)]
struct Sender {
    stop: AtomicBool,
    stored: AtomicUsize,
}

impl Sender {
    fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        to: SocketAddr,
        secret: &'static str,
    ) {
        scope.spawn(move || {
            let name = self as *const Self as usize;
            for number in 0.. {
                if self.stop.load(Ordering::SeqCst) {
                    break;
                }
                let body = event(&format!("evt_{name}_{number}"), 400);
                let answer = send(to, &signed_by(secret, &body));
                assert_eq!(answer.status, 200, "delivery {number} was refused");
                self.stored.fetch_add(1, Ordering::SeqCst);
            }
        });
    }

    /// Waits until some more were taken.
    fn some_more(&self) {
        let wanted = self.stored.load(Ordering::SeqCst) + 50;
        eventually(PATIENCE, "more deliveries are taken", || {
            self.stored.load(Ordering::SeqCst) >= wanted
        });
    }

    fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// Ends the senders even if the test fails between: their threads are joined by the scope.
struct Stopping<'a>(&'a [Sender]);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(Sender::stop);
    }
}

/// What a kubelet does to a mounted secret: a folder of the new generation, one rename of the link
/// `..data`, then the links that are missing or are too many, then the folder before.
fn mount(folder: &Path, generation: &str, secrets: &[(&str, &str)]) {
    let data = folder.join("..data");
    let before = fs::read_link(&data).ok();
    let now = folder.join(generation);
    fs::create_dir(&now).expect("folder");
    for (name, secret) in secrets {
        fs::write(now.join(name), secret).expect("written");
    }
    symlink(generation, folder.join("..data_tmp")).expect("link");
    fs::rename(folder.join("..data_tmp"), &data).expect("swapped");
    for (name, _) in secrets {
        let link = folder.join(name);
        if link.symlink_metadata().is_err() {
            symlink(Path::new("..data").join(name), link).expect("link");
        }
    }
    for entry in fs::read_dir(folder).expect("list") {
        let name = entry.expect("entry").file_name();
        let name = name.to_string_lossy().into_owned();
        if !name.starts_with("..") && !secrets.iter().any(|(kept, _)| *kept == name) {
            fs::remove_file(folder.join(name)).expect("removed");
        }
    }
    if let Some(before) = before {
        fs::remove_dir_all(folder.join(before)).expect("removed");
    }
}

#[test]
fn a_secret_rolled_in_a_kubernetes_mount_under_load_refuses_no_delivery() {
    let (topics, dir) = (TestTopics::create(), tempfile::tempdir().expect("dir"));
    let folder = dir.path().join("mount");
    fs::create_dir(&folder).expect("folder");
    mount(&folder, "..2026_1", &[("old", SECRET)]);
    let path = folder.to_string_lossy().into_owned();
    let service = ready(
        dir.path(),
        builder(&topics).env("STRIPE_WEBHOOK_SECRETS_FILE", path),
    );
    let to = address(&service);
    let senders = [Sender::default(), Sender::default()];
    thread::scope(|scope| {
        let _stopping = Stopping(&senders);
        senders[0].start(scope, to, SECRET);
        senders[0].some_more();
        mount(&folder, "..2026_2", &[("new", OTHER), ("old", SECRET)]);
        eventually(PATIENCE, "the new one is loaded", || {
            verified(&service, "new").is_some()
        });
        senders[1].start(scope, to, OTHER);
        for generation in 3..20 {
            let name = format!("..2026_{generation}");
            mount(&folder, &name, &[("new", OTHER), ("old", SECRET)]);
            senders[1].some_more();
        }
        senders[0].some_more();
        senders[0].stop();
        mount(&folder, "..2026_20", &[("new", OTHER)]);
        eventually(PATIENCE, "the old one is out of force", || {
            verified(&service, "old").is_none()
        });
        senders[1].some_more();
    });
    let late = signed_by(SECRET, &event("evt_late", 300));
    assert_eq!(send(to, &late).status, 400);
}

fn failures(service: &Service) -> f64 {
    let text = service.get("/metrics").map(|(_, text)| text);
    let text = text.unwrap_or_default();
    let mut lines = text.lines();
    let line = lines.find(|line| line.starts_with("bookend_secret_reload_failures_total"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
        .unwrap_or(0.0)
}

fn logged(service: &Service, words: &str) -> bool {
    fs::read_to_string(service.log()).is_ok_and(|log| log.contains(words))
}

#[test]
fn a_file_that_is_cut_short_empty_weak_or_gone_for_a_moment_refuses_no_delivery() {
    let (topics, dir) = (TestTopics::create(), tempfile::tempdir().expect("dir"));
    let file = dir.path().join("secrets");
    let whole = format!("old={SECRET}\nnew={OTHER}\n");
    fs::write(&file, &whole).expect("written");
    let path = file.to_string_lossy().into_owned();
    let service = ready(
        dir.path(),
        builder(&topics).env("STRIPE_WEBHOOK_SECRETS_FILE", path),
    );
    let to = address(&service);
    let senders = [Sender::default(), Sender::default()];
    let seen = |what: &str| {
        let before = failures(&service);
        eventually(PATIENCE, what, || failures(&service) > before);
        senders.iter().for_each(Sender::some_more);
        fs::write(&file, &whole).expect("written");
    };
    thread::scope(|scope| {
        let _stopping = Stopping(&senders);
        senders[0].start(scope, to, SECRET);
        senders[1].start(scope, to, OTHER);
        fs::write(&file, &whole[..whole.len() - 4]).expect("cut");
        eventually(PATIENCE, "the cut one is leaving", || {
            logged(&service, r#""leaving":"[\"new\"]""#)
        });
        // One look later it is still in force: the first look alone would keep it anyway.
        let third = "whsec_00112233445566778899aabbccddeeff";
        let without = format!("old={SECRET}\nthird={third}\n");
        fs::write(&file, without).expect("without it");
        eventually(PATIENCE, "the next look was taken", || {
            verified(&service, "third").is_some()
        });
        senders.iter().for_each(Sender::some_more);
        fs::write(&file, &whole).expect("whole again");
        fs::write(&file, "").expect("emptied");
        seen("the empty file was seen");
        fs::remove_file(&file).expect("removed");
        seen("the missing file was seen");
        fs::write(&file, format!("{whole}third=whsec_weak\n")).expect("weak");
        seen("the weak one was seen");
        fs::write(&file, format!("old={SECRET}\nold={OTHER}\n")).expect("one name");
        seen("the name given twice was seen");
    });
    for told in [
        "is blank",
        "cannot read the file",
        "`third` is shorter",
        "name of two secrets",
    ] {
        assert!(logged(&service, told), "{told}");
    }
    assert!(!logged(&service, OTHER) && !logged(&service, "whsec_weak"));
}
