//! `vigie trust rotate`: a new key for an identity, under the same organisation, name and rights.
//!
//! The key is made here and certified by an issuer of this context, or by one elsewhere in two steps (`--request`,
//! `--answer`). Then the queue of the old key is sent, since a relay takes a message only from its author's key; the old
//! key is kept beside the new one under a number; and two renames put the new one in its place. A step that was cut off
//! is taken up by the next run: at every moment each key is in a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vigie_client::{Exercise, Identity, Live, OnPlane, Outbox, OutboxState};
use vigie_proto::chain::{Chain, NoVerdicts};
use vigie_proto::channel::Plane;
use vigie_proto::credential::{Claims, Issuer};
use vigie_proto::key::SigningKey;
use vigie_proto::limits::CLOCK_SKEW_MAX;
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::revocation::{Reason, Target};
use vigie_proto::time::{Timestamp, Window};

use super::args::TrustRotate;
use super::kept::Kept;
use super::revoke::{self, Why, client_of};
use super::target::Meant;
use super::{former, issuer};
use crate::cli::authority::{self, default_lifetime};
use crate::cli::channels;
use crate::cli::exit::{Exit, Failure, Outcome, refusal_text};
use crate::cli::screen::escape;
use crate::cli::session::Session;
use crate::cli::{files, grant, identity, queue, time};

pub(super) fn run(session: Session<'_>, args: &TrustRotate) -> Outcome {
    let plane = channels::plane(args.exercise);
    let screen = session.screen.on(plane);
    let session = Session { screen: &screen, ..session };
    let ended = match plane {
        Plane::Live => rotate::<Live>(session, args),
        Plane::Exercise => rotate::<Exercise>(session, args),
    };
    ended.map_err(|failure| failure.marked(&screen))
}

fn rotate<P: OnPlane>(session: Session<'_>, args: &TrustRotate) -> Outcome {
    let (lang, files) = (session.screen.lang, Files::of(session, &args.name, P::PLANE)?);
    if files.is_half_switched(session)? {
        files.put_in_place(session)?;
        session.screen.say(&lang.rotation_taken_up());
        return tell(session, args, P::PLANE, None);
    }
    let context = session.context()?;
    let old = context.identity(&args.name, P::PLANE).map_err(|error| session.context_failed(&error))?;
    if args.revoke_old {
        refuse_orphans(session, &old)?;
    }
    let key = files.next_key(session)?;
    if let Some(out) = &args.request {
        return request(session, args, &old, &key, out);
    }
    let by = match &args.answer {
        Some(_) => None,
        None => Some(issuer(session, args.authority.as_deref(), P::PLANE)?),
    };
    let chain = match (&args.answer, &by) {
        (Some(answer), _) => answered(session, answer, &old, &key)?,
        (None, Some(by)) => certified(session, args, by, &old, &key)?,
        (None, None) => return Ok(()),
    };
    files::replace_public(lang, &files.next_chain, &files::chain_text(&chain))?;
    let queue = send_queue::<P>(session, args, &old)?;
    let number = former::keep(session, &args.name, P::PLANE, old.chain().leaf().id())?;
    files.put_in_place(session)?;
    if let Some(queue) = queue {
        let aside = queue.with_extension(number.to_string());
        fs::rename(&queue, &aside).map_err(|error| files::cannot_write(lang, &aside, &error))?;
    }
    tell(session, args, P::PLANE, Some((number, &old)))?;
    if args.revoke_old { revoke_old::<P>(session, args, old, by) } else { Ok(()) }
}

/// The files of an identity on one plane, present and next.
struct Files {
    key: PathBuf,
    public: PathBuf,
    chain: PathBuf,
    next_key: PathBuf,
    next_public: PathBuf,
    next_chain: PathBuf,
}

impl Files {
    fn of(session: Session<'_>, name: &str, plane: Plane) -> Result<Self, Failure> {
        let file = |what: &str| identity::file(session, name, plane, what);
        Ok(Self {
            key: file("key.pem")?,
            public: file("pub.pem")?,
            chain: file("chain")?,
            next_key: file("next.key.pem")?,
            next_public: file("next.pub.pem")?,
            next_chain: file("next.chain")?,
        })
    }

    /// The key that is to come: made once, whatever happens between then and its place.
    fn next_key(&self, session: Session<'_>) -> Result<SigningKey, Failure> {
        let lang = session.screen.lang;
        if !self.next_key.exists() {
            let new = files::new_key(lang)?;
            files::replace_public(lang, &self.next_public, &new.public_pem)?;
            files::create_secret(lang, &self.next_key, &new.pem)?;
        }
        files::read_key(lang, &self.next_key)
    }

    /// Whether the chain in place is already that of the key that is to come.
    fn is_half_switched(&self, session: Session<'_>) -> Result<bool, Failure> {
        let lang = session.screen.lang;
        if !self.next_key.exists() || !self.chain.exists() {
            return Ok(false);
        }
        let (next, tokens) = (files::read_key(lang, &self.next_key)?, files::read_chain(lang, &self.chain)?);
        let leaf = tokens.last().and_then(|token| vigie_proto::credential::Credential::parse(token).ok());
        Ok(leaf.is_some_and(|leaf| leaf.claims().subject == *next.public()))
    }

    fn put_in_place(&self, session: Session<'_>) -> Outcome {
        let lang = session.screen.lang;
        let steps =
            [(&self.next_chain, &self.chain), (&self.next_public, &self.public), (&self.next_key, &self.key)];
        for (from, to) in steps {
            if from.exists() {
                fs::rename(from, to).map_err(|error| files::cannot_write(lang, to, &error))?;
            }
        }
        former::sync(session, &self.key)
    }
}

/// What is below the old key would end with it.
fn refuse_orphans(session: Session<'_>, old: &Identity) -> Outcome {
    let (context, own) = (session.context()?, old.chain().leaf().id());
    let names = context.identities().map_err(|error| session.context_failed(&error))?;
    let stands_on = |name: &&String| {
        let other = context.identity(name, old.plane()).ok();
        other.is_some_and(|other| {
            let leaf = other.chain().leaf();
            leaf.id() != own && leaf.issuer() == Issuer::Parent(own)
        })
    };
    let below: Vec<String> = names.iter().filter(stands_on).map(|name| escape(name)).collect();
    if below.is_empty() {
        return Ok(());
    }
    let key = old.key().public().thumbprint();
    Err(Failure::new(Exit::Usage, session.screen.lang.rotation_orphans(below.join(", "), key)))
}

/// Writes what an issuer elsewhere needs, and says what to ask for.
fn request(
    session: Session<'_>,
    args: &TrustRotate,
    old: &Identity,
    key: &SigningKey,
    out: &Path,
) -> Outcome {
    let (screen, lang) = (session.screen, session.screen.lang);
    files::replace_public(lang, out, &files::public_pem(key.public()))?;
    let claims = old.chain().leaf().claims();
    let grants: Vec<String> =
        claims.grants.iter().map(|one| format!("--grant {}", grant::show(one))).collect();
    let thumbprint = key.public().thumbprint();
    if screen.json {
        return screen.object(&serde_json::json!({
            "type": "rotation_request", "identity": args.name, "plane": claims.plane, "key": thumbprint,
            "file": out, "org": claims.org, "title": claims.name, "grants": claims.grants,
        }));
    }
    screen.line(&lang.new_key(claims.plane, thumbprint))?;
    let exercise = if claims.plane == Plane::Exercise { " --exercise" } else { "" };
    let shown = out.display();
    screen.line(&format!(
        "vigie trust grant --key {shown} --out {}.chain --org {} --name {:?} {}{exercise}",
        args.name,
        claims.org,
        claims.name,
        grants.join(" ")
    ))?;
    screen.say(&lang.rotation_requested(shown, escape(&args.name)));
    Ok(())
}

/// The chain that an issuer elsewhere sent: of the new key, and of the same organisation and name.
fn answered(session: Session<'_>, answer: &Path, old: &Identity, key: &SigningKey) -> Result<Chain, Failure> {
    let (lang, roots) = (session.screen.lang, session.context()?.roots().clone());
    let tokens = files::read_chain(lang, answer)?;
    let refused = |refusal: Refusal| {
        Failure::new(
            Exit::VerificationFailed,
            lang.chain_refused(answer.display(), refusal_text(lang, &refusal)),
        )
    };
    let chain = Chain::verify(tokens.iter().map(String::as_str), &roots, &NoVerdicts).map_err(refused)?;
    chain.judge(time::now()).map_err(refused)?;
    if chain.key() != key.public() {
        return Err(Failure::new(Exit::VerificationFailed, lang.answer_of_another_key(answer.display())));
    }
    let (new, before) = (chain.leaf().claims(), old.chain().leaf().claims());
    if (&new.org, &new.name, new.plane) != (&before.org, &before.name, before.plane) {
        let (new, before) = (who(new), who(before));
        return Err(Failure::new(Exit::VerificationFailed, lang.answer_of_another_name(new, before)));
    }
    Ok(chain)
}

fn who(claims: &Claims) -> String {
    format!("{} ({}, {})", escape(&claims.name), claims.org, claims.plane)
}

/// The same claims over the new key, by an issuer of this context.
fn certified(
    session: Session<'_>,
    args: &TrustRotate,
    by: &Identity,
    old: &Identity,
    key: &SigningKey,
) -> Result<Chain, Failure> {
    let (lang, now, before) = (session.screen.lang, time::now(), old.chain().leaf().claims());
    let valid = match args.days {
        None => authority::window_inside(by.chain(), now, default_lifetime(&before.grants)),
        Some(days) => Window {
            from: now.minus(CLOCK_SKEW_MAX).max(by.chain().window().from),
            until: now.plus(time::DAY.saturating_mul(u32::try_from(days).unwrap_or(u32::MAX))),
        },
    };
    let claims = Claims { subject: *key.public(), valid, ..before.clone() };
    by.chain().extend(by.key(), &claims).map_err(|refusal| {
        let mut told = refusal_text(lang, &refusal);
        if refusal.code == Code::ExceedsParent {
            for line in super::excess(lang, &claims, by.chain().leaf().claims()) {
                told.push_str(&format!("\n   {line}"));
            }
        }
        Failure::new(Exit::Refused, told)
    })
}

/// Sends what waits for the old key. Returns the folder of its queue, to be put aside.
fn send_queue<P: OnPlane>(
    session: Session<'_>,
    args: &TrustRotate,
    old: &Identity,
) -> Result<Option<PathBuf>, Failure> {
    let (screen, lang) = (session.screen, session.screen.lang);
    let dir = session.folder()?.join("outbox").join(&args.name).join(P::PLANE.to_string());
    if !dir.is_dir() {
        return Ok(None);
    }
    let client = client_of::<P>(session, old.clone(), args.wait)?;
    let outbox = Outbox::open(&dir, &client).map_err(|error| queue::failed(lang, &error))?;
    let is_open = |state: &OutboxState| !matches!(state, OutboxState::Stored(_));
    if !outbox.entries().is_empty() {
        session.block_on(async {
            let driver = outbox.drive();
            // What is left when the time is over is told below.
            let _ = tokio::time::timeout(args.wait, outbox.spread()).await;
            driver.stop().await;
            Ok(())
        })?;
    }
    let left = outbox.entries().iter().filter(|entry| is_open(&entry.state)).count();
    if left > 0 && !args.leave_queue {
        return Err(Failure::new(Exit::Partial, lang.rotation_queue(left, escape(&args.name))));
    }
    if left > 0 {
        screen.warn(&lang.rotation_queue_left(left));
    }
    Ok(Some(dir))
}

fn tell(session: Session<'_>, args: &TrustRotate, plane: Plane, before: Option<(u32, &Identity)>) -> Outcome {
    let (screen, lang) = (session.screen, session.screen.lang);
    let new =
        session.context()?.identity(&args.name, plane).map_err(|error| session.context_failed(&error))?;
    let (leaf, key) = (new.chain().leaf(), new.key().public().thumbprint());
    let claims = leaf.claims();
    let former = before.map(|(number, old)| (number, old.key().public().thumbprint()));
    if screen.json {
        screen.object(&serde_json::json!({
            "type": "rotated", "identity": args.name, "plane": plane, "org": claims.org, "title": claims.name,
            "key": key, "credential": leaf.id(), "expires": claims.valid.until,
            "former": former.map(|(number, key)| serde_json::json!({ "number": number, "key": key })),
        }))?;
    } else {
        screen.line(&lang.rotated(escape(&args.name), key, who(claims), time::date(claims.valid.until)))?;
        if let Some((number, key)) = former {
            screen.line(&format!("   {}", lang.former_kept(number, key)))?;
        }
    }
    screen.say(&lang.rotated_next());
    if !args.revoke_old
        && let Some((_, key)) = former
    {
        screen.say(&lang.rotated_old_holds(key));
    }
    Ok(())
}

impl Why for TrustRotate {
    fn from(&self) -> Timestamp {
        self.from.at(time::now())
    }

    fn reason(&self) -> Option<Reason> {
        Some(self.reason.unwrap_or(Reason::Superseded))
    }
}

/// By the issuer that certified the new key, or else by the old key itself.
fn revoke_old<P: OnPlane>(
    session: Session<'_>,
    args: &TrustRotate,
    old: Identity,
    by: Option<Identity>,
) -> Outcome {
    let meant = Meant {
        target: Target::Key(old.key().public().thumbprint()),
        chain: Some(Arc::clone(old.chain())),
        name: None,
    };
    let client = client_of::<P>(session, by.unwrap_or(old), args.wait)?;
    let mut kept = Kept::open(session, client.config().identity.chain().leaf().id())?;
    revoke::end(session, &client, &mut kept, &meant, args)
}
