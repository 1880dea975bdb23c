//! Lists of filters in memory once, however many sessions asked for the same.
//!
//! A delivery looks at the filters of each reader, and those who hear the same channels are many: with a list each, that is
//! a fifth of the memory that a delivery touches before it is written.
//!
//! Bound: lists that nobody has any more go when there are twice as many as when they were looked through last.

use std::collections::HashSet;
use std::sync::Arc;

use vigie_proto::channel::Filter;
use vigie_proto::hear::Reader;

/// Below this, nobody looks for lists that are not in use.
const UNUSED_KEPT: usize = 64;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct SharedFilters {
    lists: HashSet<Arc<[Filter]>>,
    /// So many were in use when it was last looked.
    in_use: usize,
}

impl SharedFilters {
    /// Gives the reader the list that others have, when it has the same filters.
    pub(super) fn share(&mut self, reader: &mut Reader) {
        if let Some(known) = self.lists.get(&**reader.filters()) {
            return reader.share_filters(known);
        }
        if self.lists.len() >= 2 * self.in_use.max(UNUSED_KEPT) {
            self.lists.retain(|list| Arc::strong_count(list) > 1);
            self.in_use = self.lists.len();
        }
        self.lists.insert(Arc::clone(reader.filters()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::page::tests::reader_for;

    fn reader(town: usize) -> Reader {
        reader_for("fr.etat", &format!("alert/fr.idf.t{town}"))
    }

    #[test]
    fn readers_of_the_same_have_one_list_and_hear_what_they_asked_for() {
        let mut shared = SharedFilters::default();
        let mut readers = [reader(1), reader(2), reader(1)];
        readers.iter_mut().for_each(|reader| shared.share(reader));
        assert_eq!(readers, [reader(1), reader(2), reader(1)]);
        let [first, other, again] = readers.each_ref().map(Reader::filters);
        assert!(Arc::ptr_eq(first, again) && !Arc::ptr_eq(first, other));
    }

    #[test]
    fn lists_that_nobody_has_do_not_pile_up() {
        let mut shared = SharedFilters::default();
        let mut kept: Vec<_> = (0..100).map(reader).collect();
        kept.iter_mut().for_each(|reader| shared.share(reader));
        for town in 100..1_000 {
            shared.share(&mut reader(town));
            assert!(shared.lists.len() <= 256, "{town}");
        }
        let mut again = reader(7);
        shared.share(&mut again);
        assert!(Arc::ptr_eq(again.filters(), kept[7].filters()), "what somebody has stays");
    }
}
