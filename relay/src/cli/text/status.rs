//! The table of sentences for `relay status` and the health listener.

use std::fmt::Display;

use super::Lang;
use crate::health::{Found, Reason, Warning};

sentences! {
    health_in_the_open(address)
        "health is answered on {address}, in plain text and to whoever can reach it: let a firewall keep it to operators",
        "l'état est dit sur {address}, en clair et à qui peut l'atteindre : qu'un pare-feu le réserve aux exploitants";
    health_cannot_listen(address, why)
        "the relay runs, but nobody can ask how it is: cannot listen on {address}: {why}; choose another with --health",
        "le relais tourne, mais nul ne peut demander comment il va : impossible d'écouter sur {address} : {why} ; \
         choisissez une autre adresse par --health";
    health_off(path) "the health listener is off in {path}: nothing to ask there; give --url for another relay",
        "l'écoute de l'état est coupée dans {path} : rien à y demander ; donnez --url pour un autre relais";
    health_any_port(path) "{path} leaves the health port to chance: give --url with the address that the relay said at its start",
        "{path} laisse le port de l'état au hasard : donnez --url avec l'adresse que le relais a dite à son démarrage";
    malformed_url(text) "{text} is no address of a health listener: write http://HOST:PORT",
        "{text} n'est pas l'adresse d'une écoute d'état : écrivez http://HÔTE:PORT";
    status_unreachable(address, why)
        "nothing answers on http://{address} ({why}): the relay does not run, or has its health listener elsewhere or off. \
         See whether it runs, and what it said at its start; then give --config or --url",
        "rien ne répond sur http://{address} ({why}) : le relais ne tourne pas, ou son écoute d'état est ailleurs ou coupée. \
         Voyez s'il tourne et ce qu'il a dit à son démarrage ; puis donnez --config ou --url";
    status_not_vigie(address, why)
        "what answers on http://{address} is no health listener of Vigie ({why}): check address and port",
        "ce qui répond sur http://{address} n'est pas l'écoute d'état d'un Vigie ({why}) : vérifiez adresse et port";

    status_ready() "READY", "PRÊT";
    status_not_ready() "NOT READY", "PAS PRÊT";
    status_not_live() "STANDS STILL", "IMMOBILE";
    status_look() "LOOK", "À VOIR";
    status_damage(segment, offset, what, found, after, next)
        "{segment}, byte {offset}: {what} ({found}); nothing between sequences {after} and {next} can be read",
        "{segment}, octet {offset} : {what} ({found}) ; rien entre les séquences {after} et {next} ne peut être lu";
    status_damage_left_out() "and more damage than is listed", "et davantage de dégâts qu'il n'est listé";
    status_found_at_start() "found at the start", "trouvé au démarrage";
    status_found_reading() "met by a reader since", "rencontré depuis par un lecteur";
    status_thread_silent(name, time) "{name} has not moved for {time}", "{name} n'a pas bougé depuis {time}";
    status_relay(version, time, log) "vigie {version}, for {time}; log {log}", "vigie {version}, depuis {time} ; journal {log}";
    status_journal_label() "Journal", "Journal";
    status_head(seq, time, first) "at sequence {seq}, admitted {time}; kept from {first} on",
        "à la séquence {seq}, admise {time} ; gardé depuis {first}";
    status_empty() "no message yet", "aucun message encore";
    status_cut(bytes, records)
        "its start cut {bytes} byte(s) of a batch that was not whole, and kept {records} record(s) of it",
        "son démarrage a coupé {bytes} octet(s) d'un lot incomplet, et en a gardé {records} enregistrement(s)";
    status_disk_label() "Disk", "Disque";
    status_disk(bytes, segments) "{bytes} in {segments} file(s)", "{bytes} en {segments} fichier(s)";
    status_free(bytes) "{bytes} free", "{bytes} libres";
    status_reserve_whole() "reserve whole", "réserve entière";
    status_reserve_used() "reserve NOT whole", "réserve ENTAMÉE";
    status_sync_label() "Sync", "Écriture";
    status_sync(last, worst) "last {last}, worst of the last minute {worst}",
        "la dernière {last}, la pire de la dernière minute {worst}";
    status_messages_label() "Messages", "Messages";
    status_messages(receipts, refused, batches)
        "{receipts} receipt(s) in {batches} batch(es), {refused} refused by the journal",
        "{receipts} accusé(s) en {batches} lot(s), {refused} refusé(s) par le journal";
    status_ids(ids, max) "{ids} in force of {max}", "{ids} en vigueur sur {max}";
    status_bytes_in_force(bytes, max) "their bytes: {bytes} of {max}", "leurs octets : {bytes} sur {max}";
    status_sessions_label() "Sessions", "Sessions";
    status_sessions(logged_in, live, behind, strangers)
        "{logged_in} logged in: {live} live, {behind} behind; {strangers} not logged in yet",
        "{logged_in} authentifiée(s) : {live} en direct, {behind} en retard ; {strangers} pas encore authentifiée(s)";
    status_connections(open, max) "{open} connection(s) of {max}", "{open} connexion(s) sur {max}";
    status_refused_label() "Refused", "Refus";
    status_refused(requests, logins) "{requests} request(s), {logins} log-in(s)",
        "{requests} demande(s), {logins} authentification(s)";
    status_good_label() "Good", "Validité";
    status_certificate_ends(date, days) "TLS certificate until {date} ({days} day(s))", "certificat TLS jusqu'au {date} ({days} jour(s))";
    status_client_authority_ends(date, days) "client authority until {date} ({days} day(s))", "autorité des clients jusqu'au {date} ({days} jour(s))";
    status_client_list_ends(date, days) "revocation list of clients until {date} ({days} day(s))", "liste de révocation des clients jusqu'au {date} ({days} jour(s))";
    status_credential_ends(date, days) "credential until {date} ({days} day(s))", "accréditation jusqu'au {date} ({days} jour(s))";
    status_root_ends(date, days) "a root hands over on {date} ({days} day(s))", "une racine passe la main le {date} ({days} jour(s))";
    status_issuers_end(count, date, days)
        "{count} credential(s) above those of clients end soon, the first on {date} ({days} day(s))",
        "{count} accréditation(s) au-dessus de celles des clients arrivent à échéance, la première le {date} ({days} jour(s))";
    ends_soon(what, date, days) "{what} ends on {date}, in {days} day(s): renew it",
        "{what} : échéance le {date}, dans {days} jour(s) ; renouvelez";
    has_ended(what, date) "{what} ended on {date}: renew it", "{what} : échu depuis le {date} ; renouvelez";
    the_certificate() "the relay's TLS certificate", "certificat TLS du relais";
    the_client_authority() "the authority of client certificates", "autorité des certificats clients";
    the_client_certificate()
        "the certificate that this client shows, or one above it,",
        "certificat que présente ce client, ou un au-dessus";
    the_client_list() "the revocation list of client certificates", "liste de révocation des certificats clients";
    the_relay_credential() "the relay's own credential, or one above it,", "accréditation du relais, ou une au-dessus";
    the_issuer(org) "a credential of {org}, which stands above those of connected clients (theirs end with it),",
        "accréditation de {org}, située au-dessus de celles de clients connectés (les leurs cessent avec elle)";
    root_ends_soon(root, date, days)
        "the root {root} hands over on {date}, in {days} day(s): nothing under it is good from then on; have it issued anew under the root that follows",
        "racine {root} : passe la main le {date}, dans {days} jour(s) ; rien sous elle ne vaut plus ensuite, faites-le émettre de nouveau sous la racine qui suit";
    the_credential_of(name) "the credential of {name}", "accréditation de {name}";
    the_credential_above(name)
        "the credential of {name}, which stands above (what is below it is issued anew then),",
        "accréditation de {name}, située au-dessus (ce qui est au-dessous est alors à émettre de nouveau)";
    status_jumps(jumps) "readers sent back to the journal {jumps} time(s), since a thread had too much waiting",
        "lecteurs renvoyés au journal {jumps} fois, un fil ayant trop en attente";
}

impl Lang {
    pub(in crate::cli) fn reason(self, reason: Reason) -> &'static str {
        self.choose(reason.english(), reason.french())
    }

    pub(in crate::cli) fn warning(self, warning: Warning) -> &'static str {
        self.choose(warning.english(), warning.french())
    }

    pub(in crate::cli) fn found(self, found: Found) -> String {
        match found {
            Found::AtStart => self.status_found_at_start(),
            Found::Reading => self.status_found_reading(),
        }
    }

    /// An amount with three digits or so and its unit.
    pub(in crate::cli) fn bytes(self, bytes: u64) -> String {
        let units = self.choose(["B", "kB", "MB", "GB", "TB"], ["o", "ko", "Mo", "Go", "To"]);
        let mut size = bytes as f64;
        let mut units = units.into_iter();
        let mut unit = units.next().unwrap_or_default();
        // What would be shown as 1000 is one of the next unit.
        while size >= 999.95
            && let Some(next) = units.next()
        {
            (size, unit) = (size / 1_000.0, next);
        }
        let digits = if bytes < 1_000 { format!("{bytes}") } else { self.decimal(size) };
        format!("{digits} {unit}")
    }

    /// A time that a disk takes.
    pub(in crate::cli) fn micros(self, us: u64) -> String {
        match us {
            0 => "–".to_owned(),
            1..1_000 => format!("{us} µs"),
            1_000..1_000_000 => format!("{} ms", self.decimal(us as f64 / 1_000.0)),
            _ => format!("{} s", self.decimal(us as f64 / 1_000_000.0)),
        }
    }

    /// How long something has gone on, in its two largest units.
    pub(in crate::cli) fn for_long(self, ms: u64) -> String {
        let (seconds, day) = (ms / 1_000, self.choose("d", "j"));
        let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
        if days > 0 {
            format!("{days} {day} {} h", hours % 24)
        } else if hours > 0 {
            format!("{hours} h {} min", minutes % 60)
        } else if minutes > 0 {
            format!("{minutes} min {} s", seconds % 60)
        } else {
            format!("{seconds} s")
        }
    }

    /// Between two things on one line.
    pub(in crate::cli) const fn semicolon(self) -> &'static str {
        self.choose("; ", " ; ")
    }

    fn decimal(self, number: f64) -> String {
        let text = format!("{number:.1}");
        match self {
            Self::En => text,
            Self::Fr => text.replace('.', ","),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_units_and_the_decimal_sign_of_the_language() {
        for (bytes, en, fr) in [
            (0, "0 B", "0 o"),
            (999, "999 B", "999 o"),
            (1_000, "1.0 kB", "1,0 ko"),
            (999_949, "999.9 kB", "999,9 ko"),
            (999_999, "1.0 MB", "1,0 Mo"),
            (41_234_567_890, "41.2 GB", "41,2 Go"),
            (u64::MAX, "18446744.1 TB", "18446744,1 To"),
        ] {
            assert_eq!((&*Lang::En.bytes(bytes), &*Lang::Fr.bytes(bytes)), (en, fr));
        }
        for (us, text) in [(0, "–"), (999, "999 µs"), (1_234, "1.2 ms"), (2_500_000, "2.5 s")] {
            assert_eq!(Lang::En.micros(us), text);
        }
        for (ms, text) in
            [(900, "0 s"), (61_000, "1 min 1 s"), (7_260_000, "2 h 1 min"), (90_000_000, "1 j 1 h")]
        {
            assert_eq!(Lang::Fr.for_long(ms), text);
        }
    }
}
