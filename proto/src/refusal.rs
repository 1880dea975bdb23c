//! Why something was refused: a stable word for programs, a sentence for people in English and French.
//!
//! Every refusal on the wire, in the SDK and on the command line is one of [`Code`]. The table below is the only
//! place where a code is born; PROTOCOL.md lists the same table and a test compares them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::CredentialId;

/// What a refusal does to the connection it happens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a connection is an HTTP request or a WebSocket, and goes on or ends"
)]
pub enum Ends {
    /// The request is refused and the session goes on. Before log-in every refusal ends the connection with 1008.
    Request,
    /// The HTTP request is answered with this status; no WebSocket comes to be.
    Http(u16),
    /// The WebSocket is closed with this code (RFC 6455, section 7.4.1).
    Close(u16),
}

macro_rules! codes {
    ($($variant:ident $word:literal $ends:expr, $temporary:literal,
       $en:literal, $fr:literal;)*) => {
        /// A stable code: never renamed, never given another meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $en] $variant,)*
        }

        impl Code {
            /// Every code, in the order of PROTOCOL.md.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its place in [`Code::ALL`], for tables of counts. Not stable: names are.
            pub const fn index(self) -> usize {
                self as usize
            }

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// What it does to the connection.
            pub const fn ends(self) -> Ends {
                match self { $(Self::$variant => $ends),* }
            }

            /// Whether the same request may succeed later, unchanged.
            pub const fn is_temporary(self) -> bool {
                match self { $(Self::$variant => $temporary),* }
            }

            /// One sentence in English: what, why, and what to do next.
            pub const fn english(self) -> &'static str {
                match self { $(Self::$variant => $en),* }
            }

            /// The same sentence in French.
            pub const fn french(self) -> &'static str {
                match self { $(Self::$variant => $fr),* }
            }
        }
    };
}

use Ends::{Close, Http, Request};

codes! {
    NotWebsocket "not_websocket" Http(426), false,
        "This address speaks WebSocket only: connect with a Vigie client.",
        "Cette adresse ne parle que WebSocket : connectez-vous avec un client Vigie.";
    WrongSubprotocol "wrong_subprotocol" Http(400), false,
        "The WebSocket subprotocol must be vigie.v1: update the client or the relay.",
        "Le sous-protocole WebSocket doit être vigie.v1 : mettez à jour le client ou le relais.";
    NotFound "not_found" Http(404), false,
        "There is nothing at this path: the relay listens at /.",
        "Il n'y a rien à ce chemin : le relais écoute à /.";
    OriginRefused "origin_refused" Http(403), false,
        "Pages of this origin may not connect: the operator can allow it in the setting `origins`.",
        "Les pages de cette origine ne peuvent pas se connecter : l'exploitant peut l'autoriser dans le réglage `origins`.";
    FrameTooLarge "frame_too_large" Close(1009), false,
        "The frame is larger than allowed at this stage: 12 KiB before log-in, 257 KiB after.",
        "La trame dépasse la taille permise à ce stade : 12 Kio avant l'authentification, 257 Kio après.";
    TooManyBytes "too_many_bytes" Close(1009), false,
        "More came before the log-in than a log-in needs, 24 KiB unless the operator says otherwise: log in as the answer to the challenge.",
        "Plus d'octets sont venus avant l'authentification qu'elle n'en demande, 24 Kio sauf avis contraire de l'exploitant : authentifiez-vous en réponse au défi.";
    NotText "not_text" Close(1003), false,
        "Frames are text: a binary frame was received.",
        "Les trames sont du texte : une trame binaire a été reçue.";
    NotUnicode "not_unicode" Close(1007), false,
        "The text of a frame is not UTF-8.",
        "Le texte d'une trame n'est pas de l'UTF-8.";
    BrokenWebsocket "broken_websocket" Close(1002), false,
        "The bytes are not WebSocket as RFC 6455 has it, without extensions: connect by a WebSocket library, with compression off.",
        "Les octets ne sont pas du WebSocket tel que le veut la RFC 6455, sans extension : connectez-vous par une bibliothèque WebSocket, compression désactivée.";
    TooManyFragments "too_many_fragments" Close(1008), false,
        "A message came in more than 512 fragments: send it whole, or in larger ones.",
        "Un message est venu en plus de 512 fragments : envoyez-le entier, ou en fragments plus grands.";
    TooManyPings "too_many_pings" Close(1008), false,
        "More than 20 WebSocket pings and pongs a second came, or 200 at once: turn the keep-alive of the WebSocket library off, the relay has its own.",
        "Il est venu plus de 20 pings et pongs WebSocket par seconde, ou 200 d'un coup : désactivez le maintien de connexion de la bibliothèque WebSocket, le relais a le sien.";
    NotJson "not_json" Request, false,
        "The frame is not JSON as the protocol defines it: a single object, UTF-8, integers up to 2^53 - 1, at most 16 levels deep.",
        "La trame n'est pas du JSON tel que le protocole le définit : un seul objet, UTF-8, entiers jusqu'à 2^53 - 1, 16 niveaux au plus.";
    DuplicateMember "duplicate_member" Request, false,
        "A JSON member is given twice in one object: readers would disagree on which one counts.",
        "Un membre JSON est donné deux fois dans un objet : les lecteurs ne s'accorderaient pas sur celui qui compte.";
    MalformedFrame "malformed_frame" Request, false,
        "The frame lacks a member, or one has the wrong type or value: see the frame's table in PROTOCOL.md.",
        "Il manque un membre à la trame, ou l'un d'eux a un type ou une valeur incorrects : voir la table de la trame dans PROTOCOL.md.";
    UnknownOperation "unknown_operation" Request, false,
        "The relay does not know this operation: it may be newer than the relay.",
        "Le relais ne connaît pas cette opération : elle est peut-être plus récente que lui.";
    NotLoggedIn "not_logged_in" Close(1008), false,
        "Log in first: nothing else is accepted before the log-in frame, and nothing between the log-in and `welcome`.",
        "Authentifiez-vous d'abord : rien d'autre n'est accepté avant la trame d'authentification, ni entre elle et `welcome`.";
    LoginTimeout "login_timeout" Close(1008), true,
        "The log-in took longer than the relay gives, 10 seconds unless the operator says otherwise: connect again.",
        "L'authentification a pris plus que le relais n'accorde, 10 secondes sauf avis contraire de l'exploitant : reconnectez-vous.";
    ProofInvalid "proof_invalid" Close(1008), false,
        "The log-in proof is malformed, or not signed by the key of the credential that it names.",
        "La preuve d'authentification est mal formée, ou n'est pas signée par la clé de l'accréditation qu'elle nomme.";
    ProofReplayed "proof_replayed" Close(1008), true,
        "The log-in proof answers another challenge, or came too late: sign the nonce of this connection.",
        "La preuve d'authentification répond à un autre défi, ou vient trop tard : signez le nonce de cette connexion.";
    WrongRelayName "wrong_relay_name" Close(1008), false,
        "The log-in proof is for a relay of another name: check the address that the client dials.",
        "La preuve d'authentification vise un relais d'un autre nom : vérifiez l'adresse que le client appelle.";
    BindingMismatch "binding_mismatch" Close(1008), false,
        "The log-in proof was made over another TLS certificate: something stands between client and relay.",
        "La preuve d'authentification porte sur un autre certificat TLS : quelque chose se tient entre le client et le relais.";
    UnknownRoot "unknown_root" Request, false,
        "The chain does not start at a pinned root: ask who runs the relay which root to be certified under.",
        "La chaîne ne part pas d'une racine épinglée : demandez à l'exploitant du relais sous quelle racine être accrédité.";
    BrokenChain "broken_chain" Request, false,
        "The chain is broken: each credential must name the one before it as its parent, and be signed by its key.",
        "La chaîne est rompue : chaque accréditation doit nommer la précédente comme parente et être signée par sa clé.";
    TooManyLinks "too_many_links" Request, false,
        "The chain has no link or more than 8.",
        "La chaîne n'a aucun maillon ou en a plus de 8.";
    CredentialTooLarge "credential_too_large" Request, false,
        "A credential is larger than 1,280 bytes: shorten its name or split its grants.",
        "Une accréditation dépasse 1 280 octets : raccourcissez son nom ou répartissez ses droits.";
    MalformedCredential "malformed_credential" Request, false,
        "A credential lacks a member, or one has the wrong type or value.",
        "Il manque un membre à une accréditation, ou l'un d'eux a un type ou une valeur incorrects.";
    KeyRefused "key_refused" Request, false,
        "The key is of small order or not canonically encoded: make a new one.",
        "La clé est d'ordre faible ou n'est pas encodée sous sa forme canonique : faites-en une autre.";
    TestKey "test_key" Request, false,
        "This key is published for tests, so anyone can sign with it: make a key of your own.",
        "Cette clé est publiée pour les tests, chacun peut donc signer avec elle : faites votre propre clé.";
    ExceedsParent "exceeds_parent" Request, false,
        "A credential claims more than the one above it: ask the issuer for one that fits inside its own.",
        "Une accréditation revendique plus que celle au-dessus d'elle : demandez à l'émetteur une accréditation qui tienne dans la sienne.";
    CredentialExpired "credential_expired" Request, false,
        "A credential of the chain has expired: have it renewed.",
        "Une accréditation de la chaîne a expiré : faites-la renouveler.";
    CredentialNotYetValid "credential_not_yet_valid" Request, false,
        "A credential of the chain is not valid yet: wait, or check the clocks.",
        "Une accréditation de la chaîne n'est pas encore valable : attendez, ou vérifiez les horloges.";
    UnknownCredential "unknown_credential" Request, false,
        "No valid chain is known for this credential: send its chain first.",
        "Aucune chaîne valable n'est connue pour cette accréditation : envoyez d'abord sa chaîne.";
    Revoked "revoked" Request, false,
        "A credential of the chain, or its key, is revoked: ask who issued it for another one, over a new key.",
        "Une accréditation de la chaîne, ou sa clé, est révoquée : demandez-en une autre à son émetteur, sur une nouvelle clé.";
    MalformedRevocation "malformed_revocation" Request, false,
        "The revocation lacks a member, one has the wrong type or value, or it is larger than 1,024 bytes.",
        "Il manque un membre à la révocation, l'un d'eux a un type ou une valeur incorrects, ou elle dépasse 1 024 octets.";
    RootEnded "root_ended" Request, false,
        "The root of the chain has handed over to its successor: ask for a credential below the new root.",
        "La racine de la chaîne a passé la main à celle qui lui succède : demandez une accréditation sous la nouvelle racine.";
    MalformedRotation "malformed_rotation" Request, false,
        "The rotation of a root lacks a member, one has the wrong type or value, or it is larger than 1,024 bytes.",
        "Il manque un membre à la rotation d'une racine, l'un d'eux a un type ou une valeur incorrects, ou elle dépasse 1 024 octets.";
    MalformedToken "malformed_token" Request, false,
        "The token is not a JWS as the protocol defines it: three canonical base64url parts, and a header of `alg`, `kid` and `typ`.",
        "Le jeton n'est pas un JWS tel que le protocole le définit : trois parties en base64url canonique, et un en-tête `alg`, `kid` et `typ`.";
    UnknownMember "unknown_member" Request, false,
        "A signed object has a member that the protocol does not define: put extensions below `ext`.",
        "Un objet signé a un membre que le protocole ne définit pas : placez les extensions sous `ext`.";
    WrongType "wrong_type" Request, false,
        "The token is of another type than is expected here (`typ`).",
        "Le jeton est d'un autre type que celui attendu ici (`typ`).";
    BadSignature "bad_signature" Request, false,
        "The signature does not match: the bytes were altered, or another key signed them.",
        "La signature ne correspond pas : les octets ont été altérés, ou une autre clé les a signés.";
    MalformedMessage "malformed_message" Request, false,
        "The message lacks a member, or one has the wrong type or value.",
        "Il manque un membre au message, ou l'un d'eux a un type ou une valeur incorrects.";
    MalformedContent "malformed_content" Request, false,
        "The content is not a CAP 1.2 alert as the protocol defines it.",
        "Le contenu n'est pas une alerte CAP 1.2 telle que le protocole la définit.";
    DraftContent "draft_content" Request, false,
        "The alert is a draft: set its CAP status before it is published.",
        "L'alerte est un brouillon : fixez son statut CAP avant de la publier.";
    WrongPlane "wrong_plane" Request, false,
        "Live and exercise are mixed: session, credential, `typ`, channel and CAP status must agree.",
        "Réel et exercice sont mêlés : session, accréditation, `typ`, canal et statut CAP doivent concorder.";
    MalformedChannel "malformed_channel" Request, false,
        "The channel is not of the form alert/fr.idf or signal/fr.idf.75.paris.",
        "Le canal n'est pas de la forme alert/fr.idf ou signal/fr.idf.75.paris.";
    NotGranted "not_granted" Request, false,
        "The credential does not grant this right on this flow: ask its issuer for one that does.",
        "L'accréditation ne donne pas ce droit sur ce flux : demandez à son émetteur une accréditation qui le donne.";
    OutOfJurisdiction "out_of_jurisdiction" Request, false,
        "The place is outside the territory that the credential grants: name one inside it, or ask who stands above.",
        "Le lieu est hors du territoire que l'accréditation accorde : nommez un lieu de ce territoire, ou adressez-vous à l'échelon au-dessus.";
    SeverityExceedsGrant "severity_exceeds_grant" Request, false,
        "The severity is above what the credential may publish: ask someone higher in the chain to publish it.",
        "La gravité dépasse ce que l'accréditation permet de publier : demandez à un échelon supérieur de le faire.";
    SeverityBelowContent "severity_below_content" Request, false,
        "The severity of the message is below that of its content: raise it (CAP Unknown counts as Severe).",
        "La gravité du message est inférieure à celle de son contenu : relevez-la (Unknown de CAP vaut Severe).";
    SentInFuture "sent_in_future" Request, false,
        "It is dated more than 120 seconds ahead of the relay: check the clock of the device.",
        "La date est de plus de 120 secondes en avance sur le relais : vérifiez l'horloge de l'appareil.";
    Expired "expired" Request, false,
        "The message has expired: sign a new one if it still matters.",
        "Le message a expiré : signez-en un nouveau s'il importe encore.";
    LifetimeTooLong "lifetime_too_long" Request, false,
        "The message lives longer than 7 days, or ends before it was sent: shorten its expiry and renew it.",
        "Le message vit plus de 7 jours, ou finit avant d'être envoyé : raccourcissez son échéance et renouvelez-le.";
    NotAuthor "not_author" Request, false,
        "A session publishes only what its own key signed.",
        "Une session ne publie que ce que sa propre clé a signé.";
    MessageTooLarge "message_too_large" Request, false,
        "The message is larger than 256 KiB: link large resources instead of embedding them.",
        "Le message dépasse 256 Kio : liez les ressources volumineuses au lieu de les inclure.";
    NotSupported "not_supported" Request, false,
        "This is defined for a later version, and refused until then rather than ignored.",
        "Ceci est défini pour une version ultérieure, et refusé d'ici là plutôt qu'ignoré.";
    TooManySubscriptions "too_many_subscriptions" Request, false,
        "The subscription names no channel or more than the relay takes, 256 unless the operator says otherwise: use .** to take in all below a place.",
        "L'abonnement ne nomme aucun canal ou en nomme plus que le relais n'en prend, 256 sauf avis contraire de l'exploitant : employez .** pour prendre tout ce qui est sous un lieu.";
    NotSubscribed "not_subscribed" Request, false,
        "The message is on a channel that was not subscribed to.",
        "Le message est sur un canal auquel on ne s'est pas abonné.";
    NotInAudience "not_in_audience" Request, false,
        "The message is labelled for other organisations.",
        "Le message est étiqueté pour d'autres organisations.";
    MalformedCursor "malformed_cursor" Request, false,
        "The cursor is not one that a relay gave: pass it on as it was received.",
        "Le curseur n'est pas de ceux que donne un relais : transmettez-le tel que reçu.";
    Busy "busy" Request, true,
        "Too many messages of this session wait for the disk: wait for receipts, then send again.",
        "Trop de messages de cette session attendent le disque : attendez les accusés, puis renvoyez.";
    RateLimited "rate_limited" Request, true,
        "Messages, chains or revocations came faster under this credential, or messages of all exercises or in all, than this relay takes them: send the same again when the answer says (within a second; within a minute, to give up from earlier on what is given up already); cancels and urgent messages are held back last.",
        "Des messages, des chaînes ou des révocations sont venus plus vite sous cette accréditation, ou des messages de tous les exercices ou en tout, que ce relais ne les prend : renvoyez la même chose quand la réponse le dit (dans la seconde ; dans la minute, pour renoncer depuis plus tôt à ce à quoi on a déjà renoncé) ; annulations et messages urgents sont retenus en dernier.";
    Full "full" Request, true,
        "The relay has no room for more messages now: send again later, and tell the operator.",
        "Le relais n'a plus de place pour l'instant : renvoyez plus tard, et prévenez l'exploitant.";
    ClockSuspect "clock_suspect" Request, true,
        "The clock of the relay jumped, so it admits nothing until it is confirmed: send again later.",
        "L'horloge du relais a sauté, il n'admet donc rien avant confirmation : renvoyez plus tard.";
    StorageFailed "storage_failed" Close(1011), true,
        "The relay could not write to its disk and stops: whatever has no receipt must be sent again.",
        "Le relais n'a pas pu écrire sur son disque et s'arrête : tout ce qui n'a pas d'accusé doit être renvoyé.";
    GoingAway "going_away" Close(1001), true,
        "The relay stops or restarts: connect again after the time that it names.",
        "Le relais s'arrête ou redémarre : reconnectez-vous après le délai qu'il indique.";
    SessionExpired "session_expired" Close(1008), false,
        "The credential of the session has ended: log in with a renewed one.",
        "L'accréditation de la session a pris fin : authentifiez-vous avec une accréditation renouvelée.";
    SessionRevoked "session_revoked" Close(1008), false,
        "The credential of the session, or one above it, was revoked: ask who issued it for another one, over a new key.",
        "L'accréditation de la session, ou une au-dessus d'elle, a été révoquée : demandez-en une autre à son émetteur, sur une nouvelle clé.";
    ClientCertificateRefused "client_certificate_refused" Close(1008), false,
        "The TLS certificate of this client was revoked, has ended, or is of an authority that the relay does not ask for any more: get another one from who issued it.",
        "Le certificat TLS de ce client a été révoqué, a pris fin, ou vient d'une autorité que le relais ne demande plus : demandez-en un autre à qui l'a émis.";
    Unresponsive "unresponsive" Close(1008), true,
        "Nothing came from the client for 2.4 mark intervals: connect again, the cursor stays good.",
        "Rien n'est venu du client pendant 2,4 intervalles de marque : reconnectez-vous, le curseur reste bon.";
    TooManyStrangers "too_many_strangers" Close(1013), true,
        "Too many connections that have not logged in, and this one had waited longest: connect again, and log in at once.",
        "Trop de connexions qui ne se sont pas authentifiées, et celle-ci attendait depuis le plus longtemps : reconnectez-vous, et authentifiez-vous aussitôt.";
    TooManySessions "too_many_sessions" Close(1013), true,
        "The sessions of this key or of the whole relay are as many as there may be, and this one was silent longest, made room for a key above its own, or comes where the last seats are kept for others: connect again in a while, or to another relay.",
        "Les sessions de cette clé ou de tout le relais sont aussi nombreuses qu'elles peuvent l'être, et celle-ci se taisait depuis le plus longtemps, a fait place à une clé au-dessus de la sienne, ou vient quand les dernières places sont gardées pour d'autres : reconnectez-vous dans un moment, ou à un autre relais.";
    TooManyConnections "too_many_connections" Http(503), true,
        "Connections come and go faster than the relay can end them: try again later or another relay.",
        "Des connexions vont et viennent plus vite que le relais ne peut y mettre fin : réessayez plus tard ou un autre relais.";
    TooManyFromAddress "too_many_from_address" Http(503), true,
        "From this address come as many connections as one may have here: end some, or try again later.",
        "De cette adresse viennent autant de connexions qu'une seule peut en avoir ici : fermez-en, ou réessayez plus tard.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text is no code of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a refusal code of this version")]
#[non_exhaustive]
pub struct UnknownCode;

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text).ok_or(UnknownCode)
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A refusal: the code, which rule in particular, and which credential refused where one did.
///
/// The detail is for people and names no secret; programs decide by the code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {}", if detail.is_empty() { code.english() } else { detail })]
#[non_exhaustive]
pub struct Refusal {
    /// The stable code.
    pub code: Code,
    /// What exactly, in English, at most a sentence; may be empty.
    pub detail: Cow<'static, str>,
    /// The credential whose rule refused, if one did.
    pub credential: Option<CredentialId>,
}

/// Longest detail of a refusal: a sentence. A member name of 256 KiB must not come back as one.
pub const DETAIL_BYTES_MAX: usize = 256;

impl Refusal {
    /// A refusal with what exactly was wrong.
    ///
    /// The detail is cut at [`DETAIL_BYTES_MAX`]: it may quote what a stranger wrote.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let mut detail = detail.into();
        if detail.len() > DETAIL_BYTES_MAX {
            let end = detail.floor_char_boundary(DETAIL_BYTES_MAX);
            detail.to_mut().truncate(end);
        }
        Self { code, detail, credential: None }
    }

    /// Names the credential whose rule refused.
    #[must_use]
    pub fn by(mut self, credential: CredentialId) -> Self {
        self.credential = Some(credential);
        self
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self::new(code, "")
    }
}
