//! Gives the binary the date of its source, before which no honest clock stands; and turns the environment variable
//! `VIGIE_TEST_DATA`, a folder of third-party test data, into the cfg `vigie_test_data`, so that tests that need it
//! show as ignored, with their reason, where it is absent. In the same way the cfg `vigie_strace` says that this machine
//! has what it takes to watch and disturb the system calls of a process.

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
    println!("cargo::rustc-check-cfg=cfg(vigie_strace)");
    println!("cargo::rerun-if-env-changed=PATH");
    if may_trace() {
        println!("cargo::rustc-cfg=vigie_strace");
    }
}

/// Whether strace is there and the system lets it trace, with a filter in the kernel, and whether limits can be set on
/// another process (`prlimit` of util-linux).
fn may_trace() -> bool {
    let runs = |program: &str, args: &[&str]| {
        Command::new(program).args(args).output().is_ok_and(|output| output.status.success())
    };
    let inject = ["-f", "--seccomp-bpf", "-o", "/dev/null", "-e", "inject=close:delay_exit=1:when=1", "true"];
    runs("strace", &inject) && runs("prlimit", &["--fsize"])
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
