//! The table of sentences for what is kept on this machine: `pub --offline`, `queue`, `sub --durable`.

use std::fmt::Display;

use super::Lang;

sentences! {
    queued() "QUEUED", "EN ATTENTE";
    sent() "SENT, NO ANSWER YET", "ENVOYÉ, SANS RÉPONSE ENCORE";
    refused() "REFUSED", "REFUSÉ";
    held() "HELD", "RETENU";
    queued_here(channel, id, until)
        "{channel}  on this machine's disk until a relay has it, or until {until}\n   {id}",
        "{channel}  sur le disque de cette machine jusqu'à ce qu'un relais l'ait, ou jusqu'au {until}\n   {id}";
    still_queued(id)
        "message {id} is still queued: `vigie queue send` tries again, `vigie queue ls` shows it",
        "le message {id} est encore en attente : « vigie queue send » réessaie, « vigie queue ls » le montre";
    still_waiting(count)
        "{count} message(s) still queued: try again when there is a network",
        "{count} message(s) encore en attente : réessayez quand il y aura du réseau";
    waits_for(id) "waits for {id}, which was refused: `vigie queue retry` or `vigie queue drop` decides on that one",
        "attend {id}, qui a été refusé : « vigie queue retry » ou « vigie queue drop » en décide";
    some_refused(count)
        "{count} message(s) are refused or held: see `vigie queue ls`, then `retry` or `drop`",
        "{count} message(s) refusés ou retenus : voyez « vigie queue ls », puis « retry » ou « drop »";
    queue_line(state, channel, title, time, until) "{state}  {channel}  {title}\n   queued {time}, expires {until}",
        "{state}  {channel}  {title}\n   mis en attente {time}, expire {until}";
    queue_empty() "the queue is empty", "la file est vide";
    shut_out(why) "no relay lets this identity in, so everything stays queued: {why}",
        "aucun relais n'admet cette identité, tout reste donc en attente : {why}";
    will_be_tried(id) "{id} will be tried again: vigie queue send", "{id} sera réessayé : vigie queue send";
    dropped(id) "{id} is dropped", "{id} est abandonné";
    dropped_maybe_sent(id) "{id} is dropped, but it had left this machine: a relay may have it all the same",
        "{id} est abandonné, mais il avait quitté cette machine : un relais l'a peut-être quand même";
    queue_in_use(path) "the queue is in use by another process ({path}): wait for it or close it",
        "la file sert à un autre processus ({path}) : attendez-le ou fermez-le";
    queue_full(messages) "the queue is full ({messages} messages): send or drop some",
        "la file est pleine ({messages} messages) : envoyez-en ou abandonnez-en";
    queue_no_message(id) "the queue has no message {id}: see `vigie queue ls`",
        "la file n'a pas de message {id} : voyez « vigie queue ls »";
    queue_stored_already(id) "a relay has {id} already: publish a message that replaces it",
        "un relais a déjà {id} : publiez un message qui le remplace";
    queue_not_refused(id) "{id} was not refused: `vigie queue send` sends it",
        "{id} n'a pas été refusé : « vigie queue send » l'envoie";
    queue_failed(why) "the queue cannot be used: {why}", "la file ne peut servir : {why}";
    queue_damaged(bytes, path)
        "{bytes} bytes of the queue were damaged: a message may be missing. The file as it was: {path}",
        "{bytes} octets de la file étaient abîmés : il manque peut-être un message. Le fichier tel qu'il était : {path}";
    queue_torn(bytes, path)
        "the queue ended in {bytes} bytes of a message that was never queued: cut. The file as it was: {path}",
        "la file finissait par {bytes} octets d'un message jamais mis en attente : coupés. Le fichier tel qu'il était : \
         {path}";
    durable_failed(why) "the durable subscription cannot be used: {why}",
        "l'abonnement durable ne peut servir : {why}";
    references_need_a_line() "--offline looks nothing up; name them by --replaces",
        "--offline ne recherche rien ; nommez-les par --replaces";
}
