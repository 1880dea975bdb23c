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
pub mod memory;
pub mod mutate;
pub mod plant;
pub mod signed;
pub mod targets;

use mutate::{Form, Random, Words, words};

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

/// A reader under test.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// As it is called everywhere: its seeds, its program, its line of the ledger.
    pub name: &'static str,
    /// The property.
    pub run: fn(&[u8]) -> Outcome,
    /// How its inputs are made.
    pub form: Form,
    /// And of which words.
    pub words: Words,
}

macro_rules! targets {
    ($($name:ident $form:ident $words:ident;)*) => {
        /// Each by itself: a program that named it through the table would have all readers in it, and the fuzzer would look
        /// at the counters of all of them after each input.
        #[allow(non_upper_case_globals, reason = "they are called as the functions are")]
        impl Target {
            $(
                #[doc = concat!("The target `", stringify!($name), "`.")]
                pub const $name: Self = Self {
                    name: stringify!($name),
                    run: targets::$name,
                    form: Form::$form,
                    words: words::$words,
                };
            )*
        }

        /// Every target.
        pub const TARGETS: &[Target] = &[$(Target::$name),*];
    };
}

targets! {
    upgrade Lines HTTP;
    client_frame Json FRAMES;
    server_frame Json FRAMES;
    json Json JSON;
    jws JsonLines HEADERS;
    message Json MESSAGES;
    chain JsonLines CHAINS;
    revocation Json REVOCATIONS;
    rotation JsonLines ROTATIONS;
    channel Lines CHANNELS;
    requests JsonLines REQUESTS;
    record Frames RECORDS;
    segment Bytes STEPS;
    cap_xml Xml CAP;
    config Settings SETTINGS;
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

    /// One input of another.
    pub fn mutate(&self, input: &mut Vec<u8>, random: &mut Random) {
        mutate::once(self.form, self.words, input, random);
    }
}

/// The program of a target: libFuzzer's entry, and its mutator, which does every fourth time what libFuzzer would do
/// anyway.
#[cfg(feature = "libfuzzer")]
#[macro_export]
macro_rules! fuzz {
    ($name:ident) => {
        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| -> $crate::libfuzzer_sys::Corpus {
            match ($crate::Target::$name.run)(data) {
                $crate::Outcome::Taken | $crate::Outcome::Refused => $crate::libfuzzer_sys::Corpus::Keep,
                // Of what no reader was given no other input is made.
                $crate::Outcome::Passed => $crate::libfuzzer_sys::Corpus::Reject,
            }
        });

        $crate::libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            let mut random = $crate::mutate::Random::new(u64::from(seed));
            if random.once_in(4) {
                return $crate::libfuzzer_sys::fuzzer_mutate(data, size, max_size);
            }
            let $crate::Target { form, words, .. } = $crate::Target::$name;
            $crate::mutate::in_place(form, words, data, size, max_size, &mut random)
        });
    };
}
