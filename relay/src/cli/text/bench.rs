//! The sentences of `vigie bench`.

use std::fmt::Display;

use super::Lang;

sentences! {
    bench_remote(relay)
        "{relay} is not this machine: to load it all the same, say --remote, and ask its operator first",
        "{relay} n'est pas cette machine : pour le charger quand même, dites --remote, et demandez d'abord à son exploitant";
    bench_no_relay() "the context names no relay", "le contexte ne nomme aucun relais";
    bench_no_channel()
        "this identity may not both publish and hear at one place; take another, or name a --channel",
        "cette identité ne peut pas à la fois publier et entendre en un même lieu ; prenez-en une autre, ou nommez un --channel";
    bench_no_others()
        "this identity may not issue credentials: all lines are its own, and its rate bounds them together",
        "cette identité ne peut pas émettre d'accréditations : toutes les lignes sont à elle, et son débit les borne ensemble";
    bench_too_much(asked, max)
        "{asked} times would be kept, at most {max} are: ask for fewer readers, a lower rate or a shorter time",
        "{asked} durées seraient gardées, {max} le sont au plus : demandez moins de lecteurs, un débit plus bas ou moins longtemps";
    bench_interrupted() "interrupted: nothing was measured to the end", "interrompu : rien n'a été mesuré jusqu'au bout";
    bench_not_connected(ready, count)
        "only {ready} of {count} readers could connect; look at the relay's log, and at its limits for one address",
        "seuls {ready} lecteurs sur {count} ont pu se connecter ; voyez le journal d'exécution du relais, et ses limites par \
         adresse";
    bench_late(millis)
        "this machine was more than {millis} ms late itself: the figures are its own as much as the relay's",
        "cette machine avait elle-même plus de {millis} ms de retard : les chiffres sont les siens autant que ceux du relais";
    bench_command(command) "command  {command}", "commande  {command}";
    bench_machine(os, arch, cores, processor)
        "machine  {os} {arch}, {cores} cores, {processor}", "machine   {os} {arch}, {cores} cœurs, {processor}";
    bench_throw_away()
        "made for the purpose, on this machine, journal in the folder for temporary files",
        "fait pour l'occasion, sur cette machine, journal dans le dossier des fichiers temporaires";
    bench_relay(relay, channel) "relay    {relay}; {channel}", "relais    {relay} ; {channel}";
    bench_came(asked, came, expected, seconds)
        "asked    {asked}; came {came} of {expected} in {seconds} s", "demandé   {asked} ; venu {came} sur {expected} en {seconds} s";
    bench_latency(p50, p90, p99, p999, max)
        "from when each was due, in ms: p50 {p50}, p90 {p90}, p99 {p99}, p99.9 {p999}, at most {max}",
        "depuis l'instant prévu, en ms : p50 {p50}, p90 {p90}, p99 {p99}, p99,9 {p999}, au plus {max}";
    bench_failed(count, why) "failed   {count} × {why}", "échoué    {count} × {why}";
    bench_lost(count) "lost     {count}", "perdu     {count}";
}
