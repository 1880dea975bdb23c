//! `messages.json`: messages under chains of `credentials.json`, with their verdicts, and what `replaces` does.

use serde::Serialize;
use vigie_proto::cap::{Alert, Headline, Urgency};
use vigie_proto::channel::Plane;
use vigie_proto::limits::MESSAGE_BYTES_MAX;
use vigie_proto::severity::Severity;

use crate::support::{
    DAY, HOUR, NOW, SECOND, Then, Token, WARNING, base64url, find, from_base64url, header, sha256,
};

#[derive(Serialize)]
pub(crate) struct File {
    #[serde(rename = "TEST-ONLY")]
    test_only: bool,
    warning: &'static str,
    pub(crate) tokens: Vec<Token>,
    pub(crate) cases: Vec<Case>,
    pub(crate) replaces: Vec<Replaces>,
}

#[derive(Clone, Serialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Names of tokens of `credentials.json`, root first.
    pub(crate) chain: Vec<String>,
    /// Name of a token of this file.
    pub(crate) token: String,
    /// Longest life that is taken.
    pub(crate) lifetime_max_ms: u64,
    /// When it is judged to have been admitted.
    pub(crate) admitted: u64,
    /// `ok`, or the code of the refusal.
    pub(crate) verdict: String,
    /// The id, when the verdict is `ok`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repaired: Option<String>,
}

/// Whether `update` takes effect on `target`. Both name cases with the verdict `ok`.
#[derive(Serialize)]
pub(crate) struct Replaces {
    pub(crate) update: String,
    pub(crate) target: String,
    pub(crate) takes_effect: bool,
}

const LIFETIME_MAX: u64 = 7 * DAY;

/// Who says it, under which chain.
#[derive(Clone, Copy)]
struct Author {
    key: &'static str,
    chain: &'static [&'static str],
}

const NATION: Author = Author { key: "nation-live", chain: &["root-live", "nation-live"] };
const TOWN: Author = Author { key: "town-live", chain: &["root-live", "nation-live", "town-live"] };
const FIELD: Author =
    Author { key: "field-live", chain: &["root-live", "nation-live", "town-live", "field-live"] };
const NATION_EXERCISE: Author =
    Author { key: "nation-exercise", chain: &["root-exercise", "nation-exercise"] };

/// The content that a line of text becomes.
pub(crate) fn content(plane: Plane, identifier: &str, text: &str, severity: Severity) -> String {
    let cap = Alert::from_headline(&Headline {
        plane,
        identifier,
        sender: "essai@vigie.example",
        sent: "2027-01-15T09:00:00+01:00",
        language: "fr-FR",
        text,
        severity,
        urgency: Urgency::Immediate,
        area: "Paris",
        restriction: None,
    });
    format!(r#"{{"cap":{}}}"#, serde_json::to_string(&cap).unwrap())
}

#[derive(Clone)]
struct Draft {
    author: Author,
    kid: String,
    typ: String,
    channel: String,
    sent: u64,
    expires: u64,
    severity: &'static str,
    label: String,
    replaces: String,
    content: String,
    more: String,
}

impl Draft {
    fn new(credentials: &[Token], author: Author, channel: &str, severity: Severity, text: &str) -> Self {
        let plane = if channel.starts_with("exercise/") { Plane::Exercise } else { Plane::Live };
        Self {
            author,
            kid: find(credentials, author.chain.last().unwrap()).id.clone(),
            typ: format!("vigie-message-{plane}-v1"),
            channel: channel.to_owned(),
            sent: NOW,
            expires: NOW + 6 * HOUR,
            severity: severity.as_str(),
            label: r#"{"tlp":"TLP:GREEN"}"#.to_owned(),
            replaces: String::new(),
            content: content(plane, "essai-1", text, severity),
            more: String::new(),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn replacing(self, target: &str) -> Self {
        self.with(|draft| draft.replaces = format!(r#""replaces":["{target}"],"#))
    }

    fn payload(&self) -> String {
        let Self { channel, sent, expires, severity, label, replaces, content, more, .. } = self;
        format!(
            r#"{{"channel":"{channel}","sent":{sent},"expires":{expires},"severity":"{severity}","label":{label},{replaces}"content":{content}{more}}}"#
        )
    }

    fn token(&self, name: &str) -> Token {
        Token::new(name, self.author.key, header(&self.kid, &self.typ), self.payload())
    }
}

struct Book<'a> {
    credentials: &'a [Token],
    tokens: Vec<Token>,
    cases: Vec<Case>,
    replaces: Vec<Replaces>,
}

impl Book<'_> {
    fn add(&mut self, author: Author, token: Token, verdict: &str, repaired: Option<&str>) {
        self.add_at(author, token, NOW + SECOND, verdict, repaired);
    }

    fn add_at(&mut self, author: Author, token: Token, admitted: u64, verdict: &str, repaired: Option<&str>) {
        let name = token.name.clone();
        if self.tokens.iter().all(|other| other.name != name) {
            self.tokens.push(token);
        }
        self.case(&name, author, &name, admitted, verdict, repaired);
    }

    fn case(
        &mut self,
        name: &str,
        author: Author,
        token: &str,
        admitted: u64,
        verdict: &str,
        repaired: Option<&str>,
    ) {
        assert!(self.cases.iter().all(|other| other.name != name), "{name} twice");
        let id = (verdict == "ok").then(|| find(&self.tokens, token).id.clone());
        self.cases.push(Case {
            name: name.to_owned(),
            chain: author.chain.iter().map(|link| (*link).to_owned()).collect(),
            token: token.to_owned(),
            lifetime_max_ms: LIFETIME_MAX,
            admitted,
            verdict: verdict.to_owned(),
            id,
            repaired: repaired.map(str::to_owned),
        });
    }

    fn alert_to_paris(&self) -> Draft {
        Draft::new(self.credentials, TOWN, "alert/fr.idf.75.paris", Severity::Severe, "Crue de la Seine")
    }
}

pub(crate) fn build(credentials: &[Token]) -> File {
    let mut book = Book { credentials, tokens: Vec::new(), cases: Vec::new(), replaces: Vec::new() };
    good(&mut book);
    authority(&mut book);
    planes(&mut book);
    severity(&mut book);
    times(&mut book);
    payload_form(&mut book);
    content_form(&mut book);
    reserved(&mut book);
    token_form(&mut book);
    sizes(&mut book);
    replaces(&mut book);
    let Book { tokens, cases, replaces, .. } = book;
    File { test_only: true, warning: WARNING, tokens, cases, replaces }
}

fn good(book: &mut Book<'_>) {
    let alert =
        Draft::new(book.credentials, NATION, "alert/fr", Severity::Extreme, "Alerte nationale d'essai");
    book.add(NATION, alert.token("alert-nation"), "ok", None);
    book.add(TOWN, book.alert_to_paris().token("alert-town"), "ok", None);
    let signal = Draft::new(
        book.credentials,
        FIELD,
        "signal/fr.idf.75.paris",
        Severity::Severe,
        "Fumée au métro «Cité»",
    );
    book.add(FIELD, signal.token("signal-field"), "ok", None);
    let exercise = Draft::new(
        book.credentials,
        NATION_EXERCISE,
        "exercise/alert/fr",
        Severity::Severe,
        "Exercice d'essai",
    );
    book.add(NATION_EXERCISE, exercise.token("exercise-nation"), "ok", None);
    let clear = book.alert_to_paris().with(|draft| draft.label = r#"{"tlp":"TLP:CLEAR"}"#.to_owned());
    book.add(TOWN, clear.token("label-clear"), "ok", None);
    let extended = book.alert_to_paris().with(|draft| draft.more = r#","ext":{"a":[null]}"#.to_owned());
    book.add(TOWN, extended.token("ext"), "ok", None);
    let draft = book.alert_to_paris();
    let spelling = format!(r#"{{"typ":"{}","kid":"{}","alg":"Ed25519"}}"#, draft.typ, draft.kid);
    let payload = format!("\n {} ", draft.payload());
    book.add(TOWN, Token::new("other-spelling", "town-live", spelling, payload), "ok", None);
    let escapes = book.alert_to_paris().with(|draft| {
        draft.content = content(
            Plane::Live,
            "essai-2",
            "Guillemet \" barre \\ ligne \n cloche \u{7} 😀 \u{7f}",
            Severity::Severe,
        );
    });
    book.add(TOWN, escapes.token("escapes"), "ok", None);
    let file = b"<alert/>";
    let original = format!(
        r#","original":{{"media_type":"application/cap+xml","sha256":"{}","bytes":"{}"}}}}"#,
        base64url(sha256(file)),
        base64url(file)
    );
    let draft = book.alert_to_paris();
    let with = draft.content.strip_suffix('}').unwrap().to_owned() + &original;
    book.add(TOWN, draft.clone().with(|draft| draft.content = with.clone()).token("original"), "ok", None);
    let wrong = with.replace(&base64url(file), &base64url(b"<alert />"));
    let draft = draft.with(|draft| draft.content = wrong);
    book.add(TOWN, draft.token("original-of-other-hash"), "malformed_content", Some("original"));
}

fn authority(book: &mut Book<'_>) {
    let credentials = book.credentials;
    let alert = |author, channel: &str, severity| Draft::new(credentials, author, channel, severity, "Essai");
    let twin = Some("alert-town");
    for (name, author, channel, severity, verdict, repaired) in [
        ("place-beside", TOWN, "alert/fr.idf.92.nanterre", Severity::Minor, "out_of_jurisdiction", twin),
        ("place-above", TOWN, "alert/fr.idf", Severity::Minor, "out_of_jurisdiction", twin),
        ("place-below", TOWN, "alert/fr.idf.75.paris.12", Severity::Minor, "ok", None),
        ("place-prefix", TOWN, "alert/fr.idf.75.parisis", Severity::Minor, "out_of_jurisdiction", twin),
        (
            "severity-above-grant",
            TOWN,
            "alert/fr.idf.75.paris",
            Severity::Extreme,
            "severity_exceeds_grant",
            twin,
        ),
        (
            "alert-from-field",
            FIELD,
            "alert/fr.idf.75.paris",
            Severity::Minor,
            "not_granted",
            Some("signal-field"),
        ),
    ] {
        book.add(author, alert(author, channel, severity).token(name), verdict, repaired);
    }
    let relay = Author { key: "town-live", chain: &["root-live", "nation-live", "relay-issuer"] };
    let author = Author { key: "town-live", chain: &["root-live", "nation-live", "author-issuer"] };
    let paris = "alert/fr.idf.75.paris";
    book.add(author, alert(author, paris, Severity::Minor).token("as-author"), "ok", None);
    book.add(relay, alert(relay, paris, Severity::Minor).token("as-relay"), "not_granted", Some("as-author"));
    // Right token, wrong chain beside it.
    book.case("other-chain", NATION, "alert-town", NOW + SECOND, "unknown_credential", twin);
}

fn planes(book: &mut Book<'_>) {
    let twin = Some("alert-town");
    let base = book.alert_to_paris();
    let typ = base.clone().with(|draft| draft.typ = "vigie-message-exercise-v1".to_owned());
    book.add(TOWN, typ.token("typ-of-exercise"), "wrong_plane", twin);
    let channel = base.clone().with(|draft| draft.channel = "exercise/alert/fr.idf.75.paris".to_owned());
    book.add(TOWN, channel.token("channel-of-exercise"), "wrong_plane", twin);
    for (status, verdict) in
        [("System", "ok"), ("Exercise", "wrong_plane"), ("Test", "wrong_plane"), ("Draft", "draft_content")]
    {
        let draft = base.clone().with(|draft| {
            draft.content = draft.content.replace(r#""status":"Actual""#, &format!(r#""status":"{status}""#));
        });
        let name = format!("status-{}", status.to_lowercase());
        book.add(TOWN, draft.token(&name), verdict, (verdict != "ok").then_some("alert-town"));
    }
    let exercise = Draft::new(
        book.credentials,
        NATION_EXERCISE,
        "exercise/alert/fr",
        Severity::Severe,
        "Exercice d'essai",
    );
    for (status, verdict) in [("Test", "ok"), ("Actual", "wrong_plane"), ("System", "wrong_plane")] {
        let draft = exercise.clone().with(|draft| {
            draft.content =
                draft.content.replace(r#""status":"Exercise""#, &format!(r#""status":"{status}""#));
        });
        let name = format!("exercise-status-{}", status.to_lowercase());
        let repaired = (verdict != "ok").then_some("exercise-nation");
        book.add(NATION_EXERCISE, draft.token(&name), verdict, repaired);
    }
    let live = exercise.with(|draft| draft.channel = "alert/fr".to_owned());
    book.add(NATION_EXERCISE, live.token("exercise-on-live-channel"), "wrong_plane", Some("exercise-nation"));
}

fn severity(book: &mut Book<'_>) {
    for (name, cap, said, verdict) in [
        ("severity-below-cap", Severity::Severe, "Moderate", "severity_below_content"),
        ("severity-above-cap", Severity::Minor, "Severe", "ok"),
    ] {
        let draft = book.alert_to_paris().with(|draft| {
            draft.content = content(Plane::Live, "essai-1", "Crue de la Seine", cap);
            draft.severity = said;
        });
        book.add(TOWN, draft.token(name), verdict, (verdict != "ok").then_some("alert-town"));
    }
    for (name, said, verdict) in
        [("unknown-as-severe", "Severe", "ok"), ("unknown-as-moderate", "Moderate", "severity_below_content")]
    {
        let draft = book.alert_to_paris().with(|draft| {
            draft.content = draft.content.replace(r#""severity":"Severe""#, r#""severity":"Unknown""#);
            draft.severity = said;
        });
        book.add(TOWN, draft.token(name), verdict, (verdict != "ok").then_some("unknown-as-severe"));
    }
}

fn times(book: &mut Book<'_>) {
    let base = book.alert_to_paris();
    let twin = Some("alert-town");
    let ends = |draft: &Draft, expires| draft.clone().with(|draft| draft.expires = expires);
    book.add(TOWN, ends(&base, NOW + 7 * DAY).token("life-of-7-days"), "ok", None);
    book.add(
        TOWN,
        ends(&base, NOW + 7 * DAY + 1).token("life-too-long"),
        "lifetime_too_long",
        Some("life-of-7-days"),
    );
    book.add(TOWN, ends(&base, NOW).token("ends-when-sent"), "lifetime_too_long", twin);
    book.add(TOWN, ends(&base, NOW - 1).token("ends-before-sent"), "lifetime_too_long", twin);
    let early = NOW - 120 * SECOND;
    book.case("clock-120-s-ahead", TOWN, "alert-town", early, "ok", None);
    book.case("sent-in-future", TOWN, "alert-town", early - 1, "sent_in_future", Some("clock-120-s-ahead"));
    let end = NOW + 6 * HOUR;
    book.case("admitted-at-the-end", TOWN, "alert-town", end - 1, "ok", None);
    book.case("expired", TOWN, "alert-town", end, "expired", Some("admitted-at-the-end"));
    let sent_at = |sent: u64| {
        base.clone().with(|draft| {
            draft.sent = sent;
            draft.expires = sent + 6 * HOUR;
        })
    };
    let (from, until) = (NOW - 10 * DAY, NOW + 100 * DAY);
    book.add_at(TOWN, sent_at(from).token("sent-at-credential-start"), from, "ok", None);
    let twin = Some("sent-at-credential-start");
    book.case(
        "admitted-before-credential",
        TOWN,
        "sent-at-credential-start",
        from - 1,
        "credential_not_yet_valid",
        twin,
    );
    book.add_at(
        TOWN,
        sent_at(from - 1).token("sent-before-credential"),
        from,
        "credential_not_yet_valid",
        twin,
    );
    book.add_at(TOWN, sent_at(until - 1).token("sent-at-credential-end"), until - 1, "ok", None);
    let twin = Some("sent-at-credential-end");
    book.case("admitted-after-credential", TOWN, "sent-at-credential-end", until, "credential_expired", twin);
    book.add_at(TOWN, sent_at(until).token("sent-after-credential"), until, "credential_expired", twin);
}

/// One member of the payload made wrong.
fn payload_form(book: &mut Book<'_>) {
    let base = book.alert_to_paris();
    let expires = format!(r#""expires":{}"#, base.expires);
    let id = "A".repeat(43);
    let many =
        |count: usize| format!(r#""replaces":[{}],"label""#, vec![format!(r#""{id}""#); count].join(","));
    for (name, from, to, verdict) in [
        ("replaces-64", r#""label""#, &*many(64), "ok"),
        ("replaces-65", r#""label""#, &*many(65), "malformed_message"),
        ("replaces-not-an-id", r#""label""#, r#""replaces":["x"],"label""#, "malformed_message"),
        ("unknown-member", r#""label""#, r#""priority":1,"label""#, "unknown_member"),
        ("unknown-member-in-label", r#""tlp":"#, r#""colour":1,"tlp":"#, "unknown_member"),
        ("duplicate-member", r#""label""#, r#""sent":1800000000000,"label""#, "duplicate_member"),
        (
            "duplicate-in-content",
            r#""scope":"Public""#,
            r#""scope":"Public","scope":"Public""#,
            "duplicate_member",
        ),
        ("expires-missing", &*format!("{expires},"), "", "malformed_message"),
        ("expires-text", &*expires, r#""expires":"1800000000000""#, "malformed_message"),
        ("expires-exponent", &*expires, r#""expires":18e11"#, "malformed_message"),
        ("expires-above-2-53", &*expires, r#""expires":9007199254740992"#, "malformed_message"),
        (
            "severity-unknown",
            r#""expires":1800021600000,"severity":"Severe""#,
            r#""expires":1800021600000,"severity":"Unknown""#,
            "malformed_message",
        ),
        ("label-missing", r#""label":{"tlp":"TLP:GREEN"},"#, "", "malformed_message"),
        ("label-unknown", "TLP:GREEN", "TLP:WHITE", "malformed_message"),
        ("label-as-array", r#"{"tlp":"TLP:GREEN"}"#, r#"["TLP:GREEN"]"#, "malformed_message"),
        ("ext-null", r#""label""#, r#""ext":null,"label""#, "malformed_message"),
        ("channel-malformed", "alert/fr.idf.75.paris", "alert/fr.idf.75.Paris", "malformed_channel"),
        ("channel-filter", "alert/fr.idf.75.paris", "alert/fr.idf.75.**", "malformed_channel"),
        ("channel-reserved-flow", "alert/fr.idf.75.paris", "cell/fr.idf.75.paris", "malformed_channel"),
        ("depth-16", r#""label""#, r#""ext":{"a":[[[[[[[[[[[[[[]]]]]]]]]]]]]]},"label""#, "ok"),
        (
            "depth-17",
            r#""label""#,
            r#""ext":{"a":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]},"label""#,
            "malformed_message",
        ),
    ] {
        let payload = base.payload();
        assert_eq!(payload.matches(from).count(), 1, "{name}");
        let token =
            Token::new(name, base.author.key, header(&base.kid, &base.typ), payload.replace(from, to));
        let repaired = match name {
            "replaces-65" => "replaces-64",
            "depth-17" => "depth-16",
            _ => "alert-town",
        };
        book.add(TOWN, token, verdict, (verdict != "ok").then_some(repaired));
    }
}

/// One element of the CAP made wrong.
fn content_form(book: &mut Book<'_>) {
    for (name, from, to, verdict) in [
        ("cap-unknown-member", r#""scope":"Public""#, r#""scope":"Public","extra":"x""#, "unknown_member"),
        ("cap-identifier-missing", r#""identifier":"essai-1","#, "", "malformed_content"),
        ("cap-identifier-blank", "essai-1", " ", "malformed_content"),
        ("cap-sent-zulu", "2027-01-15T09:00:00+01:00", "2027-01-15T08:00:00Z", "malformed_content"),
        ("cap-sent-no-such-day", "2027-01-15", "2027-02-29", "malformed_content"),
        ("cap-status-unknown", r#""Actual""#, r#""Real""#, "malformed_content"),
        ("cap-number", r#""identifier":"essai-1""#, r#""identifier":1"#, "malformed_content"),
        ("cap-null", r#""scope":"Public""#, r#""scope":"Public","note":null"#, "malformed_content"),
        ("cap-category-empty", r#"["Safety"]"#, "[]", "malformed_content"),
        ("cap-empty-array", r#""scope":"Public""#, r#""scope":"Public","code":[]"#, "malformed_content"),
    ] {
        let draft = book.alert_to_paris().with(|draft| {
            assert_eq!(draft.content.matches(from).count(), 1, "{name}");
            draft.content = draft.content.replace(from, to);
        });
        book.add(TOWN, draft.token(name), verdict, Some("alert-town"));
    }
    let text = book.alert_to_paris().with(|draft| draft.content = r#""Crue""#.to_owned());
    book.add(TOWN, text.token("content-text"), "malformed_content", Some("alert-town"));
    let bare = r#"{"cap":{"identifier":"essai-9","sender":"essai@vigie.example","sent":"2027-01-15T09:00:00+01:00","status":"Actual","msgType":"Cancel","scope":"Public"}}"#;
    let bare = book.alert_to_paris().with(|draft| draft.content = bare.to_owned());
    book.add(TOWN, bare.token("cancel-without-info"), "ok", None);
}

fn reserved(book: &mut Book<'_>) {
    for (name, from, to) in [
        ("reserved-prev", r#""label""#, r#""prev":"x","label""#),
        ("reserved-prev-null", r#""label""#, r#""prev":null,"label""#),
        ("reserved-cosignatures", r#""label""#, r#""cosignatures":[],"label""#),
        ("reserved-sealed", r#""label""#, r#""sealed":{},"label""#),
        ("reserved-audience", r#""TLP:GREEN""#, r#""TLP:GREEN","audience":"sdis""#),
        ("reserved-amber", "TLP:GREEN", "TLP:AMBER"),
        ("reserved-amber-strict", "TLP:GREEN", "TLP:AMBER+STRICT"),
        ("reserved-red", "TLP:GREEN", "TLP:RED"),
    ] {
        let base = book.alert_to_paris();
        let payload = base.payload();
        assert_eq!(payload.matches(from).count(), 1, "{name}");
        let token =
            Token::new(name, base.author.key, header(&base.kid, &base.typ), payload.replace(from, to));
        book.add(TOWN, token, "not_supported", Some("alert-town"));
    }
}

fn token_form(book: &mut Book<'_>) {
    let twin = Some("alert-town");
    let good = find(&book.tokens, "alert-town").clone();
    let base = book.alert_to_paris();
    let (kid, typ) = (&base.kid, &base.typ);
    for (name, header, verdict) in [
        (
            "header-crit",
            format!(r#"{{"alg":"EdDSA","crit":[],"kid":"{kid}","typ":"{typ}"}}"#),
            "unknown_member",
        ),
        (
            "header-jwk",
            format!(r#"{{"alg":"EdDSA","jwk":{{}},"kid":"{kid}","typ":"{typ}"}}"#),
            "unknown_member",
        ),
        (
            "header-duplicate",
            format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"{typ}","typ":"{typ}"}}"#),
            "duplicate_member",
        ),
        ("header-alg-none", format!(r#"{{"alg":"none","kid":"{kid}","typ":"{typ}"}}"#), "malformed_token"),
        ("header-typ-credential", header(kid, "vigie-credential-live-v1"), "wrong_type"),
        ("header-typ-login", header(kid, "vigie-login-live-v1"), "wrong_type"),
        ("header-typ-v2", header(kid, "vigie-message-live-v2"), "wrong_type"),
        ("header-typ-revocation", header(kid, "vigie-revocation-live-v1"), "not_supported"),
        ("header-not-object", "[]".to_owned(), "malformed_token"),
    ] {
        book.add(TOWN, Token::new(name, base.author.key, header, base.payload()), verdict, twin);
    }
    let at = good.payload.find("Seine").unwrap() * 8;
    for (name, step, verdict) in [
        ("payload-bit", Then::Flip { part: 1, bit: at }, "bad_signature"),
        ("signature-bit-r", Then::Flip { part: 2, bit: 3 }, "bad_signature"),
        ("signature-bit-s", Then::Flip { part: 2, bit: 300 }, "bad_signature"),
        (
            "signature-of-other-message",
            Then::Signature(signature_of(&book.tokens, "signal-field")),
            "bad_signature",
        ),
        ("signature-s-not-reduced", Then::Signature(with_order_added(&good)), "bad_signature"),
        ("signature-short", Then::Signature(base64url([1; 63])), "malformed_token"),
        ("padded", Then::Append("=".to_owned()), "malformed_token"),
        ("trailing-newline", Then::Append("\n".to_owned()), "malformed_token"),
    ] {
        book.add(TOWN, good.then(name, step), verdict, twin);
    }
    let other = base.clone().with(|draft| draft.author = NATION);
    book.add(TOWN, other.token("signed-by-other-key"), "bad_signature", twin);
    let small_r = good.then("signature-r-small-order", Then::Signature(SMALL_ORDER_R.to_owned()));
    book.add(TOWN, small_r, "bad_signature", twin);
}

/// A signature of `alert-town` by the right key whose R is the neutral point, so that S = H(R, A, M) · a: it fits the
/// equation of RFC 8032, and is refused for its R alone. Made with the seed by arithmetic modulo the group order;
/// whoever changes that message makes it anew (`vectors/README.md`).
const SMALL_ORDER_R: &str =
    "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADnmS4d7TBOBaEv_jR5Ri6ZO9qlqn9-qIdNFSR1sWX3Bg";

fn signature_of(tokens: &[Token], name: &str) -> String {
    find(tokens, name).text.rsplit_once('.').unwrap().1.to_owned()
}

/// The same signature with S + L in place of S: lax verifiers take both.
fn with_order_added(token: &Token) -> String {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut signature = from_base64url(token.text.rsplit_once('.').unwrap().1);
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    base64url(signature)
}

fn sizes(book: &mut Book<'_>) {
    let base = book.alert_to_paris();
    let kid_header = header(&base.kid, &base.typ);
    let payload = base.clone().with(|draft| draft.more = r#","ext":{"pad":"@FILL@"}"#.to_owned()).payload();
    let filled = |name: &str, fill: usize| {
        Token::build(name, base.author.key, kid_header.clone(), payload.clone(), Some(fill), Vec::new())
    };
    // base64url makes four characters of three bytes, so the largest fill is found near three quarters.
    let rest = filled("none", 0).bytes;
    let mut fill = (MESSAGE_BYTES_MAX - rest) / 4 * 3 + 3;
    while filled("largest", fill).bytes > MESSAGE_BYTES_MAX {
        fill -= 1;
    }
    book.add(TOWN, filled("largest", fill), "ok", None);
    book.add(TOWN, filled("too-large", fill + 1), "message_too_large", Some("largest"));
}

fn replaces(book: &mut Book<'_>) {
    let target = find(&book.tokens, "alert-town").id.clone();
    let update = book.alert_to_paris().replacing(&target);
    let nation = |channel: &str| {
        Draft::new(book.credentials, NATION, channel, Severity::Severe, "Crue de la Seine").replacing(&target)
    };
    // The same key under another credential of its own, such as a renewed one.
    let renewed = Author { key: "town-live", chain: &["root-live", "nation-live", "extended"] };
    let kid = find(book.credentials, "extended").id.clone();
    let cases = [
        ("update-by-author", TOWN, update.clone(), true),
        ("update-from-above", NATION, nation("alert/fr.idf.75.paris"), true),
        ("update-renewed", renewed, update.clone().with(|draft| draft.kid = kid), true),
        ("update-on-other-channel", NATION, nation("alert/fr.idf"), false),
        (
            "update-less-severe",
            TOWN,
            update.clone().with(|draft| {
                draft.content = content(Plane::Live, "essai-1", "Crue", Severity::Minor);
                draft.severity = "Moderate";
            }),
            false,
        ),
        ("update-ends-earlier", TOWN, update.clone().with(|draft| draft.expires -= 1), false),
        (
            "update-other-label",
            TOWN,
            update.clone().with(|draft| draft.label = r#"{"tlp":"TLP:CLEAR"}"#.to_owned()),
            false,
        ),
        (
            "update-of-nothing",
            TOWN,
            update.with(|draft| draft.replaces = format!(r#""replaces":["{}"],"#, "A".repeat(43))),
            false,
        ),
    ];
    for (name, author, draft, takes_effect) in cases {
        book.add(author, draft.token(name), "ok", None);
        book.replaces.push(Replaces {
            update: name.to_owned(),
            target: "alert-town".to_owned(),
            takes_effect,
        });
    }
}
