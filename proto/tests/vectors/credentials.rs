//! `credentials.json`: tokens of credentials, and chains of them with their verdicts.

mod credential_form;

use serde::Serialize;

use crate::support::{DAY, NOW, TestKey, Token, WARNING, find, header, thumbprint};

#[derive(Serialize)]
pub(crate) struct File {
    #[serde(rename = "TEST-ONLY")]
    test_only: bool,
    warning: &'static str,
    /// Thumbprints to pin.
    roots: Vec<String>,
    pub(crate) tokens: Vec<Token>,
    pub(crate) cases: Vec<Case>,
}

#[derive(Serialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Names of tokens, root first.
    pub(crate) chain: Vec<String>,
    /// When the chain is judged.
    pub(crate) at: u64,
    /// `ok`, or the code of the refusal.
    pub(crate) verdict: String,
    /// The same case with only the fault removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repaired: Option<String>,
}

/// The parts of a payload, so that one of them can be made wrong.
#[derive(Clone)]
pub(crate) struct Draft {
    key: String,
    sub: String,
    org: String,
    name: String,
    role: String,
    parent: Option<String>,
    grants: String,
    plane: String,
    not_before: u64,
    expires: u64,
    more: String,
}

const ROOT_GRANTS: &str = r#"[{"flow":"alert","at":"fr","publish":"Extreme","subscribe":true,"delegate":7},{"flow":"signal","at":"fr","publish":"Extreme","subscribe":true,"delegate":7}]"#;
const NATION_GRANTS: &str = r#"[{"flow":"alert","at":"fr","publish":"Extreme","subscribe":true,"delegate":3},{"flow":"signal","at":"fr","publish":"Extreme","subscribe":true,"delegate":3}]"#;
/// Alerts to Paris up to Severe, passed on once; signals of Paris heard and sent, passed on once.
const TOWN_GRANTS: &str = r#"[{"flow":"alert","at":"fr.idf.75.paris","publish":"Severe","subscribe":true,"delegate":1},{"flow":"signal","at":"fr.idf.75.paris","publish":"Extreme","subscribe":true,"delegate":1}]"#;
const FIELD_GRANTS: &str = r#"[{"flow":"alert","at":"fr.idf.75.paris","subscribe":true},{"flow":"signal","at":"fr.idf.75.paris","publish":"Severe"}]"#;

fn jwk(x: &str) -> String {
    format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)
}

impl Draft {
    fn new(subject: &str, issuer: &str, org: &str, parent: Option<&Token>, grants: &str) -> Self {
        let plane = if subject.ends_with("exercise") { "exercise" } else { "live" };
        Self {
            key: issuer.to_owned(),
            sub: jwk(&TestKey::named(subject).x()),
            org: org.to_owned(),
            name: format!("Essai {subject}"),
            role: String::new(),
            parent: parent.map(|token| token.id.clone()),
            grants: grants.to_owned(),
            plane: plane.to_owned(),
            not_before: NOW - 30 * DAY,
            expires: NOW + 300 * DAY,
            more: String::new(),
        }
    }

    /// Some key as the root of its plane.
    pub(crate) fn root(subject: &str) -> Self {
        Self::new(subject, subject, "fr", None, ROOT_GRANTS).with(|root| {
            root.not_before = NOW - 365 * DAY;
            root.expires = NOW + 3_285 * DAY;
        })
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn payload(&self) -> String {
        let Self { sub, org, name, role, grants, plane, not_before, expires, more, .. } = self;
        let parent = self.parent.as_ref().map_or(String::new(), |id| format!(r#""parent":"{id}","#));
        format!(
            r#"{{"sub":{sub},"org":"{org}","name":"{name}",{role}{parent}"grants":{grants},"plane":"{plane}","not_before":{not_before},"expires":{expires}{more}}}"#
        )
    }

    fn header(&self) -> String {
        let kid = self.parent.clone().unwrap_or_else(|| {
            let x = self.sub.split('"').rev().nth(1).unwrap();
            thumbprint(x)
        });
        header(&kid, &format!("vigie-credential-{}-v1", self.plane))
    }

    pub(crate) fn token(&self, name: &str) -> Token {
        Token::new(name, &self.key, self.header(), self.payload())
    }

    fn token_with_header(&self, name: &str, header: String) -> Token {
        Token::new(name, &self.key, header, self.payload())
    }
}

struct Book {
    tokens: Vec<Token>,
    cases: Vec<Case>,
}

impl Book {
    fn add(&mut self, token: Token) -> String {
        assert!(self.tokens.iter().all(|other| other.name != token.name), "{} twice", token.name);
        self.tokens.push(token);
        self.tokens.last().unwrap().name.clone()
    }

    fn case(&mut self, name: &str, chain: &[&str], verdict: &str, repaired: Option<&str>) {
        self.case_at(name, chain, NOW, verdict, repaired);
    }

    fn case_at(&mut self, name: &str, chain: &[&str], at: u64, verdict: &str, repaired: Option<&str>) {
        self.cases.push(Case {
            name: name.to_owned(),
            chain: chain.iter().map(|link| (*link).to_owned()).collect(),
            at,
            verdict: verdict.to_owned(),
            repaired: repaired.map(str::to_owned),
        });
    }

    /// A chain root, nation, this token, and what becomes of it.
    fn below_nation(&mut self, token: Token, verdict: &str, repaired: Option<&str>) {
        let name = self.add(token);
        self.case(&name, &["root-live", "nation-live", &name], verdict, repaired);
    }

    /// A chain root, nation, town, this token.
    fn below_town(&mut self, token: Token, verdict: &str, repaired: Option<&str>) {
        let name = self.add(token);
        self.case(&name, &["root-live", "nation-live", "town-live", &name], verdict, repaired);
    }
}

pub(crate) fn build() -> File {
    let mut book = Book { tokens: Vec::new(), cases: Vec::new() };
    good(&mut book);
    roots_and_order(&mut book);
    each_dimension(&mut book);
    times(&mut book);
    credential_form::form(&mut book);
    credential_form::signatures(&mut book);
    let roots = ["root-live", "root-exercise"].map(|name| TestKey::named(name).thumbprint()).to_vec();
    File { test_only: true, warning: WARNING, roots, tokens: book.tokens, cases: book.cases }
}

fn root(plane: &str) -> Draft {
    Draft::root(&format!("root-{plane}"))
}

fn nation(book: &Book, plane: &str) -> Draft {
    let above = format!("root-{plane}");
    let parent = find(&book.tokens, &above).clone();
    Draft::new(&format!("nation-{plane}"), &above, "fr.interieur", Some(&parent), NATION_GRANTS)
}

fn town(book: &Book, plane: &str) -> Draft {
    let above = format!("nation-{plane}");
    let parent = find(&book.tokens, &above).clone();
    Draft::new(&format!("town-{plane}"), &above, "fr.interieur.paris", Some(&parent), TOWN_GRANTS).with(
        |draft| {
            draft.not_before = NOW - 10 * DAY;
            draft.expires = NOW + 100 * DAY;
        },
    )
}

fn field(book: &Book) -> Draft {
    let parent = find(&book.tokens, "town-live").clone();
    Draft::new("field-live", "town-live", "fr.interieur.paris.sdis", Some(&parent), FIELD_GRANTS).with(
        |draft| {
            draft.not_before = NOW - DAY;
            draft.expires = NOW + 30 * DAY;
        },
    )
}

fn good(book: &mut Book) {
    for plane in ["live", "exercise"] {
        let [root_name, nation_name, town_name] =
            ["root", "nation", "town"].map(|who| format!("{who}-{plane}"));
        book.add(root(plane).token(&root_name));
        book.add(nation(book, plane).token(&nation_name));
        book.add(town(book, plane).token(&town_name));
        book.case(&root_name, &[&root_name], "ok", None);
        book.case(&nation_name, &[&root_name, &nation_name], "ok", None);
        book.case(&town_name, &[&root_name, &nation_name, &town_name], "ok", None);
    }
    let token = field(book).token("field-live");
    book.below_town(token, "ok", None);
    let token = town(book, "live")
        .with(|draft| {
            draft.role = r#""role":"relay","#.to_owned();
            draft.grants = "[]".to_owned();
        })
        .token("relay-live");
    book.below_nation(token, "ok", None);
    let token = town(book, "live")
        .with(|draft| draft.more = r#","ext":{"note":[1,{"any":null}]}"#.to_owned())
        .token("extended");
    book.below_nation(token, "ok", None);
    // Members in another order, white space, and the other name of the algorithm: the same statement, another id.
    let draft = town(book, "live");
    let kid = draft.parent.clone().unwrap();
    let header = format!(r#"{{ "typ":"vigie-credential-live-v1", "alg":"Ed25519", "kid":"{kid}" }}"#);
    book.below_nation(draft.token_with_header("other-spelling", header), "ok", None);
    // Eight links: the root may delegate seven levels.
    let mut parent = find(&book.tokens, "root-live").clone();
    let mut names = vec!["root-live".to_owned()];
    for depth in (0..7).rev() {
        let grants = format!(r#"[{{"flow":"alert","at":"fr","publish":"Minor","delegate":{depth}}}]"#);
        let issuer = if names.len() == 1 { "root-live" } else { "nation-live" };
        let draft = Draft::new("nation-live", issuer, "fr", Some(&parent), &grants);
        let name = book.add(draft.token(&format!("link-{}", names.len() + 1)));
        parent = find(&book.tokens, &name).clone();
        names.push(name);
    }
    let chain: Vec<&str> = names.iter().map(String::as_str).collect();
    book.case("eight-links", &chain, "ok", None);
    let deepest = Draft::new("nation-live", "nation-live", "fr", Some(&parent), "[]").token("link-9");
    let ninth = book.add(deepest);
    let nine: Vec<&str> = chain.iter().copied().chain([ninth.as_str()]).collect();
    book.case("nine-links", &nine, "too_many_links", Some("eight-links"));
}

fn roots_and_order(book: &mut Book) {
    book.case("no-link", &[], "too_many_links", Some("root-live"));
    let stranger =
        Draft::new("stranger-live", "stranger-live", "fr", None, ROOT_GRANTS).token("stranger-root");
    let below = Draft::new("town-live", "stranger-live", "fr.interieur.paris", Some(&stranger), TOWN_GRANTS)
        .token("below-stranger");
    let (stranger, below) = (book.add(stranger), book.add(below));
    book.case("root-not-pinned", &[&stranger, &below], "unknown_root", Some("town-live"));
    book.case("root-missing", &["nation-live", "town-live"], "unknown_root", Some("town-live"));
    book.case("link-missing", &["root-live", "town-live"], "broken_chain", Some("town-live"));
    book.case(
        "order-reversed",
        &["town-live", "nation-live", "root-live"],
        "unknown_root",
        Some("town-live"),
    );
    book.case("root-twice", &["root-live", "root-live"], "broken_chain", Some("root-live"));
    book.case(
        "other-plane-below",
        &["root-live", "nation-exercise"],
        "broken_chain",
        Some("nation-exercise"),
    );
}

/// For each dimension: one step too far, and its twin exactly at the limit.
fn each_dimension(book: &mut Book) {
    type Change = fn(&mut Draft);
    let cases: &[(&str, Change, Change)] = &[
        ("org", |d| d.org = "fr.interieurs".into(), |d| d.org = "fr.interieur".into()),
        ("org-above", |d| d.org = "fr".into(), |d| d.org = "fr.interieur".into()),
        ("begins-earlier", |d| d.not_before = NOW - 30 * DAY - 1, |d| d.not_before = NOW - 30 * DAY),
        ("ends-later", |d| d.expires = NOW + 300 * DAY + 1, |d| d.expires = NOW + 300 * DAY),
        (
            "place",
            |d| d.grants = r#"[{"flow":"alert","at":"frx","publish":"Minor"}]"#.into(),
            |d| d.grants = r#"[{"flow":"alert","at":"fr","publish":"Minor"}]"#.into(),
        ),
        (
            "delegate",
            |d| d.grants = r#"[{"flow":"alert","at":"fr","subscribe":true,"delegate":3}]"#.into(),
            |d| d.grants = r#"[{"flow":"alert","at":"fr","subscribe":true,"delegate":2}]"#.into(),
        ),
    ];
    for (name, too_far, just_right) in cases {
        let (bad, twin) = (format!("exceeds-{name}"), format!("fits-{name}"));
        let right = town(book, "live").with(*just_right).token(&twin);
        book.below_nation(right, "ok", None);
        let wrong = town(book, "live").with(*too_far).token(&bad);
        book.below_nation(wrong, "exceeds_parent", Some(&twin));
    }
    let cases: &[(&str, &str, &str)] = &[
        (
            "severity",
            r#"[{"flow":"alert","at":"fr.idf.75.paris","publish":"Extreme"}]"#,
            r#"[{"flow":"alert","at":"fr.idf.75.paris","publish":"Severe"}]"#,
        ),
        (
            "place-above",
            r#"[{"flow":"alert","at":"fr.idf.75"}]"#,
            r#"[{"flow":"alert","at":"fr.idf.75.paris"}]"#,
        ),
        (
            "last-level",
            r#"[{"flow":"alert","at":"fr.idf.75.paris","delegate":1}]"#,
            r#"[{"flow":"alert","at":"fr.idf.75.paris"}]"#,
        ),
    ];
    for (name, too_far, just_right) in cases {
        let (bad, twin) = (format!("exceeds-{name}"), format!("fits-{name}"));
        let right = field(book).with(|draft| draft.grants = (*just_right).to_owned()).token(&twin);
        book.below_town(right, "ok", None);
        let wrong = field(book).with(|draft| draft.grants = (*too_far).to_owned()).token(&bad);
        book.below_town(wrong, "exceeds_parent", Some(&twin));
    }
    // An exercise credential signed by the live root's key: the same as nation-exercise but for who stands above.
    let root = find(&book.tokens, "root-live").clone();
    let crossed = Draft::new("nation-exercise", "root-live", "fr.interieur", Some(&root), NATION_GRANTS);
    let name = book.add(crossed.token("exceeds-plane"));
    book.case(&name, &["root-live", &name], "exceeds_parent", Some("nation-exercise"));
    split_rights(book);
    who_may_issue(book);
}

/// An issuer with three one-sided grants: what none of them covers alone is refused, though all together would.
fn split_rights(book: &mut Book) {
    let grants = r#"[{"flow":"alert","at":"fr.idf","publish":"Extreme","delegate":1},{"flow":"alert","at":"fr.idf","subscribe":true,"delegate":1},{"flow":"signal","at":"fr.idf","publish":"Minor","delegate":1}]"#;
    let parent = town(book, "live").with(|draft| draft.grants = grants.to_owned()).token("one-sided");
    book.below_nation(parent.clone(), "ok", None);
    let cases: &[(&str, &str, &str)] = &[
        (
            "two-grants",
            r#"[{"flow":"alert","at":"fr.idf","publish":"Minor","subscribe":true}]"#,
            r#"[{"flow":"alert","at":"fr.idf","publish":"Minor"},{"flow":"alert","at":"fr.idf","subscribe":true}]"#,
        ),
        (
            "flow",
            r#"[{"flow":"signal","at":"fr.idf","subscribe":true}]"#,
            r#"[{"flow":"alert","at":"fr.idf","subscribe":true}]"#,
        ),
        (
            "flow-severity",
            r#"[{"flow":"signal","at":"fr.idf","publish":"Moderate"}]"#,
            r#"[{"flow":"signal","at":"fr.idf","publish":"Minor"}]"#,
        ),
    ];
    for (name, too_far, just_right) in cases {
        let below = |token_name: &str, grants: &str| {
            Draft::new("field-live", "town-live", "fr.interieur.paris", Some(&parent), grants)
                .with(|draft| {
                    draft.not_before = NOW - DAY;
                    draft.expires = NOW + 30 * DAY;
                })
                .token(token_name)
        };
        let (bad, twin) = (format!("exceeds-{name}"), format!("fits-{name}"));
        book.add(below(&twin, just_right));
        book.add(below(&bad, too_far));
        book.case(&twin, &["root-live", "nation-live", "one-sided", &twin], "ok", None);
        let chain = ["root-live", "nation-live", "one-sided", &bad];
        book.case(&bad, &chain, "exceeds_parent", Some(&twin));
    }
}

fn who_may_issue(book: &mut Book) {
    let leaf = find(&book.tokens, "field-live").clone();
    let below_leaf = Draft::new("stranger-live", "field-live", "fr.interieur.paris.sdis", Some(&leaf), "[]")
        .with(|draft| {
            draft.not_before = NOW - DAY;
            draft.expires = NOW + 30 * DAY;
        })
        .token("below-a-leaf");
    let name = book.add(below_leaf);
    let chain = ["root-live", "nation-live", "town-live", "field-live", &name];
    book.case(&name, &chain, "exceeds_parent", Some("field-live"));
    // The same grants, once held by a relay and once by an author.
    for (parent_name, role, verdict, repaired) in [
        ("author-issuer", "", "ok", None),
        ("relay-issuer", r#""role":"relay","#, "exceeds_parent", Some("below-author-issuer")),
    ] {
        let parent = town(book, "live").with(|draft| draft.role = role.to_owned()).token(parent_name);
        let child = Draft::new("field-live", "town-live", "fr.interieur.paris", Some(&parent), "[]")
            .with(|draft| {
                draft.not_before = NOW - DAY;
                draft.expires = NOW + 30 * DAY;
            })
            .token(&format!("below-{parent_name}"));
        book.below_nation(parent, "ok", None);
        let name = book.add(child);
        book.case(&name, &["root-live", "nation-live", parent_name, &name], verdict, repaired);
    }
}

fn times(book: &mut Book) {
    let chain = ["root-live", "nation-live", "town-live"];
    let (from, until) = (NOW - 10 * DAY, NOW + 100 * DAY);
    book.case_at("first-moment", &chain, from, "ok", None);
    book.case_at("not-yet-valid", &chain, from - 1, "credential_not_yet_valid", Some("first-moment"));
    book.case_at("last-moment", &chain, until - 1, "ok", None);
    book.case_at("expired", &chain, until, "credential_expired", Some("last-moment"));
    let at = NOW + 300 * DAY;
    book.case_at("parent-expired", &chain, at, "credential_expired", Some("last-moment"));
}
