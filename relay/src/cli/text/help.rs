//! What each command and argument is for, English and French side by side. Commands by their path, arguments in
//! brackets after it; without a path they are everywhere. A test holds the table against the arguments.

mod bench;
mod journal;
mod root;
mod trust;
pub(in crate::cli) mod values;

use super::Lang;

/// What a command or an argument is for.
pub(in crate::cli) fn of(key: &str, lang: Lang) -> Option<&'static str> {
    all().find(|(name, ..)| *name == key).map(|(_, en, fr)| lang.choose(*en, *fr))
}

/// Everything that is explained.
#[cfg(test)]
pub(in crate::cli) fn keys() -> impl Iterator<Item = &'static str> {
    all().map(|(name, ..)| *name)
}

fn all() -> impl Iterator<Item = &'static (&'static str, &'static str, &'static str)> {
    HELP.iter().chain(bench::HELP).chain(journal::HELP).chain(root::HELP).chain(trust::HELP)
}

const HELP: &[(&str, &str, &str)] = &[
    (
        "",
        "Vigie: secure real-time incident messages. Alerts descend, signals rise, everything is signed.",
        "Vigie : messages d'incident sûrs en temps réel. Les alertes descendent, les signaux montent, tout est signé.",
    ),
    (
        "[context]",
        "Folder with the relays, roots and identities to use",
        "Dossier des relais, racines et identités à employer",
    ),
    (
        "[identity]",
        "Identity to act as: a folder below identities/",
        "Identité au nom de qui agir : un dossier sous identities/",
    ),
    ("[json]", "One JSON object a line on standard output", "Un objet JSON par ligne sur la sortie standard"),
    (
        "[lang]",
        "Language; by default that of LC_ALL, LC_MESSAGES or LANG",
        "Langue ; par défaut celle de LC_ALL, LC_MESSAGES ou LANG",
    ),
    (
        "[color]",
        "Colour; it only repeats what words say",
        "Couleurs ; elles répètent seulement ce que disent les mots",
    ),
    ("[quiet]", "Only data, warnings and errors", "Seulement données, avertissements et erreurs"),
    ("[verbose]", "Say more; twice for debugging", "En dire plus ; deux fois pour déboguer"),
    (
        "demo",
        "See it work: a relay, readers and a liar on this machine; nothing to prepare",
        "Le voir à l'œuvre : un relais, des lecteurs et un menteur sur cette machine ; rien à préparer",
    ),
    ("demo [once]", "End after the scenes", "Finir après les scènes"),
    (
        "init",
        "Make a trial deployment: roots, TLS, relay settings, six identities",
        "Faire un déploiement d'essai : racines, TLS, réglages d'un relais, six identités",
    ),
    ("init [dir]", "A new or empty folder", "Un dossier nouveau ou vide"),
    ("relay", "Run a relay, and see how one is", "Faire tourner un relais, et voir comment il va"),
    (
        "relay run",
        "Run a relay until SIGTERM or SIGINT; logs on standard error, filtered by VIGIE_LOG",
        "Faire tourner un relais jusqu'à SIGTERM ou SIGINT ; journal d'exécution sur la sortie d'erreur, filtré par VIGIE_LOG",
    ),
    (
        "relay run [config]",
        "Settings, such as the vigie.toml of `vigie init`",
        "Réglages, ainsi le vigie.toml de `vigie init`",
    ),
    (
        "relay run [listen]",
        "Address and port in place of that of the settings; port 0 takes a free one",
        "Adresse et port au lieu de ceux des réglages ; le port 0 en prend un libre",
    ),
    (
        "relay run [health]",
        "Address and port of the health listener in place of that of the settings, or off",
        "Adresse et port de l'écoute d'état au lieu de ceux des réglages, ou off",
    ),
    (
        "relay run [check]",
        "Check the settings and all files they name, and start nothing",
        "Vérifier les réglages et tous les fichiers qu'ils nomment, sans rien démarrer",
    ),
    ("relay run [log]", "Form of the logs", "Forme du journal d'exécution"),
    (
        "relay status",
        "Ask a relay's health listener how it is: what is red first (code 11 if it is not ready, 4 if nothing answers)",
        "Demander à l'écoute d'état d'un relais comment il va : d'abord ce qui est rouge (code 11 s'il n'est pas prêt, 4 si rien ne répond)",
    ),
    (
        "relay status [config]",
        "Settings of a relay on this machine, which say where to ask; by default 127.0.0.1:7480",
        "Réglages d'un relais de cette machine, qui disent où demander ; par défaut 127.0.0.1:7480",
    ),
    ("relay status [url]", "Where to ask: http://HOST:PORT", "Où demander : http://HÔTE:PORT"),
    (
        "pub",
        "Publish a message and wait until it is on the relay's disk",
        "Publier un message et attendre qu'il soit sur le disque du relais",
    ),
    ("pub [channel]", "Where to: alert/PLACE or signal/PLACE", "Où : alert/LIEU ou signal/LIEU"),
    (
        "pub [text]",
        "The headline, or - to read it from standard input",
        "Le titre, ou - pour le lire sur l'entrée standard",
    ),
    (
        "pub [cap]",
        "Publish the alert of this CAP file (XML), or - for standard input",
        "Publier l'alerte de ce fichier CAP (XML), ou - pour l'entrée standard",
    ),
    (
        "pub [mime_type]",
        "With --cap: media type of resources that have none",
        "Avec --cap : type de média des ressources qui n'en ont pas",
    ),
    (
        "pub [scope]",
        "With --cap: scope of an alert that has none (CAP 1.0)",
        "Avec --cap : portée d'une alerte qui n'en a pas (CAP 1.0)",
    ),
    (
        "pub [category]",
        "With --cap: category of infos that have none (CAP 1.0)",
        "Avec --cap : catégorie des info qui n'en ont pas (CAP 1.0)",
    ),
    (
        "pub [zone]",
        "With --cap: offset of times that have none, such as +02:00",
        "Avec --cap : décalage des heures qui n'en ont pas, ainsi +02:00",
    ),
    (
        "pub [value_name]",
        "With --cap: name of values that are not key=value (CAP 1.0)",
        "Avec --cap : nom des valeurs qui ne sont pas clé=valeur (CAP 1.0)",
    ),
    (
        "pub [severity]",
        "How grave: by default Moderate, or that of the CAP file",
        "Gravité : par défaut Moderate, ou celle du fichier CAP",
    ),
    (
        "pub [expires]",
        "How long it holds: by default 24h for alerts, 72h for signals, at most 7d",
        "Durée de validité : par défaut 24h pour une alerte, 72h pour un signal, 7d au plus",
    ),
    (
        "pub [exercise]",
        "As an exercise: only readers of exercises hear it",
        "Comme exercice : seuls l'entendent les lecteurs d'exercices",
    ),
    (
        "pub [label]",
        "How far it may be passed on (Traffic Light Protocol 2.0): by default TLP:CLEAR, or as what it replaces",
        "Jusqu'où il peut être transmis (Traffic Light Protocol 2.0) : par défaut TLP:CLEAR, ou comme ce qu'il remplace",
    ),
    (
        "pub [audience]",
        "The only organisations that are given it, with those below them unless TLP:AMBER+STRICT or TLP:RED",
        "Les seules organisations qui le reçoivent, avec celles au-dessous sauf TLP:AMBER+STRICT ou TLP:RED",
    ),
    (
        "pub [replaces]",
        "Ids of messages that it updates or cancels; it takes their label and audience, which --label cannot widen",
        "Identifiants des messages qu'il met à jour ou annule ; il prend leurs étiquette et destinataires, que --label ne peut élargir",
    ),
    (
        "pub [cancel]",
        "With --replaces: what it replaces is over (CAP Cancel), rather than said anew (Update)",
        "Avec --replaces : ce qu'il remplace a pris fin (Cancel de CAP), au lieu d'être mis à jour (Update)",
    ),
    (
        "pub [offline]",
        "Queue it on this machine's disk, then try to send it within --wait (code 8 if it is still queued)",
        "Le mettre en attente sur le disque de cette machine, puis tenter de l'envoyer avant --wait (code 8 s'il attend encore)",
    ),
    ("pub [wait]", "How long to wait for the receipt", "Combien de temps attendre l'accusé"),
    (
        "queue",
        "Messages of `pub --offline` that wait on this machine",
        "Messages de `pub --offline` qui attendent sur cette machine",
    ),
    ("queue ls", "List them, in the order of sending", "Les lister, dans l'ordre d'envoi"),
    ("queue ls [exercise]", "Those of exercises", "Ceux des exercices"),
    (
        "queue retry",
        "Try a refused message again at the next `send`, with what it holds",
        "Réessayer un message refusé au prochain `send`, avec ce qu'il retient",
    ),
    ("queue retry [id]", "Which message", "Quel message"),
    ("queue retry [exercise]", "Among those of exercises", "Parmi ceux des exercices"),
    (
        "queue drop",
        "Give a message up, and let go of what it holds",
        "Abandonner un message, et libérer ce qu'il retient",
    ),
    ("queue drop [id]", "Which message", "Quel message"),
    ("queue drop [exercise]", "Among those of exercises", "Parmi ceux des exercices"),
    (
        "queue send",
        "Send what waits, in order (code 8 if something still does)",
        "Envoyer ce qui attend, dans l'ordre (code 8 s'il en reste)",
    ),
    ("queue send [wait]", "How long to try", "Combien de temps essayer"),
    ("queue send [exercise]", "Those of exercises", "Ceux des exercices"),
    (
        "sub",
        "Print verified messages as they come",
        "Afficher les messages vérifiés à mesure qu'ils viennent",
    ),
    (
        "sub [channels]",
        "What to hear: alert/PLACE, signal/PLACE, with .** also all below",
        "Quoi entendre : alert/LIEU, signal/LIEU, avec .** aussi tout ce qui est dessous",
    ),
    ("sub [exercise]", "Exercises, and nothing that is real", "Les exercices, et rien de réel"),
    (
        "sub [after]",
        "Begin after this cursor, or with 0 at the beginning of the log; by default now",
        "Commencer après ce curseur, ou avec 0 au début du journal ; par défaut maintenant",
    ),
    (
        "sub [durable]",
        "Go on behind what was shown under this name; --after counts the first time only",
        "Reprendre après ce qui a été affiché sous ce nom ; --after ne vaut que la première fois",
    ),
    ("sub [count]", "End after this many verified messages", "Finir après autant de messages vérifiés"),
    (
        "sub [wait]",
        "End after this long; with --count and too few messages that is a failure (code 7)",
        "Finir après ce délai ; avec --count et trop peu de messages c'est un échec (code 7)",
    ),
    ("sub [strict]", "End at the first gap (code 9)", "Finir à la première lacune (code 9)"),
    (
        "sub [cap_dir]",
        "Also write each verified message as CAP 1.2 to this folder: one file each, never over another",
        "Écrire aussi chaque message vérifié en CAP 1.2 dans ce dossier : un fichier chacun, jamais par-dessus un autre",
    ),
    (
        "verify",
        "Check an export of `sub --json` or `journal export` again, offline. Only the second says what is missing, and who is disowned",
        "Vérifier de nouveau, hors ligne, un export de `sub --json` ou de `journal export`. Seul le second dit ce qui manque, et qui est désavoué",
    ),
    ("verify [file]", "The export, or - for standard input", "L'export, ou - pour l'entrée standard"),
    (
        "verify [roots]",
        "Roots to trust in place of those of the context",
        "Racines auxquelles se fier au lieu de celles du contexte",
    ),
    (
        "cap",
        "CAP files (1.0, 1.1, 1.2, feeds, EDXL-DE): convert and check them, offline",
        "Fichiers CAP (1.0, 1.1, 1.2, flux, EDXL-DE) : les convertir et les contrôler, hors ligne",
    ),
    (
        "cap to-json",
        "Print each alert as Vigie signs it: one JSON object a line",
        "Afficher chaque alerte telle que Vigie la signe : un objet JSON par ligne",
    ),
    (
        "cap to-json [files]",
        "CAP files, or - for standard input",
        "Fichiers CAP, ou - pour l'entrée standard",
    ),
    (
        "cap to-json [mime_type]",
        "Media type of resources that have none (required since CAP 1.2)",
        "Type de média des ressources qui n'en ont pas (exigé depuis CAP 1.2)",
    ),
    (
        "cap to-json [scope]",
        "Scope of alerts that have none (optional in CAP 1.0)",
        "Portée des alertes qui n'en ont pas (facultative en CAP 1.0)",
    ),
    (
        "cap to-json [category]",
        "Category of infos that have none (optional in CAP 1.0)",
        "Catégorie des info qui n'en ont pas (facultative en CAP 1.0)",
    ),
    (
        "cap to-json [zone]",
        "Offset of times that have none, such as +02:00",
        "Décalage des heures qui n'en ont pas, ainsi +02:00",
    ),
    (
        "cap to-json [value_name]",
        "Name of values that are not key=value (CAP 1.0)",
        "Nom des valeurs qui ne sont pas clé=valeur (CAP 1.0)",
    ),
    (
        "cap to-xml",
        "Print alerts as CAP 1.2, from XML of any version or from JSON",
        "Afficher les alertes en CAP 1.2, à partir de XML de toute version ou de JSON",
    ),
    (
        "cap to-xml [files]",
        "CAP files or JSON, or - for standard input",
        "Fichiers CAP ou JSON, ou - pour l'entrée standard",
    ),
    (
        "cap to-xml [dir]",
        "Write each alert to a file of its own in this folder, never over another",
        "Écrire chaque alerte dans un fichier à elle dans ce dossier, jamais par-dessus un autre",
    ),
    (
        "cap to-xml [mime_type]",
        "Media type of resources that have none (required since CAP 1.2)",
        "Type de média des ressources qui n'en ont pas (exigé depuis CAP 1.2)",
    ),
    (
        "cap to-xml [scope]",
        "Scope of alerts that have none (optional in CAP 1.0)",
        "Portée des alertes qui n'en ont pas (facultative en CAP 1.0)",
    ),
    (
        "cap to-xml [category]",
        "Category of infos that have none (optional in CAP 1.0)",
        "Catégorie des info qui n'en ont pas (facultative en CAP 1.0)",
    ),
    (
        "cap to-xml [zone]",
        "Offset of times that have none, such as +02:00",
        "Décalage des heures qui n'en ont pas, ainsi +02:00",
    ),
    (
        "cap to-xml [value_name]",
        "Name of values that are not key=value (CAP 1.0)",
        "Nom des valeurs qui ne sont pas clé=valeur (CAP 1.0)",
    ),
    (
        "cap validate",
        "List all that breaks CAP's schema or the rules of its text, by line and element (code 6 if any)",
        "Lister tout ce qui enfreint le schéma de CAP ou les règles de son texte, par ligne et élément (code 6 s'il y en a)",
    ),
    (
        "cap validate [files]",
        "CAP files or JSON, or - for standard input",
        "Fichiers CAP ou JSON, ou - pour l'entrée standard",
    ),
    (
        "cap validate [mime_type]",
        "Media type of resources that have none (required since CAP 1.2)",
        "Type de média des ressources qui n'en ont pas (exigé depuis CAP 1.2)",
    ),
    (
        "cap validate [scope]",
        "Scope of alerts that have none (optional in CAP 1.0)",
        "Portée des alertes qui n'en ont pas (facultative en CAP 1.0)",
    ),
    (
        "cap validate [category]",
        "Category of infos that have none (optional in CAP 1.0)",
        "Catégorie des info qui n'en ont pas (facultative en CAP 1.0)",
    ),
    (
        "cap validate [zone]",
        "Offset of times that have none, such as +02:00",
        "Décalage des heures qui n'en ont pas, ainsi +02:00",
    ),
    (
        "cap validate [value_name]",
        "Name of values that are not key=value (CAP 1.0)",
        "Nom des valeurs qui ne sont pas clé=valeur (CAP 1.0)",
    ),
    ("identity", "Keys of one's own", "Ses propres clés"),
    (
        "identity new",
        "Make keys and print the public halves, to be sent to an issuer",
        "Faire des clés et afficher leurs moitiés publiques, à envoyer à un émetteur",
    ),
    ("identity new [name]", "Name of the folder below identities/", "Nom du dossier sous identities/"),
    ("identity new [plane]", "For which plane", "Pour quel plan"),
    (
        "identity show",
        "List identities: who they are, what they may do, for how long",
        "Lister les identités : qui elles sont, ce qu'elles peuvent, jusqu'à quand",
    ),
    ("identity show [name]", "Only this one", "Seulement celle-ci"),
    (
        "trust",
        "The chain of command: issue and read credentials",
        "La chaîne de commandement : émettre et lire des accréditations",
    ),
    (
        "trust grant",
        "Issue a credential below the one of --as",
        "Émettre une accréditation sous celle de --as",
    ),
    ("trust grant [to]", "To an identity of this context", "À une identité de ce contexte"),
    ("trust grant [key]", "To the holder of this public key (PEM)", "Au porteur de cette clé publique (PEM)"),
    (
        "trust grant [out]",
        "Write the chain here; by default to standard output",
        "Écrire la chaîne ici ; par défaut sur la sortie standard",
    ),
    (
        "trust grant [authority]",
        "Issue as the root in this folder, in place of --as",
        "Émettre comme la racine de ce dossier, au lieu de --as",
    ),
    ("trust grant [role]", "What the holder is", "Ce qu'est le porteur"),
    (
        "trust grant [org]",
        "Organisation of the holder: that of the issuer or below it, such as fr.interieur.idf",
        "Organisation du porteur : celle de l'émetteur ou sous elle, ainsi fr.interieur.idf",
    ),
    ("trust grant [name]", "Name for people, at most 64 bytes", "Nom pour les gens, 64 octets au plus"),
    (
        "trust grant [flow]",
        "Flows of the rights below; by default both",
        "Flux des droits qui suivent ; par défaut les deux",
    ),
    (
        "trust grant [at]",
        "Place of the rights below, and all under it",
        "Lieu des droits qui suivent, et tout ce qui est dessous",
    ),
    ("trust grant [publish]", "May publish, up to this severity", "Peut publier, jusqu'à cette gravité"),
    ("trust grant [subscribe]", "May subscribe", "Peut s'abonner"),
    (
        "trust grant [delegate]",
        "How many levels of credentials may stand below",
        "Combien de niveaux d'accréditations peuvent suivre",
    ),
    (
        "trust grant [grant]",
        "A right in one word: FLOW@PLACE[,publish=SEVERITY][,subscribe][,delegate=N]; may be repeated",
        "Un droit en un mot : FLUX@LIEU[,publish=GRAVITÉ][,subscribe][,delegate=N] ; répétable",
    ),
    (
        "trust grant [days]",
        "Lifetime; by default 30 days, 400 for one that delegates, inside the issuer's",
        "Durée de vie ; par défaut 30 jours, 400 pour qui délègue, dans celle de l'émetteur",
    ),
    ("trust grant [exercise]", "On the exercise plane", "Sur le plan d'exercice"),
    (
        "trust show",
        "Print a chain link by link, and what it is worth",
        "Afficher une chaîne maillon par maillon, et ce qu'elle vaut",
    ),
    (
        "trust show [target]",
        "Name of an identity, or a chain file",
        "Nom d'une identité, ou fichier de chaîne",
    ),
    ("trust show [exercise]", "Only on the exercise plane", "Seulement sur le plan d'exercice"),
    (
        "check",
        "Checks for monitoring: exit codes 0, 1, 2, 3",
        "Contrôles pour la supervision : codes 0, 1, 2, 3",
    ),
    ("check relay", "Connect, log in, measure", "Se connecter, s'authentifier, mesurer"),
    ("check relay [warn]", "Warning from this duration up", "Alerte à partir de cette durée"),
    ("check relay [crit]", "Critical from this duration up", "Critique à partir de cette durée"),
    (
        "check relay [exercise]",
        "With the identity of the exercise plane",
        "Avec l'identité du plan d'exercice",
    ),
    ("errors", "What refusal codes mean, offline", "Ce que veulent dire les codes de refus, hors ligne"),
    (
        "errors [code]",
        "Explain this one; by default list all",
        "Expliquer celui-ci ; par défaut les lister tous",
    ),
    ("completions", "Print completions for a shell", "Afficher les complétions pour un interpréteur"),
    ("completions [shell]", "Which shell", "Quel interpréteur"),
    (
        "man",
        "Print the manual page, or write all pages",
        "Afficher la page de manuel, ou écrire toutes les pages",
    ),
    ("man [dir]", "Folder to write all pages to", "Dossier où écrire toutes les pages"),
    (
        "version",
        "Print version, protocol and date of the source",
        "Afficher version, protocole et date de la source",
    ),
];
