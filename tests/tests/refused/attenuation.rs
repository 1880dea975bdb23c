//! A credential never exceeds the one above it, in any dimension.

use serde_json::{Value, json};
use vigie_proto::refusal::Code::ExceedsParent;

use crate::case::{Case, chain, chain_in};
use crate::forge::ChainDraft;

fn leaf_grants(draft: &mut ChainDraft) -> &mut Value {
    &mut draft.leaf().claims["grants"]
}

fn parent_grants(draft: &mut ChainDraft) -> &mut Value {
    &mut draft.parent().claims["grants"]
}

/// Parent and leaf speak of alerts only.
fn alerts_only(draft: &mut ChainDraft) {
    for link in &mut draft.links[1..] {
        link.claims["grants"].as_array_mut().unwrap().truncate(1);
    }
}

pub(crate) const CASES: &[Case] = &[
    chain("another plane", ExceedsParent, |draft| {
        draft.leaf().claims["plane"] = "exercise".into();
        draft.leaf().header["typ"] = "vigie-credential-exercise-v1".into();
    }),
    chain("an organisation beside the parent's", ExceedsParent, |draft| {
        draft.leaf().claims["org"] = "fr.croix-rouge".into();
    }),
    chain("the organisation above the parent's", ExceedsParent, |draft| {
        draft.leaf().claims["org"] = "fr".into()
    }),
    chain("an organisation whose name begins like the parent's", ExceedsParent, |draft| {
        draft.leaf().claims["org"] = "fr.etat-civil".into();
    }),
    chain_in("a flow that the parent does not have", ExceedsParent, alerts_only, |draft| {
        leaf_grants(draft)[0]["flow"] = "signal".into();
    }),
    chain_in("one flow too many", ExceedsParent, alerts_only, |draft| {
        let signal = json!({"flow": "signal", "at": "fr.idf.75.paris", "publish": "Minor"});
        leaf_grants(draft).as_array_mut().unwrap().push(signal);
    }),
    chain("a place beside the parent's", ExceedsParent, |draft| {
        leaf_grants(draft)[0]["at"] = "fr.naq.33".into()
    }),
    chain("the place above the parent's", ExceedsParent, |draft| leaf_grants(draft)[0]["at"] = "fr".into()),
    chain("a place whose name begins like the parent's", ExceedsParent, |draft| {
        leaf_grants(draft)[0]["at"] = "fr.idf-nord".into();
    }),
    chain("a higher severity", ExceedsParent, |draft| leaf_grants(draft)[0]["publish"] = "Extreme".into()),
    chain_in(
        "publishes below a parent that only hears",
        ExceedsParent,
        |draft| {
            for link in &mut draft.links[1..] {
                let grant = link.claims["grants"][0].as_object_mut().unwrap();
                grant.remove("publish");
            }
        },
        |draft| leaf_grants(draft)[0]["publish"] = "Minor".into(),
    ),
    chain("hears below a parent that only publishes", ExceedsParent, |draft| {
        leaf_grants(draft)[1]["subscribe"] = true.into();
    }),
    chain_in(
        "delegates as deep as its parent",
        ExceedsParent,
        |draft| leaf_grants(draft)[0]["delegate"] = 6.into(),
        |draft| leaf_grants(draft)[0]["delegate"] = 7.into(),
    ),
    chain("begins a millisecond before its parent", ExceedsParent, |draft| {
        draft.leaf().shift("not_before", -1)
    }),
    chain("ends a millisecond after its parent", ExceedsParent, |draft| draft.leaf().shift("expires", 1)),
    chain("its parent may not delegate at all", ExceedsParent, |draft| {
        for grant in parent_grants(draft).as_array_mut().unwrap() {
            grant["delegate"] = 0.into();
        }
        // Nothing that could exceed in another way.
        *leaf_grants(draft) = json!([]);
    }),
    chain("its parent may not delegate one of the grants", ExceedsParent, |draft| {
        parent_grants(draft)[1].as_object_mut().unwrap().remove("delegate");
    }),
    chain("its parent is a relay", ExceedsParent, |draft| draft.parent().claims["role"] = "relay".into()),
    chain_in(
        "one grant that only two of the parent's cover together",
        ExceedsParent,
        |draft| {
            *parent_grants(draft) = json!([
                {"flow": "alert", "at": "fr.idf", "publish": "Severe", "delegate": 6},
                {"flow": "alert", "at": "fr.idf", "subscribe": true, "delegate": 6},
            ]);
            *leaf_grants(draft) = json!([
                {"flow": "alert", "at": "fr.idf.75.paris", "publish": "Severe"},
                {"flow": "alert", "at": "fr.idf.75.paris", "subscribe": true},
            ]);
        },
        |draft| {
            let both =
                json!({"flow": "alert", "at": "fr.idf.75.paris", "publish": "Severe", "subscribe": true});
            *leaf_grants(draft) = json!([both]);
        },
    ),
    chain_in(
        "a link in the middle exceeds the root",
        ExceedsParent,
        |draft| draft.lengthen(4),
        |draft| draft.links[1].claims["grants"][0]["at"] = "ml".into(),
    ),
];
