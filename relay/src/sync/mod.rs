//! The locks and queues between the threads of a relay, under one name.
//!
//! A relay uses those of the standard library. With the feature `model` they are those of shuttle, whose scheduler then
//! decides at each of them which thread goes on: so the model (`server/model`) tries the interleavings of the very code
//! that runs in a relay. Nothing else runs with that feature: outside of shuttle its locks panic.
//!
//! The [`Notify`](tokio::sync::Notify) of an inbox is tokio's own in both. It has no thread of its own, wakes whoever
//! waits by the waker that it was polled with, and that waker is shuttle's in the model. Each of its calls is one step
//! there, as it is to all who use it; that it is so on real machines is tokio's promise, modelled by tokio with loom.

#[cfg(not(feature = "model"))]
pub(crate) use std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, mpsc};

#[cfg(feature = "model")]
pub(crate) use shuttle::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, mpsc};

#[cfg(feature = "model")]
mod plant;
#[cfg(feature = "model")]
pub(crate) use plant::{Plant, Rare, meet, planted};
#[cfg(all(test, feature = "model"))]
pub(crate) use plant::{choose, met};
