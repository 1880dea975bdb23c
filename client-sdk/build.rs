//! Turns the environment variable `VIGIE_TEST_DATA`, a folder of third-party test data, into the cfg
//! `vigie_test_data`, so that tests that need it show as ignored, with their reason, where it is absent.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-env-changed=VIGIE_TEST_DATA");
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("VIGIE_TEST_DATA").is_some_and(|folder| Path::new(&folder).is_dir()) {
        println!("cargo::rustc-cfg=vigie_test_data");
    }
}
