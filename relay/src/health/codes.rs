//! Why a relay is not ready, and what else somebody must look at: stable codes, each with what to do about it in both
//! languages.
//!
//! Codes are never renamed and never given another meaning; a program that meets one it does not know says so.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($(#[$of:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $code:literal, $en:literal, $fr:literal;)* }) => {
        $(#[$of])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* #[doc = concat!("`", $code, "`")] #[serde(rename = $code)] $variant,)*
            /// One that this version does not know.
            #[serde(other, rename = "unknown")]
            Unknown,
        }

        impl $name {
            /// Its stable name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* Self::Unknown => "unknown" }
            }

            /// What is the matter and what to do, in English.
            pub const fn english(self) -> &'static str {
                match self {
                    $(Self::$variant => $en,)*
                    Self::Unknown => "a newer relay says what this program does not know: see --json",
                }
            }

            /// The same in French.
            pub const fn french(self) -> &'static str {
                match self {
                    $(Self::$variant => $fr,)*
                    Self::Unknown => "un relais plus récent dit ce que ce programme ignore : voyez --json",
                }
            }
        }
    };
}

codes! {
    /// Why a relay is not ready.
    Reason {
        /// Not all threads have moved yet.
        Starting = "starting",
            "the relay is starting; wait",
            "le relais démarre ; attendez";
        /// It was asked to stop.
        Stopping = "stopping",
            "the relay is stopping; its clients are told to come back",
            "le relais s'arrête ; il dit à ses clients de revenir";
        /// A thread of it ended that must not.
        ThreadEnded = "thread_ended",
            "a part of the relay broke down; its log says which; restart it",
            "une partie du relais s'est effondrée ; son journal d'exécution dit laquelle ; redémarrez-le";
        /// A thread has not moved for [`READY_WITHIN`](super::status::READY_WITHIN).
        ThreadSilent = "thread_silent",
            "a part of the relay stands still; look at the disk and the load, then restart it",
            "une partie du relais est immobile ; examinez le disque et la charge, puis redémarrez-le";
        /// The disk failed.
        JournalFailed = "journal_failed",
            "the disk failed, so nothing is stored any more; look at it before restarting",
            "le disque est tombé en panne, plus rien n'est enregistré ; examinez-le avant de redémarrer";
        /// The disk has no room.
        JournalFull = "journal_full",
            "the journal's disk is full: soon, if not yet, only cancels and urgent messages are stored; free some space",
            "le disque du journal est plein : bientôt, sinon déjà, seuls annulations et messages urgents sont enregistrés ; faites de la place";
        /// As many ids are in force as may be.
        IdsFull = "ids_full",
            "as many messages are in force as may be: others are refused until some expire",
            "autant de messages sont en vigueur qu'il est permis : les autres sont refusés jusqu'à ce que certains expirent";
        /// As many bytes of messages are in force as may be.
        BytesInForceFull = "bytes_in_force_full",
            "as many bytes of messages are in force as may be: others are refused until some expire; where the disk has room, raise `bytes_in_force_max`",
            "autant d'octets de messages sont en vigueur qu'il est permis : les autres messages sont refusés jusqu'à ce que certains expirent ; si le disque a de la place, relevez « bytes_in_force_max »";
        /// The clock jumped.
        ClockSuspect = "clock_suspect",
            "the clock jumped, so no message is admitted; set it right, or restart the relay if it is right now",
            "l'horloge a sauté, aucun message n'est admis ; mettez-la à l'heure, ou redémarrez le relais si elle l'est";
        /// The TLS certificate is over.
        CertificateEnded = "certificate_ended",
            "the TLS certificate has ended, so new clients refuse the relay; put a new one in its place",
            "le certificat TLS est échu, les nouveaux clients refusent donc le relais ; mettez-en un nouveau à sa place";
        /// The authority or the revocation list by which clients are judged is over.
        ClientAuthEnded = "client_auth_ended",
            "the authority or revocation list for client certificates has ended, so every new client is refused; put a new one in its place (`client_ca`, `client_crl`)",
            "l'autorité ou la liste de révocation des certificats clients est échue, tout nouveau client est donc refusé ; mettez-en une nouvelle à sa place (« client_ca », « client_crl »)";
    }
}

codes! {
    /// What somebody must look at although the relay goes on.
    Warning {
        /// A part of the journal cannot be read.
        JournalDamaged = "journal_damaged",
            "a part of the journal cannot be read, and readers are told so; check the disk, put the file back from a copy",
            "une partie du journal est illisible, et les lecteurs l'apprennent ; vérifiez le disque, remettez le fichier d'une copie";
        /// The room for urgent messages is not all there.
        ReserveUsed = "reserve_used",
            "the room kept for cancels and urgent messages is not whole; free some space",
            "la place gardée pour annulations et messages urgents n'est pas entière ; faites de la place";
        /// Revocations in the journal could not be read at the start.
        RevocationsLost = "revocations_lost",
            "revocations in the journal cannot be read, or may have stood where it is damaged: whom they ended is let in again; put the damaged file back from a copy, import that copy, or send them again (`vigie trust send`)",
            "des révocations du journal sont illisibles, ou ont pu se trouver là où il est abîmé : ceux qu'elles écartaient sont de nouveau admis ; remettez le fichier abîmé d'une copie, importez cette copie, ou renvoyez-les (« vigie trust send »)";
        /// Nine tenths of what may be revoked is.
        RevocationsFull = "revocations_full",
            "more than nine tenths of the room for revocations is taken: soon only roots can revoke; look who issues them (`vigie journal export`) and revoke whoever floods",
            "plus des neuf dixièmes de la place pour les révocations sont pris : bientôt seules les racines pourront révoquer ; voyez qui les émet (« vigie journal export ») et révoquez qui inonde";
        /// Nine tenths of the sessions that there may be are there.
        ConnectionsFull = "connections_full",
            "nine tenths of the sessions that may be there are: soon newcomers are sent away but for the last places, which are kept for those who have no session; revoke whoever fills it, or raise `connections_max`",
            "les neuf dixièmes des sessions possibles sont prises : bientôt les nouveaux venus seront renvoyés, hormis aux dernières places, gardées pour qui n'a pas de session ; révoquez qui remplit le relais, ou relevez « connections_max »";
        /// A renewal that failed.
        CertificateRefused = "certificate_refused",
            "the new TLS certificate or key, or the new authority or list for clients, cannot be used, the one before stays; the relay's log says why",
            "le nouveau certificat TLS ou sa clé, ou la nouvelle autorité ou liste pour les clients, est inutilisable, l'ancien reste ; le journal d'exécution du relais dit pourquoi";
        /// Roots or rotations that were to be read again.
        RootsRefused = "roots_refused",
            "the roots or rotations in the settings cannot be used, so those before stay; the relay's log says why: a root that was taken out still counts",
            "les racines ou passations des réglages sont inutilisables, les précédentes restent donc ; le journal d'exécution du relais dit pourquoi : une racine ôtée compte encore";
        /// The TLS certificate ends within 30 days.
        CertificateEnds = "certificate_ends",
            "the TLS certificate ends soon; put a new one in its place, which ends no session",
            "le certificat TLS arrive à échéance ; mettez-en un nouveau à sa place, aucune session n'en est coupée";
        /// The authority or the revocation list by which clients are judged ends within 30 days.
        ClientAuthEnds = "client_auth_ends",
            "the authority or revocation list for client certificates ends soon; put a new one in its place (`client_ca`, `client_crl`), or every client will be refused",
            "l'autorité ou la liste de révocation des certificats clients arrive à échéance ; mettez-en une nouvelle à sa place (« client_ca », « client_crl »), sinon tout client sera refusé";
        /// The relay's own credential ends within 30 days.
        CredentialEnds = "credential_ends",
            "the relay's own credential ends soon; have it issued again and put it in its place, which ends no session",
            "l'accréditation du relais arrive à échéance ; faites-la renouveler et mettez la nouvelle à sa place, aucune session n'en est coupée";
        /// A root hands over within 30 days.
        RootEnds = "root_ends",
            "a root hands over soon, and nothing that is issued under it is good from then on; have it issued anew under the root that follows (`vigie trust list`, and the relay's log, say which)",
            "une racine passe bientôt la main, et rien de ce qui est émis sous elle ne vaut plus ensuite ; faites-le émettre de nouveau sous la racine qui suit (« vigie trust list » et le journal d'exécution du relais disent laquelle)";
        /// Credentials above those of sessions end within 30 days.
        IssuersEnd = "issuers_end",
            "credentials above those of clients that are connected end soon, and theirs with them; the relay's log names them: have them renewed, then what is below them",
            "des accréditations situées au-dessus de celles de clients connectés arrivent à échéance, et les leurs avec elles ; le journal d'exécution du relais les nomme : faites-les renouveler, puis ce qui est au-dessous";
        /// The relay's own credential is over.
        CredentialEnded = "credential_ended",
            "the relay's own credential has ended; have it issued again and put it in its place, which ends no session",
            "l'accréditation du relais est échue ; faites-la renouveler et mettez la nouvelle à sa place, aucune session n'en est coupée";
    }
}
