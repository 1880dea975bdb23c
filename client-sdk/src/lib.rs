//! The SDK of Vigie: connect, publish, subscribe, resume, verify.

pub mod cap;
