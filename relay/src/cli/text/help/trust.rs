//! What `vigie trust revoke`, `send`, `list`, `rotate` and `explain` and their arguments are for.

pub(super) const HELP: &[(&str, &str, &str)] = &[
    (
        "trust revoke",
        "End a key or credential below your own, or your own (lost, stolen, not needed), at every relay",
        "Mettre fin à une clé ou accréditation sous la vôtre, ou à la vôtre (perdue, volée, inutile), à chaque relais",
    ),
    (
        "trust revoke [target]",
        "Whose: an identity of this context, a chain file (both mean the key), or a credential's id",
        "De qui : une identité de ce contexte, un fichier de chaîne (tous deux : la clé), ou l'identifiant d'une accréditation",
    ),
    (
        "trust revoke [key]",
        "This key: a file with the public key (PEM), or its thumbprint",
        "Cette clé : un fichier de clé publique (PEM), ou son empreinte",
    ),
    (
        "trust revoke [keep_key]",
        "End only the credential: its key may be certified anew",
        "Ne mettre fin qu'à l'accréditation : sa clé peut être accréditée de nouveau",
    ),
    (
        "trust revoke [from]",
        "Since when not to believe it: now, how long ago (2h), or a time; what was admitted since then is disowned",
        "Depuis quand ne plus y croire : now, il y a combien (2h), ou un moment ; ce qui fut admis depuis est désavoué",
    ),
    ("trust revoke [reason]", "Why, for people", "Pourquoi, pour les gens"),
    (
        "trust revoke [authority]",
        "Folder with the roots' keys: revoke as the root of the plane",
        "Dossier des clés des racines : révoquer au nom de la racine du plan",
    ),
    (
        "trust revoke [out]",
        "Write what was signed to this file, and send nothing",
        "Écrire ce qui est signé dans ce fichier, et ne rien envoyer",
    ),
    (
        "trust revoke [offline]",
        "Sign and keep it here, for `vigie trust send`",
        "Signer et garder ici, pour `vigie trust send`",
    ),
    ("trust revoke [wait]", "How long to wait for the relays", "Combien de temps attendre les relais"),
    ("trust revoke [exercise]", "On the exercise plane", "Sur le plan d'exercice"),
    (
        "trust send",
        "Send the relays what they lack of the revocations that you signed here",
        "Envoyer aux relais ce qui leur manque des révocations que vous avez signées ici",
    ),
    (
        "trust send [file]",
        "Those of this file too, written by `trust revoke --out` as the same issuer",
        "Aussi celles de ce fichier, écrit par `trust revoke --out` du même émetteur",
    ),
    (
        "trust send [authority]",
        "Folder with the roots' keys: send as the root of the plane",
        "Dossier des clés des racines : envoyer au nom de la racine du plan",
    ),
    ("trust send [wait]", "How long to wait for the relays", "Combien de temps attendre les relais"),
    ("trust send [exercise]", "On the exercise plane", "Sur le plan d'exercice"),
];
