//! Power cuts at every call to the disk, then up to three more in the recovery from the one before; and damage of every
//! kind.
//!
//! The journal runs on a simulated disk that forgets what was not synced. After each cut the disk is opened as it may be
//! found, and judged: it opens; every acknowledged record is there, or retention was allowed to remove it and its id is
//! still known; nothing is there that was not given to it, in another order or changed. What was shown by a start that
//! succeeded counts as acknowledged from then on.
//!
//! `VIGIE_CRASH_IMAGES` is how many different disks are judged, on all cores; without it 100,000. Memory is 8 bytes a
//! disk and its share of a table. `VIGIE_FLIPS=all` flips every bit of a journal of 64 KiB, and not every seventh.
//! `VIGIE_DAMAGE_TRIALS` is how often a journal of 1 MiB is damaged at random; without it 2,000. The long form:
//! `VIGIE_CRASH_IMAGES=10000000 VIGIE_DAMAGE_TRIALS=1000000 VIGIE_FLIPS=all cargo test --release -p vigie-relay
//! --test journal_crash -- --nocapture`
//!
//! Whether this would notice a journal that does not sync is tested too.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]
#![allow(clippy::print_stdout, reason = "what a run came to belongs to its output")]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "records of later versions are none of these tests' business"
)]

#[path = "journal_crash/damage.rs"]
mod damage;
#[path = "journal_crash/model.rs"]
mod model;
#[path = "journal_crash/power.rs"]
mod power;
#[path = "journal_crash/random_damage.rs"]
mod random_damage;
#[path = "journal_crash/search.rs"]
mod search;
#[path = "journal_crash/tally.rs"]
mod tally;
