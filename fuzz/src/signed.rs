//! Keys that are known here, and tokens signed with them: so that a mutated claim reaches what judges claims.
//!
//! The text of a claim may name what only exists once something was signed, and is then given it before it is signed:
//! `"@k1"` is the JWK of key 1, `"@i1"` its thumbprint, `"@c1"` the id of link 1 of [`Town`], `"@p"` (in a chain) the id of
//! the link above. The keys are for this and nothing else; no relay is told of them.

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::Ed25519KeyPair;
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::Plane;
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::id::KeyId;
use vigie_proto::key::SigningKey;
use vigie_proto::severity::Severity;
use vigie_proto::time::{Timestamp, Window};

/// How many keys there are. The last is a stranger's: nothing is under it.
pub const KEYS: usize = 5;

/// The key of a stranger.
pub const STRANGER: usize = KEYS - 1;

/// The moment of all that happens in the targets.
pub const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// When what is issued here begins and ends, before it is changed.
pub const VALID: Window = Window {
    from: Timestamp::from_millis(1_700_000_000_000),
    until: Timestamp::from_millis(1_900_000_000_000),
};

/// A key with all its spellings.
#[derive(Debug)]
pub struct Key {
    pair: Ed25519KeyPair,
    /// As the project's own code has it.
    pub signing: SigningKey,
    /// Its thumbprint.
    pub id: KeyId,
    jwk: String,
}

impl Key {
    fn new(number: u8) -> Self {
        let seed = [number + 1; 32];
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("any 32 bytes are a seed");
        let signing = SigningKey::from_seed(&seed).expect("none of these is of small order");
        let x = URL_SAFE_NO_PAD.encode(signing.public().as_bytes());
        let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        Self { pair, id: signing.public().thumbprint(), signing, jwk }
    }

    /// A token of any header and payload, signed.
    pub fn sign(&self, header: &[u8], payload: &[u8]) -> String {
        let mut token = URL_SAFE_NO_PAD.encode(header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = self.pair.sign(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }
}

/// Key `number`, of the [`KEYS`] that there are.
pub fn key(number: usize) -> &'static Key {
    static KEYRING: OnceLock<Vec<Key>> = OnceLock::new();
    let keyring = KEYRING.get_or_init(|| (0..KEYS as u8).map(Key::new).collect());
    &keyring[number % KEYS]
}

/// The header that the project emits.
pub fn header(kid: &[u8; 32], typ: &str) -> String {
    format!(r#"{{"alg":"EdDSA","kid":"{}","typ":"{typ}"}}"#, URL_SAFE_NO_PAD.encode(kid))
}

/// Roots that pin key 0.
pub fn roots() -> &'static Roots {
    static PINNED: OnceLock<Roots> = OnceLock::new();
    PINNED.get_or_init(|| Roots::new([key(0).id]))
}

/// A chain of three: the root is key 0, the nation key 1, the town key 2.
#[derive(Debug)]
pub struct Town {
    /// All three.
    pub chain: Arc<Chain>,
    /// The first one, two and three.
    pub above: Vec<Arc<Chain>>,
}

impl Town {
    fn new(plane: Plane) -> Self {
        let everything = |at: &str, publish, delegate| {
            use vigie_proto::channel::Flow::{Alert, Signal};
            let at = at.parse().expect("a place");
            let grant = |flow| Grant { flow, at, publish: Some(publish), subscribe: true, delegate };
            let alert = grant(Alert);
            vec![Grant { flow: Signal, ..alert.clone() }, alert]
        };
        let claims = |number, org: &str, name: &str, grants| Claims {
            subject: *key(number).signing.public(),
            org: org.parse().expect("an organisation"),
            name: name.to_owned(),
            role: Role::Author,
            grants,
            plane,
            valid: VALID,
        };
        let root = claims(0, "fr", "root", everything("fr", Severity::Extreme, 7));
        let root = Credential::issue_root(&key(0).signing, &root).expect("a root");
        let root = Chain::verify([&**root.token()], roots(), &NoVerdicts).expect("a pinned root");
        let nation = claims(1, "fr.interieur", "nation", everything("fr", Severity::Extreme, 3));
        let nation = root.extend(&key(0).signing, &nation).expect("inside its root");
        let town = claims(2, "fr.interieur.paris", "town", everything("fr.idf", Severity::Severe, 1));
        let town = nation.extend(&key(1).signing, &town).expect("inside its nation");
        let above: Vec<Arc<Chain>> = [root, nation, town].map(Arc::new).into();
        Self { chain: Arc::clone(&above[2]), above }
    }

    /// On this plane.
    pub fn on(plane: Plane) -> &'static Self {
        static PLANES: OnceLock<[Town; 2]> = OnceLock::new();
        let planes = PLANES.get_or_init(|| [Self::new(Plane::Live), Self::new(Plane::Exercise)]);
        match plane {
            Plane::Live => &planes[0],
            Plane::Exercise => &planes[1],
        }
    }

    /// The tokens, root first.
    pub fn tokens(&self) -> Vec<String> {
        self.chain.links().iter().map(|link| link.token().to_string()).collect()
    }
}

/// Gives the claim what it names.
pub fn filled(claim: &str, town: &Town, above: Option<&str>) -> String {
    let mut filled = String::with_capacity(claim.len());
    let mut rest = claim;
    while let Some((before, named)) = rest.split_once("\"@") {
        filled.push_str(before);
        let found = named.split_once('"').and_then(|(name, after)| Some((called(name, town, above)?, after)));
        rest = match found {
            Some((what, after)) => {
                filled.push_str(&what);
                after
            }
            None => {
                filled.push_str("\"@");
                named
            }
        };
    }
    filled.push_str(rest);
    filled
}

/// What is called so: `k1`, `i1`, `c1`, `p`.
fn called(name: &str, town: &Town, above: Option<&str>) -> Option<String> {
    let (kind, number) = name.split_at_checked(1)?;
    let number = || number.parse().ok().filter(|known: &usize| number.len() == 1 && *known < KEYS);
    match kind {
        "k" => Some(key(number()?).jwk.clone()),
        "i" => Some(format!("\"{}\"", key(number()?).id)),
        "c" => Some(format!("\"{}\"", town.chain.links().get(number()?)?.id())),
        "p" if name.len() == 1 => Some(format!("\"{}\"", above?)),
        _ => None,
    }
}

/// The key that a claim names first as `"@k…"`.
pub fn named_key(claim: &str) -> Option<usize> {
    let (_, rest) = claim.split_once("\"@k")?;
    let digit = rest.chars().next()?.to_digit(10)?;
    (rest[1..].starts_with('"') && (digit as usize) < KEYS).then_some(digit as usize)
}
