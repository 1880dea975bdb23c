//! The table: a name, what is inserted, English, French.

use std::fmt::Display;

use super::Lang;

macro_rules! sentences {
    ($($name:ident($($part:ident),*) $en:literal, $fr:literal;)*) => {
        impl Lang {
            $(
                #[doc = $en]
                pub(in crate::cli) fn $name(self $(, $part: impl Display)*) -> String {
                    match self {
                        Self::En => format!($en),
                        Self::Fr => format!($fr),
                    }
                }
            )*
        }
    };
}

sentences! {
    // Everywhere.
    error_prefix() "error: ", "erreur : ";
    warning_prefix() "warning: ", "attention : ";
    exercise() "EXERCISE", "EXERCICE";
    did_you_mean(word) "; did you mean `{word}`?", " ; vouliez-vous dire « {word} » ?";
    credential_named(id) "credential {id}", "accréditation {id}";
    cannot_write_output(why) "cannot write to standard output: {why}",
        "impossible d'écrire sur la sortie standard : {why}";
    version(version, protocol, date) "vigie {version} (protocol {protocol}, source of {date})",
        "vigie {version} (protocole {protocol}, source du {date})";

    // Arguments.
    help_flag() "Print help", "Afficher l'aide";
    version_flag() "Print version", "Afficher la version";
    try_help() "For more, try --help.", "Pour en savoir plus : --help.";
    after_help()
        "Exit codes: 0 done · 1 failure · 2 usage · 3 configuration · 4 unreachable or TLS · 5 refused · \
         6 verification failed · 7 time-out · 8 partial: fate unknown, interrupted, still queued · 9 gap under --strict · \
         10 storage failure of a relay · 11 relay not ready · \
         12 damaged journal. `check` alone: 0 good, 1 warning, 2 critical, 3 unknown.",
        "Codes de retour : 0 fait · 1 échec · 2 usage · 3 configuration · 4 injoignable ou TLS · 5 refusé · \
         6 vérification échouée · 7 délai écoulé · 8 partiel : sort inconnu, interrompu, en attente · 9 lacune sous --strict · \
         10 panne de stockage d'un relais · 11 relais pas prêt · \
         12 journal abîmé. `check` seul : 0 bon, 1 alerte, 2 critique, 3 inconnu.";

    // Files.
    cannot_read(path, why) "cannot read {path}: {why}; check that it exists and belongs to you",
        "impossible de lire {path} : {why} ; vérifiez qu'il existe et vous appartient";
    no_chain_yet(path, public_key) "there is no chain {path}: send {public_key} to your issuer, and put the answer there",
        "il n'y a pas de chaîne {path} : envoyez {public_key} à votre émetteur, et mettez là sa réponse";
    cannot_write(path, why) "cannot write {path}: {why}", "impossible d'écrire {path} : {why}";
    file_too_large(path, max) "{path} has more than {max} bytes: it is another file than is meant here",
        "{path} a plus de {max} octets : ce n'est pas le fichier attendu ici";
    cannot_make_key(why) "no key could be made: {why}", "aucune clé n'a pu être faite : {why}";
    mode_too_open(path, mode) "{path} has mode {mode}, so others may use the private key; run: chmod 600 {path}",
        "{path} a le mode {mode} : d'autres peuvent se servir de la clé privée ; faites : chmod 600 {path}";
    unusable_key(path, why) "{path} holds no usable private key in PEM ({why})",
        "{path} ne contient pas de clé privée utilisable en PEM ({why})";
    unusable_public_key(path, why)
        "{path} holds no usable public key ({why}); the holder makes one with: vigie identity new NAME",
        "{path} ne contient pas de clé publique utilisable ({why}) ; son porteur en fait une par : vigie identity new NOM";
    expected_one_public_key() "expected exactly one PUBLIC KEY block", "un seul bloc PUBLIC KEY est attendu";
    not_ed25519() "not an Ed25519 key", "ce n'est pas une clé Ed25519";

    // init
    folder_not_empty(dir) "{dir} is not empty: name a new folder, nothing was changed",
        "{dir} n'est pas vide : nommez un nouveau dossier, rien n'a été changé";
    trial_roots()
        "the roots of this deployment were made for trial: whoever can read the folder can speak as anyone. Not for \
         real alerts",
        "les racines de ce déploiement ont été faites pour un essai : qui peut lire le dossier peut parler au nom de \
         quiconque. Pas pour de vraies alertes";
    init_done(dir)
        "Made {dir}. Next, each in a terminal of its own:\n\
         \n  vigie relay run --config {dir}/vigie.toml\
         \n  vigie sub alert/fr.idf.75.paris --context {dir} --as town\
         \n  vigie pub alert/fr \"Hello from the nation\" --context {dir} --as nation",
        "{dir} est prêt. Ensuite, chaque commande dans son terminal :\n\
         \n  vigie relay run --config {dir}/vigie.toml\
         \n  vigie sub alert/fr.idf.75.paris --context {dir} --as town\
         \n  vigie pub alert/fr \"Bonjour de la nation\" --context {dir} --as nation";

    // Context and identity.
    no_context() "which context? give --context DIR or set VIGIE_CONTEXT; vigie init DIR makes one to try",
        "quel contexte ? donnez --context DIR ou VIGIE_CONTEXT ; vigie init DIR en fait un pour essayer";
    no_identity() "as whom? give --as NAME or set VIGIE_AS; vigie identity show lists the names",
        "au nom de qui ? donnez --as NOM ou VIGIE_AS ; vigie identity show en donne la liste";
    context_failed(why) "{why}", "le contexte ou l'identité ne peut servir : {why}";

    no_context_folder(path, why) "cannot read {path}: {why}; name a folder made by: vigie init DIR",
        "impossible de lire {path} ({why}) ; nommez un dossier fait par : vigie init DOSSIER";
    malformed_context(path, why) "{path} is malformed: {why}", "{path} est mal formé ({why})";
    bad_client_certificate(path, why) "{path}: the client certificate cannot be used: {why}",
        "{path} : le certificat client ne peut servir ({why}) ; donnez le certificat et sa propre clé en PEM (`tls_certificate`, `tls_key`)";
    bad_context_key(path, key, why) "{path}, key `{key}`: {why}", "{path} : la valeur de « {key} » ne peut servir ({why})";
    unknown_identity(name) "there is no identity {name} in this context", "il n'y a pas d'identité {name} dans ce contexte";
    known_identities(names) "; it has: {names}", " ; il a : {names}";
    identity_failed(name, plane, why) "identity {name}, {plane} plane: {why}", "identité {name}, plan {plane} : {why}";
    chain_refused(path, why)
        "the chain in {path} is refused ({why}); ask its issuer for a new one, or check the pinned roots",
        "la chaîne de {path} est refusée ({why}) ; demandez-en une autre à son émetteur, ou vérifiez les racines épinglées";
    key_and_chain_differ()
        "the private key is not the one that the last credential of the chain speaks of; use both files of one identity",
        "la clé privée n'est pas celle dont parle la dernière accréditation de la chaîne ; prenez les deux fichiers d'une \
         même identité";

    // Channels.
    plane_prefix(prefix, rest)
        "a channel is written without its plane: leave out `{prefix}/` and write {rest}, with --exercise for an \
         exercise and without it for what is real",
        "un canal s'écrit sans son plan : ôtez « {prefix}/ » et écrivez {rest}, avec --exercise pour un exercice, \
         sans pour le réel";
    malformed_channel(text, why) "{text} is no channel: {why}; write alert/fr.idf or signal/fr.idf.75.paris",
        "{text} n'est pas un canal : {why} ; écrivez alert/fr.idf ou signal/fr.idf.75.paris";
    channel_flow() "it starts with neither alert/ nor signal/", "il ne commence ni par alert/ ni par signal/";
    channel_reserved() "this flow is reserved for a later version",
        "ce flux est réservé à une version ultérieure";
    channel_shape() "it is not of the form FLOW/PLACE", "il n'est pas de la forme FLUX/LIEU";
    channel_place() "a place has 1 to 8 parts of 1 to 32 lower-case letters, digits or hyphens, joined by dots",
        "un lieu a 1 à 8 parties de 1 à 32 lettres minuscules, chiffres ou traits d'union, jointes par des points";

    // pub
    text_not_unicode() "the text is not UTF-8", "le texte n'est pas en UTF-8";
    text_empty() "the text is empty: say what happens in a line", "le texte est vide : dites en une ligne ce qui se passe";
    cap_unusable(path, why) "{path} cannot be imported: {why}", "{path} ne peut être importé : {why}";
    signatures_unchecked(count)
        "the file has {count} XML signature(s), which were not checked; what is signed now is your own statement",
        "le fichier porte {count} signature(s) XML, non vérifiée(s) ; ce qui est signé est votre propre déclaration";
    label_needed()
        "the scope of this CAP is Private or Restricted: say how far it may go with --label, such as TLP:GREEN, and for \
         whom it is with --audience",
        "la portée de ce CAP est Private ou Restricted : dites par --label jusqu'où il peut aller, ainsi TLP:GREEN, et \
         pour qui il est par --audience";
    audience_needed(label) "{label} names who may have it: add --audience with 1 to 16 organisations, such as fr.interieur",
        "{label} nomme qui peut l'avoir : ajoutez --audience avec 1 à 16 organisations, ainsi fr.interieur";
    audience_alone() "--audience needs --label: say how far those may pass it on, such as --label TLP:AMBER",
        "--audience demande --label : dites jusqu'où ceux-là peuvent le transmettre, ainsi --label TLP:AMBER";
    audience_of_clear() "TLP:CLEAR has no limit, so it takes no --audience: choose another --label, such as TLP:AMBER",
        "TLP:CLEAR n'a pas de limite, donc pas d'--audience : choisissez un autre --label, ainsi TLP:AMBER";
    audience_too_long() "--audience takes at most 16 organisations: name one above them, or send two messages",
        "--audience prend au plus 16 organisations : nommez-en une au-dessus d'elles, ou envoyez deux messages";
    severity_needed() "this CAP has no info, so no severity: give the one of what it speaks about with --severity",
        "ce CAP n'a pas d'info, donc pas de gravité : donnez par --severity celle de ce dont il parle";
    cap_expired() "by its own times this CAP has expired already; it is published all the same",
        "selon ses propres dates ce CAP a déjà expiré ; il est publié quand même";
    cap_is_exercise() "the status of this CAP is Exercise or Test: publish it with --exercise, where only readers of \
         exercises hear it",
        "le statut de ce CAP est Exercise ou Test : publiez-le avec --exercise, où seuls l'entendent les lecteurs \
         d'exercices";
    cap_is_live() "the status of this CAP is Actual or System: leave out --exercise, or change the status",
        "le statut de ce CAP est Actual ou System : ôtez --exercise, ou changez le statut";
    original_left_out() "the original file does not fit in a message: its hash is kept in its place",
        "le fichier d'origine ne tient pas dans un message : son empreinte est gardée à sa place";
    stored() "STORED", "ENREGISTRÉ";
    receipt(id, seq, time, channel) "{channel}  sequence {seq}  admitted {time}\n   {id}",
        "{channel}  séquence {seq}  admis {time}\n   {id}";
    reach(live, behind) "   handed to {live} live reader(s), {behind} more will catch up",
        "   remis à {live} lecteur(s) en direct, {behind} autre(s) rattraperont";
    reached_nobody() "nobody is listening on this channel now; whoever subscribes later can still catch up",
        "personne n'écoute ce canal en ce moment ; qui s'abonne plus tard peut encore rattraper";
    reach_unknown() "the relay did not say how many readers it reached",
        "le relais n'a pas dit combien de lecteurs il a atteints";
    fate_unknown(id)
        "sent, but no answer came in time: whether message {id} is stored is unknown. Publish again if nobody saw it",
        "envoyé, mais aucune réponse à temps : on ignore si le message {id} est enregistré. Republiez si personne ne \
         l'a vu";
    not_sent(why) "nothing was sent: {why}", "rien n'a été envoyé : {why}";
    link_connect(relay, why) "cannot reach {relay}: {why}; check the address, the network, and that the relay runs",
        "impossible de joindre {relay} ({why}) ; vérifiez l'adresse, le réseau, et que le relais tourne";
    link_timed_out(relay) "{relay} did not answer in time", "{relay} n'a pas répondu à temps";
    link_tls(relay, why) "TLS with {relay} failed: {why}", "TLS avec {relay} a échoué ({why})";
    link_lost(relay, what) "the line to {relay} was lost: {what}", "la liaison avec {relay} s'est perdue ({what})";
    link_http(relay, status, said) "{relay} answered with HTTP status {status}{said}",
        "{relay} a répondu par le statut HTTP {status}{said}";
    link_violation(relay, what) "{relay} does not keep to the protocol: {what}",
        "{relay} ne respecte pas le protocole ({what})";
    link_silent(relay) "the line to {relay} is stale: nothing came for too long",
        "la liaison avec {relay} est muette : rien n'est venu depuis trop longtemps";
    link_crowded() "too many messages of this client wait for their receipts",
        "trop de messages de ce client attendent leur accusé";
    session_refused(relay, why) "{relay} refused the session: {why}", "{relay} a refusé la session : {why}";

    // sub
    verified() "VERIFIED", "VÉRIFIÉ";
    not_verified() "NOT VERIFIED", "NON VÉRIFIÉ";
    expired() "EXPIRED", "EXPIRÉ";
    gap() "GAP", "LACUNE";
    label_for(label, orgs) "{label} for {orgs}", "{label} pour {orgs}";
    kind_update() "UPDATE", "MISE À JOUR";
    kind_cancel() "CANCEL", "ANNULATION";
    kind_ack() "ACKNOWLEDGEMENT", "ACCUSÉ";
    kind_error() "ERROR REPORT", "SIGNALEMENT D'ERREUR";
    no_words() "(no words)", "(sans paroles)";
    said_by(name, org, at, time, id, seq) "   {name} ({org}, at {at})  sent {time}  id {id}  sequence {seq}",
        "   {name} ({org}, à {at})  envoyé {time}  id {id}  séquence {seq}";
    takes_effect(id) "   takes effect on {id}", "   prend effet sur {id}";
    takes_no_effect(id) "   WITHOUT EFFECT on {id}: it may not replace it", "   SANS EFFET sur {id} : il ne peut pas le remplacer";
    effect_unknown(id) "   names {id}, which was not heard here", "   nomme {id}, qui n'a pas été entendu ici";
    lines_left(count) "   … {count} more line(s): -v", "   … encore {count} ligne(s) : -v";
    suspect(code, sentence, seq, detail)
        "the relay gave something that is no message: {code}. {sentence} (sequence {seq}; {detail})",
        "le relais a donné ce qui n'est pas un message : {code}. {sentence} (séquence {seq} ; {detail})";
    disowned() "DISOWNED", "DÉSAVOUÉ";
    disowned_now(id, credential, from)
        "message {id} is not to be believed: credential {credential} of its author is revoked from {from} on",
        "le message {id} n'est pas à croire : l'accréditation {credential} de son auteur est révoquée à partir de {from}";
    disowned_before(id, credential, from)
        "take back message {id}, which was shown: credential {credential} of its author is revoked from {from} on",
        "retirez le message {id}, qui a été montré : l'accréditation {credential} de son auteur est révoquée à partir de {from}";
    gap_other_log() "this relay has another log than the cursor: messages may have been missed",
        "ce relais a un autre journal que le curseur : des messages ont pu être manqués";
    gap_removed() "the relay has removed what followed the cursor: messages were missed",
        "le relais a supprimé ce qui suivait le curseur : des messages ont été manqués";
    gap_ahead() "the cursor is beyond the end of the log: the relay lost something, or the cursor is not its own",
        "le curseur dépasse la fin du journal : le relais a perdu quelque chose, ou le curseur n'est pas le sien";
    gap_damaged() "a part of the log is damaged: messages were missed",
        "une partie du journal est abîmée : des messages ont été manqués";
    gap_strict() "stopped at a gap, as --strict asks", "arrêté à une lacune, comme --strict le demande";
    caught_up(cursor) "caught up; what follows is live (cursor {cursor})",
        "à jour ; ce qui suit est en direct (curseur {cursor})";
    still_expected(left) "over, with {left} message(s) still expected", "fini, alors que {left} message(s) étaient attendus";
    subscription_over() "the subscription ended without a reason", "l'abonnement a pris fin sans raison connue";
    link_up() "connected", "connecté";
    no_relay(why) "no relay could be reached: {why}",
        "aucun relais n'a pu être joint ; vérifiez l'adresse, le réseau, et que le relais tourne ({why})";
    link_problem(why) "no line, trying again: {why}", "pas de liaison, nouvel essai ({why})";
    link_stale() "the line fell silent; seeking another. What you see may be out of date",
        "la liaison s'est tue ; recherche d'une autre. Ce que vous voyez peut être dépassé";

    // verify
    export_verified(live, exercise, expired, credentials)
        "VERIFIED: {live} live message(s), {exercise} EXERCISE message(s), of both {expired} expired by now; \
         {credentials} credential(s)",
        "VÉRIFIÉ : {live} message(s) réel(s), {exercise} message(s) d'EXERCICE, des deux {expired} expiré(s) à présent ; \
         {credentials} accréditation(s)";
    export_disowns(revocations, disowned)
        "   {revocations} revocation(s) verified; {disowned} of the messages DISOWNED by them: signed, and not to be believed",
        "   {revocations} révocation(s) vérifiée(s) ; {disowned} des messages DÉSAVOUÉ(S) par elles : signés, et à ne pas croire";
    export_unjudged(suspects, gaps, other)
        "   besides, as the reader wrote them: {suspects} suspect(s) NOT verified, {gaps} gap(s), {other} other line(s)",
        "   en outre, tels que le lecteur les a notés : {suspects} suspect(s) NON vérifié(s), {gaps} lacune(s), \
         {other} autre(s) ligne(s)";
    export_disowned_told(count) "   and {count} line(s) of what the reader was told to disown, the revocation NOT verified: see above",
        "   et {count} ligne(s) de ce que le lecteur a dû désavouer, la révocation NON vérifiée : voyez ci-dessus";
    disowned_line(line, seq, id, credential, from)
        "line {line}, sequence {seq}: message {id} is not to be believed: credential {credential} of its author is revoked \
         from {from} on",
        "ligne {line}, séquence {seq} : le message {id} n'est pas à croire : l'accréditation {credential} de son auteur est \
         révoquée à partir de {from}";
    disowned_told(line, id, credential, from)
        "line {line}, as the reader wrote it: message {id}; credential {credential} revoked from {from} on",
        "ligne {line}, tel que le lecteur l'a noté : message {id} ; accréditation {credential} révoquée à partir de {from}";
    disowned_unknown(most)
        "a revocation reaches back to messages before the last {most}: who is disowned among these cannot be said here; \
         export a part that ends in fewer (vigie journal export --from), or ask the journal (vigie trust explain)",
        "une révocation remonte à des messages antérieurs aux {most} derniers : qui y est désavoué ne peut être dit ici ; \
         exportez une partie qui en a moins (vigie journal export --from), ou interrogez le journal (vigie trust explain)";
    export_without_message(suspects, gaps, other)
        "nothing is verified: the export has no verified message ({suspects} suspect(s), {gaps} gap(s), {other} other \
         line(s)); export again with: vigie sub --json",
        "rien n'est vérifié : l'export n'a aucun message vérifié ({suspects} suspect(s), {gaps} lacune(s), {other} \
         autre(s) ligne(s)) ; exportez de nouveau par : vigie sub --json";
    suspect_line(line, seq, why) "line {line}, sequence {seq}: {why}", "ligne {line}, séquence {seq} : {why}";
    unknown_line_type(kind) "type `{kind}` is not one that an export has", "le type « {kind} » n'est pas d'un export";
    lines_behind_end() "lines stand behind the one that ends the export: something was added, or cut off at the end",
        "des lignes suivent celle qui finit l'export : il y a eu ajout, ou coupure à la fin";
    unknown_member(member) "`{member}` is not a member that an export has",
        "« {member} » n'est pas un membre d'un export";
    bad_line(line, why) "line {line} does not verify: {why}", "la ligne {line} ne se vérifie pas : {why}";
    line_too_long(max) "it has more than {max} bytes", "elle a plus de {max} octets";
    too_many(what, max) "the export has more than {max} {what}: split it", "l'export a plus de {max} {what} : scindez-le";
    credential_missing(id) "credential {id} is not given before it", "l'accréditation {id} n'est pas donnée avant elle";
    out_of_order(seq) "sequence {seq} is out of order in its log", "la séquence {seq} n'est pas dans l'ordre de son journal";
    member_differs(member) "`{member}` is not what was signed", "« {member} » n'est pas ce qui a été signé";

    // identity
    bad_name(name) "{name} is no name for an identity: letters, digits, hyphens, at most 64",
        "{name} n'est pas un nom d'identité : lettres, chiffres, traits d'union, 64 au plus";
    key_exists(path) "{path} exists already: a key is never overwritten; choose another name",
        "{path} existe déjà : une clé n'est jamais écrasée ; prenez un autre nom";
    new_key(plane, thumbprint) "{plane} key {thumbprint}", "clé {plane} {thumbprint}";
    send_public_key(path) "send {path} to your issuer, who answers with a chain file",
        "envoyez {path} à votre émetteur, qui répond par un fichier de chaîne";
    days_left(days) "good for {days} more day(s)", "valable encore {days} jour(s)";
    unusable() "UNUSABLE", "INUTILISABLE";

    // trust
    no_grants() "grant something: --at PLACE with --publish, --subscribe or --delegate, or --grant",
        "accordez quelque chose : --at LIEU avec --publish, --subscribe ou --delegate, ou --grant";
    relay_without_grants() "a relay has no grants: leave them out", "un relais n'a pas de droits : ne lui en donnez pas";
    excess_org(asked, held) "organisation {asked} is not {held} or below it",
        "l'organisation {asked} n'est ni {held} ni sous elle";
    excess_end(asked, held) "it would end {asked}, the issuer's own ends {held}",
        "elle finirait le {asked}, celle de l'émetteur finit le {held}";
    excess_delegate() "the issuer may not delegate", "l'émetteur ne peut pas déléguer";
    excess_grant(asked, held)
        "{asked} does not fit in any of: {held} (each link has one level of delegate less than the one above)",
        "{asked} ne tient dans aucun de : {held} (chaque maillon a un niveau de delegate de moins que celui au-dessus)";
    granted(id, until, grants) "granted until {until}: {grants}\n   credential {id}",
        "accordé jusqu'au {until} : {grants}\n   accréditation {id}";
    chain_written(path) "chain written to {path}", "chaîne écrite dans {path}";
    no_chain(target) "there is no chain of {target}: name an identity that has one, or a chain file",
        "il n'y a pas de chaîne de {target} : nommez une identité qui en a une, ou un fichier de chaîne";
    chain_good() "the chain is good now, from a root that is pinned here",
        "la chaîne est bonne maintenant, depuis une racine épinglée ici";
    chain_consistent() "the chain holds together; without --context nothing says whether its root is trusted",
        "la chaîne se tient ; sans --context rien ne dit si l'on se fie à sa racine";
    role_relay() "(relay)", "(relais)";
    valid(from, until) "{from} to {until}", "du {from} au {until}";
    link_ids(id, key) "credential {id}  key {key}", "accréditation {id}  clé {key}";

    // cap
    cap_alert_number(number, why) "alert {number}: {why}", "alerte {number} : {why}";
    cap_none_inside() "there is no alert inside", "il n'y a pas d'alerte dedans";
    cap_too_many_inside(max) "there are more than {max} alerts inside: split the file",
        "il y a plus de {max} alertes dedans : divisez le fichier";
    supply_needs_cap() "--mime-type, --scope, --category, --zone and --value-name go with --cap",
        "--mime-type, --scope, --category, --zone et --value-name vont avec --cap";
    original_has_password()
        "the file holds a password (CAP 1.0), so its bytes are not sent along: only their hash is",
        "le fichier contient un mot de passe (CAP 1.0) : ses octets ne sont pas joints, seulement leur empreinte";
    reference_found(identifier, id) "replaces {id}, which is {identifier}", "remplace {id}, qui est {identifier}";
    reference_unknown(text)
        "no message of this channel is {text}: it is published without replacing that one; name it by --replaces",
        "aucun message de ce canal n'est {text} : celui-ci est publié sans le remplacer ; nommez-le par --replaces";
    reference_not_ours(identifier)
        "{identifier} is in this channel, but you may not publish at its severity: it is not replaced",
        "{identifier} est dans ce canal, mais vous ne pouvez publier à sa gravité : ce n'est pas remplacé";
    reference_unreadable(text) "{text} is no reference (sender,identifier,sent) and replaces nothing",
        "{text} n'est pas une référence (sender,identifier,sent) et ne remplace rien";
    references_not_looked_up(why) "the references could not be looked up: {why}",
        "les références n'ont pu être recherchées : {why}";
    no_answer_in_time() "no answer in time", "pas de réponse à temps";
    replaces_less_severe() "less severe than what it replaces: it will be shown and change nothing",
        "moins grave que ce qu'il remplace : il sera montré et ne changera rien";
    replaces_other_label()
        "labelled otherwise, or for others, than what it replaces: it will be shown and change nothing",
        "étiqueté autrement, ou pour d'autres, que ce qu'il remplace : il sera montré et ne changera rien";
    replaces_expires_earlier() "expires before what it replaces: it will be shown and change nothing",
        "expire avant ce qu'il remplace : il sera montré et ne changera rien";
    replaces_not_ours()
        "you may not publish what it replaces, and are not its author: it will be shown and change nothing",
        "vous ne pouvez publier ce qu'il remplace et n'en êtes pas l'auteur : il sera montré et ne changera rien";
    replaced_unknown(id, channel)
        "{id} was found neither on {channel}, as far as you hear it, nor in this machine's queue (--offline asks no relay). \
         So its label is not known, and a wider one would tell of it those who may not have it: say the label of that \
         message with --label, and --audience if it had one",
        "{id} n'a été trouvé ni sur {channel}, pour ce que vous en entendez, ni dans la file de cette machine (--offline \
         n'interroge aucun relais). Son étiquette n'est donc pas connue, et une plus large révélerait ce message à qui ne \
         doit pas l'avoir : donnez l'étiquette de ce message par --label, et --audience s'il en avait une";
    replaced_unchecked(id)
        "{id} was not found: whether the label given is that of this message could not be looked at",
        "{id} n'a pas été trouvé : on n'a pu voir si l'étiquette donnée est celle de ce message";
    replaced_wider(id, label)
        "{id} is {label}: with a wider label, what replaces it would change nothing and tell of it those who may not have it. \
         Leave out --label and --audience; replace messages whose audiences differ one by one",
        "{id} est {label} : avec une étiquette plus large, ce qui le remplace ne changerait rien et le révélerait à qui ne doit \
         pas l'avoir. Omettez --label et --audience ; remplacez un à un des messages dont les destinataires diffèrent";
    cap_not_written(id, why) "{id} has no file: {why}", "{id} n'a pas de fichier : {why}";
    cap_list(count) "{count} alerts: written as one list, since CAP has no form for several; --dir writes one file each",
        "{count} alertes : écrites en une seule liste, CAP n'ayant pas de forme pour plusieurs ; --dir écrit un fichier \
         par alerte";
    cap_signatures(count) "{count} XML signature(s): present, not checked",
        "{count} signature(s) XML : présente(s), non vérifiée(s)";
    cap_not_taken(count) "{count} of what was given could not be taken, for the reasons above",
        "sur ce qui a été donné, {count} n'a pu être repris, pour les raisons ci-dessus";
    cap_conformant() "follows CAP", "conforme à CAP";
    cap_careless() "can be used, but breaks rules of CAP", "utilisable, mais enfreint des règles de CAP";
    cap_unusable_alert() "cannot be used", "inutilisable";
    cap_not_conformant(count) "{count} of what was looked at does not follow CAP",
        "sur ce qui a été examiné, {count} n'est pas conforme à CAP";

    // check
    check_logged_in(millis) "logged in after {millis} ms", "authentifié en {millis} ms";
    check_timed_out() "no log-in in time", "pas d'authentification à temps";

    // errors
    unknown_code(text) "{text} is no code of this version: vigie errors lists them all",
        "{text} n'est pas un code de cette version : vigie errors les donne tous";
    ends_request() "Ends: the request; before log-in the connection (1008).",
        "Met fin à : la requête ; avant l'authentification, la connexion (1008).";
    ends_http(status) "Ends: the HTTP request, with status {status}.", "Met fin à : la requête HTTP, par le statut {status}.";
    ends_close(code) "Ends: the connection, with WebSocket code {code}.",
        "Met fin à : la connexion, par le code WebSocket {code}.";
    retryable() "The same request may succeed later.", "La même requête peut aboutir plus tard.";
    not_retryable() "The same request will not succeed later.", "La même requête n'aboutira pas plus tard.";

    // man
    pages_written(dir) "manual pages written to {dir}", "pages de manuel écrites dans {dir}";

    // relay
    bad_root(number, why) "number {number}: {why}", "le n° {number} : {why}";
    settings_fault(line, column, what) "line {line}, column {column}: {what}", "ligne {line}, colonne {column} : {what}";
    settings_fault_of(line, column, key, what) "line {line}, column {column}: `{key}`: {what}",
        "ligne {line}, colonne {column} : « {key} » : {what}";
    looks_like_a_key(line)
        "line {line} looks like a private key, which is not shown here; name the file of a key, and let no other file hold one",
        "la ligne {line} ressemble à une clé privée, qui n'est pas montrée ici ; nommez le fichier d'une clé, et qu'aucun autre n'en \
         contienne";
    unknown_key(line, key) "line {line}: unknown key `{key}`", "ligne {line} : clé inconnue « {key} »";
    bad_log_filter(why) "VIGIE_LOG cannot be read: {why}; write a level such as info, or TARGET=LEVEL,…",
        "VIGIE_LOG est illisible : {why} ; écrivez un niveau tel que info, ou CIBLE=NIVEAU,…";
    names_empty() "`names` must name at least one host that clients dial",
        "« names » doit nommer au moins un hôte que les clients appellent";
    roots_empty() "`roots` must pin at least one root", "« roots » doit épingler au moins une racine";
    no_certificate(path) "there is no certificate in {path}", "il n'y a pas de certificat dans {path}";
    no_revocation_list(path) "there is no revocation list (X509 CRL) in {path}; an empty one will do",
        "il n'y a pas de liste de révocation (X509 CRL) dans {path} ; une liste vide suffit";
    client_ca_and_crl() "`client_ca` and `client_crl` go together: a certificate that nobody can revoke is good for years",
        "« client_ca » et « client_crl » vont ensemble : un certificat que personne ne peut révoquer vaut des années";
    relay_key_and_chain() "`relay_key` and `relay_chain` go together: give both or none",
        "« relay_key » et « relay_chain » vont ensemble : donnez les deux ou aucun";
    not_a_relay_credential(path) "the last credential in {path} has not the role `relay`",
        "la dernière accréditation de {path} n'a pas le rôle « relay »";
    above_bound(key, value, max) "`{key}` is {value}, at most {max} is allowed",
        "« {key} » vaut {value}, {max} au plus est permis";
    below_bound(key, value, min) "`{key}` is {value}, at least {min} is needed",
        "« {key} » vaut {value}, {min} au moins est nécessaire";
    lifetime_bound() "`lifetime_max` is more than zero and at most 7d",
        "« lifetime_max » est plus que zéro et 7d au plus";
    retain_age_bound() "`retain_age` is at least 7d: as long as a message may live, it is kept",
        "« retain_age » est au moins 7d : tant qu'un message peut vivre, il est gardé";
    tls_unusable(why) "the TLS certificate or key cannot be used: {why}; look at `tls_chain` and `tls_key`",
        "le certificat ou la clé TLS ne peut servir : {why} ; voyez « tls_chain » et « tls_key »";
    no_journal_folder(path) "there is no folder {path} for the journal: mount its disk; for a new relay: vigie journal new {path}",
        "il n'y a pas de dossier {path} pour le journal : montez son disque ; pour un nouveau relais : vigie journal new {path}";
    relay_credential_fault(why) "the relay's own credential is not good: {why}",
        "l'accréditation du relais lui-même n'est pas bonne : {why}";
    configuration_good(path) "{path} is good", "{path} est bon";
    clock_before_source(now, source)
        "the clock says {now}, before this program was written ({source}): set it right, then start again",
        "l'horloge dit {now}, avant que ce programme soit écrit ({source}) : mettez-la à l'heure, puis redémarrez";
    cannot_listen(address, why) "cannot listen on {address}: {why}; choose another with --listen",
        "impossible d'écouter sur {address} : {why} ; choisissez une autre adresse par --listen";
    relay_details(names, log, journal, workers) "names {names}; log {log}; journal {journal}; {workers} worker(s)",
        "noms {names} ; journal {log} dans {journal} ; {workers} fil(s)";
    relay_stopping(seconds) "stopping; clients have {seconds} s to take what waits for them",
        "arrêt ; les clients ont {seconds} s pour prendre ce qui les attend";
    relay_stopped() "stopped", "arrêté";
    storage_failed(why)
        "the journal could not be written: {why}. Whatever has no receipt must be sent again; look at the disk \
         before starting again",
        "le journal n'a pu être écrit : {why}. Tout ce qui n'a pas d'accusé doit être renvoyé ; examinez le disque \
         avant de redémarrer";
}
