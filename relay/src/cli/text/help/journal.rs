//! What `vigie journal` and its arguments are for.

pub(super) const HELP: &[(&str, &str, &str)] = &[
    (
        "journal",
        "A relay's log on disk: check, count, copy, export and import it",
        "Le journal d'un relais sur disque : le vérifier, compter, copier, exporter, importer",
    ),
    (
        "journal verify",
        "Check all of it, beside a running relay or offline, and change nothing (code 12 if damaged)",
        "Le vérifier en entier, à côté d'un relais qui tourne ou hors ligne, sans rien changer (code 12 s'il est abîmé)",
    ),
    (
        "journal verify [dir]",
        "Its folder; by default that of the settings",
        "Son dossier ; par défaut celui des réglages",
    ),
    (
        "journal verify [roots]",
        "Roots under which messages must verify; by default those of the settings or the context",
        "Racines sous lesquelles les messages doivent se vérifier ; par défaut celles des réglages ou du contexte",
    ),
    ("journal verify [config]", "Settings of the relay", "Réglages du relais"),
    ("journal stats", "What is in it, in figures", "Ce qu'il contient, en chiffres"),
    (
        "journal stats [dir]",
        "Its folder; by default that of the settings",
        "Son dossier ; par défaut celui des réglages",
    ),
    (
        "journal stats [config]",
        "Settings of the relay, which say what retention keeps",
        "Réglages du relais, qui disent ce que garde la rétention",
    ),
    (
        "journal export",
        "Write messages with their chains as `vigie verify` reads them; gaps are in it",
        "Écrire les messages et leurs chaînes comme `vigie verify` les lit ; les lacunes y sont",
    ),
    (
        "journal export [dir]",
        "Its folder; by default that of the settings",
        "Son dossier ; par défaut celui des réglages",
    ),
    (
        "journal export [roots]",
        "Roots under which messages must verify; by default those of the settings or the context",
        "Racines sous lesquelles les messages doivent se vérifier ; par défaut celles des réglages ou du contexte",
    ),
    ("journal export [config]", "Settings of the relay", "Réglages du relais"),
    ("journal export [from]", "From this place of the log", "À partir de cette place du journal"),
    ("journal export [to]", "Up to this place of the log", "Jusqu'à cette place du journal"),
    (
        "journal export [channel]",
        "Only messages on this channel, with .** also those below it",
        "Seulement les messages de ce canal, avec .** aussi ceux en dessous",
    ),
    (
        "journal export [exercise]",
        "The channels are those of exercises",
        "Les canaux sont ceux des exercices",
    ),
    (
        "journal export [output]",
        "A new file, or - for standard output",
        "Un nouveau fichier, ou - pour la sortie standard",
    ),
    (
        "journal import",
        "Make a new log of a backup or an export, in an empty journal folder, the relay stopped; all is verified again",
        "Faire un nouveau journal d'une sauvegarde ou d'un export, dans un dossier vide, relais arrêté ; tout est revérifié",
    ),
    (
        "journal import [source]",
        "The folder of a backup, or the file of an export",
        "Le dossier d'une sauvegarde, ou le fichier d'un export",
    ),
    (
        "journal import [journal]",
        "The empty folder; by default that of the settings",
        "Le dossier vide ; par défaut celui des réglages",
    ),
    (
        "journal import [roots]",
        "Roots under which messages must verify; by default those of the settings or the context",
        "Racines sous lesquelles les messages doivent se vérifier ; par défaut celles des réglages ou du contexte",
    ),
    ("journal import [config]", "Settings of the relay", "Réglages du relais"),
    (
        "journal import [skip_refused]",
        "Leave out and list what is refused, in place of importing nothing (code 8)",
        "Laisser de côté et lister ce qui est refusé, au lieu de ne rien importer (code 8)",
    ),
    (
        "journal import [partial]",
        "Take an export of a part (--from, --to, --channel): the places of what it leaves out stay empty in the new log",
        "Prendre un export partiel (--from, --to, --channel) : les places de ce qu'il omet restent vides dans le nouveau journal",
    ),
    (
        "journal backup",
        "Copy it while the relay runs, whole and synced; no relay goes on in the copy",
        "Le copier pendant que le relais tourne, entier et synchronisé ; aucun relais ne continue la copie",
    ),
    (
        "journal new",
        "Say that a relay may begin a new journal in a folder; made if missing, refused if it has anything of a journal",
        "Dire qu'un relais peut commencer un nouveau journal dans un dossier ; créé s'il manque, refusé s'il contient quoi que ce soit d'un journal",
    ),
    ("journal new [dir]", "Its folder", "Son dossier"),
    ("journal backup [dest]", "A new or empty folder", "Un dossier nouveau ou vide"),
    (
        "journal backup [journal]",
        "Its folder; by default that of the settings",
        "Son dossier ; par défaut celui des réglages",
    ),
    ("journal backup [config]", "Settings of the relay", "Réglages du relais"),
];
