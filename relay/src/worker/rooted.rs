//! What a worker does when the relay trusts other roots: ends the sessions that are left without one, and gives the others
//! the rotations that are new.

use std::sync::Arc;

use vigie_proto::chain::{Chain, Roots};
use vigie_proto::channel::Plane;
use vigie_proto::frame::ServerFrame;
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::revocation::KnownRevocations as _;
use vigie_proto::session::relay::Rules;
use vigie_proto::time::Timestamp;

use super::Worker;
use super::session::Stage;

impl Worker {
    /// The relay judges by these rules from now on. Costs a look-up for each session, and no signature.
    pub fn handle_rules(&mut self, rules: Arc<Rules>, now: Timestamp) {
        self.last_now = now;
        let before = std::mem::replace(&mut self.config.rules, rules);
        let new =
            [Plane::Live, Plane::Exercise].map(|plane| (plane, self.rotations_since(&before.roots, plane)));
        for id in self.all_sessions() {
            let roots = &self.config.rules.roots;
            let Some(session) =
                self.sessions.get_mut(id.index).filter(|session| session.generation == id.generation)
            else {
                continue;
            };
            let Stage::LoggedIn(state) = &mut session.stage else {
                let under = session.closing_under.as_ref();
                let still = |chain: &Chain| {
                    let chain = chain.under(roots)?;
                    chain.judge(now)?;
                    self.revocations.refusal_of(&chain).map_or(Ok(()), Err)
                };
                if under.is_some_and(|chain| still(chain).is_err()) {
                    self.hurry(id);
                }
                continue;
            };
            let plane = state.chain().plane();
            match state.handle_roots(roots, &*self.revocations, now) {
                Ok(()) => {
                    let by = session.deadline.min(state.ends());
                    self.set_deadline(id, by);
                    let frames = new.iter().filter(|(of, _)| *of == plane).flat_map(|(_, frames)| frames);
                    frames.for_each(|frame| self.push_text(id, frame.clone()));
                }
                Err(refusal) => {
                    let detail = format!("the relay trusts other roots now: {}", refusal.code);
                    let over = if refusal.code == Code::Revoked {
                        Code::SessionRevoked
                    } else {
                        Code::SessionExpired
                    };
                    let told = Refusal::new(over, detail);
                    let told = match refusal.credential {
                        Some(by) => told.by(by),
                        None => told,
                    };
                    self.end_at_once(id, &told);
                }
            }
        }
    }

    /// What the roots of a plane have stated, as frames; at most 16 KiB.
    pub(super) fn rotations(&self, plane: Plane) -> Vec<String> {
        self.rotations_since(&Roots::default(), plane)
    }

    /// Those that were not among these.
    fn rotations_since(&self, before: &Roots, plane: Plane) -> Vec<String> {
        let all = self.config.rules.roots.rotations().filter(move |rotation| rotation.plane() == plane);
        let is_new = |token: &str| !before.rotations().any(|rotation| &**rotation.token() == token);
        let new = all.filter(|rotation| is_new(rotation.token()));
        new.map(|rotation| ServerFrame::Rotation { jws: (&**rotation.token()).into() }.to_text()).collect()
    }
}
