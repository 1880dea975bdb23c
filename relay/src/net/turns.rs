//! So many costly steps in one turn of a worker, and no more: the rest wait for the next, in the order they came.
//!
//! A handshake and a signature check each take the worker from all its sessions for a while. When a thousand come at once
//! they are spread over turns, and whoever lives is served in between. No clock: a turn is one pass over the tasks that
//! were ready.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::sync::{Notify, Semaphore, TryAcquireError};

/// The kinds of costly steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// A step of a handshake, or a log-in.
    Stranger,
    /// Judging a frame of a session.
    Check,
    /// Writing to a session that is behind.
    CatchUp,
}

/// Permits for costly steps, made anew in each turn.
#[derive(Debug)]
pub(crate) struct Turns {
    permits: Semaphore,
    per_turn: usize,
    spent: Notify,
    /// Steps that were taken beyond a permit, and that turns to come pay for.
    owed: Cell<usize>,
}

impl Turns {
    pub(crate) fn new(per_turn: usize) -> Self {
        Self { permits: Semaphore::new(per_turn), per_turn, spent: Notify::new(), owed: Cell::new(0) }
    }

    /// Takes a permit, if there is one in this turn.
    pub(crate) fn try_take(&self) -> bool {
        match self.permits.try_acquire() {
            Ok(permit) => {
                permit.forget();
                self.note_taken();
                true
            }
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => false,
        }
    }

    /// Waits for a permit. Cancel safe: who goes away leaves the line.
    pub(crate) async fn take(&self) {
        // It is never closed.
        if let Ok(permit) = self.permits.acquire().await {
            permit.forget();
        }
        self.note_taken();
    }

    /// What a permit was taken for turned out to cost so many steps more: they are taken from this turn and from those
    /// after it.
    pub(crate) fn charge(&self, steps: usize) {
        if steps > 0 {
            self.owed.set(self.owed.get() + steps - self.permits.forget_permits(steps));
            self.note_taken();
        }
    }

    fn note_taken(&self) {
        if self.permits.available_permits() == 0 {
            self.spent.notify_one();
        }
    }

    /// Makes new permits in each turn after they are spent, until some are left over, for ever. It does not wait for those to
    /// whom one is given: one who never takes it would else hold up all others.
    pub(crate) async fn renew(&self) {
        loop {
            self.spent.notified().await;
            while self.permits.available_permits() == 0 {
                tokio::task::yield_now().await;
                let left = self.permits.available_permits();
                let new = self.per_turn.saturating_sub(left);
                let paid = new.min(self.owed.get());
                self.owed.set(self.owed.get() - paid);
                self.permits.add_permits(new - paid);
            }
        }
    }
}

/// The wait of one connection for a turn. Most connections wait for none. Dropped, it leaves the line.
#[derive(Default)]
pub(crate) struct TurnWait(Option<Pin<Box<dyn Future<Output = ()>>>>);

impl TurnWait {
    /// Ready with a permit.
    pub(crate) fn poll(&mut self, turns: &Rc<Turns>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.is_none() && turns.try_take() {
            return Poll::Ready(());
        }
        let turns = Rc::clone(turns);
        let wait = self.0.get_or_insert_with(|| Box::pin(async move { turns.take().await }));
        std::task::ready!(wait.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::task::Waker;

    use tokio::task::LocalSet;

    use super::*;

    /// Storms of a hundred, beside a task that is always ready: it runs between any few of them.
    #[test]
    fn a_storm_is_spread_over_turns_in_the_order_it_came() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let turns = Rc::new(Turns::new(4));
        let (done, passes) = (Rc::new(RefCell::new(Vec::new())), Rc::new(Cell::new(0)));
        LocalSet::new().block_on(&runtime, async {
            let renewing = Rc::clone(&turns);
            tokio::task::spawn_local(async move { renewing.renew().await });
            for number in 0..100 {
                let (turns, done, passes) = (Rc::clone(&turns), Rc::clone(&done), Rc::clone(&passes));
                tokio::task::spawn_local(async move {
                    turns.take().await;
                    done.borrow_mut().push((number, passes.get()));
                });
            }
            while done.borrow().len() < 100 {
                passes.set(passes.get() + 1);
                tokio::task::yield_now().await;
            }
        });
        let done = done.borrow();
        assert!(done.iter().map(|(number, _)| *number).eq(0..100), "in order: {done:?}");
        let most = (0..=passes.get()).map(|pass| done.iter().filter(|(_, at)| *at == pass).count()).max();
        assert!(most.is_some_and(|most| most <= 8), "at most two refills between two passes: {most:?}");
    }

    /// What one step turned out to cost, others wait for: a chain of eight links is not one check.
    #[test]
    fn a_dear_step_is_paid_for_by_the_turns_after_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let turns = Rc::new(Turns::new(4));
        LocalSet::new().block_on(&runtime, async {
            let renewing = Rc::clone(&turns);
            tokio::task::spawn_local(async move { renewing.renew().await });
            turns.take().await;
            turns.charge(3 + 4 + 4);
            assert!(!turns.try_take());
            let mut passes = 0;
            while !turns.try_take() {
                passes += 1;
                tokio::task::yield_now().await;
            }
            assert!(passes >= 3, "its own turn, and two more: {passes}");
            assert!(turns.try_take() && turns.try_take() && turns.try_take() && !turns.try_take());
        });
    }

    /// As connections do whose answers have piled up: they wait in line, and are not there when it is their turn.
    #[test]
    fn whoever_does_not_take_a_turn_that_is_given_holds_up_nobody() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let turns = Rc::new(Turns::new(4));
        LocalSet::new().block_on(&runtime, async {
            let renewing = Rc::clone(&turns);
            tokio::task::spawn_local(async move { renewing.renew().await });
            let cx = &mut Context::from_waker(Waker::noop());
            while turns.try_take() {}
            let mut absent: Vec<_> = (0..30).map(|_| Box::pin(turns.take())).collect();
            for waiting in &mut absent {
                assert!(waiting.as_mut().poll(cx).is_pending());
            }
            let mut here = Box::pin(turns.take());
            let mut passes = 0;
            while here.as_mut().poll(cx).is_pending() {
                passes += 1;
                assert!(passes < 100, "all turns were given away");
                tokio::task::yield_now().await;
            }
            assert!(passes >= 30 / 4, "it waited in line: {passes}");
        });
    }

    #[test]
    fn without_a_new_turn_there_are_no_new_permits() {
        let turns = Turns::new(2);
        assert!(turns.try_take() && turns.try_take() && !turns.try_take());
    }
}
