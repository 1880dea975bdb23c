//! The chains that the relay gave, found by the credential at their end; and the signature verdicts behind them.
//!
//! Both are bounded and may forget: the relay gives a chain again before an event that needs it, as soon as it is not
//! among the last 32 that it gave on the session.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vigie_proto::chain::{Chain, Roots, TokenHash, Verdicts};
use vigie_proto::credential::Credential;
use vigie_proto::id::CredentialId;
use vigie_proto::jws::{Kind, Token};
use vigie_proto::limits::CHAINS_REMEMBERED;
use vigie_proto::refusal::{Code, Refusal};

/// Chains kept: several times what a session of the relay remembers, so that none is dropped that the relay believes
/// known. At most about 25 KiB each.
const CHAINS_MAX: usize = 128;
const _: () = assert!(CHAINS_MAX > CHAINS_REMEMBERED);

/// Credentials kept whose signature was found good: those above are shared by many leaves.
const VERDICTS_MAX: usize = 512;

/// What is known of a chain: good, or why not.
type Judged = Result<Arc<Chain>, Refusal>;

/// A bounded table of chains; the one given longest ago is forgotten first.
#[derive(Debug, Default)]
pub(super) struct Chains {
    judged: BTreeMap<CredentialId, Judged>,
    /// The keys of `judged`, each once, the one given last at the end.
    given: VecDeque<CredentialId>,
    verdicts: VerdictCache,
}

impl Chains {
    /// Takes a chain as a relay gave it, root first. One that fails is remembered with its reason, under the
    /// credential that it claims to end in; a good one is never replaced by a bad one.
    pub(super) fn learn(&mut self, tokens: &[&str], roots: &Roots) {
        let judged = Chain::verify(tokens.iter().copied(), roots, &self.verdicts).map(Arc::new);
        let leaf = match &judged {
            Ok(chain) => Ok(chain.leaf().id()),
            // Too broken to say of which credential it speaks: events that name it are `unknown_credential`.
            Err(_) => tokens.last().ok_or(()).and_then(|text| claimed_id(text)),
        };
        let Ok(leaf) = leaf else { return };
        self.given.retain(|id| *id != leaf);
        self.given.push_back(leaf);
        if judged.is_ok() || !matches!(self.judged.get(&leaf), Some(Ok(_))) {
            self.judged.insert(leaf, judged);
        }
        if self.given.len() > CHAINS_MAX
            && let Some(oldest) = self.given.pop_front()
        {
            self.judged.remove(&oldest);
        }
    }

    /// The chain of a credential that a message names.
    pub(super) fn find(&self, credential: CredentialId) -> Judged {
        match self.judged.get(&credential) {
            Some(judged) => judged.clone(),
            None => Err(Refusal::from(Code::UnknownCredential).by(credential)),
        }
    }
}

/// The form of the token is enough: a credential whose key or claims are refused is named by its events all the same,
/// and what they are told is why.
fn claimed_id(token: &str) -> Result<CredentialId, ()> {
    Token::parse(token, Kind::Credential).map(|token| CredentialId::from_bytes(token.id)).map_err(drop)
}

/// Good credentials by the hash of their whole token; the oldest is forgotten first.
#[derive(Debug, Default)]
struct VerdictCache(Mutex<Kept>);

impl VerdictCache {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Kept {
    good: BTreeMap<TokenHash, Arc<Credential>>,
    order: VecDeque<TokenHash>,
}

impl Verdicts for VerdictCache {
    fn find(&self, token: &TokenHash) -> Option<Arc<Credential>> {
        self.kept().good.get(token).cloned()
    }

    fn keep(&self, token: TokenHash, credential: &Arc<Credential>) {
        let Kept { good, order } = &mut *self.kept();
        if good.insert(token, Arc::clone(credential)).is_none() {
            order.push_back(token);
        }
        if order.len() > VERDICTS_MAX
            && let Some(oldest) = order.pop_front()
        {
            good.remove(&oldest);
        }
    }
}
