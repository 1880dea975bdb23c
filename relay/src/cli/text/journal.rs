//! The table of sentences for `vigie journal`.

use std::fmt::Display;

use super::Lang;

sentences! {
    which_journal() "which journal? name its folder, or the settings of the relay with --config",
        "quel journal ? nommez son dossier, ou les réglages du relais par --config";
    which_roots() "whom to trust? give --root THUMBPRINT, the settings of the relay with --config, or a context",
        "à qui se fier ? donnez --root EMPREINTE, les réglages du relais par --config, ou un contexte";
    journal_folder_unreadable(path, why) "cannot read the journal folder {path}: {why}",
        "impossible de lire le dossier du journal {path} ({why})";
    journal_not_begun(path) "there is no journal in {path}, and it is not marked as the folder of a new one: nothing was started or changed",
        "il n'y a pas de journal dans {path}, et rien n'y dit qu'un nouveau peut commencer : rien n'a été démarré ni changé";
    journal_gone(path, name) "the journal in {path} is gone: there is still {name}, and no segment: nothing was started or changed",
        "le journal dans {path} a disparu : il reste {name}, et aucun segment : rien n'a été démarré ni changé";
    journal_moved(path) "the journal folder {path}, or the newest file in it, was moved, replaced or removed while the relay had it open, \
         so it stopped. Whatever has no receipt must be sent again; put back the folder that it had, then start it again",
        "le dossier du journal {path}, ou son dernier fichier, a été déplacé, remplacé ou ôté alors que le relais l'avait \
         ouvert : il s'est arrêté. Tout ce qui n'a pas d'accusé doit être renvoyé ; remettez le dossier qu'il avait, puis \
         redémarrez-le";
    journal_to_do(path) "if its disk is not mounted, mount it; if the journal was removed, put its files back, or restore a backup into \
         an empty folder with `vigie journal import`; for a new relay, say so with `vigie journal new {path}`",
        "si son disque n'est pas monté, montez-le ; si le journal a été ôté, remettez ses fichiers, ou restaurez une sauvegarde \
         dans un dossier vide par « vigie journal import » ; pour un nouveau relais, dites-le par « vigie journal new {path} »";
    journal_marked(path) "READY  the next relay that is started on {path} begins a new journal there",
        "PRÊT  le prochain relais démarré sur {path} y commence un nouveau journal";
    journal_failed(path, why) "{path}: {why}", "{path} ({why})";

    // What a journal is made of.
    journal_log(log, format, segments, bytes) "log {log}, format {format}: {segments} segment(s), {bytes} bytes",
        "log {log}, format {format} : {segments} segment(s), {bytes} octets";
    journal_is_backup(made) "a backup, made {made}: for `vigie journal import`, no relay goes on in it",
        "une sauvegarde, faite le {made} : pour « vigie journal import », aucun relais ne la continue";
    journal_forked(log, seq, at) "comes from log {log}, up to its message {seq}, admitted {at}",
        "vient du log {log}, jusqu'à son message {seq}, admis {at}";
    journal_records(messages, first, last, credentials, carried)
        "{messages} message(s), places {first} to {last}; {credentials} credential(s), {carried} carried id(s)",
        "{messages} message(s), places {first} à {last} ; {credentials} accréditation(s), {carried} identifiant(s) reporté(s)";
    journal_synced(segment, offset) "synced up to byte {offset} of {segment}", "synchronisé jusqu'à l'octet {offset} de {segment}";
    journal_tail(records, bytes)
        "behind that: {records} whole record(s) and {bytes} byte(s) of no record. No damage: a relay is writing there, or \
         stopped while it was; its next start keeps what is whole",
        "derrière : {records} enregistrement(s) entier(s) et {bytes} octet(s) qui n'en font pas. Pas un dommage : un relais y \
         écrit, ou s'est arrêté en y écrivant ; son prochain démarrage garde ce qui est entier";
    journal_unjudged() "signatures were not checked: give --root, --config or a context for that",
        "les signatures n'ont pas été vérifiées : donnez pour cela --root, --config ou un contexte";
    journal_unclean(seq)
        "it was not closed cleanly: what lay behind message {seq} cannot be proven. A relay that was killed leaves it so; \
         so does a last page that was lost with what closed it",
        "il n'a pas été fermé proprement : ce qui suivait le message {seq} ne peut être prouvé. Un relais tué le laisse \
         ainsi ; une dernière page perdue avec ce qui le fermait, aussi";
    journal_sound() "SOUND", "SAIN";
    journal_not_sound() "NOT SOUND", "NON SAIN";
    journal_faults(damage, suspects) "{damage} damaged place(s), {suspects} record(s) that do not verify",
        "{damage} endroit(s) abîmé(s), {suspects} enregistrement(s) non vérifié(s)";
    damaged() "DAMAGED", "ABÎMÉ";
    damage_line(segment, offset, what) "segment {segment} at byte {offset} ({what})",
        "segment {segment}, octet {offset} ({what})";
    damage_costs(first, last) "messages {first} to {last} cannot be given; restore the segment from a copy, check the disk",
        "les messages {first} à {last} ne peuvent être donnés ; remettez le segment depuis une copie, vérifiez le disque";
    damage_costs_no_message() "no message is lost, perhaps credentials; check the disk",
        "aucun message perdu, peut-être des accréditations ; vérifiez le disque";
    message_at(seq) "message {seq}", "message {seq}";
    a_credential() "a credential", "une accréditation";
    a_revocation() "a revocation", "une révocation";
    record_at(what, segment, offset) "{what}, in segment {segment} at byte {offset}",
        "{what}, dans le segment {segment}, octet {offset}";
    suspect_record(what, segment, offset, why) "{what}, in segment {segment} at byte {offset}: {why}",
        "{what}, dans le segment {segment}, octet {offset} : {why}";

    // stats
    journal_empty() "no message yet", "aucun message encore";
    journal_span(messages, first, from, last, to, bytes)
        "{messages} message(s) of {bytes} signed bytes: {first}, admitted {from}, to {last}, admitted {to}",
        "{messages} message(s) de {bytes} octets signés : de {first}, admis {from}, à {last}, admis {to}";
    journal_in_force(ids, credentials) "{ids} id(s) in force, {credentials} credential(s)",
        "{ids} identifiant(s) en vigueur, {credentials} accréditation(s)";
    journal_reserve(bytes) "reserve for cancels and urgent messages: {bytes} bytes",
        "réserve pour les annulations et les urgences : {bytes} octets";
    nothing_due() "retention would remove nothing now", "la rétention n'ôterait rien maintenant";
    due(segments, bytes, first) "retention would remove {segments} segment(s), {bytes} bytes: all before message {first}",
        "la rétention ôterait {segments} segment(s), {bytes} octets : tout avant le message {first}";
    stats_incomplete(damage, path) "{damage} damaged place(s) are not counted: vigie journal verify {path}",
        "{damage} endroit(s) abîmé(s) ne sont pas comptés : vigie journal verify {path}";

    // export
    export_removed(last) "messages up to {last} were removed by retention: the export says so",
        "les messages jusqu'à {last} ont été ôtés par la rétention : l'export le dit";
    export_suspect(what, why) "{what} does not verify, and is exported as such: {why}",
        "{what} ne se vérifie pas, et est exporté comme tel ({why})";
    export_without(what, why) "{what} does not verify, and is not in the export: {why}",
        "{what} ne se vérifie pas, et n'est pas dans l'export ({why})";
    export_incomplete(count) "{count} place(s) of the journal could not be exported as verified: see above, and the export",
        "{count} endroit(s) du journal n'ont pu être exportés comme vérifiés : voyez ci-dessus, et l'export";

    export_holds_other(kind, said, found)
        "the lines before it are not those of the export. Lines of type `{kind}`: {said} said, {found} found",
        "les lignes qui précèdent ne sont pas celles de l'export. Lignes de type « {kind} » : {said} annoncées, {found} trouvées";
    export_was_changed() "the lines before it are not those of the export: one was changed or moved",
        "les lignes qui précèdent ne sont pas celles de l'export : une a été changée ou déplacée";
    export_is_a_part(asked, left_out) "the export is of a part ({asked}): {left_out} message(s) of the log are not in it",
        "l'export est partiel ({asked}) : {left_out} message(s) du log n'y sont pas";
    export_is_whole() "   the export is whole: all that the journal had, as it was written",
        "   l'export est entier : tout ce que le journal avait, tel qu'il a été écrit";

    // backup
    backup_inside(dest, journal) "{dest} and the journal in {journal} lie one inside the other: name a folder beside it, \
         nothing was changed",
        "{dest} et le journal dans {journal} sont l'un dans l'autre : nommez un dossier à côté, rien n'a été changé";
    already_a_backup(path) "{path} is a backup already: copy the folder as it is",
        "{path} est déjà une sauvegarde : copiez le dossier tel quel";
    backup_unfinished(path, why) "{path} holds no backup, remove what is in it: {why}",
        "{path} ne contient pas de sauvegarde, ôtez ce qui s'y trouve ({why})";
    backup_differs(path) "{path} was written, but reads otherwise: check that disk, and make another backup",
        "{path} a été écrit, mais se relit autrement : vérifiez ce disque, et faites une autre sauvegarde";
    exported(path) "exported to {path}; vigie verify checks it", "exporté dans {path} ; vigie verify le contrôle";
    backup_done(path, log, last, bytes) "BACKED UP  log {log} up to message {last}, {bytes} bytes, on disk in {path}",
        "SAUVEGARDÉ  log {log} jusqu'au message {last}, {bytes} octets, sur le disque dans {path}";
    backup_of_damaged(path) "the journal is damaged; the backup in {path} has all that can be read, and the damage as it is",
        "le journal est abîmé ; la sauvegarde dans {path} a tout ce qui se lit, et le dommage tel quel";

    // import
    nothing_imported(why) "{why}\nnothing was imported, the journal folder is empty as before; --skip-refused leaves out \
         what does not verify",
        "{why}\nrien n'a été importé, le dossier du journal est vide comme avant ; --skip-refused laisse de côté ce qui ne \
         se vérifie pas";
    import_refused(place, why) "refused: {place}: {why}", "refusé : {place} ({why})";
    import_left_out(count) "{count} record(s) were refused and left out: see above",
        "{count} enregistrement(s) refusé(s) et laissé(s) de côté : voyez ci-dessus";
    import_done(messages, path, log) "IMPORTED  {messages} message(s) into {path}, a new log: {log}",
        "IMPORTÉ  {messages} message(s) dans {path}, un nouveau log : {log}";
    several_logs(number) "line {number} is of another log than those before: import one log at a time",
        "la ligne {number} est d'un autre log que les précédentes : importez un log à la fois";
    export_empty(path) "{path} has no message", "{path} n'a pas de message";
    export_end(path) "the end of {path}, which was cut short", "la fin de {path}, qui a été coupée";
    lost_with_damage() "what stood there cannot be read", "ce qui s'y trouvait ne peut être lu";
    exported_as_suspect() "it was exported as not verified", "il a été exporté comme non vérifié";
    export_cut() "the last line does not say what it holds, as that of `vigie journal export` does",
        "la dernière ligne ne dit pas ce qu'il contient, comme le fait celle de « vigie journal export »";
    partial_needed(part) "{part}; --partial takes it all the same, and leaves their places empty",
        "{part} ; --partial le prend tout de même, et laisse leurs places vides";
    imported_in_part(left_out) "in part: {left_out} message(s) of that log were not in the export, their places stay empty",
        "en partie : {left_out} message(s) de ce log n'étaient pas dans l'export, leurs places restent vides";
    imported_revocations(count) "{count} revocation(s) came along: whom they end stays out",
        "{count} révocation(s) reprise(s) : ceux à qui elles mettent fin restent dehors";
    line_at(number) "line {number}", "ligne {number}";
}
