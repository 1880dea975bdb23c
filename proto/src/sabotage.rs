//! Bugs planted on purpose, one at a time, to see the tests of promises catch them.
//!
//! Behind the non-default feature `sabotage`; a released binary is built without it. One build serves all bugs: the
//! environment variable [`VARIABLE`] names the one that is planted, and is read once by each process, so that a test and
//! the processes it starts have the same. Here, although this crate does no I/O, because it alone is known to the relay
//! and to the SDK.
//!
//! Each bug is a few lines at the seam that it breaks: `grep -r 'is_planted()'` finds them. `.ci/sabotage` says which
//! test is to catch which.

use std::fmt;
use std::sync::OnceLock;

use crate::credential::Grant;
use crate::hear::Said;
use crate::label::Audience;

/// Names the bug; not set, none is planted.
pub const VARIABLE: &str = "VIGIE_SABOTAGE";

macro_rules! bugs {
    ($($(#[$doc:meta])+ $bug:ident = $name:literal,)+) => {
        /// A bug that can be planted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Sabotage {
            $($(#[$doc])+ $bug,)+
        }

        impl Sabotage {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$bug,)+];

            /// What it is called in [`VARIABLE`].
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$bug => $name,)+
                }
            }
        }
    };
}

bugs! {
    // The journal.
    /// A batch is acknowledged without having been synced.
    ReceiptBeforeSync = "receipt-before-sync",
    /// A batch is acknowledged while it is in memory, and written with the next one or when nothing comes.
    ReceiptBeforeWrite = "receipt-before-write",
    /// A sync that failed is tried again on the same descriptor, and believed.
    FailedSyncRetried = "failed-sync-retried",
    /// After an unclean stop a tail that can be read counts, without having been copied and synced.
    TailTrusted = "tail-trusted",
    /// Damage in front of a mark is taken for a torn tail, and what follows is cut.
    TruncationInTheMiddle = "truncation-in-the-middle",
    /// A new segment counts before its name is synced.
    DirectoryNotSynced = "directory-not-synced",
    /// A write that was interrupted or cut short is not continued.
    EintrIsEnd = "eintr-is-end",
    /// Ids in force are not carried on by retention.
    IdsForgottenAtRetention = "ids-forgotten-at-retention",
    /// Credentials that are needed are not carried on by retention.
    CarriedCredentialLost = "carried-credential-lost",
    /// Urgent messages are refused on a full disk like all others.
    ReserveUnused = "reserve-unused",
    /// A journal that cannot be opened is begun anew.
    EmptyJournalInPlaceOfDamaged = "empty-journal-in-place-of-damaged",
    /// Checksums of records are not looked at.
    CrcNotChecked = "crc-not-checked",
    /// Two relays may open one journal.
    LockNotTaken = "lock-not-taken",
    /// A receipt is given for what is neither stored nor delivered.
    ReceiptWithoutStore = "receipt-without-store",

    // Readers.
    /// A session that was read up to from the journal goes on one place too late.
    CursorOffByOneAtTheHandOver = "cursor-off-by-one-at-the-hand-over",
    /// What a cursor stands at is given again after it.
    DuplicateOnResume = "duplicate-on-resume",
    /// What cannot be given is passed over in silence.
    GapNotTold = "gap-not-told",
    /// A live session that is too slow is closed.
    SlowReaderDropped = "slow-reader-dropped",
    /// A live session that is too slow stays live, and misses what it had no room for.
    SlowReaderSkipped = "slow-reader-skipped",
    /// The mark of a session that is behind names the head.
    MarkTooFar = "mark-too-far",
    /// The chain under which a message speaks is not given before it.
    ChainNotGiven = "chain-not-given",
    /// A peer that has gone is never noticed.
    HalfOpenKept = "half-open-kept",

    // Authors, and who hears them.
    /// A publish for which there is no room gets no answer.
    BusyUntold = "busy-untold",
    /// The relay takes a message whose signature is wrong.
    SignatureOff = "signature-off",
    /// Every session hears signals, wherever it stands.
    NeighbourHears = "neighbour-hears",
    /// Live sessions are given exercises.
    ExerciseLive = "exercise-live",
    /// A live session is given what is labelled for others.
    LabelNotLookedAtLive = "label-not-looked-at-live",
    /// A session that catches up from the journal is given what is labelled for others.
    LabelNotLookedAtCatchUp = "label-not-looked-at-catch-up",
    /// A page of history has what is labelled for others.
    LabelNotLookedAtInHistory = "label-not-looked-at-in-history",
    /// Whoever asks for a chain by the id of its credential is given it.
    CredentialByIdToAll = "credential-by-id-to-all",
    /// `TLP:AMBER+STRICT` and `TLP:RED` reach those below the organisations named.
    StrictAsAmber = "strict-as-amber",
    /// A rotation counts whoever has signed it.
    RotationSignatureSkipped = "rotation-signature-skipped",
    /// A rotation counts on both planes.
    RotationPlaneIgnored = "rotation-plane-ignored",
    /// What a root was handed over to stays good when that root is revoked.
    RotationOutlivesRevocation = "rotation-outlives-revocation",
    /// A root goes on after the end that it stated.
    RootEndIgnored = "root-end-ignored",

    // Strangers, and who is let in.
    /// What a stranger sends is not counted.
    StrangerBytesUncounted = "stranger-bytes-uncounted",
    /// Pages of any origin may connect.
    OriginIgnored = "origin-ignored",
    /// Client certificates are judged without the revocation lists.
    ClientListsNotLookedAt = "client-lists-not-looked-at",
    /// The last seats are given to whoever comes.
    SeatsKeptForNobody = "seats-kept-for-nobody",

    // Authority: what a chain may, and what ends it.
    /// A child may be of any organisation.
    OrgNotAttenuated = "org-not-attenuated",
    /// A child may publish more gravely than its parent.
    SeverityNotAttenuated = "severity-not-attenuated",
    /// A child may speak where its parent may not.
    PlaceNotAttenuated = "place-not-attenuated",
    /// A child may delegate as far down as it likes.
    DelegateDepthIgnored = "delegate-depth-ignored",
    /// A credential is good before it begins.
    NotBeforeIgnored = "not-before-ignored",
    /// The plane of a message is that of its channel, whatever its `typ` says.
    PlaneFromChannelOnly = "plane-from-channel-only",
    /// A good signature over a credential vouches for any other over the same claims.
    VerdictCachedById = "verdict-cached-by-id",
    /// The proof of one log-in serves for another.
    LoginProofNonceReused = "login-proof-nonce-reused",
    /// Sessions outlive their credential.
    ExpiredSessionStays = "expired-session-stays",
    /// A page of history ends where a read of the journal ends, whatever the reader hears of it.
    HiddenEndsAPage = "hidden-ends-a-page",
    /// The mark of a session that is behind names the place up to which the journal was read for it.
    MarkTellsWhatIsHidden = "mark-tells-what-is-hidden",
    /// A page of history has all that was read for it.
    HistoryUnheard = "history-unheard",
    /// What says that it was sent before a revocation is admitted after it.
    SentTrustedInRevocation = "sent-trusted-in-revocation",
    /// What a worker found good is admitted, whatever was revoked since.
    RevocationCheckedAtTheDoorOnly = "revocation-checked-at-the-door-only",
    /// A revocation holds from the batch on that comes after its own.
    RevocationFromTheNextBatch = "revocation-from-the-next-batch",
    /// Sessions that catch up outlive the revocation of their credential.
    RevokedWhileBehindStays = "revoked-while-behind-stays",
    /// Of the sessions of a worker a revocation ends a thousand.
    RevokedPastAThousandStay = "revoked-past-a-thousand-stay",
    /// A revocation ends all below its issuer, and the issuer.
    RevocationTakesTheIssuer = "revocation-takes-the-issuer",
    /// A revocation whose number is not above those of its issuer in force is answered, and dropped.
    RevocationLowerNumberDropped = "revocation-lower-number-dropped",
    /// A relay that starts again knows of no revocation.
    RevocationNotKeptAtRestart = "revocation-not-kept-at-restart",
    /// Sessions outlive the revocation of their credential.
    RevokedSessionStays = "revoked-session-stays",
    /// Readers are told of revocations when they log in, and not when they happen.
    RevocationNotToldLive = "revocation-not-told-live",
    /// Readers disown all of a revoked author's messages.
    FromIgnoredInDisowned = "from-ignored-in-disowned",

    // The SDK.
    /// The cursor of a durable subscription is committed when a message is given, and not when it was dealt with.
    CursorCommittedTooEarly = "cursor-committed-too-early",
    /// What an outbox takes over is told before it is written.
    OutboxForgets = "outbox-forgets",
    /// A private key is in the log line that says that it was read.
    SecretLogged = "secret-logged",
}

impl Sabotage {
    /// What is asked of a message, its label forgotten where this bug is planted.
    pub fn unlabelled(self, said: Said<'_>) -> Said<'_> {
        static EVERYONE: Audience = Audience::EVERYONE;
        if self.is_planted() { Said { audience: &EVERYONE, ..said } } else { said }
    }

    /// Whether it is the one that is planted in this process.
    ///
    /// # Panics
    /// [`VARIABLE`] names something else: a misspelt bug must not pass for one that nobody notices.
    pub fn is_planted(self) -> bool {
        static PLANTED: OnceLock<Option<Sabotage>> = OnceLock::new();
        *PLANTED.get_or_init(from_environment) == Some(self)
    }
}

impl fmt::Display for Sabotage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn from_environment() -> Option<Sabotage> {
    let named = std::env::var_os(VARIABLE)?;
    let bug = Sabotage::ALL.iter().find(|bug| named == bug.name());
    let names = || Sabotage::ALL.iter().map(|bug| bug.name()).collect::<Vec<_>>().join(", ");
    Some(*bug.unwrap_or_else(|| panic!("{VARIABLE}: unknown sabotage {named:?}; there are {}", names())))
}

/// A grant without what a planted bug does not look at.
pub(crate) fn narrowed(grant: &Grant, issuer: &Grant) -> Grant {
    let mut grant = grant.clone();
    if Sabotage::SeverityNotAttenuated.is_planted() {
        grant.publish = grant.publish.min(issuer.publish);
    }
    if Sabotage::PlaceNotAttenuated.is_planted() {
        grant.at = issuer.at.clone();
    }
    if Sabotage::DelegateDepthIgnored.is_planted() {
        grant.delegate = grant.delegate.min(issuer.delegate.saturating_sub(1));
    }
    grant
}
