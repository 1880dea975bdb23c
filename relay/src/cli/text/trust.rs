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
        "la chaîne de ce que vous révoquez n'est pas connue ici ; si vous êtes au-dessus n'est donc pas vérifié : une \
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
    revoke_again() "another machine revokes as the same issuer: run the command again, it takes the next number",
        "une autre machine révoque au nom du même émetteur : relancez la commande, elle prend le numéro suivant";
    revoked_next(name)
        "next: its key of the other plane is another one, end it too where it was lost with this one; a new key under the \
         same name: vigie trust rotate {name}",
        "ensuite : sa clé de l'autre plan en est une autre, mettez-y fin aussi si elle est perdue avec celle-ci ; une \
         nouvelle clé sous le même nom : vigie trust rotate {name}";
}
