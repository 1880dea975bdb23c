//! No credential exceeds the one above it: random chains, judged by the crate and by a model written from PROTOCOL.md
//! alone, which spells rights out as sets instead of comparing dimensions.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Flow, Jurisdiction, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::key::SigningKey;
use vigie_proto::refusal::Code;
use vigie_proto::severity::Severity;
use vigie_proto::time::{Timestamp, Window};

/// All places there are in this world. One name is a prefix of another, and one occurs at two depths.
const PLACES: [&str; 9] = ["fr", "fr.a", "fr.a.b", "fr.a.b.c", "fr.ab", "fr.ab.b", "fr.b", "frx", "frx.a"];
const FLOWS: [Flow; 2] = [Flow::Alert, Flow::Signal];
const MIDDLE: u64 = 1_000_000;

/// One thing that can be done, spelt out.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Right {
    /// To hold anything there at all.
    Stand(Flow, &'static str),
    Publish(Flow, &'static str, Severity),
    Subscribe(Flow, &'static str),
}

fn segments(place: &str) -> Vec<&str> {
    place.split('.').collect()
}

fn is_in(place: &str, above: &str) -> bool {
    segments(place).starts_with(&segments(above))
}

fn rights(grant: &Grant) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for place in PLACES.into_iter().filter(|place| is_in(place, grant.at.as_str())) {
        rights.insert(Right::Stand(grant.flow, place));
        if grant.subscribe {
            rights.insert(Right::Subscribe(grant.flow, place));
        }
        for severity in Severity::ALL {
            if grant.publish.is_some_and(|ceiling| severity <= ceiling) {
                rights.insert(Right::Publish(grant.flow, place, severity));
            }
        }
    }
    rights
}

/// Whether every moment at which the child is good is one of the parent's; times here are few, so both ends suffice.
fn model_allows(child: &Claims, parent: &Claims) -> bool {
    let from_one_grant = |grant: &Grant| {
        parent
            .grants
            .iter()
            .any(|wider| wider.delegate > grant.delegate && rights(grant).is_subset(&rights(wider)))
    };
    parent.plane == child.plane
        && parent.role == Role::Author
        && is_in(child.org.as_str(), parent.org.as_str())
        && child.valid.from >= parent.valid.from
        && child.valid.until <= parent.valid.until
        && parent.grants.iter().any(|grant| grant.delegate > 0)
        && child.grants.iter().all(from_one_grant)
}

fn any_place() -> impl Strategy<Value = Jurisdiction> {
    select(&PLACES[..]).prop_map(|place| place.parse().unwrap())
}

fn any_publish() -> impl Strategy<Value = Option<Severity>> {
    prop_oneof![Just(None), select(&Severity::ALL[..]).prop_map(Some)]
}

fn any_grant() -> impl Strategy<Value = Grant> {
    (select(&FLOWS[..]), any_place(), any_publish(), any::<bool>(), 0..4_u8)
        .prop_map(|(flow, at, publish, subscribe, delegate)| Grant { flow, at, publish, subscribe, delegate })
}

/// One change of one dimension of a child that was made to fit; each may carry it just over the limit.
#[derive(Clone, Debug)]
enum Change {
    Nothing,
    From(i64),
    Until(i64),
    Org(&'static str),
    Plane,
    At(usize, &'static str),
    Publish(usize, Option<Severity>),
    Subscribe(usize),
    Delegate(usize, u8),
    Flow(usize),
    More(Grant),
    NoGrants,
    Relay,
}

fn any_change() -> impl Strategy<Value = Change> {
    let which = 0..3_usize;
    prop_oneof![
        6 => Just(Change::Nothing),
        1 => (-1..=1_i64).prop_map(Change::From),
        1 => (-1..=1_i64).prop_map(Change::Until),
        1 => select(&PLACES[..]).prop_map(Change::Org),
        1 => Just(Change::Plane),
        2 => (which.clone(), select(&PLACES[..])).prop_map(|(grant, at)| Change::At(grant, at)),
        2 => (which.clone(), any_publish()).prop_map(|(grant, publish)| Change::Publish(grant, publish)),
        1 => which.clone().prop_map(Change::Subscribe),
        2 => (which.clone(), 0..4_u8).prop_map(|(grant, delegate)| Change::Delegate(grant, delegate)),
        1 => which.prop_map(Change::Flow),
        2 => any_grant().prop_map(Change::More),
        1 => Just(Change::NoGrants),
        1 => Just(Change::Relay),
    ]
}

fn shifted(at: Timestamp, by: i64) -> Timestamp {
    Timestamp::from_millis(at.as_millis().checked_add_signed(by).unwrap())
}

impl Change {
    fn apply(self, claims: &mut Claims) {
        fn grant(claims: &mut Claims, which: usize) -> Option<&mut Grant> {
            let count = claims.grants.len().max(1);
            claims.grants.get_mut(which % count)
        }
        match self {
            Self::Nothing => {}
            Self::From(by) => claims.valid.from = shifted(claims.valid.from, by),
            Self::Until(by) => claims.valid.until = shifted(claims.valid.until, by),
            Self::Org(org) => claims.org = org.parse().unwrap(),
            Self::Plane => claims.plane = Plane::Exercise,
            Self::At(which, at) => {
                if let Some(grant) = grant(claims, which) {
                    grant.at = at.parse().unwrap();
                }
            }
            Self::Publish(which, publish) => {
                if let Some(grant) = grant(claims, which) {
                    grant.publish = publish;
                }
            }
            Self::Subscribe(which) => {
                if let Some(grant) = grant(claims, which) {
                    grant.subscribe = !grant.subscribe;
                }
            }
            Self::Delegate(which, delegate) => {
                if let Some(grant) = grant(claims, which) {
                    grant.delegate = delegate;
                }
            }
            Self::Flow(which) => {
                if let Some(grant) = grant(claims, which) {
                    grant.flow = if grant.flow == Flow::Alert { Flow::Signal } else { Flow::Alert };
                }
            }
            Self::More(grant) => claims.grants.push(grant),
            Self::NoGrants => claims.grants.clear(),
            Self::Relay => claims.role = Role::Relay,
        }
    }
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number + 1; 32]).unwrap()
}

fn root_claims(grants: Vec<Grant>) -> Claims {
    Claims {
        subject: *key(0).public(),
        org: "fr".parse().unwrap(),
        name: "root".to_owned(),
        role: Role::Author,
        grants,
        plane: Plane::Live,
        valid: Window {
            from: Timestamp::from_millis(MIDDLE - 100),
            until: Timestamp::from_millis(MIDDLE + 100),
        },
    }
}

/// Claims from the root down, each the widest that fits below the one before it, and then changed.
fn any_claims() -> impl Strategy<Value = Vec<Claims>> {
    (prop::collection::vec(any_grant(), 1..4), prop::collection::vec(any_change(), 0..5)).prop_map(
        |(mut grants, changes)| {
            // Roots that may pass something on, or nearly all chains would end at once.
            for grant in &mut grants {
                grant.delegate += 2;
            }
            let mut all = vec![root_claims(grants)];
            for (depth, change) in changes.into_iter().enumerate() {
                let mut claims = all.last().unwrap().clone();
                claims.subject = *key(u8::try_from(depth).unwrap() + 1).public();
                claims.grants.retain(|grant| grant.delegate > 0);
                for grant in &mut claims.grants {
                    grant.delegate -= 1;
                }
                change.apply(&mut claims);
                all.push(claims);
            }
            all
        },
    )
}

/// Signs each below the one before it, whether it fits or not.
fn issue(all: &[Claims]) -> Vec<Credential> {
    let mut chain = vec![Credential::issue_root(&key(0), &all[0]).unwrap()];
    for (depth, claims) in all.iter().enumerate().skip(1) {
        let issuer = key(u8::try_from(depth - 1).unwrap());
        let link = Credential::issue_below(&issuer, claims, chain.last().unwrap()).unwrap();
        chain.push(link);
    }
    chain
}

fn verify(links: &[Credential]) -> Result<Chain, Code> {
    let roots = Roots::new([key(0).public().thumbprint()]);
    Chain::verify(links.iter().map(|link| &**link.token()), &roots, &NoVerdicts)
        .map_err(|refusal| refusal.code)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn chains_are_accepted_exactly_when_the_model_allows_each_link(all in any_claims()) {
        let allowed = all.windows(2).all(|pair| model_allows(&pair[1], &pair[0]));
        let verdict = verify(&issue(&all));
        if allowed {
            prop_assert!(verdict.is_ok(), "{verdict:?}");
        } else {
            prop_assert_eq!(verdict.err(), Some(Code::ExceedsParent));
        }
    }

    /// What the last link may do, every link above it may do: authority only shrinks on its way down.
    #[test]
    fn no_leaf_can_do_what_a_link_above_it_cannot(all in any_claims()) {
        let links = issue(&all);
        let Ok(chain) = verify(&links) else { return Ok(()) };
        for depth in 1..links.len() {
            let above = verify(&links[..depth]).unwrap();
            prop_assert!(above.window().covers(&chain.window()));
            for flow in FLOWS {
                for place in PLACES {
                    let place: Jurisdiction = place.parse().unwrap();
                    for severity in Severity::ALL {
                        let may = chain.may_publish(flow, &place, severity).is_ok();
                        prop_assert!(!may || above.may_publish(flow, &place, severity).is_ok());
                    }
                    let may = chain.may_subscribe(flow, &place).is_ok();
                    prop_assert!(!may || above.may_subscribe(flow, &place).is_ok());
                }
            }
        }
    }

    /// Issuing below a chain refuses exactly what checking it would refuse.
    #[test]
    fn what_is_issued_is_accepted_and_nothing_else(all in any_claims()) {
        let links = issue(&all);
        if links.len() < 2 {
            return Ok(());
        }
        let (parents, last) = (&links[..links.len() - 1], all.last().unwrap());
        let Ok(parent) = verify(parents) else { return Ok(()) };
        let issuer = key(u8::try_from(parents.len() - 1).unwrap());
        let issued = parent.extend(&issuer, last).map_err(|refusal| refusal.code);
        prop_assert_eq!(issued, verify(&links));
    }

    /// May publish, by the same sets.
    #[test]
    fn a_leaf_may_do_what_its_grants_spell_out(
        grants in prop::collection::vec(any_grant(), 0..4),
        flow in select(&FLOWS[..]),
        place in select(&PLACES[..]),
        severity in select(&Severity::ALL[..]),
    ) {
        let spelt_out: BTreeSet<Right> = grants.iter().flat_map(rights).collect();
        let chain = verify(&issue(&[root_claims(grants)])).unwrap();
        let at: Jurisdiction = place.parse().unwrap();
        let may = chain.may_publish(flow, &at, severity);
        prop_assert_eq!(may.is_ok(), spelt_out.contains(&Right::Publish(flow, place, severity)));
        let hears = chain.may_subscribe(flow, &at);
        prop_assert_eq!(hears.is_ok(), spelt_out.contains(&Right::Subscribe(flow, place)));
        // Which of the refusals it is.
        if let Err(refusal) = may {
            let here = spelt_out.contains(&Right::Publish(flow, place, Severity::Minor));
            let anywhere = PLACES.iter().any(|p| spelt_out.contains(&Right::Publish(flow, p, Severity::Minor)));
            let expected = match (here, anywhere) {
                (true, _) => Code::SeverityExceedsGrant,
                (false, true) => Code::OutOfJurisdiction,
                (false, false) => Code::NotGranted,
            };
            prop_assert_eq!(refusal.code, expected);
        }
    }
}

/// The generator reaches both verdicts often, so that neither side of the comparison is empty.
#[test]
fn the_generator_makes_chains_of_both_kinds() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut allowed, mut refused) = (0, 0);
    for _ in 0..500 {
        let all = any_claims().new_tree(&mut runner).unwrap().current();
        if all.len() < 3 {
            continue;
        }
        if all.windows(2).all(|pair| model_allows(&pair[1], &pair[0])) {
            allowed += 1;
        } else {
            refused += 1;
        }
    }
    assert!(allowed > 50 && refused > 50, "{allowed} allowed, {refused} refused");
}
