//! Gives the binary the date of its source, before which no honest clock stands; and turns the environment variable
//! `VIGIE_TEST_DATA`, a folder of third-party test data, into the cfg `vigie_test_data`, so that tests that need it
//! show as ignored, with their reason, where it is absent.

use std::path::Path;
use std::process::Command;

/// For a source tree without history: 2026-11-01T00:00:00Z, before the first release.
const SOURCE_DATE_WITHOUT_HISTORY: u64 = 1_793_491_200;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Not the log of every commit: a date that is a few commits old still refuses a clock that fell back to 1970.
    println!("cargo::rerun-if-changed=../.git/HEAD");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rerun-if-env-changed=VIGIE_TEST_DATA");
    println!("cargo::rustc-env=VIGIE_SOURCE_DATE={}", source_date());
    if std::env::var_os("VIGIE_TEST_DATA").is_some_and(|folder| Path::new(&folder).is_dir()) {
        println!("cargo::rustc-cfg=vigie_test_data");
    }
}

/// Seconds since the Unix epoch.
fn source_date() -> u64 {
    let given = std::env::var("SOURCE_DATE_EPOCH").ok();
    let number = |text: String| text.trim().parse().ok();
    given.and_then(number).or_else(|| commit_time().and_then(number)).unwrap_or(SOURCE_DATE_WITHOUT_HISTORY)
}

fn commit_time() -> Option<String> {
    let output = Command::new("git").args(["log", "-1", "--format=%ct"]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
