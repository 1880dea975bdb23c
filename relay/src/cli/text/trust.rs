//! The table of sentences for `vigie trust revoke`, `send`, `list`, `rotate` and `explain`.

use std::fmt::Display;

use super::Lang;

sentences! {
    revocations_in_use(path) "another process is revoking ({path}): wait for it",
        "un autre processus révoque ({path}) : attendez-le";
    revocation_line_passed_over(path) "{path} has a line that is no revocation of this issuer: passed over",
        "{path} a une ligne qui n'est pas une révocation de cet émetteur : ignorée";
    chain_of_other_plane(plane) "that chain is of the {plane} plane: --exercise is for exercises alone",
        "cette chaîne est du plan {plane} : --exercise est pour les seuls exercices";
    target_chain_unknown()
        "the chain of what you revoke is not known here, so whether you stand above it is not checked: a revocation by \
         somebody else changes nothing",
        "la chaîne de ce que vous révoquez n'est pas connue ici : rien n'a vérifié que vous êtes au-dessus, et une \
         révocation par quelqu'un d'autre ne change rien";
    cannot_revoke(who, able)
        "{who} neither stands above it nor holds its key, so the revocation would change nothing: it was not signed. \
         Those who can: {able}",
        "{who} n'est pas au-dessus et n'en a pas la clé, la révocation ne changerait donc rien : elle n'est pas signée. \
         Qui le peut : {able}";
    ends_credential(id) "credential {id}", "l'accréditation {id}";
    ends_key(key) "key {key}", "la clé {key}";
    holder_unknown() "holder not known here", "porteur inconnu ici";
    revocation_says(what, holder, from, id)
        "{holder}: {what} and all below end. Their sessions are closed, and nothing more of theirs is admitted. What was \
         admitted before {from} stays valid; what was admitted since is disowned\n   revocation {id}",
        "{holder} : {what} et tout ce qui est au-dessous prennent fin. Leurs sessions sont fermées, et plus rien d'eux \
         n'est admis. Ce qui fut admis avant le {from} reste valable ; ce qui le fut depuis est désavoué\n   révocation {id}";
    revocation_written(path) "the revocation is written to {path}", "la révocation est écrite dans {path}";
    revocation_not_sent()
        "nothing was sent, so nothing has ended yet: vigie trust send. A file that was written can be sent by anybody who has \
         an identity on its plane: vigie trust send FILE",
        "rien n'a été envoyé, rien n'a donc encore pris fin : vigie trust send. Un fichier écrit peut être envoyé par \
         quiconque a une identité sur ce plan : vigie trust send FICHIER";
    revocations_all_there(count) "every relay has all {count} revocation(s) signed here",
        "chaque relais a les {count} révocation(s) signée(s) ici";
    revoked_word() "REVOKED", "RÉVOQUÉ";
    not_revoked_word() "NOT REVOKED THERE", "NON RÉVOQUÉ LÀ";
    maybe_revoked_word() "NOT KNOWN THERE", "NON SU LÀ";
    revocation_not_asked(why) "signed before; the relay did not tell whether it has it: {why}",
        "signée auparavant ; le relais n'a pas dit s'il l'a : {why}";
    revoker_shut_out(relay, why)
        "{relay} does not let this identity in, so it judged nothing of what it signed: {why}. Somebody else can carry it: \
         the same command with --out FILE, then vigie trust send FILE --as NAME. Of one who is revoked a relay takes only what \
         ends his own key, from an earlier moment",
        "{relay} n'accepte pas cette identité et n'a donc rien jugé de ce qu'elle a signé : {why}. Un autre peut le porter : la \
         même commande avec --out FICHIER, puis vigie trust send FICHIER --as NOM. De qui est révoqué, un relais ne prend que \
         ce qui met fin à sa propre clé, à partir d'un moment antérieur";
    revoked_at(relay, time, id) "{relay}  since {time}  {id}", "{relay}  depuis le {time}  {id}";
    revocation_fate_unknown(why) "sent, but no answer came: {why}", "envoyé, mais sans réponse : {why}";
    revoked_everywhere() "it holds at every relay of this context", "elle vaut à chaque relais de ce contexte";
    revoked_nowhere()
        "no relay has it, so nothing has ended yet. It is kept here: vigie trust send tries again",
        "aucun relais ne l'a, rien n'a donc encore pris fin. Elle est gardée ici : vigie trust send réessaie";
    revoked_in_part()
        "NOT every relay has it: where it is missing, the key still speaks. It is kept here: vigie trust send tries again",
        "elle n'est PAS à chaque relais : où elle manque, la clé parle encore. Elle est gardée ici : vigie trust send \
         réessaie";
    relay_told_nothing(relay, why) "{relay} did not tell what is revoked there: {why}",
        "{relay} n'a pas dit ce qui y est révoqué ({why})";
    relay_gave_suspects(relay, count) "{relay} gave {count} revocation(s) that do not verify: they change nothing",
        "{relay} a donné {count} révocation(s) qui ne se vérifient pas : elles ne changent rien";
    revocation_unfit(id, why) "revocation {id} does not verify here: {why}",
        "la révocation {id} ne se vérifie pas ici ({why})";
    revoked_here_only(all)
        "signed here, and NOT known to whom was asked: {all}. There, whom it revokes still speaks: vigie trust send tries again",
        "signée ici, et PAS connue de qui a été consulté : {all}. Là, qui en est révoqué parle encore : vigie trust send \
         réessaie";
    the_relay() "(relay)", "(relais)";
    state_good() "GOOD", "BONNE";
    state_ends_soon() "ENDS SOON", "FINIT BIENTÔT";
    state_not_yet() "NOT YET VALID", "PAS ENCORE VALABLE";
    state_ended() "ENDED", "ÉCHUE";
    state_revoked() "REVOKED", "RÉVOQUÉE";
    list_state() "STATE", "ÉTAT";
    list_name() "IDENTITY", "IDENTITÉ";
    list_who() "WHO", "QUI";
    list_left() "LEFT", "RESTE";
    list_grants() "GRANTS", "DROITS";
    list_days(days, until) "{days} d ({until})", "{days} j ({until})";
    list_nobody_asked()
        "of revocations only those signed here were looked at: --relay (with --as NAME) asks the relays, --config FILE reads a \
         relay's journal here",
        "des révocations, seules celles signées ici ont été consultées : --relay (avec --as NOM) interroge les relais, --config \
         FICHIER lit le journal d'un relais ici";
    explain_what() "explain what? an identity or chain file and a CHANNEL, or the id of a message",
        "expliquer quoi ? une identité ou un fichier de chaîne et un CANAL, ou l'identifiant d'un message";
    explain_which_journal()
        "in which journal? --config FILE (settings of a relay on this machine) or --journal DIR; a relay tells nobody who hears",
        "dans quel journal ? --config FICHIER (réglages d'un relais de cette machine) ou --journal DOSSIER ; un relais ne dit à \
         personne qui entend";
    explain_no_message(id) "the journal has no message {id}", "le journal n'a pas de message {id}";
    explain_nobody_asked()
        "of revocations only those signed here were looked at: --relay lets the relay itself judge, --config FILE reads its journal",
        "des révocations, seules celles signées ici ont été consultées : --relay laisse juger le relais lui-même, --config FICHIER \
         lit son journal";
    explain_needs_key() "--relay logs in as an identity of this context: name one in place of a chain file",
        "--relay s'authentifie au nom d'une identité de ce contexte : nommez-en une au lieu d'un fichier de chaîne";
    explain_no_answer() "no relay answered in time: what is said above was judged here alone",
        "aucun relais n'a répondu à temps : ce qui est dit plus haut n'a été jugé qu'ici";
    no_credential() "(no credential)", "(pas une accréditation)";
    rule_holds() "HOLDS", "TENU";
    rule_refuses() "REFUSES", "REFUSE";
    rule_form() "it is a credential of sound form", "c'est une accréditation bien formée";
    rule_parent() "it is a pinned root, or names the one above it", "c'est une racine épinglée, ou elle nomme celle au-dessus";
    rule_key() "its key is not published", "sa clé n'est pas publiée";
    rule_signature() "it is signed by the one above it", "elle est signée par celle au-dessus";
    rule_attenuation() "it claims no more than the one above it", "elle ne revendique pas plus que celle au-dessus";
    rule_root() "its root counts now: it has not handed over to another",
        "sa racine compte maintenant : elle n'a pas passé la main à une autre";
    rule_time() "it is good now", "elle est valable maintenant";
    rule_revocation() "no known revocation meets it", "aucune révocation connue ne la touche";
    rule_role() "it is not a relay's", "ce n'est pas celle d'un relais";
    rule_plane() "live stays with live, exercise with exercise", "le réel reste au réel, l'exercice à l'exercice";
    rule_grant() "it grants this flow, place and severity", "elle accorde ce flux, ce lieu et cette gravité";
    rule_audience() "the message is for its organisation", "le message est pour son organisation";
    may_publish(channel, severity) "publish {severity} on {channel}", "publier {severity} sur {channel}";
    may_subscribe(channel) "subscribe to {channel}", "s'abonner à {channel}";
    would_hear(severity, channel, label) "hear {severity} on {channel}, {label}", "entendre {severity} sur {channel}, {label}";
    door_not_yours(path) "{path} is the door of the user who runs the relay: run this as that user, or as root",
        "{path} est la porte de l'utilisateur qui fait tourner le relais : lancez ceci sous son nom, ou en root";
    door_closed(path, why)
        "no relay answers at {path} ({why}): see whether one runs on this journal, and whether `operators_door` is off in its settings",
        "aucun relais ne répond à {path} ({why}) : voyez si l'un d'eux tourne sur ce journal, et si « operators_door » est coupé dans ses réglages";
    door_busy(path) "too many programs ask at {path} at once: try again, and see which of them ask and do not wait for the answer",
        "trop de programmes interrogent {path} à la fois : recommencez, et voyez lesquels n'attendent pas la réponse";
    door_slow(path, seconds) "the relay at {path} did not answer within {seconds} s: try again, and see with `vigie relay status` how it is",
        "le relais à {path} n'a pas répondu en {seconds} s : recommencez, et voyez avec « vigie relay status » comment il va";
    door_failed(why) "the relay has no answer: {why}", "le relais n'a pas de réponse : {why}";
    allowed() "ALLOWED", "PERMIS";
    not_allowed() "NOT ALLOWED", "NON PERMIS";
    relay_lets_in(count) "the relay lets it in; it has {count} revocation(s) of this plane, none of which meets it",
        "le relais l'admet ; il a {count} révocation(s) de ce plan, aucune ne la touche";
    relay_subscribes(count)
        "the relay lets it in and takes the subscription; it has {count} revocation(s) of this plane, none of which meets it",
        "le relais l'admet et prend l'abonnement ; il a {count} révocation(s) de ce plan, aucune ne la touche";
    relay_refuses(why) "the relay refuses: {why}", "le relais refuse : {why}";
    explained_message(channel, severity, label, id, seq) "{channel}  {severity}  {label}  sequence {seq}\n   {id}",
        "{channel}  {severity}  {label}  séquence {seq}\n   {id}";
    may_hear() "HEARS", "ENTEND";
    may_not_hear() "DOES NOT HEAR", "N'ENTEND PAS";
    rule_of(link, rule) "{link}: {rule}", "{link} : {rule}";
    rule_not_met(rule) "not met: {rule}", "non tenu : {rule}";
    for_everybody() "for everybody", "pour tous";
    former_key(number, key, from) "former key {number}: {key}, credential of {from}",
        "ancienne clé {number} : {key}, accréditation du {from}";
    former_chain(number, from) "former chain {number}, of the present key: credential of {from}",
        "ancienne chaîne {number}, de la clé actuelle : accréditation du {from}";
    nothing_to_end(name, path) "{name} was issued nothing here ({path} is missing); name its key by --key FILE, or its chain",
        "rien n'a été émis ici à {name} ({path} manque) ; nommez sa clé par --key FICHIER, ou sa chaîne";
    rotation_taken_up() "a rotation that was cut off is finished", "une rotation interrompue est achevée";
    rotation_orphans(names, key)
        "{names} stand(s) on the old credential and would end with it: rotate without --revoke-old, issue those anew, then: \
         vigie trust revoke --key {key}",
        "{names} repose(nt) sur l'ancienne accréditation et finirai(en)t avec elle : faites la rotation sans --revoke-old, \
         émettez-les de nouveau, puis : vigie trust revoke --key {key}";
    rotation_requested(path, name)
        "send {path} to your issuer with the line above, compare the thumbprint by voice, then: \
         vigie trust rotate {name} --answer FILE. Until then the old key speaks",
        "envoyez {path} à votre émetteur avec la ligne ci-dessus, comparez l'empreinte de vive voix, puis : \
         vigie trust rotate {name} --answer FICHIER. D'ici là l'ancienne clé parle";
    answer_of_another_key(path) "{path} is not a chain of the key that was requested: ask for that one again",
        "{path} n'est pas une chaîne de la clé demandée : redemandez celle-là";
    answer_of_another_name(new, before)
        "the answer names {new}, and the identity is {before}: readers would see somebody else, so it is not taken",
        "la réponse nomme {new}, or l'identité est {before} : les lecteurs verraient quelqu'un d'autre, elle n'est donc pas \
         prise";
    rotation_queue(count, name)
        "{count} message(s) of the old key are not on a relay yet, and only it can send them: nothing was switched. See \
         vigie queue ls --as {name}; try again, or give them up with --leave-queue",
        "{count} message(s) de l'ancienne clé ne sont pas encore sur un relais, et elle seule peut les envoyer : rien n'a \
         changé. Voyez vigie queue ls --as {name} ; réessayez, ou abandonnez-les par --leave-queue";
    rotation_queue_left(count) "{count} message(s) of the old key are given up; they are kept beside its queue",
        "{count} message(s) de l'ancienne clé sont abandonnés ; ils restent à côté de sa file";
    rotated(name, key, who, until) "{name} speaks with key {key} now, as {who}, until {until}",
        "{name} parle désormais avec la clé {key}, au nom de {who}, jusqu'au {until}";
    former_kept(number, key) "the old key {key} is kept as number {number}",
        "l'ancienne clé {key} est gardée sous le numéro {number}";
    former_chain_kept(number) "the chain before it is kept as number {number}",
        "la chaîne d'avant est gardée sous le numéro {number}";
    rotated_next()
        "programs that run under this identity take the new key when they start again; queues and durable subscriptions go on",
        "les programmes en marche sous cette identité prennent la nouvelle clé à leur prochain démarrage ; files et \
         abonnements durables continuent";
    rotated_old_holds(key)
        "the old key still holds until its credential ends; once nothing runs under it: vigie trust revoke --key {key}",
        "l'ancienne clé vaut encore jusqu'à l'échéance de son accréditation ; quand plus rien ne tourne avec elle : \
         vigie trust revoke --key {key}";
    revoked_next(name)
        "next: its key of the other plane is another one, end it too where it was lost with this one; a new key under the \
         same name: vigie trust rotate {name}",
        "ensuite : sa clé de l'autre plan en est une autre, mettez-y fin aussi si elle est perdue avec celle-ci ; une \
         nouvelle clé sous le même nom : vigie trust rotate {name}";
}
