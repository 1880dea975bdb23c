//! Tokens signed by hand: what the project's own code refuses to issue must be made elsewhere to be tried on a relay.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::id::KeyId;
use vigie_proto::key::SigningKey;
use vigie_tests::world::{Person, now};

pub(crate) fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().try_into().unwrap()
}

/// A private key that signs whatever it is given.
pub(crate) struct Key {
    pair: Ed25519KeyPair,
    seed: [u8; 32],
}

impl Key {
    pub(crate) fn fresh() -> Arc<Self> {
        Self::from_seed(ring::rand::generate(&ring::rand::SystemRandom::new()).unwrap().expose())
    }

    pub(crate) fn from_seed(seed: [u8; 32]) -> Arc<Self> {
        Arc::new(Self { pair: Ed25519KeyPair::from_seed_unchecked(&seed).unwrap(), seed })
    }

    /// The key of RFC 8037, appendix A.1: everybody has its private half.
    pub(crate) fn published() -> Arc<Self> {
        let d = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        Self::from_seed(d.try_into().unwrap())
    }

    /// The public half, as in the JWK member `x`.
    pub(crate) fn x(&self) -> String {
        base64(self.pair.public_key().as_ref())
    }

    pub(crate) fn thumbprint(&self) -> String {
        base64(&sha256(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, self.x()).as_bytes()))
    }

    pub(crate) fn pin(&self) -> KeyId {
        self.thumbprint().parse().unwrap()
    }

    /// A JWS in compact form over these bytes, whatever they are.
    pub(crate) fn sign(&self, header: &str, payload: &str) -> String {
        let input = format!("{}.{}", base64(header.as_bytes()), base64(payload.as_bytes()));
        let signature = base64(self.pair.sign(input.as_bytes()).as_ref());
        format!("{input}.{signature}")
    }

    pub(crate) fn signing_key(&self) -> SigningKey {
        SigningKey::from_seed(&self.seed).unwrap()
    }
}

/// The id of a message or credential.
pub(crate) fn id_of(token: &str) -> String {
    base64(&sha256(token.rsplit_once('.').map_or(token, |(input, _)| input).as_bytes()))
}

/// The same token with the lowest bit of one byte of a part turned over (0 header, 1 payload, 2 signature).
pub(crate) fn flip(token: &str, part: usize, byte: usize) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let mut bytes = URL_SAFE_NO_PAD.decode(&parts[part]).unwrap();
    bytes[byte] ^= 1;
    parts[part] = base64(&bytes);
    parts.join(".")
}

/// A frame with one more member, that makes it so long.
pub(crate) fn padded(text: &str, length: usize) -> String {
    let frame = text.strip_suffix('}').unwrap();
    let around = r#","pad":""}"#.len();
    format!(r#"{frame},"pad":"{}"}}"#, "x".repeat(length - frame.len() - around))
}

/// Takes out a member that is there.
pub(crate) fn remove(object: &mut Value, member: &str) {
    object.as_object_mut().unwrap().remove(member).expect("the member was there");
}

/// The same token with another word in its payload, under the old signature.
pub(crate) fn altered(token: &str, from: &str, to: &str) -> String {
    let parts: Vec<_> = token.split('.').collect();
    let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    assert!(payload.contains(from), "there is nothing to alter");
    format!("{}.{}.{}", parts[0], base64(payload.replace(from, to).as_bytes()), parts[2])
}

/// Stands for the id of the link before, or of the own key for a root, until it is known.
pub(crate) const ISSUER: &str = "(issuer)";

/// One credential of a chain, before it is signed.
#[derive(Clone)]
pub(crate) struct LinkDraft {
    /// The key that it speaks of, and that signs the link after it.
    pub(crate) key: Arc<Key>,
    /// Who signs it when not the link before.
    pub(crate) signer: Option<Arc<Key>>,
    pub(crate) header: Value,
    pub(crate) claims: Value,
    pub(crate) edit_header: fn(String) -> String,
    pub(crate) edit_payload: fn(String) -> String,
    pub(crate) edit_token: fn(String) -> String,
}

pub(crate) const HOUR_MS: u64 = 3_600_000;

impl LinkDraft {
    fn new(plane: &str, key: &Arc<Key>, org: &str, grants: Value) -> Self {
        let now = now().as_millis();
        let mut link = Self {
            key: Arc::clone(key),
            signer: None,
            header: json!({"alg": "EdDSA", "kid": ISSUER, "typ": format!("vigie-credential-{plane}-v1")}),
            claims: json!({
                "sub": null, "org": org, "name": "Essai", "parent": ISSUER, "grants": grants, "plane": plane,
                "not_before": now - HOUR_MS, "expires": now + HOUR_MS,
            }),
            edit_header: |text| text,
            edit_payload: |text| text,
            edit_token: |text| text,
        };
        link.speak_of(Arc::clone(key));
        link
    }

    pub(crate) fn speak_of(&mut self, key: Arc<Key>) {
        self.claims["sub"] = json!({"crv": "Ed25519", "kty": "OKP", "x": key.x()});
        self.key = key;
    }

    /// Moves one end of its time by so many milliseconds.
    pub(crate) fn shift(&mut self, end: &str, by_ms: i64) {
        self.claims[end] = json!(self.claims[end].as_u64().unwrap().saturating_add_signed(by_ms));
    }

    fn forge(&self, signer: &Key, issuer: &str) -> String {
        let fill = |mut object: Value, member: &str| {
            if object[member] == ISSUER {
                object[member] = issuer.into();
            }
            object.to_string()
        };
        let header = (self.edit_header)(fill(self.header.clone(), "kid"));
        let payload = (self.edit_payload)(fill(self.claims.clone(), "parent"));
        (self.edit_token)(self.signer.as_deref().unwrap_or(signer).sign(&header, &payload))
    }
}

/// A chain before it is signed: a root, one below it, and a leaf that stays well inside.
#[derive(Clone)]
pub(crate) struct ChainDraft {
    pub(crate) links: Vec<LinkDraft>,
    pub(crate) edit: fn(Vec<String>) -> Vec<String>,
}

impl ChainDraft {
    pub(crate) fn new(plane: &str, root: &Arc<Key>, leaf: &Arc<Key>) -> Self {
        let of_root = json!([
            {"flow": "alert", "at": "fr", "publish": "Extreme", "subscribe": true, "delegate": 8},
            {"flow": "signal", "at": "fr", "publish": "Extreme", "subscribe": true, "delegate": 8},
        ]);
        let of_parent = json!([
            {"flow": "alert", "at": "fr.idf", "publish": "Severe", "subscribe": true, "delegate": 7},
            {"flow": "signal", "at": "fr.idf", "publish": "Severe", "delegate": 7},
        ]);
        let of_leaf = json!([
            {"flow": "alert", "at": "fr.idf.75.paris", "publish": "Moderate", "subscribe": true, "delegate": 1},
            {"flow": "signal", "at": "fr.idf.75.paris", "publish": "Moderate"},
        ]);
        let mut first = LinkDraft::new(plane, root, "fr", of_root);
        first.claims.as_object_mut().unwrap().remove("parent");
        first.shift("not_before", -i64::try_from(HOUR_MS).unwrap());
        first.shift("expires", i64::try_from(HOUR_MS).unwrap());
        let parent = LinkDraft::new(plane, &Key::fresh(), "fr.etat", of_parent);
        let mut leaf = LinkDraft::new(plane, leaf, "fr.etat.paris", of_leaf);
        // Inside its parent to the millisecond, whatever the clock did in between.
        for end in ["not_before", "expires"] {
            leaf.claims[end] = parent.claims[end].clone();
        }
        Self { links: vec![first, parent, leaf], edit: |links| links }
    }

    pub(crate) fn leaf(&mut self) -> &mut LinkDraft {
        self.links.last_mut().unwrap()
    }

    pub(crate) fn parent(&mut self) -> &mut LinkDraft {
        &mut self.links[1]
    }

    /// Puts links in before the leaf until there are so many, each a level less deep, and none below the leaf.
    pub(crate) fn lengthen(&mut self, links: usize) {
        for grant in self.leaf().claims["grants"].as_array_mut().unwrap() {
            grant["delegate"] = 0.into();
        }
        while self.links.len() < links {
            let mut link = self.links[self.links.len() - 2].clone();
            link.speak_of(Key::fresh());
            for grant in link.claims["grants"].as_array_mut().unwrap() {
                grant["delegate"] = json!(grant["delegate"].as_u64().unwrap() - 1);
            }
            self.links.insert(self.links.len() - 1, link);
        }
    }

    pub(crate) fn forge(&self) -> Vec<String> {
        let mut tokens: Vec<String> = Vec::new();
        for (place, link) in self.links.iter().enumerate() {
            let token = match (place.checked_sub(1), tokens.last()) {
                (Some(above), Some(parent)) => link.forge(&self.links[above].key, &id_of(parent)),
                _ => link.forge(&link.key, &link.key.thumbprint()),
            };
            tokens.push(token);
        }
        (self.edit)(tokens)
    }
}

/// Someone with a key that signs anything, and a good chain.
pub(crate) struct Holder {
    pub(crate) key: Arc<Key>,
    pub(crate) chain: Vec<String>,
    pub(crate) plane: &'static str,
}

impl Holder {
    pub(crate) fn new(plane: &'static str, root: &Arc<Key>) -> Self {
        Self::with(plane, root, |_| {})
    }

    /// With a chain that differs from the usual one.
    pub(crate) fn with(plane: &'static str, root: &Arc<Key>, change: impl FnOnce(&mut ChainDraft)) -> Self {
        let key = Key::fresh();
        let mut draft = ChainDraft::new(plane, root, &key);
        change(&mut draft);
        Self { key, chain: draft.forge(), plane }
    }

    /// The id of its credential.
    pub(crate) fn id(&self) -> String {
        id_of(self.chain.last().unwrap())
    }

    /// The same, for those who speak the protocol well.
    pub(crate) fn person(&self, roots: &Roots) -> Person {
        let chain = Chain::verify(self.chain.iter().map(|link| &**link), roots, &NoVerdicts).unwrap();
        Person { key: Arc::new(self.key.signing_key()), chain: Arc::new(chain) }
    }
}
