//! `messages.json`: messages under chains of `credentials.json`, with their verdicts, and what `replaces` does.

mod message_form;

use serde::Serialize;
use vigie_proto::cap::{Alert, Headline, Urgency};
use vigie_proto::channel::Plane;
use vigie_proto::severity::Severity;

use crate::support::{DAY, HOUR, NOW, SECOND, Token, WARNING, base64url, find, header, sha256};

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
    message_form::payload_form(&mut book);
    message_form::labels(&mut book);
    message_form::content_form(&mut book);
    message_form::reserved(&mut book);
    message_form::token_form(&mut book);
    message_form::sizes(&mut book);
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
            "Guillemet \" barre \\ ligne \n tabulation \t 😀 \u{7f}",
            Severity::Severe,
        );
        // No text of the CAP may have a control character that needs `\u`; what a file says of its type may.
        let original =
            format!(r#","original":{{"media_type":"\u0007","sha256":"{}"}}}}"#, base64url(sha256(b"")));
        draft.content = draft.content.strip_suffix('}').unwrap().to_owned() + &original;
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
    let unnamed = draft.with(|draft| draft.content = with.replace("application/cap+xml", ""));
    book.add(TOWN, unnamed.token("original-media-type-empty"), "ok", None);
}

fn authority(book: &mut Book<'_>) {
    let credentials = book.credentials;
    let alert = |author, channel: &str, severity| Draft::new(credentials, author, channel, severity, "Essai");
    let twin = Some("alert-town");
    for (name, author, channel, severity, verdict, repaired) in [
        ("place-beside", TOWN, "alert/fr.idf.92.nanterre", Severity::Minor, "out_of_jurisdiction", twin),
        ("place-and-severity", TOWN, "alert/fr.idf", Severity::Extreme, "out_of_jurisdiction", twin),
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
            "update-for-fewer",
            TOWN,
            update.clone().with(|draft| draft.label = labelled("GREEN", "fr.a")),
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
    replaces_for_some(book);
}

fn labelled(tlp: &str, orgs: &str) -> String {
    let orgs = orgs.replace(' ', r#"",""#);
    format!(r#"{{"tlp":"TLP:{tlp}","audience":["{orgs}"]}}"#)
}

/// What was said to some is replaced before the same, and under the same label.
fn replaces_for_some(book: &mut Book<'_>) {
    let target = find(&book.tokens, "label-amber").id.clone();
    for (name, label, takes_effect) in [
        ("update-for-the-same", labelled("AMBER", "fr.interieur fr.sante"), true),
        ("update-for-one-of-them", labelled("AMBER", "fr.interieur"), false),
        ("update-for-one-more", labelled("AMBER", "fr.a fr.interieur fr.sante"), false),
        ("update-for-others", labelled("AMBER", "fr.a fr.b"), false),
        ("update-strictly-for-the-same", labelled("AMBER+STRICT", "fr.interieur fr.sante"), false),
        ("update-green-for-the-same", labelled("GREEN", "fr.interieur fr.sante"), false),
        ("update-for-everyone", r#"{"tlp":"TLP:GREEN"}"#.to_owned(), false),
    ] {
        let draft = book.alert_to_paris().replacing(&target).with(|draft| draft.label = label);
        book.add(TOWN, draft.token(name), "ok", None);
        let (update, target) = (name.to_owned(), "label-amber".to_owned());
        book.replaces.push(Replaces { update, target, takes_effect });
    }
}
