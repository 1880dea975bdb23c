//! What was signed, and what was found good, in inputs before this one: most of an input is as it was in the last, and a
//! signature is most of the time that one takes.
//!
//! It must change nothing: the targets hold what is remembered against what is judged anew. It is bounded, and forgets all
//! when it is full.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use vigie_proto::chain::{TokenHash, Verdicts};
use vigie_proto::credential::Credential;

use crate::signed::key;

/// Some MiB of tokens.
const REMEMBERED_MAX: usize = 4096;

/// A bounded table.
#[derive(Debug)]
pub struct Memory<K, V>(RefCell<HashMap<K, V>>);

impl<K, V> Default for Memory<K, V> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<K: Eq + Hash, V: Clone> Memory<K, V> {
    /// What stands there.
    pub fn find(&self, key: &K) -> Option<V> {
        self.0.borrow().get(key).cloned()
    }

    /// Keeps it, instead of all others when there is no room.
    pub fn keep(&self, key: K, value: V) {
        let mut known = self.0.borrow_mut();
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(key, value);
    }
}

impl Verdicts for Memory<TokenHash, Arc<Credential>> {
    fn find(&self, token: &TokenHash) -> Option<Arc<Credential>> {
        // That of every memory, which comes before that of the trait.
        Self::find(self, token)
    }

    fn keep(&self, token: TokenHash, credential: &Arc<Credential>) {
        Self::keep(self, token, Arc::clone(credential));
    }
}

/// A token of this header and payload by key `number`, as it was signed before.
pub fn signed(number: usize, header: &str, payload: &str) -> String {
    thread_local! {
        static SIGNED: Memory<(usize, String), String> = Memory::default();
    }
    let named = (number, [header, payload].join("\n"));
    SIGNED.with(|known| {
        known.find(&named).unwrap_or_else(|| {
            let token = key(number).sign(header.as_bytes(), payload.as_bytes());
            known.keep(named, token.clone());
            token
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_forgets_when_it_is_full() {
        let memory = Memory::default();
        for number in 0..=REMEMBERED_MAX {
            memory.keep(number, number);
            assert_eq!(memory.find(&number), Some(number));
        }
        assert_eq!(memory.find(&0), None);
    }
}
