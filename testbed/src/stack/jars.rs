//! Apache Kafka's jars: the committed manifest, fetched once to `.bookend/kafka/libs`.
//!
//! Invariant: a jar is used only if its SHA-256 is the manifest's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::{StackError, file};
use super::fetch::{get, is_sha256};
use super::install::{in_path, run};
use super::leftovers::home;

const MANIFEST: &str = include_str!("../../kafka-jars.txt");
/// Maven Central, in its standard layout; asked directly only where there is no `mvn`.
const CENTRAL: &str = "https://repo1.maven.org/maven2";

#[derive(Clone, Debug)]
struct Jar {
    group: String,
    artifact: String,
    version: String,
    sha256: String,
}

impl Jar {
    fn file(&self) -> String {
        format!("{}-{}.jar", self.artifact, self.version)
    }

    fn url(&self) -> String {
        let group = self.group.replace('.', "/");
        let (artifact, version) = (&self.artifact, &self.version);
        format!("{CENTRAL}/{group}/{artifact}/{version}/{}", self.file())
    }

    /// Whether the file is there and the right one.
    fn check(&self, dir: &Path) -> Result<bool, StackError> {
        let path = dir.join(self.file());
        let Ok(bytes) = fs::read(&path) else {
            return Ok(false);
        };
        let checked = is_sha256(&bytes, &self.file(), &self.sha256, "testbed/kafka-jars.txt");
        if checked.is_err() {
            fs::remove_file(&path).map_err(file("remove", &path))?;
        }
        checked.map(|()| true)
    }
}

/// The class path of a Kafka broker, fetched if it is not there yet.
///
/// # Errors
/// When a jar can't be had, or is not the one named.
pub(crate) fn class_path() -> Result<String, StackError> {
    let jars = manifest()?;
    let libs = home().join("kafka").join("libs");
    fs::create_dir_all(&libs).map_err(file("create", &libs))?;
    let missing = missing(&jars, &libs)?;
    if !missing.is_empty() {
        eprintln!("testbed: fetching Apache Kafka ({} jars)", missing.len());
        // Beside the final place, then renamed: concurrent runs never see half a file.
        let staging = home()
            .join("kafka")
            .join(format!("fetch-{}", std::process::id()));
        fs::create_dir_all(&staging).map_err(file("create", &staging))?;
        fetch(&missing, &staging)?;
        for jar in &missing {
            let (from, to) = (staging.join(jar.file()), libs.join(jar.file()));
            fs::rename(&from, &to).map_err(file("move", from))?;
        }
        fs::remove_dir_all(&staging).map_err(file("remove", staging))?;
    }
    let paths: Vec<String> = jars
        .iter()
        .map(|jar| libs.join(jar.file()).to_string_lossy().into_owned())
        .collect();
    Ok(paths.join(":"))
}

fn manifest() -> Result<Vec<Jar>, StackError> {
    let lines = MANIFEST.lines().enumerate();
    lines
        .filter(|(_, line)| !line.starts_with('#') && !line.is_empty())
        .map(|(at, line)| parse(line).ok_or(StackError::Manifest { line: at + 1 }))
        .collect()
}

fn parse(line: &str) -> Option<Jar> {
    let (name, sha256) = line.split_once(' ')?;
    let mut parts = name.split(':').map(str::to_owned);
    Some(Jar {
        group: parts.next()?,
        artifact: parts.next()?,
        version: parts.next()?,
        sha256: sha256.to_owned(),
    })
}

fn missing(jars: &[Jar], dir: &Path) -> Result<Vec<Jar>, StackError> {
    let mut missing = Vec::new();
    for jar in jars {
        if !jar.check(dir)? {
            missing.push(jar.clone());
        }
    }
    Ok(missing)
}

fn fetch(jars: &[Jar], dir: &Path) -> Result<(), StackError> {
    if let Some(mvn) = in_path("mvn")
        && let Err(error) = with_maven(&mvn, jars, dir)
    {
        let told = error.to_string();
        let why = told.lines().next().unwrap_or_default();
        eprintln!("testbed: Maven could not fetch the jars, asking directly: {why}");
    }
    for jar in missing(jars, dir)? {
        let bytes = get(jar.url())?;
        let path = dir.join(jar.file());
        fs::write(&path, bytes).map_err(file("write", &path))?;
    }
    match missing(jars, dir)?.first() {
        None => Ok(()),
        Some(jar) => Err(StackError::Fetch {
            what: jar.file(),
            why: "it is not there after the download".to_owned(),
        }),
    }
}

/// Maven knows the mirrors and proxies of this machine.
fn with_maven(mvn: &Path, jars: &[Jar], dir: &Path) -> Result<(), StackError> {
    let mut dependencies = String::new();
    for jar in jars {
        dependencies.push_str(&format!(
            "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>\
             <exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion>\
             </exclusions></dependency>\n",
            jar.group, jar.artifact, jar.version
        ));
    }
    let pom: PathBuf = dir.join("pom.xml");
    let text = format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\
         <groupId>bookend</groupId><artifactId>kafka</artifactId><version>1</version>\
         <dependencies>\n{dependencies}</dependencies></project>\n"
    );
    fs::write(&pom, text).map_err(file("write", &pom))?;
    run(Command::new(mvn)
        .args(["-q", "-B", "dependency:copy-dependencies", "-f"])
        .arg(&pom)
        .arg(format!("-DoutputDirectory={}", dir.display())))
    .map(drop)
}
