//! `vigie identity`: keys of one's own, and what the credentials over them say.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use vigie_client::{Context, ContextError};
use vigie_proto::channel::Plane;

use super::args::{IdentityCommand, IdentityNew, IdentityShow};
use super::ends;
use super::exit::{Exit, Failure, Outcome, refusal_text};
use super::files;
use super::init::PLANES;
use super::screen::{Screen, Tone, escape};
use super::session::Session;
use super::time;
use super::trust::grant_list;

/// The folder of identities in a context that `vigie init` made, and the only one that is written to.
const FOLDER: &str = "identities";
/// A name becomes a folder.
const NAME_CHARS_MAX: usize = 64;

pub(super) fn run(session: Session<'_>, command: &IdentityCommand) -> Outcome {
    match command {
        IdentityCommand::New(args) => new(session, args),
        IdentityCommand::Show(args) => show(session, args),
    }
}

/// The file of one identity on one plane, such as `live.chain`.
pub(super) fn file(session: Session<'_>, name: &str, plane: Plane, what: &str) -> Result<PathBuf, Failure> {
    let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(fits) {
        return Err(Failure::new(Exit::Usage, session.screen.lang.bad_name(escape(name))));
    }
    Ok(session.folder()?.join(FOLDER).join(name).join(format!("{plane}.{what}")))
}

fn new(session: Session<'_>, args: &IdentityNew) -> Outcome {
    let (screen, lang) = (session.screen, session.screen.lang);
    let wanted = |plane: &Plane| args.plane == "both" || args.plane == plane.as_str();
    let planes: Vec<Plane> = PLANES.into_iter().filter(wanted).collect();
    for plane in &planes {
        let secret = file(session, &args.name, *plane, "key.pem")?;
        if secret.exists() {
            return Err(Failure::new(Exit::Usage, lang.key_exists(secret.display())));
        }
    }
    for plane in planes {
        let screen = screen.on(plane);
        let new = files::new_key(lang)?;
        let secret = file(session, &args.name, plane, "key.pem")?;
        let public = file(session, &args.name, plane, "pub.pem")?;
        files::create_folder(lang, secret.parent().unwrap_or_else(|| Path::new(".")))?;
        files::create_secret(lang, &secret, &new.pem)?;
        files::replace_public(lang, &public, &new.public_pem)?;
        let thumbprint = new.key.public().thumbprint();
        if screen.json {
            screen.object(&serde_json::json!({
                "type": "identity", "name": args.name, "plane": plane, "key": thumbprint,
                "public_key": new.public_pem, "file": public,
            }))?;
        } else {
            screen.line(&lang.new_key(plane, thumbprint))?;
            screen.raw(&new.public_pem)?;
        }
        screen.say(&lang.send_public_key(public.display()));
    }
    Ok(())
}

fn show(session: Session<'_>, args: &IdentityShow) -> Outcome {
    let context = session.context()?;
    let known = context.identities().map_err(|error| session.context_failed(&error))?;
    let names: Vec<&String> = match &args.name {
        None => known.iter().collect(),
        Some(wanted) => known.iter().filter(|name| *name == wanted).collect(),
    };
    if let (Some(wanted), true) = (&args.name, names.is_empty()) {
        // Asked for only to have the failure with its suggestion.
        return match context.identity(wanted, Plane::Live) {
            Err(error) => Err(session.context_failed(&error)),
            Ok(_) => Ok(()),
        };
    }
    let (mut good, mut chains) = (0, Vec::new());
    for name in names {
        for plane in PLANES {
            good += u32::from(show_one(session.screen, &context, name, plane)?);
            chains.extend(context.identity(name, plane).ok().map(|one| Arc::clone(one.chain())));
        }
    }
    ends::warn_all(session.screen, chains.iter().map(|chain| &**chain));
    // A list shows what there is; who asks for one wants to use it.
    if args.name.is_some() && good == 0 { Err(Failure::quiet(Exit::Configuration)) } else { Ok(()) }
}

/// Returns whether it can be used now.
fn show_one(screen: &Screen, context: &Context, name: &str, plane: Plane) -> Result<bool, Failure> {
    let (screen, lang) = (&screen.on(plane), screen.lang);
    let identity = match context.identity(name, plane) {
        Ok(identity) => identity,
        Err(error) => return unusable(screen, name, plane, &error).map(|()| false),
    };
    let (leaf, now) = (identity.chain().leaf(), time::now());
    let (claims, fault) = (leaf.claims(), identity.chain().judge(now).err());
    let thumbprint = identity.key().public().thumbprint();
    if screen.json {
        screen.object(&serde_json::json!({
            "type": "identity", "name": name, "plane": plane, "key": thumbprint, "credential": leaf.id(),
            "org": claims.org, "title": claims.name, "grants": claims.grants,
            "not_before": claims.valid.from, "expires": claims.valid.until,
            "code": fault.as_ref().map(|fault| fault.code),
        }))?;
        return Ok(fault.is_none());
    }
    let days = claims.valid.until.since(now).as_secs() / time::DAY.as_secs();
    let state = match &fault {
        None => screen.paint(Tone::Good, &lang.days_left(days)),
        Some(refusal) => screen.paint(Tone::Bad, &refusal_text(lang, refusal)),
    };
    let name = screen.paint(Tone::Strong, &escape(name));
    screen.line(&format!("{name}  {plane}  {} ({})  {state}", escape(&claims.name), claims.org))?;
    screen.line(&format!("   {}  {thumbprint}", grant_list(&claims.grants)))?;
    Ok(fault.is_none())
}

/// Listing goes on past an identity that has no credential yet.
fn unusable(screen: &Screen, name: &str, plane: Plane, error: &ContextError) -> Outcome {
    let why = escape(&screen.lang.context_error(error));
    if screen.json {
        return screen.object(&serde_json::json!({
            "type": "identity", "name": name, "plane": plane, "unusable": why,
        }));
    }
    let word = screen.paint(Tone::Bad, &screen.lang.unusable());
    screen.line(&format!("{}  {plane}  {word}  {why}", escape(name)))
}
