//! The last line of `vigie journal export`: what was asked for, and what the lines before it come to.
//!
//! With it a line that was removed, added, moved or edited is noticed, by `vigie verify` and by `vigie journal import`, and
//! nobody takes a part for the whole. Several parts may stand in one file, one after another, each with its own last line.
//! It is no signature: who edits on purpose can count again. What it is against is a
//! broken copy, an editor, a filter in between. `head -n -1 FILE | sha256sum` gives the same sum.

use std::fmt::Write as _;

use ring::digest;
use serde::{Deserialize, Serialize};
use vigie_proto::id::Sequence;

use super::text::Lang;

/// The type of the last line.
pub(super) const END: &str = "export";

/// Sums up lines as they are written or read.
pub(super) struct Tally {
    digest: digest::Context,
    held: Held,
}

/// How many lines there are of what an import takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    /// Verified or not.
    messages: u64,
    credentials: u64,
    carried: u64,
    /// An export that says nothing of them has none.
    #[serde(default)]
    revocations: u64,
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    /// The first place, where not all were wanted.
    pub(super) from: Option<Sequence>,
    /// The last place, where not all were wanted.
    pub(super) to: Option<Sequence>,
    /// As they were typed; none for all.
    pub(super) channels: Vec<String>,
    /// Whether these channels are of the plane of exercises.
    pub(super) exercise: bool,
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EndLine {
    r#type: String,
    asked: Asked,
    /// Messages that the journal had and that were not asked for.
    left_out: u64,
    held: Held,
    sha256: String,
}

impl Default for Tally {
    fn default() -> Self {
        Self { digest: digest::Context::new(&digest::SHA256), held: Held::default() }
    }
}

impl Tally {
    /// Takes a line of this type, without its end.
    pub(super) fn take(&mut self, kind: &str, line: &[u8]) {
        self.digest.update(line);
        self.digest.update(b"\n");
        match kind {
            "message" => self.held.messages += 1,
            "credential" => self.held.credentials += 1,
            "carried" => self.held.carried += 1,
            "revocation" => self.held.revocations += 1,
            _ => {}
        }
    }

    /// The line to write behind all that was taken.
    pub(super) fn end(self, asked: Asked, left_out: u64) -> EndLine {
        EndLine { r#type: END.to_owned(), asked, left_out, held: self.held, sha256: hex(self.digest) }
    }

    /// Holds what was taken against the last line; what follows is of another part.
    ///
    /// # Errors
    /// What differs, in words.
    pub(super) fn check(&mut self, lang: Lang, end: &EndLine) -> Result<(), String> {
        let Self { digest, held } = std::mem::take(self);
        let (said, found) = (&end.held, &held);
        let counts = [
            ("message", said.messages, found.messages),
            ("credential", said.credentials, found.credentials),
            ("carried", said.carried, found.carried),
            ("revocation", said.revocations, found.revocations),
        ];
        if let Some((kind, said, found)) = counts.into_iter().find(|(_, said, found)| said != found) {
            return Err(lang.export_holds_other(kind, said, found));
        }
        if end.sha256 == hex(digest) { Ok(()) } else { Err(lang.export_was_changed()) }
    }
}

impl EndLine {
    /// Messages that the journal had, asked for or not.
    pub(super) const fn of(&self) -> u64 {
        self.held.messages.saturating_add(self.left_out)
    }

    /// What was asked for, in words; `None` when it was everything.
    pub(super) fn part(&self, lang: Lang) -> Option<String> {
        let Asked { from, to, channels, exercise } = &self.asked;
        let mut words = Vec::new();
        words.extend(from.map(|from| format!("--from {from}")));
        words.extend(to.map(|to| format!("--to {to}")));
        words.extend(channels.iter().map(|channel| format!("--channel {channel}")));
        words.extend(exercise.then(|| "--exercise".to_owned()));
        (!words.is_empty()).then(|| lang.export_is_a_part(words.join(" "), self.left_out))
    }
}

fn hex(digest: digest::Context) -> String {
    let mut text = String::new();
    for byte in digest.finish().as_ref() {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[(&str, &str)]) -> Tally {
        let mut tally = Tally::default();
        for (kind, line) in lines {
            tally.take(kind, line.as_bytes());
        }
        tally
    }

    #[test]
    fn a_line_less_one_more_another_order_and_another_letter_are_noticed() {
        let lines = [("message", "a"), ("message", "b"), ("caught_up", "c")];
        let end = of(&lines).end(Asked::default(), 0);
        let judge = |lines: &[(&str, &str)]| of(lines).check(Lang::En, &end);
        assert_eq!(judge(&lines), Ok(()));
        assert!(judge(&lines[1..]).unwrap_err().contains("`message`: 2 said, 1 found"));
        assert!(judge(&[&lines[..], &lines[..1]].concat()).unwrap_err().contains("2 said, 3 found"));
        for changed in [[lines[1], lines[0], lines[2]], [lines[0], lines[1], ("caught_up", "d")]] {
            assert!(judge(&changed).unwrap_err().contains("changed"));
        }
        assert!(judge(&lines[..2]).unwrap_err().contains("changed"));
    }

    #[test]
    fn a_part_says_what_was_asked_for_and_the_whole_says_nothing() {
        assert_eq!(Tally::default().end(Asked::default(), 0).part(Lang::En), None);
        let asked =
            Asked { to: Some(Sequence::new(9)), channels: vec!["alert/fr".to_owned()], ..Asked::default() };
        let told = Tally::default().end(asked, 4).part(Lang::En).unwrap();
        assert!(told.contains("--to 9 --channel alert/fr") && told.contains('4'), "{told}");
    }

    /// The sum that `sha256sum` gives of "abc" and a line end.
    #[test]
    fn the_sum_is_that_of_the_usual_tool() {
        let end = of(&[("", "abc")]).end(Asked::default(), 0);
        assert_eq!(end.sha256, "edeaaff3f1774ad2888673770c6d64097e391bc362d7d6fb34982ddf0efd18cb");
    }
}
