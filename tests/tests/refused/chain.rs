//! Chains that are not believed: each at log-in, and given to a session of the same key.

use serde_json::{Value, json};
use vigie_proto::refusal::Code::{
    BadSignature, BrokenChain, CredentialExpired, CredentialNotYetValid, CredentialTooLarge, DuplicateMember,
    KeyRefused, MalformedCredential, MalformedToken, TestKey, TooManyLinks, UnknownMember, UnknownRoot,
    WrongPlane, WrongType,
};

use crate::case::{Case, chain, chain_in};
use crate::forge::{ChainDraft, HOUR_MS, Key, altered, base64, flip, remove};

fn claims(draft: &mut ChainDraft) -> &mut Value {
    &mut draft.leaf().claims
}

const MINUTE_MS: i64 = 60_000;

fn hour() -> i64 {
    i64::try_from(HOUR_MS).unwrap()
}

pub(crate) const CASES: &[Case] = &[
    // From a root, link by link.
    chain("the root is not pinned", UnknownRoot, |draft| draft.links[0].speak_of(Key::fresh())),
    chain("the root is left out", UnknownRoot, |draft| draft.edit = |links| links[1..].to_vec()),
    chain("the leaf alone", UnknownRoot, |draft| draft.edit = |links| links[2..].to_vec()),
    chain("a leaf that says that it is a root", UnknownRoot, |draft| {
        remove(claims(draft), "parent");
        let key = draft.leaf().key.clone();
        draft.leaf().header["kid"] = key.thumbprint().into();
        draft.leaf().signer = Some(key);
        draft.edit = |links| links[2..].to_vec();
    }),
    chain("a link is left out", BrokenChain, |draft| {
        draft.edit = |links| vec![links[0].clone(), links[2].clone()]
    }),
    chain("links in another order", BrokenChain, |draft| {
        draft.edit = |links| vec![links[0].clone(), links[2].clone(), links[1].clone()];
    }),
    chain("the leaf names another credential as its parent", BrokenChain, |draft| {
        let other = base64(&[7; 32]);
        claims(draft)["parent"] = other.clone().into();
        draft.leaf().header["kid"] = other.into();
    }),
    chain("the root stands twice", BrokenChain, |draft| {
        draft.edit = |links| [&links[..1], &links[..]].concat()
    }),
    chain("no link", TooManyLinks, |draft| draft.edit = |_| Vec::new()),
    chain_in("nine links", TooManyLinks, |draft| draft.lengthen(8), |draft| draft.lengthen(9)),
    chain("the leaf is signed by itself", BadSignature, |draft| {
        let key = draft.leaf().key.clone();
        draft.leaf().signer = Some(key);
    }),
    chain("the root is signed by somebody else", BadSignature, |draft| {
        draft.links[0].signer = Some(Key::fresh())
    }),
    chain("the parent is signed by somebody else", BadSignature, |draft| {
        draft.parent().signer = Some(Key::fresh())
    }),
    chain("one bit of the leaf's signature is turned over", BadSignature, |draft| {
        draft.leaf().edit_token = |token| flip(&token, 2, 40);
    }),
    chain("a claim is altered after it was signed", BadSignature, |draft| {
        draft.leaf().edit_token = |token| altered(&token, "Essai", "Essay");
    }),
    // Times, of any link.
    chain("the leaf has expired", CredentialExpired, |draft| draft.leaf().shift("expires", -hour() - 1_000)),
    chain("the parent, and so the leaf, has expired", CredentialExpired, |draft| {
        for link in &mut draft.links[1..] {
            link.shift("expires", -hour() - MINUTE_MS);
        }
    }),
    chain("the leaf begins in a minute", CredentialNotYetValid, |draft| {
        draft.leaf().shift("not_before", hour() + MINUTE_MS);
    }),
    chain("all links begin in a minute", CredentialNotYetValid, |draft| {
        for link in &mut draft.links {
            link.shift("not_before", 2 * hour() + MINUTE_MS);
        }
    }),
    // Keys.
    chain("the key of the leaf has order 4", KeyRefused, |draft| {
        claims(draft)["sub"]["x"] = base64(&[0; 32]).into()
    }),
    chain("the key of the leaf is the neutral element", KeyRefused, |draft| {
        let mut one = [0; 32];
        one[0] = 1;
        claims(draft)["sub"]["x"] = base64(&one).into();
    }),
    chain("the key of the parent has order 2", KeyRefused, |draft| {
        let mut minus_one = [0xff; 32];
        (minus_one[0], minus_one[31]) = (0xec, 0x7f);
        draft.parent().claims["sub"]["x"] = base64(&minus_one).into();
    }),
    chain("the key of the leaf is not canonically encoded", KeyRefused, |draft| {
        let mut above_the_prime = [0xff; 32];
        (above_the_prime[0], above_the_prime[31]) = (0xf0, 0x7f);
        claims(draft)["sub"]["x"] = base64(&above_the_prime).into();
    }),
    chain("everybody has the key of the leaf", TestKey, |draft| draft.leaf().speak_of(Key::published())),
    chain("everybody has the key of the parent", TestKey, |draft| draft.parent().speak_of(Key::published())),
    // Planes.
    chain("`typ` says exercise, the claims say live", WrongPlane, |draft| {
        draft.leaf().header["typ"] = "vigie-credential-exercise-v1".into();
    }),
    chain("the claims say exercise, `typ` says live", WrongPlane, |draft| {
        claims(draft)["plane"] = "exercise".into()
    }),
    // Form.
    chain("a credential of more than 1,280 bytes", CredentialTooLarge, |draft| {
        claims(draft)["ext"] = json!({"pad": "x".repeat(1_280)});
    }),
    chain("no organisation", MalformedCredential, |draft| remove(claims(draft), "org")),
    chain("an organisation in upper case", MalformedCredential, |draft| {
        claims(draft)["org"] = "FR.etat".into()
    }),
    chain_in(
        "a name of 65 bytes",
        MalformedCredential,
        |draft| claims(draft)["name"] = "é".repeat(32).into(),
        |draft| claims(draft)["name"] = format!("{}x", "é".repeat(32)).into(),
    ),
    chain_in(
        "seventeen grants",
        MalformedCredential,
        |draft| claims(draft)["grants"] = vec![json!({"flow": "alert", "at": "fr.idf"}); 16].into(),
        |draft| claims(draft)["grants"] = vec![json!({"flow": "alert", "at": "fr.idf"}); 17].into(),
    ),
    chain("a severity that CAP does not have", MalformedCredential, |draft| {
        claims(draft)["grants"][0]["publish"] = "Grave".into();
    }),
    chain("a flow that is reserved", MalformedCredential, |draft| {
        claims(draft)["grants"][0]["flow"] = "cell".into()
    }),
    chain("a negative depth", MalformedCredential, |draft| {
        claims(draft)["grants"][0]["delegate"] = (-1).into()
    }),
    chain("an end that is a text", MalformedCredential, |draft| claims(draft)["expires"] = "demain".into()),
    chain("a role that nobody knows", MalformedCredential, |draft| claims(draft)["role"] = "king".into()),
    chain("`null` for a member that may be absent", MalformedCredential, |draft| {
        claims(draft)["role"] = Value::Null
    }),
    chain("a key of 31 bytes", MalformedCredential, |draft| {
        claims(draft)["sub"]["x"] = base64(&[7; 31]).into()
    }),
    chain("a key of another curve", MalformedCredential, |draft| {
        claims(draft)["sub"]["crv"] = "X25519".into()
    }),
    chain("`kid` is not the parent", MalformedCredential, |draft| {
        draft.leaf().header["kid"] = base64(&[7; 32]).into()
    }),
    chain("no parent, and not a root", MalformedCredential, |draft| remove(claims(draft), "parent")),
    chain("the key as an array of its values", MalformedCredential, |draft| {
        let x = draft.leaf().key.x();
        claims(draft)["sub"] = json!(["Ed25519", "OKP", x]);
    }),
    chain("a claim that is not defined", UnknownMember, |draft| claims(draft)["admin"] = true.into()),
    chain("a right that is not defined", UnknownMember, |draft| {
        claims(draft)["grants"][0]["revoke"] = true.into()
    }),
    chain("a private half in the key", UnknownMember, |draft| {
        claims(draft)["sub"]["d"] = base64(&[7; 32]).into()
    }),
    chain("a header member too many", UnknownMember, |draft| draft.leaf().header["x5c"] = json!([])),
    chain("a claim given twice", DuplicateMember, |draft| {
        draft.leaf().edit_payload = |text| text.replacen('{', r#"{"name":"Prefet","#, 1);
    }),
    chain("a right given twice", DuplicateMember, |draft| {
        draft.leaf().edit_payload = |text| text.replacen(r#""flow":"#, r#""flow":"alert","flow":"#, 1);
    }),
    chain("a header member given twice", DuplicateMember, |draft| {
        draft.leaf().edit_header = |text| text.replacen('{', r#"{"alg":"EdDSA","#, 1);
    }),
    chain("no algorithm", MalformedToken, |draft| draft.leaf().header["alg"] = "none".into()),
    chain("no signature", MalformedToken, |draft| {
        draft.leaf().edit_token = |token| token.rsplit_once('.').unwrap().0.to_owned() + ".";
    }),
    chain("base64 with padding", MalformedToken, |draft| draft.leaf().edit_token = |token| token + "=="),
    chain("a message for a credential", WrongType, |draft| {
        draft.leaf().header["typ"] = "vigie-message-live-v1".into();
    }),
    chain("a credential of a later version", WrongType, |draft| {
        draft.leaf().header["typ"] = "vigie-credential-live-v2".into();
    }),
    chain("a revocation for a credential", WrongType, |draft| {
        draft.leaf().header["typ"] = "vigie-revocation-live-v1".into();
    }),
];
