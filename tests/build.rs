//! Turns the environment variable VIGIE_TEST_DATA, a folder of third-party data, into a cfg: without it the tests that
//! need it are shown as ignored, with the reason.

fn main() {
    println!("cargo::rerun-if-env-changed=VIGIE_TEST_DATA");
    if std::env::var_os("VIGIE_TEST_DATA").is_some_and(|folder| std::path::Path::new(&folder).is_dir()) {
        println!("cargo::rustc-cfg=vigie_test_data");
    }
}
