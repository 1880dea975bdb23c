//! What simulations met: a test of faults that meets none of them proves nothing.

macro_rules! coverage {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// Counts, over one run or many.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Coverage {
            $($(#[doc = $doc])* pub $name: u64,)*
        }

        impl Coverage {
            /// Adds those of another run.
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }

            /// Name and count of each.
            pub fn rows(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name)),*]
            }
        }
    };
}

coverage! {
    /// Power cuts of a running relay.
    crashes,
    /// Power cuts of a relay that recovers from one.
    crashes_in_recovery,
    /// Of these, the third in a row.
    crashes_in_recovery_three_deep,
    /// Power cuts while the journal rests or retention is at work.
    crashes_at_rest,
    /// Unsynced writes of which a crash left nothing.
    lost_writes,
    /// Unsynced writes of which a crash left a part.
    torn_writes,
    /// Bytes or names that a crash left although something older was lost.
    reordered_writes,
    /// Changes of names that a crash undid.
    lost_names,
    /// Writes or syncs that failed while a batch was made durable.
    failed_syncs,
    /// Refusals because the disk had no room for another segment.
    disk_full,
    /// Batches that were stored on the reserve of a full disk.
    stored_on_reserve,
    /// Stops in order.
    clean_stops,
    /// Journals lost whole.
    journals_lost,
    /// Journals restored from an older copy, under a new name.
    journals_restored,
    /// Places in the log that retention removed.
    removed,
    /// Publishes answered with the receipt of a place that retention removed.
    replays_of_removed,
    /// Sealed segments damaged while no relay had them open.
    damaged_at_rest,
    /// Sealed segments damaged while a relay served from them.
    damaged_while_running,
    /// Of these two, in the header.
    damaged_headers,
    /// Starts that had to wait until damage was mended from a copy.
    damage_mended,
    /// Clock steps of less than 120 s.
    clock_steps,
    /// Refusals because the clock jumped by more.
    clock_suspect,
    /// Cut links.
    cuts,
    /// Readers that stopped reading for a while.
    slow_readers,
    /// Readers that drained their line a few bytes at a time for a while.
    dripping_readers,
    /// Workers that left their letters unread for a while.
    lagging_workers,
    /// Programs started anew with a saved cursor.
    reader_restarts,
    /// Of these, with a cursor that lagged behind what they had been given.
    reader_kills,
    /// Programs of authors killed: what waits is on their disk, what became of it not always.
    author_kills,
    /// Live sessions that turned behind.
    turns_behind,
    /// Pages read from the journal for subscriptions.
    journal_reads,
    /// Times that a session behind was served from the ring.
    ring_catch_ups,
    /// Batches that a worker was told only the head of.
    jumps,
    /// Reads refused for want of room.
    reads_refused,
    /// Sessions that began from the first message.
    from_start,
    /// Sessions that went on after a cursor.
    resumed,
    /// Subscriptions replaced on an open session.
    replaced_subscriptions,
    /// Pages of history.
    pages,
    /// Messages in them.
    past_given,
    /// Gaps told because the cursor is of another log.
    gaps_other_log,
    /// Gaps told because the cursor is ahead.
    gaps_ahead,
    /// Gaps told because retention removed what was there.
    gaps_removed,
    /// Gaps told because the disk damaged a range.
    gaps_damaged,
    /// Gaps told in pages of history.
    gaps_in_pages,
    /// Messages signed well.
    published,
    /// Of these, for some organisations only.
    published_for_some,
    /// Messages signed badly, and bytes of others.
    bad_publishes,
    /// Publishes sent again although a receipt was there.
    duplicates_sent,
    /// Publishes sent again because no answer had come.
    retries,
    /// Receipts.
    receipts,
    /// Refusals that may be tried again.
    temporary_refusals,
    /// Refusals that may not.
    final_refusals,
    /// Messages that nobody knows the fate of when they expire.
    never_answered,
    /// Events given to readers.
    events_given,
    /// Of these, on the exercise plane.
    exercise_events_given,
    /// Sessions that ended because a credential did.
    sessions_expired,
    /// Sessions that ended because nothing was heard of the reader.
    unresponsive,
    /// Revocations of a credential that nobody stands under.
    revocations_of_leaves,
    /// Revocations of a credential that others stand under.
    revocations_of_links_between,
    /// Revocations of a key by somebody above it.
    revocations_of_keys,
    /// Revocations of what the issuer holds itself.
    revocations_of_own,
    /// Revocations by somebody who stands beside or below the target.
    revocations_unauthorised,
    /// Revocations that the issuer was told to hold.
    revocations_answered,
    /// Of these, whose issuer had been told before to hold one of the same or a higher number.
    revocations_out_of_order,
    /// Revocations refused as they were to be appended, because their issuer had been revoked.
    revocations_by_the_revoked,
    /// Revocations given to readers.
    revocations_told,
    /// Messages that a worker found good, and that a revocation met before they were appended.
    revoked_between_check_and_append,
    /// Batches in which a revocation stands between two messages of its target: the first one is in, the second is not.
    revoked_inside_a_batch,
    /// Revocations that reached a worker while it had pages read for readers.
    revoked_during_catch_up,
    /// Revocations that a power cut or a failing disk took before they were synced.
    revocations_lost_unsynced,
    /// Revocations on disk that a power cut kept anyone from being told.
    revocations_untold_at_a_crash,
    /// Starts of a relay on a journal with revocations.
    starts_with_revocations,
    /// Starts on a damaged journal with revocations.
    damaged_starts_with_revocations,
    /// Starts on a journal of which retention had removed what stood before a revocation.
    starts_with_carried_revocations,
    /// Journals restored from a copy with revocations.
    restored_with_revocations,
    /// Sessions that a revocation ended.
    sessions_revoked,
    /// Times that one revocation ended three sessions or more of one worker.
    sessions_revoked_together,
    /// Sessions that did not take their end in time, and were dropped.
    overdue,
    /// Log-ins refused because of a revocation.
    logins_revoked,
    /// Publishes refused because of a revocation.
    publishes_revoked,
    /// Publishes under a revoked credential, on a session under another one of the same key.
    publishes_stranded,
    /// Receipts under another credential of a key, after one of them was revoked.
    receipts_under_another,
    /// Messages disowned that had been given before.
    disowned_later,
    /// Messages disowned as they came.
    disowned_at_once,
}

impl Coverage {
    /// What was never met.
    pub fn missing(&self) -> Vec<&'static str> {
        self.rows().into_iter().filter(|(_, count)| *count == 0).map(|(name, _)| name).collect()
    }
}

impl std::fmt::Display for Coverage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, count) in self.rows() {
            writeln!(f, "{count:>9}  {}", name.replace('_', " "))?;
        }
        Ok(())
    }
}
