//! `vigie trust`: issuing a credential below one's own, ending one, and reading a chain link by link.

pub(super) mod args;
mod carried;
mod door;
mod explain;
mod former;
mod kept;
mod known;
mod list;
mod revoke;
mod rotate;
mod target;

use std::path::Path;

use vigie_client::Identity;
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Flow, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Issuer, Role};
use vigie_proto::key::PublicKey;
use vigie_proto::limits::CLOCK_SKEW_MAX;
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::time::Window;

use super::args::{TrustCommand, TrustGrant, TrustShow};
use super::authority::{self, default_lifetime};
use super::channels;
use super::ends;
use super::exit::{Exit, Failure, Outcome, refusal_text};
use super::files;
use super::grant;
use super::identity;
use super::init::PLANES;
use super::screen::{Screen, Tone, escape};
use super::session::Session;
use super::text::Lang;
use super::time::{self, DAY};
use super::trust_root;

pub(super) fn run(session: Session<'_>, command: &TrustCommand) -> Outcome {
    match command {
        TrustCommand::Grant(args) => issue(session, args),
        TrustCommand::Show(args) => show(session, args),
        TrustCommand::Explain(args) => explain::run(session, args),
        TrustCommand::List(args) => list::run(session, args),
        TrustCommand::Rotate(args) => rotate::run(session, args),
        TrustCommand::Revoke(args) => revoke::revoke(session, args),
        TrustCommand::Send(args) => revoke::send(session, args),
        TrustCommand::Root { command } => trust_root::run(session, command),
    }
}

/// Grants as they are written, in one line.
pub(super) fn grant_list(grants: &[Grant]) -> String {
    grants.iter().map(grant::show).collect::<Vec<_>>().join("  ")
}

fn issue(session: Session<'_>, args: &TrustGrant) -> Outcome {
    let (screen, plane) = (session.screen, channels::plane(args.exercise));
    let grants = grants(screen.lang, args)?;
    let issuer = issuer(session, args.authority.as_deref(), plane)?;
    let subject = subject(session, args, plane)?;
    let now = time::now();
    let valid = match args.days {
        None => authority::window_inside(issuer.chain(), now, default_lifetime(&grants)),
        Some(days) => {
            let lifetime = DAY.saturating_mul(u32::try_from(days).unwrap_or(u32::MAX));
            let from = now.minus(CLOCK_SKEW_MAX).max(issuer.chain().window().from);
            Window { from, until: now.plus(lifetime) }
        }
    };
    let org = args.org.clone();
    let claims = Claims { subject, org, name: args.name.clone(), role: args.role, grants, plane, valid };
    let chain = issuer.chain().extend(issuer.key(), &claims).map_err(|refusal| {
        let mut told = refusal_text(screen.lang, &refusal);
        if refusal.code == Code::ExceedsParent {
            for line in excess(screen.lang, &claims, issuer.chain().leaf().claims()) {
                told.push_str(&format!("\n   {line}"));
            }
        }
        Failure::new(Exit::Refused, told)
    })?;
    write_chain(session, args, plane, &chain)
}

/// Who signs: the identity after `--as`, or the root in the folder after `--authority`.
fn issuer(session: Session<'_>, authority: Option<&Path>, plane: Plane) -> Result<Identity, Failure> {
    let issuer = match authority {
        Some(authority) => trust_root::open(session, authority, plane)?,
        None => session.identity(&session.context()?, plane)?,
    };
    ends::warn(&session.screen.on(plane), issuer.chain());
    Ok(issuer)
}

/// Whose key it is about.
fn subject(session: Session<'_>, args: &TrustGrant, plane: Plane) -> Result<PublicKey, Failure> {
    let lang = session.screen.lang;
    match (&args.key, &args.to) {
        (Some(path), _) => files::read_public_key(lang, path),
        (None, to) => {
            let path = identity::file(session, to.as_deref().unwrap_or_default(), plane, "key.pem")?;
            Ok(*files::read_key(lang, &path)?.public())
        }
    }
}

fn grants(lang: Lang, args: &TrustGrant) -> Result<Vec<Grant>, Failure> {
    let mut grants: Vec<Grant> = Vec::new();
    if let Some(at) = &args.at {
        let both = [Flow::Alert, Flow::Signal];
        let flows = if args.flow.is_empty() { &both[..] } else { &args.flow };
        let (publish, subscribe, delegate) = (args.publish, args.subscribe, args.delegate);
        let grant = |flow: &Flow| Grant { flow: *flow, at: at.clone(), publish, subscribe, delegate };
        grants.extend(flows.iter().map(grant));
    }
    grants.extend(args.grant.iter().map(|spec| spec.0.clone()));
    match (args.role, grants.is_empty()) {
        (Role::Relay, true) => Ok(grants),
        (Role::Relay, false) => Err(Failure::new(Exit::Usage, lang.relay_without_grants())),
        (_, true) => Err(Failure::new(Exit::Usage, lang.no_grants())),
        (_, false) => Ok(grants),
    }
}

/// Every dimension in which the claims are wider than the parent's. The first one that a relay would name is told by
/// the refusal; who asks wants to know all.
fn excess(lang: Lang, claims: &Claims, above: &Claims) -> Vec<String> {
    let mut lines = Vec::new();
    if !above.org.contains(&claims.org) {
        lines.push(lang.excess_org(&claims.org, &above.org));
    }
    if claims.valid.until > above.valid.until {
        lines.push(lang.excess_end(time::date(claims.valid.until), time::date(above.valid.until)));
    }
    if above.role == Role::Relay || above.grants.iter().all(|grant| grant.delegate == 0) {
        lines.push(lang.excess_delegate());
    }
    let uncovered =
        claims.grants.iter().filter(|grant| !above.grants.iter().any(|wider| wider.covers(grant)));
    lines.extend(uncovered.map(|asked| {
        let same_flow: Vec<Grant> =
            above.grants.iter().filter(|held| held.flow == asked.flow).cloned().collect();
        lang.excess_grant(grant::show(asked), grant_list(&same_flow))
    }));
    lines
}

fn write_chain(session: Session<'_>, args: &TrustGrant, plane: Plane, chain: &Chain) -> Outcome {
    let (screen, lang, text) = (session.screen.on(plane), session.screen.lang, files::chain_text(chain));
    let path = match (&args.to, &args.out) {
        (Some(name), _) => Some(identity::file(session, name, plane, "chain")?),
        (None, Some(path)) => Some(path.clone()),
        (None, None) => None,
    };
    let leaf = chain.leaf();
    let told =
        lang.granted(leaf.id(), time::date(leaf.claims().valid.until), rights(screen.lang, leaf.claims()));
    let Some(path) = path else {
        screen.say(&told);
        return screen.raw(&text);
    };
    let former = match &args.to {
        Some(name) if path.is_file() => keep_former(session, name, plane, &path)?,
        Some(_) | None => None,
    };
    files::replace_public(lang, &path, &text)?;
    screen.say(&lang.chain_written(path.display()));
    if let Some(number) = former {
        screen.say(&lang.former_chain_kept(number));
    }
    if screen.json {
        return screen.object(&serde_json::json!({
            "type": "granted", "credential": leaf.id(), "plane": plane, "expires": leaf.claims().valid.until,
            "file": path, "former": former,
        }));
    }
    screen.line(&told)
}

/// What a credential lets its holder do; that of a relay grants nothing, and says what it is.
fn rights(lang: Lang, claims: &Claims) -> String {
    if claims.role == Role::Relay { lang.role_relay() } else { grant_list(&claims.grants) }
}

/// Keeps the chain that is replaced under a number, as a rotation does. What is no chain is not kept.
fn keep_former(session: Session<'_>, name: &str, plane: Plane, path: &Path) -> Result<Option<u32>, Failure> {
    let tokens = files::read_chain(session.screen.lang, path)?;
    let leaf = tokens.last().and_then(|token| Credential::parse(token).ok());
    leaf.map(|leaf| former::keep(session, name, plane, leaf.id())).transpose()
}

fn show(session: Session<'_>, args: &TrustShow) -> Outcome {
    let lang = session.screen.lang;
    let path = Path::new(&args.target);
    if path.is_file() {
        let pinned = match &session.global.context {
            Some(_) => Some(session.context()?.roots().clone()),
            None => None,
        };
        return show_chain(session.screen, &files::read_chain(lang, path)?, pinned.as_ref());
    }
    let roots = session.context()?.roots().clone();
    let mut shown = false;
    for plane in PLANES.into_iter().filter(|plane| !args.exercise || *plane == Plane::Exercise) {
        let path = identity::file(session, &args.target, plane, "chain")?;
        if path.is_file() {
            let told = show_chain(session.screen, &files::read_chain(lang, &path)?, Some(&roots));
            list::show_former(session, &args.target, plane)?;
            told?;
            shown = true;
        }
    }
    if shown { Ok(()) } else { Err(Failure::new(Exit::Configuration, lang.no_chain(escape(&args.target)))) }
}

/// Prints every link, then what the chain as a whole is worth.
fn show_chain(screen: &Screen, tokens: &[String], pinned: Option<&Roots>) -> Outcome {
    let lang = screen.lang;
    let refused = |refusal: Refusal| Failure::new(Exit::VerificationFailed, refusal_text(lang, &refusal));
    let links = tokens.iter().map(|token| Credential::parse(token).map_err(refused));
    let links = links.collect::<Result<Vec<_>, _>>()?;
    for (depth, link) in links.iter().enumerate() {
        show_link(screen, depth, link)?;
    }
    // Without a context nothing is pinned; whether the links hold together can be told all the same.
    let own_root = links.first().and_then(|link| match link.issuer() {
        Issuer::Itself(key) => Some(key),
        Issuer::Parent(_) => None,
    });
    let own = Roots::new(own_root);
    let roots = pinned.unwrap_or(&own);
    let chain = Chain::verify(tokens.iter().map(String::as_str), roots, &NoVerdicts).map_err(refused)?;
    chain.judge(time::now()).map_err(refused)?;
    screen.say(&if pinned.is_some() { lang.chain_good() } else { lang.chain_consistent() });
    Ok(())
}

fn show_link(screen: &Screen, depth: usize, link: &Credential) -> Outcome {
    let (lang, claims) = (screen.lang, link.claims());
    if screen.json {
        return screen.object(&serde_json::json!({
            "type": "credential", "id": link.id(), "key": claims.subject.thumbprint(), "org": claims.org,
            "name": claims.name, "role": claims.role, "grants": claims.grants, "plane": claims.plane,
            "not_before": claims.valid.from, "expires": claims.valid.until, "jws": **link.token(),
        }));
    }
    let (screen, indent) = (screen.on(claims.plane), "  ".repeat(depth));
    let name = screen.paint(Tone::Strong, &escape(&claims.name));
    let role = if claims.role == Role::Relay { lang.role_relay() } else { String::new() };
    screen.line(format!("{indent}{name} ({}) {role}", claims.org).trim_end())?;
    let times = lang.valid(time::date(claims.valid.from), time::date(claims.valid.until));
    screen.line(&format!("{indent}  {times}  {}", grant_list(&claims.grants)))?;
    let (id, key) = (link.id(), claims.subject.thumbprint());
    screen.line(&format!("{indent}  {}", lang.link_ids(id, key)))
}
