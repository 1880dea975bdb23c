//! Fuzz targets: what strangers' bytes may and may not do to each reader of Vigie.
//!
//! A target is a plain function from bytes to an [`Outcome`]. It says what must hold, whatever the bytes are, and panics
//! where it does not: what is taken is written the same, a refusal has one of the codes that PROTOCOL.md names for it, and
//! nothing that comes out is longer than what went in allows. libFuzzer calls it (`fuzz_targets/`, built by cargo-fuzz
//! alone), and so does a normal test, `tests/replay.rs`: on the seeds in the tree, and on the same damaged without a fuzzer.
//!
//! What is signed is signed again after each mutation, with keys that are known here ([`signed`]); what has a checksum gets
//! it ([`disk`]). So the bytes reach what lies behind. That they do is proven: [`plant`] puts a panic there, and
//! `fuzz/reach` has every target find its own.
//!
//! Not here: a socket, a thread, a file.

pub mod disk;
pub mod mutate;
pub mod plant;
pub mod signed;
pub mod targets;

#[cfg(feature = "libfuzzer")]
#[doc(hidden)]
pub use libfuzzer_sys;

/// What a reader made of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Taken, and what must hold of it was looked at.
    Taken,
    /// Refused, in the way that is written down.
    Refused,
    /// Nothing that this reader would be given, such as bytes that are no text.
    Passed,
}

/// What is mutated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Text: words, numbers and brackets are moved, doubled and changed ([`mutate::text`]).
    Text,
    /// Bytes, by [`mutate::bytes`].
    Bytes,
}

/// A reader under test.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// As it is called everywhere: its seeds, its program, its line of the ledger.
    pub name: &'static str,
    /// The property.
    pub run: fn(&[u8]) -> Outcome,
    /// How its inputs are made.
    pub form: Form,
}

macro_rules! targets {
    ($($name:ident $form:ident;)*) => {
        /// Every target.
        pub const TARGETS: &[Target] = &[$(
            Target { name: stringify!($name), run: targets::$name, form: Form::$form },
        )*];
    };
}

targets! {
    upgrade Text;
    client_frame Text;
    server_frame Text;
    json Text;
    jws Text;
    message Text;
    chain Text;
    revocation Text;
    rotation Text;
    channel Text;
    requests Text;
    record Bytes;
    segment Bytes;
    cap_xml Text;
    config Text;
}

impl Target {
    /// The target of this name.
    ///
    /// # Panics
    /// There is none: a program of `fuzz_targets/` is not in the table.
    pub fn named(name: &str) -> &'static Self {
        let found = TARGETS.iter().find(|target| target.name == name);
        found.unwrap_or_else(|| panic!("there is no target {name}"))
    }
}

/// The program of a target: libFuzzer's entry, and its mutator, which does every second time what libFuzzer would do
/// anyway.
#[cfg(feature = "libfuzzer")]
#[macro_export]
macro_rules! fuzz {
    ($name:ident) => {
        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| {
            $crate::targets::$name(data);
        });

        $crate::libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            if seed % 2 == 0 {
                $crate::libfuzzer_sys::fuzzer_mutate(data, size, max_size)
            } else {
                let target = $crate::Target::named(stringify!($name));
                $crate::mutate::in_place(target.form, data, size, max_size, u64::from(seed))
            }
        });
    };
}
