//! The index of channels: which messages of a segment are on which channel, so that who hears one reads no others.
//!
//! Derived: rebuilt at every start from the segments. A message takes 8 bytes (its channel as a number, its offset); a
//! channel takes its text and about 100 bytes, once for the whole journal and not for each segment. With a million
//! messages of 1 KiB on 10,000 channels that is 8 MB and 1.3 MB.
//!
//! Bounds: past [`CHANNELS_MAX`] channels, messages on further ones are read by everybody; a message that begins behind
//! 4 GiB of its segment is so too.

use std::collections::HashMap;
use std::sync::Arc;

use vigie_proto::channel::Channel;

/// Every commune of a large country with both flows on both planes. At 120 bytes each, 16 MB.
const CHANNELS_MAX: usize = 131_072;

/// The number of all channels past the bound: nobody can tell them apart, so everybody reads them.
const ANY: u32 = u32::MAX;

/// Postings are shared with readers in blocks of so many: a look copies at most one block, which is 8 KiB.
const BLOCK_POSTINGS: usize = 1_024;

/// The numbers of channels, in the order in which they were met. Given for the life of the process.
#[derive(Debug, Default)]
pub(super) struct Names {
    numbers: HashMap<Arc<Channel>, u32>,
    names: Vec<Arc<Channel>>,
}

impl Names {
    pub(super) fn number(&mut self, channel: &Channel) -> u32 {
        if let Some(number) = self.numbers.get(channel) {
            return *number;
        }
        if self.names.len() >= CHANNELS_MAX {
            return ANY;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(ANY);
        let name = Arc::new(channel.clone());
        self.numbers.insert(Arc::clone(&name), number);
        self.names.push(name);
        number
    }

    /// `None` for a number that stands for more than one.
    pub(super) fn name(&self, number: u32) -> Option<Arc<Channel>> {
        self.names.get(number as usize).cloned()
    }
}

#[derive(Debug, Clone, Copy)]
struct Posting {
    channel: u32,
    offset: u32,
}

/// The messages of one segment, in order.
#[derive(Debug, Default)]
pub(super) struct Postings {
    full: Vec<Arc<[Posting]>>,
    open: Vec<Posting>,
    /// From here on the segment is too long for an index.
    unindexed_from: Option<u64>,
}

impl Postings {
    pub(super) fn note(&mut self, channel: u32, offset: u64) {
        let Ok(short) = u32::try_from(offset) else {
            self.unindexed_from.get_or_insert(offset);
            return;
        };
        if self.open.capacity() == 0 {
            self.open.reserve_exact(BLOCK_POSTINGS);
        }
        self.open.push(Posting { channel, offset: short });
        if self.open.len() == BLOCK_POSTINGS {
            self.full.push(self.open.drain(..).collect());
        }
    }

    /// Forgets what lies at or after `end`; nothing is noted any more.
    pub(super) fn cut(&mut self, end: u64) {
        let before = |posting: &Posting| u64::from(posting.offset) < end;
        let mut all: Vec<Posting> = self.full.drain(..).flat_map(|block| block.to_vec()).collect();
        all.append(&mut self.open);
        all.retain(before);
        self.full = all.chunks(BLOCK_POSTINGS).map(Arc::from).collect();
        self.unindexed_from = self.unindexed_from.filter(|from| *from < end);
    }

    /// What lies at or after `from`, to be looked through later.
    pub(super) fn view(&self, from: u64) -> View {
        let skipped = self
            .full
            .partition_point(|block| block.last().is_some_and(|posting| u64::from(posting.offset) < from));
        View {
            blocks: self.full[skipped..].to_vec(),
            open: self.open.clone(),
            from,
            unindexed_from: self.unindexed_from,
        }
    }
}

/// A part of the postings of one segment, as it was at one moment.
#[derive(Debug)]
pub(super) struct View {
    blocks: Vec<Arc<[Posting]>>,
    open: Vec<Posting>,
    from: u64,
    unindexed_from: Option<u64>,
}

impl View {
    /// The offsets of messages on channels that are wanted, ascending.
    pub(super) fn offsets<'v>(
        &'v self,
        mut wants: impl FnMut(u32) -> bool + 'v,
    ) -> impl Iterator<Item = u64> + 'v {
        let all = self.blocks.iter().flat_map(|block| block.iter()).chain(&self.open);
        all.filter(|posting| u64::from(posting.offset) >= self.from)
            .filter(move |posting| wants(posting.channel))
            .map(|posting| u64::from(posting.offset))
    }

    /// From here on all must be read.
    pub(super) fn unindexed_from(&self) -> Option<u64> {
        self.unindexed_from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(number: usize) -> Channel {
        format!("alert/fr.c{number}").parse().unwrap()
    }

    fn offsets(view: &View, wanted: u32) -> Vec<u64> {
        view.offsets(|number| number == wanted).collect()
    }

    #[test]
    fn postings_are_found_from_any_place_and_cut() {
        let mut postings = Postings::default();
        let all: Vec<(u32, u64)> = (0..5_000_u32).map(|at| (at % 7, u64::from(at) * 100 + 128)).collect();
        for (channel, offset) in &all {
            postings.note(*channel, *offset);
        }
        let expected = |from: u64, end: u64, wanted: u32| -> Vec<u64> {
            let is_it = |(channel, offset): &&(u32, u64)| *channel == wanted && (from..end).contains(offset);
            all.iter().filter(is_it).map(|(_, offset)| *offset).collect()
        };
        for from in [0, 128, 129, 102_528, 102_529, 499_000, 600_000] {
            assert_eq!(offsets(&postings.view(from), 3), expected(from, u64::MAX, 3), "from {from}");
        }
        for end in [450_000, 300_001, 102_528, 0] {
            postings.cut(end);
            assert_eq!(offsets(&postings.view(200_000), 5), expected(200_000, end, 5), "to {end}");
        }
    }

    #[test]
    fn past_the_bound_a_channel_has_no_name_of_its_own() {
        let mut names = Names::default();
        for number in 0..CHANNELS_MAX {
            assert_eq!(names.number(&channel(number)) as usize, number);
        }
        assert_eq!(names.number(&channel(CHANNELS_MAX)), ANY);
        assert_eq!(names.number(&channel(7)), 7);
        assert_eq!(names.name(7).as_deref(), Some(&channel(7)));
        assert_eq!(names.name(ANY), None);
    }

    #[test]
    fn what_is_too_far_away_is_read_by_everybody() {
        let mut postings = Postings::default();
        postings.note(1, 1_000);
        postings.note(1, 5_000_000_000);
        postings.note(1, 6_000_000_000);
        assert_eq!(postings.view(0).unindexed_from(), Some(5_000_000_000));
        assert_eq!(offsets(&postings.view(0), 1), [1_000]);
    }

    /// The figure that the module states.
    #[test]
    fn a_message_takes_as_much_as_is_said() {
        assert_eq!(size_of::<Posting>(), 8);
    }
}
