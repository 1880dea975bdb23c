//! What the tests of the protocol share: the published keys, tokens built by hand, and the committed files.
//!
//! Tokens are built here without the crate's own signing code, from exact header and payload texts, so that the
//! vectors check that code rather than repeat it.

// Each test file is a crate of its own and uses a part of this.
#![allow(dead_code, reason = "each test crate uses a part")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde::Serialize;
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::id::KeyId;
use vigie_proto::refusal::Refusal;

/// The moment around which all vectors lie: 2027-01-15T08:00:00Z.
pub(crate) const NOW: u64 = 1_800_000_000_000;
pub(crate) const SECOND: u64 = 1_000;
pub(crate) const HOUR: u64 = 3_600 * SECOND;
pub(crate) const DAY: u64 = 24 * HOUR;

pub(crate) const WARNING: &str =
    "the private keys of these vectors are published: whoever pins their roots believes everyone";

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().unwrap()
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn from_base64url(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// One of the published keys.
pub(crate) struct TestKey {
    pub(crate) name: String,
    pub(crate) seed: [u8; 32],
    pair: Ed25519KeyPair,
}

impl TestKey {
    pub(crate) const NAMES: [&'static str; 10] = [
        "root-live",
        "root-exercise",
        "nation-live",
        "nation-exercise",
        "town-live",
        "town-exercise",
        "field-live",
        "stranger-live",
        "heir-live",
        "heir-of-heir-live",
    ];

    pub(crate) fn named(name: &str) -> Self {
        let seed = sha256(format!("Vigie TEST-ONLY {name}").as_bytes());
        Self { name: name.to_owned(), seed, pair: Ed25519KeyPair::from_seed_unchecked(&seed).unwrap() }
    }

    pub(crate) fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// The JWK member `x`.
    pub(crate) fn x(&self) -> String {
        base64url(self.public())
    }

    /// RFC 7638.
    pub(crate) fn thumbprint(&self) -> String {
        thumbprint(&self.x())
    }

    pub(crate) fn pin(&self) -> KeyId {
        self.thumbprint().parse().unwrap()
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.pair.sign(bytes).as_ref().to_vec()
    }
}

pub(crate) fn thumbprint(x: &str) -> String {
    base64url(sha256(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#).as_bytes()))
}

/// Something done to a token after it was signed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Then {
    /// Decode part 0, 1 or 2, flip this bit (counted from the lowest of the first byte), encode again.
    Flip { part: usize, bit: usize },
    /// Put this in place of the signature.
    Signature(String),
    /// Put this character in place of the last.
    Last(char),
    /// Add this at the end.
    Append(String),
}

/// A token as a vector holds it: all that is needed to build it, and what comes out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Token {
    pub(crate) name: String,
    /// Name of the key that signs.
    pub(crate) key: String,
    pub(crate) header: String,
    pub(crate) payload: String,
    /// So many `x` stand where the payload says `@FILL@`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fill: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) then: Vec<Then>,
    /// SHA-256 of the signing input.
    pub(crate) id: String,
    /// Length of the token in bytes.
    pub(crate) bytes: usize,
    /// SHA-256 of the token.
    pub(crate) sha256: String,
    /// The token; left out when it is large.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    #[serde(skip)]
    pub(crate) text: String,
}

/// From this length on, a token is not written out: it can be built.
const WRITTEN_OUT_BYTES_MAX: usize = 8 * 1024;

impl Token {
    pub(crate) fn new(name: &str, key: &str, header: String, payload: String) -> Self {
        Self::build(name, key, header, payload, None, Vec::new())
    }

    pub(crate) fn build(
        name: &str,
        key: &str,
        header: String,
        payload: String,
        fill: Option<usize>,
        then: Vec<Then>,
    ) -> Self {
        let filled = payload.replace("@FILL@", &"x".repeat(fill.unwrap_or(0)));
        let signing_input = format!("{}.{}", base64url(&header), base64url(&filled));
        let signature = base64url(TestKey::named(key).sign(signing_input.as_bytes()));
        let mut text = format!("{signing_input}.{signature}");
        for step in &then {
            text = step.apply(&text);
        }
        let signed = text.rsplit_once('.').unwrap().0;
        Self {
            name: name.to_owned(),
            key: key.to_owned(),
            header,
            payload,
            fill,
            then,
            id: base64url(sha256(signed.as_bytes())),
            bytes: text.len(),
            sha256: base64url(sha256(text.as_bytes())),
            token: (text.len() <= WRITTEN_OUT_BYTES_MAX).then(|| text.clone()),
            text,
        }
    }

    pub(crate) fn then(&self, name: &str, step: Then) -> Self {
        Self::build(name, &self.key, self.header.clone(), self.payload.clone(), self.fill, vec![step])
    }
}

impl Then {
    fn apply(&self, text: &str) -> String {
        let mut parts: Vec<String> = text.split('.').map(str::to_owned).collect();
        match self {
            Self::Flip { part, bit } => {
                let mut bytes = from_base64url(&parts[*part]);
                bytes[bit / 8] ^= 1 << (bit % 8);
                parts[*part] = base64url(bytes);
                parts.join(".")
            }
            Self::Signature(signature) => {
                parts[2].clone_from(signature);
                parts.join(".")
            }
            Self::Last(character) => format!("{}{character}", &text[..text.len() - 1]),
            Self::Append(more) => format!("{text}{more}"),
        }
    }
}

/// The header that is emitted.
pub(crate) fn header(kid: &str, typ: &str) -> String {
    format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"{typ}"}}"#)
}

/// The two roots of the vectors, as a test harness pins them.
pub(crate) fn roots() -> Roots {
    Roots::dangerous_test_only(pins())
}

pub(crate) fn pins() -> Vec<KeyId> {
    ["root-live", "root-exercise"].map(|name| TestKey::named(name).thumbprint().parse().unwrap()).to_vec()
}

pub(crate) fn verify_chain(tokens: &[Token], names: &[String], roots: &Roots) -> Result<Chain, Refusal> {
    let links = names.iter().map(|name| find(tokens, name).text.as_str());
    Chain::verify(links, roots, &NoVerdicts)
}

pub(crate) fn find<'a>(tokens: &'a [Token], name: &str) -> &'a Token {
    tokens.iter().find(|token| token.name == name).unwrap_or_else(|| panic!("no token {name}"))
}

pub(crate) fn crate_path(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Whether the committed files are to be written instead of compared.
pub(crate) fn is_writing() -> bool {
    std::env::var_os("VIGIE_WRITE_VECTORS").is_some()
}

/// Compares a committed file with what it should be, or writes it.
pub(crate) fn compare_or_write(path: &str, expected: &str) {
    let file = crate_path(path);
    if is_writing() {
        replace(&file, expected);
        return;
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    if found != expected {
        let line = found.lines().zip(expected.lines()).position(|(a, b)| a != b).map_or(0, |line| line + 1);
        panic!(
            "{path} differs, first in line {line}: run with VIGIE_WRITE_VECTORS=1 and read the difference"
        );
    }
}

/// In one step, since other tests may be reading.
pub(crate) fn replace(file: &Path, text: &str) {
    let beside = file.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(&beside, file).unwrap();
}

pub(crate) fn to_json<T: Serialize>(value: &T) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap();
    text.push('\n');
    text
}

/// The blocks of PROTOCOL.md that stand for something in the code: what follows `<!-- sample: NAME -->`.
pub(crate) fn samples_of(document: &str) -> BTreeMap<String, String> {
    let mut samples = BTreeMap::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        let Some(name) = line.strip_prefix("<!-- sample: ").and_then(|rest| rest.strip_suffix(" -->")) else {
            continue;
        };
        let fence = lines.next().unwrap_or_default();
        assert!(matches!(fence, "```json" | "```text"), "sample {name}: no fence follows");
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let before = samples.insert(name.to_owned(), body.join("\n"));
        assert_eq!(before, None, "sample {name} stands twice");
    }
    samples
}

/// The document with its samples replaced.
pub(crate) fn with_samples(document: &str, samples: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        let Some(name) = line.strip_prefix("<!-- sample: ").and_then(|rest| rest.strip_suffix(" -->")) else {
            continue;
        };
        out.push_str(lines.next().unwrap());
        out.push('\n');
        lines.by_ref().find(|line| *line == "```").unwrap();
        out.push_str(samples.get(name).unwrap_or_else(|| panic!("no sample {name}")));
        out.push_str("\n```\n");
    }
    out
}
