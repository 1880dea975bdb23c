//! What `explain` says is what the judging functions do: over every combination of a small world.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Channel, Filter, Flow, Jurisdiction, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::explain::{self, Rule};
use vigie_proto::hear::{Reader, Said, may_hear};
use vigie_proto::key::SigningKey;
use vigie_proto::label::Audience;
use vigie_proto::refusal::Code;
use vigie_proto::revocation::{self, InForce, Revocations, Statement, Target};
use vigie_proto::severity::Severity;
use vigie_proto::time::{Timestamp, Window};

const PLACES: [&str; 6] = ["a", "a.b", "a.b.c", "a.bb", "a.b.d", "x"];
const ORGS: [&str; 3] = ["o", "o.p", "o.p.q"];

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn place(text: &str) -> Jurisdiction {
    text.parse().unwrap()
}

fn claims(key: &SigningKey, org: &str, role: Role, grants: Vec<Grant>, plane: Plane, until: u64) -> Claims {
    let valid = Window { from: at(1_000), until: at(until) };
    Claims { subject: *key.public(), org: place(org), name: "x".to_owned(), role, grants, plane, valid }
}

fn grant(flow: Flow, here: &str, publish: Option<Severity>, subscribe: bool, delegate: u8) -> Grant {
    Grant { flow, at: place(here), publish, subscribe, delegate }
}

struct World {
    root: SigningKey,
    roots: Roots,
    tops: [Chain; 2],
    leaf: SigningKey,
}

impl World {
    fn new() -> Self {
        let [root, leaf] = [[101; 32], [102; 32]].map(|seed| SigningKey::from_seed(&seed).unwrap());
        let roots = Roots::new([root.public().thumbprint()]);
        let tops = [Plane::Live, Plane::Exercise].map(|plane| {
            let wide = |flow, here| grant(flow, here, Some(Severity::Extreme), true, 3);
            let all =
                [Flow::Alert, Flow::Signal].into_iter().flat_map(|flow| [wide(flow, "a"), wide(flow, "x")]);
            let top = claims(&root, "o", Role::Author, all.collect(), plane, 10_000);
            let top = Credential::issue_root(&root, &top).unwrap();
            Chain::verify([&**top.token()], &roots, &NoVerdicts).unwrap()
        });
        Self { root, roots, tops, leaf }
    }

    fn leaf(&self, plane: Plane, org: &str, role: Role, grants: Vec<Grant>, until: u64) -> Chain {
        let top = &self.tops[usize::from(plane == Plane::Exercise)];
        top.extend(&self.root, &claims(&self.leaf, org, role, grants, plane, until)).unwrap()
    }

    /// Leaves of many kinds.
    fn leaves(&self) -> Vec<Chain> {
        let mut leaves = Vec::new();
        for plane in [Plane::Live, Plane::Exercise] {
            for flow in [Flow::Alert, Flow::Signal] {
                for here in PLACES {
                    for (publish, subscribe) in
                        [(None, true), (Some(Severity::Moderate), false), (Some(Severity::Extreme), true)]
                    {
                        let grants = vec![grant(flow, here, publish, subscribe, 0)];
                        leaves.push(self.leaf(plane, "o.p", Role::Author, grants, 10_000));
                    }
                }
            }
            for org in ORGS {
                let both = vec![
                    grant(Flow::Alert, "a.b", None, true, 0),
                    grant(Flow::Signal, "x", Some(Severity::Minor), true, 0),
                ];
                leaves.push(self.leaf(plane, org, Role::Author, both, 5_000));
            }
            leaves.push(self.leaf(plane, "o", Role::Relay, Vec::new(), 10_000));
        }
        leaves
    }

    /// None, and one that meets every leaf of a key.
    fn revocations(&self, plane: Plane) -> [Revocations; 2] {
        let top = Arc::new(self.tops[usize::from(plane == Plane::Exercise)].clone());
        let target = Target::Key(self.leaf.public().thumbprint());
        let statement = Statement { target, from: at(2_000), number: 1, reason: None };
        let token = revocation::sign(&self.root, top.leaf(), &statement);
        let mut revoked = Revocations::default();
        revoked.insert(InForce::from(&revocation::verify(&token, &top).unwrap()));
        [Revocations::default(), revoked]
    }
}

fn channels() -> Vec<Channel> {
    let mut all = Vec::new();
    for plane in [Plane::Live, Plane::Exercise] {
        for flow in [Flow::Alert, Flow::Signal] {
            all.extend(PLACES.iter().map(|here| Channel { plane, flow, at: place(here) }));
        }
    }
    all
}

/// Log-in, as a relay judges it.
fn stands(chain: &Chain, now: Timestamp, revocations: &Revocations) -> bool {
    chain.judge(now).is_ok()
        && revocations.revoked(chain).is_none()
        && chain.leaf().claims().role == Role::Author
}

#[test]
fn what_is_explained_is_what_is_judged() {
    let world = World::new();
    let (mut asked, mut allowed) = (0_u32, 0_u32);
    let audiences = [
        Audience::EVERYONE,
        Audience::named([place("o.p")], false).unwrap(),
        Audience::named([place("o.p")], true).unwrap(),
    ];
    for chain in world.leaves() {
        for revocations in world.revocations(chain.plane()) {
            for now in [at(500), at(2_000), at(7_000), at(10_000)] {
                let stands = stands(&chain, now, &revocations);
                for channel in channels() {
                    let on_plane = channel.plane == chain.plane();
                    for severity in [Severity::Minor, Severity::Severe, Severity::Extreme] {
                        let told = explain::publish(&chain, &channel, severity, now, &revocations);
                        let may = chain.may_publish(channel.flow, &channel.at, severity).is_ok();
                        assert_eq!(explain::first(&told).is_none(), stands && on_plane && may, "{told:?}");
                        for audience in &audiences {
                            let said = Said { channel: &channel, severity, audience };
                            let told = explain::hear(&chain, said, now, &revocations);
                            // The widest that it may ask for: everywhere, with and without what is below.
                            let hears = PLACES.iter().any(|here| {
                                [false, true].into_iter().any(|subtree| {
                                    let here = Channel { at: place(here), ..channel.clone() };
                                    let filter = Filter { channel: here, subtree };
                                    Reader::new(&chain, vec![filter])
                                        .is_ok_and(|reader| may_hear(&reader, said))
                                })
                            });
                            assert_eq!(explain::first(&told).is_none(), stands && hears, "{said:?} {told:?}");
                            asked += 1;
                            allowed += u32::from(stands && hears);
                        }
                    }
                    for subtree in [false, true] {
                        let filter = Filter { channel: channel.clone(), subtree };
                        let told = explain::subscribe(&chain, &filter, now, &revocations);
                        let may = Reader::new(&chain, vec![filter]);
                        assert_eq!(explain::first(&told).is_none(), stands && may.is_ok(), "{told:?}");
                    }
                }
            }
        }
    }
    assert!(allowed > 1_000 && asked > 10 * allowed, "{allowed} of {asked}");
}

#[test]
fn every_link_is_told_and_the_first_failure_is_that_of_verify() {
    let world = World::new();
    let other = World { root: SigningKey::from_seed(&[103; 32]).unwrap(), ..World::new() };
    let good =
        world.leaf(Plane::Live, "o.p", Role::Author, vec![grant(Flow::Alert, "a", None, true, 0)], 9_000);
    let tokens: Vec<&str> = good.links().iter().map(|link| &**link.token()).collect();
    let (chain, told) = explain::chain(&tokens, &world.roots);
    assert!(chain.is_ok() && explain::first(&told).is_none(), "{told:?}");
    assert_eq!(told.iter().filter(|finding| finding.rule == Rule::Signature).count(), 2);
    // Everything wrong at once: nobody's root, another's signature, more than the parent has, and no credential.
    let forged = Credential::issue_below(
        &other.root,
        &claims(
            &world.leaf,
            "z",
            Role::Author,
            vec![grant(Flow::Alert, "x.y", None, true, 9)],
            Plane::Live,
            99_000,
        ),
        good.links()[0].as_ref(),
    )
    .unwrap();
    let forged_tokens = [tokens[0], forged.token(), "nothing", tokens[1]];
    for roots in [&world.roots, &Roots::default()] {
        let (chain, told) = explain::chain(&forged_tokens, roots);
        assert_eq!(explain::first(&told).unwrap().code, chain.unwrap_err().code, "{told:?}");
        let failed: Vec<(Rule, Code)> =
            told.iter().filter_map(|one| Some((one.rule, one.refusal.as_ref()?.code))).collect();
        for wanted in [
            (Rule::Signature, Code::BadSignature),
            (Rule::Attenuation, Code::ExceedsParent),
            (Rule::Form, Code::MalformedToken),
        ] {
            assert!(failed.contains(&wanted), "{failed:?}");
        }
    }
}

/// Programs know a rule by its name, and take none that they do not know for another.
#[test]
fn a_rule_is_read_back_from_its_name() {
    for (rule, name) in [
        (Rule::Form, "form"),
        (Rule::Parent, "parent"),
        (Rule::Key, "key"),
        (Rule::Signature, "signature"),
        (Rule::Attenuation, "attenuation"),
        (Rule::Root, "root"),
        (Rule::Time, "time"),
        (Rule::Revocation, "revocation"),
        (Rule::Role, "role"),
        (Rule::Plane, "plane"),
        (Rule::Grant, "grant"),
        (Rule::Audience, "audience"),
    ] {
        assert_eq!(rule.to_string(), name);
        assert_eq!(serde_json::to_value(rule).unwrap(), name);
        assert_eq!(serde_json::from_value::<Rule>(name.into()).unwrap(), rule);
    }
    let later = serde_json::from_str::<Rule>("\"weather\"");
    assert!(later.unwrap_err().to_string().contains("not a rule of this version"));
}
