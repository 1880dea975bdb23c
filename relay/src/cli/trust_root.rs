//! `vigie trust root`: makes a root on a machine that stays offline, hands over from one to the next, and says what such a
//! file is worth.
//!
//! The private key of a root is read for two things only: to issue (`vigie trust grant --authority`) and to hand over.
//! Nothing here needs a context or a network; certs/CEREMONY.md leads through it, and a test follows that page.

pub(super) mod args;

use std::path::Path;

use vigie_client::Identity;
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::Plane;
use vigie_proto::credential::{Credential, Issuer};
use vigie_proto::id::KeyId;
use vigie_proto::limits::CLOCK_SKEW_MAX;
use vigie_proto::rotation::{self, Handover, Rotation};

use self::args::{RootCommand, RootNew, RootRotate};
use super::authority;
use super::channels;
use super::exit::{Exit, Failure, Outcome, refusal_text};
use super::files;
use super::render;
use super::screen::{Screen, Tone, escape};
use super::session::Session;
use super::text::Lang;
use super::time;

pub(super) fn run(session: Session<'_>, command: &RootCommand) -> Outcome {
    match command {
        RootCommand::New(args) => new(session.screen, args),
        RootCommand::Rotate(args) => rotate(session, args),
        RootCommand::Show(args) => show(session, &args.file),
    }
}

/// The root whose key and chain lie in a folder. Offline, without a context, its holder has nothing to pin but itself.
pub(super) fn open(session: Session<'_>, folder: &Path, plane: Plane) -> Result<Identity, Failure> {
    let lang = session.screen.lang;
    let key = folder.join(format!("root-{plane}.key.pem"));
    let chain = folder.join(format!("root-{plane}.chain"));
    let roots = match session.global.context {
        Some(_) => session.context()?.roots().clone(),
        None => Roots::new([files::read_key(lang, &key)?.public().thumbprint()]),
    };
    Identity::load(&key, &chain, &roots)
        .map_err(|error| Failure::new(Exit::Configuration, escape(&lang.identity_error(&error))))
}

fn new(screen: &Screen, args: &RootNew) -> Outcome {
    let (plane, lang) = (channels::plane(args.exercise), screen.lang);
    let screen = screen.on(plane);
    let new = files::new_key(lang)?;
    let chain = authority::make_root(&new.key, &args.at, &args.name, plane, time::now())
        .map_err(|refusal| Failure::refused(lang, &refusal))?;
    files::create_folder(lang, &args.out)?;
    let key = args.out.join(format!("root-{plane}.key.pem"));
    files::create_secret(lang, &key, &new.pem)?;
    files::create_public(lang, &args.out.join(format!("root-{plane}.pub.pem")), &new.public_pem)?;
    let file = args.out.join(format!("root-{plane}.chain"));
    files::create_public(lang, &file, &files::chain_text(&chain))?;
    let root = chain.leaf();
    if screen.json {
        return screen.object(&serde_json::json!({
            "type": "root", "plane": plane, "thumbprint": root.key_id(), "credential": root.id(),
            "expires": root.claims().valid.until, "file": file, "key": key,
        }));
    }
    screen.line(&lang.root_made(plane, escape(&args.name)))?;
    tell(&screen, root)?;
    screen.say(&lang.root_next(key.display()));
    Ok(())
}

/// What is compared with the paper.
fn tell(screen: &Screen, root: &Credential) -> Outcome {
    let (lang, valid) = (screen.lang, root.claims().valid);
    screen.line(&lang.root_thumbprint(root.key_id()))?;
    screen.line(&lang.on_paper(groups(root.key_id())))?;
    screen.line(&lang.root_valid(time::date(valid.from), time::date(valid.until)))
}

/// In groups of four, to be read aloud and written down.
fn groups(thumbprint: KeyId) -> String {
    let characters: Vec<char> = thumbprint.to_string().chars().collect();
    characters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

fn rotate(session: Session<'_>, args: &RootRotate) -> Outcome {
    let (plane, lang) = (channels::plane(args.exercise), session.screen.lang);
    let screen = session.screen.on(plane);
    let old = open(session, &args.authority, plane)?;
    let successor = root_of(lang, &args.to)?;
    if successor.claims().plane != plane {
        return Err(Failure::new(Exit::Usage, lang.other_plane(args.to.display(), plane)));
    }
    let now = time::now();
    let handover = Handover {
        successor: successor.claims().subject,
        from: now.minus(CLOCK_SKEW_MAX),
        until: Some(now.plus(args.overlap)),
    };
    let refused = |refusal| Failure::refused(lang, &refusal);
    let rotation = rotation::sign(old.key(), plane, &handover).map_err(refused)?;
    files::create_public(lang, &args.out, &format!("{}\n", rotation.token()))?;
    screen.say(&lang.rotation_written(args.out.display()));
    show_rotation(&screen, &rotation)?;
    screen.say(&lang.rotation_next());
    Ok(())
}

/// The one credential of a chain file, if it is a root that its own key has signed.
fn root_of(lang: Lang, path: &Path) -> Result<Credential, Failure> {
    let not_one = || Failure::new(Exit::Configuration, lang.not_a_root(path.display()));
    let tokens = files::read_chain(lang, path)?;
    let [token] = &tokens[..] else { return Err(not_one()) };
    let refused = |refusal| Failure::new(Exit::VerificationFailed, refusal_text(lang, &refusal));
    let root = Credential::parse(token).map_err(refused)?;
    let Issuer::Itself(key) = root.issuer() else { return Err(not_one()) };
    // Signed by its own key, and by none that everybody has.
    Chain::verify([token.as_str()], &Roots::new([key]), &NoVerdicts).map_err(refused)?;
    Ok(root)
}

fn show(session: Session<'_>, path: &Path) -> Outcome {
    let lang = session.screen.lang;
    let tokens = files::read_chain(lang, path)?;
    let rotations: Result<Vec<Rotation>, _> = tokens.iter().map(|token| Rotation::parse(token)).collect();
    match rotations {
        Ok(rotations) if !rotations.is_empty() => {
            rotations.iter().try_for_each(|rotation| show_one(session, rotation))
        }
        // A file of one credential is no faulty rotation.
        Err(_) if tokens.len() == 1 && Credential::parse(&tokens[0]).is_ok() => {
            show_root(session, &root_of(lang, path)?)
        }
        Err(refusal) => Err(Failure::new(Exit::VerificationFailed, refusal_text(lang, &refusal))),
        Ok(_) => Err(Failure::new(Exit::Configuration, lang.not_a_root(path.display()))),
    }
}

fn show_root(session: Session<'_>, root: &Credential) -> Outcome {
    let plane = root.claims().plane;
    let (screen, lang) = (session.screen.on(plane), session.screen.lang);
    let here = match &session.global.context {
        None => None,
        Some(_) => {
            Some(session.context()?.roots().succession(root.key_id(), plane).map(|how| how.before().len()))
        }
    };
    if screen.json {
        return screen.object(&serde_json::json!({
            "type": "root", "plane": plane, "thumbprint": root.key_id(), "credential": root.id(),
            "name": root.claims().name, "org": root.claims().org, "expires": root.claims().valid.until,
            "trusted": here.map(|here| here.is_some()),
        }));
    }
    let name = screen.paint(Tone::Strong, &escape(&root.claims().name));
    screen.line(&format!("{name} ({})  {plane}", root.claims().org))?;
    tell(&screen, root)?;
    screen.line(&match here {
        None => lang.signed_by_itself(),
        Some(None) => lang.is_not_pinned_here(),
        Some(Some(0)) => lang.is_pinned_here(),
        Some(Some(_)) => lang.is_successor_here(),
    })
}

fn show_one(session: Session<'_>, rotation: &Rotation) -> Outcome {
    let (screen, lang) = (session.screen.on(rotation.plane()), session.screen.lang);
    show_rotation(&screen, rotation)?;
    if screen.json {
        return Ok(());
    }
    if session.global.context.is_none() {
        return screen.line(&lang.signed_by_root());
    }
    let mut roots = session.context()?.roots().clone();
    screen.line(&match roots.learn(rotation.clone()) {
        Ok(_) if roots.rotations().any(|held| held.token() == rotation.token()) => lang.counts_here(),
        Ok(_) => lang.counts_not_here(lang.another_is_installed()),
        Err(refusal) => lang.counts_not_here(refusal_text(lang, &refusal)),
    })
}

fn show_rotation(screen: &Screen, rotation: &Rotation) -> Outcome {
    if screen.json {
        let handover = rotation.handover();
        return screen.object(&serde_json::json!({
            "type": "rotation", "plane": rotation.plane(), "root": rotation.root_id(),
            "successor": rotation.successor_id(), "from": handover.from, "until": handover.until,
            "id": rotation.id(), "jws": **rotation.token(),
        }));
    }
    screen.line(&render::rotation(screen.lang, rotation))?;
    screen.line(&screen.lang.on_paper(groups(rotation.root_id())))?;
    screen.line(&screen.lang.on_paper(groups(rotation.successor_id())))
}
