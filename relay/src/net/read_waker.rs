//! Wakes the task of a connection and remembers that it was for reading.
//!
//! Most turns of a connection are for writing: an event came. Whether there is something to read as well, the socket could
//! be asked each time, but that takes a lock and touches memory that nothing else of the turn needs: a sixth of what a
//! delivery cost outside the kernel. So whatever waits to read waits with this waker.
//!
//! Invariant: what is read last has returned `Pending` with this waker, or [`ReadWaker::take`] says that reading is due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct ReadWaker {
    woken: Arc<Woken>,
    waker: Waker,
}

#[derive(Debug)]
struct Woken {
    due: AtomicBool,
    task: Waker,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Before the task: whoever polls it for this sees it.
        self.due.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

impl ReadWaker {
    /// Of this task. Nothing was read yet: that is due.
    pub(super) fn of(task: &Waker) -> Self {
        let woken = Arc::new(Woken { due: AtomicBool::new(true), task: task.clone() });
        Self { waker: Waker::from(Arc::clone(&woken)), woken }
    }

    /// Whether it wakes this task.
    pub(super) fn is_of(&self, task: &Waker) -> bool {
        self.woken.task.will_wake(task)
    }

    /// Whether reading is due. Asked once: who hears yes must read until it waits again.
    pub(super) fn take(&self) -> bool {
        self.woken.due.swap(false, Ordering::Acquire)
    }

    /// What reading is to be given.
    pub(super) fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Task(AtomicBool);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_wake_for_reading_wakes_the_task_and_is_told_once() {
        let task = Arc::new(Task::default());
        let waker = Waker::from(Arc::clone(&task));
        let read = ReadWaker::of(&waker);
        assert!(read.is_of(&waker) && !read.is_of(Waker::noop()));
        assert!(read.take() && !read.take(), "nothing was read yet");
        for _ in 0..2 {
            read.context().waker().wake_by_ref();
            assert!(task.0.swap(false, Ordering::Relaxed));
            assert!(read.take() && !read.take());
        }
        waker.wake_by_ref();
        assert!(!read.take(), "it was for something else");
    }
}
