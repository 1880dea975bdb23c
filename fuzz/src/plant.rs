//! Panics planted on purpose, to see whether a target reaches the inside.
//!
//! Behind the feature `sabotage`. The variable [`VARIABLE`] names a target; what it then panics at lies behind all that
//! is checked before, and is in none of the seeds. `fuzz/reach` has each target find its own.

/// Names the target whose panic is planted; not set, none is.
pub const VARIABLE: &str = "VIGIE_FUZZ_PLANT";

/// What a planted panic says.
pub const SAYS: &str = "planted in the inside of";

/// Panics if that is planted, and the inside is as it is wanted here.
///
/// # Panics
/// That is what it is for.
#[cfg(feature = "sabotage")]
pub fn inside(target: &str, is_met: impl FnOnce() -> bool) {
    use std::sync::OnceLock;
    static PLANTED: OnceLock<Option<String>> = OnceLock::new();
    let planted = PLANTED.get_or_init(|| std::env::var(VARIABLE).ok());
    assert!(planted.as_deref() != Some(target) || !is_met(), "{SAYS} {target}");
}

/// Without the feature nothing is.
#[cfg(not(feature = "sabotage"))]
pub fn inside(_: &str, _: impl FnOnce() -> bool) {}
