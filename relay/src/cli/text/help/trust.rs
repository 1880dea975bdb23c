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
        "Those of this file too, written by `trust revoke --out`, whoever signed them",
        "Aussi celles de ce fichier, écrit par `trust revoke --out`, quel qu'en soit l'émetteur",
    ),
    (
        "trust send [authority]",
        "Folder with the roots' keys: send as the root of the plane",
        "Dossier des clés des racines : envoyer au nom de la racine du plan",
    ),
    ("trust send [wait]", "How long to wait for the relays", "Combien de temps attendre les relais"),
    ("trust send [exercise]", "On the exercise plane", "Sur le plan d'exercice"),
    (
        "trust list",
        "Every identity of the context, and the relay's own: who, where, what, days left, and whether it is good",
        "Toutes les identités du contexte, et celle du relais : qui, où, quoi, jours restants, et si elle est bonne",
    ),
    (
        "trust list [relay]",
        "Ask the relays, as --as, what is revoked",
        "Demander aux relais, au nom de --as, ce qui est révoqué",
    ),
    (
        "trust list [journal]",
        "Look up what is revoked in this journal folder, beside a running relay or not",
        "Chercher ce qui est révoqué dans ce dossier de journal, à côté d'un relais en marche ou non",
    ),
    (
        "trust list [config]",
        "The same, in the journal of a relay with these settings",
        "De même, dans le journal d'un relais de ces réglages",
    ),
    ("trust list [wait]", "How long to wait for the relays", "Combien de temps attendre les relais"),
    ("trust list [exercise]", "Only on the exercise plane", "Seulement sur le plan d'exercice"),
    (
        "trust rotate",
        "A new key for an identity, under the same organisation, name and rights",
        "Une nouvelle clé pour une identité, sous les mêmes organisation, nom et droits",
    ),
    ("trust rotate [name]", "The identity", "L'identité"),
    (
        "trust rotate [authority]",
        "Folder with the roots' keys: have it certified by the root of the plane",
        "Dossier des clés des racines : faire accréditer par la racine du plan",
    ),
    (
        "trust rotate [request]",
        "Make the key, and write its public half to this file for an issuer elsewhere",
        "Faire la clé, et écrire sa moitié publique dans ce fichier pour un émetteur ailleurs",
    ),
    (
        "trust rotate [answer]",
        "Take the chain that the issuer answered with",
        "Prendre la chaîne par laquelle l'émetteur a répondu",
    ),
    (
        "trust rotate [days]",
        "Days until it expires; by default 30, or 400 for one that delegates",
        "Jours avant expiration ; par défaut 30, ou 400 pour qui délègue",
    ),
    (
        "trust rotate [leave_queue]",
        "Switch even if messages of the old key were not sent",
        "Changer même si des messages de l'ancienne clé n'ont pas été envoyés",
    ),
    (
        "trust rotate [revoke_old]",
        "End the old key at every relay: by the issuer, or by itself after --answer",
        "Mettre fin à l'ancienne clé à chaque relais : par l'émetteur, ou par elle-même après --answer",
    ),
    (
        "trust rotate [from]",
        "With --revoke-old: since when not to believe it",
        "Avec --revoke-old : depuis quand ne plus y croire",
    ),
    (
        "trust rotate [reason]",
        "With --revoke-old: why; by default superseded",
        "Avec --revoke-old : pourquoi ; par défaut superseded",
    ),
    ("trust rotate [wait]", "How long to wait for the relays", "Combien de temps attendre les relais"),
    ("trust rotate [exercise]", "On the exercise plane", "Sur le plan d'exercice"),
    (
        "trust explain",
        "Which credential allows it or which rule refuses it; of a message, who may hear it and what keeps others out",
        "Quelle accréditation le permet ou quelle règle le refuse ; d'un message, qui peut l'entendre et ce qui en tient d'autres écartés",
    ),
    (
        "trust explain [target]",
        "An identity of this context or a chain file, with a channel; or the id of a message",
        "Une identité de ce contexte ou un fichier de chaîne, avec un canal ; ou l'identifiant d'un message",
    ),
    (
        "trust explain [channel]",
        "What is asked for: alert/PLACE or signal/PLACE, with .** for all below",
        "Ce qui est demandé : alert/LIEU ou signal/LIEU, avec .** pour tout ce qui est au-dessous",
    ),
    (
        "trust explain [publish]",
        "Publishing at this severity, in place of subscribing",
        "Publier à cette gravité, au lieu de s'abonner",
    ),
    (
        "trust explain [hear]",
        "Hearing a message of this severity addressed to the channel, with the widest subscription",
        "Entendre un message de cette gravité adressé au canal, par l'abonnement le plus large",
    ),
    ("trust explain [label]", "With --hear: how it is labelled", "Avec --hear : son étiquette"),
    (
        "trust explain [audience]",
        "With --label: for which organisations by name",
        "Avec --label : pour quelles organisations nommément",
    ),
    (
        "trust explain [door]",
        "Ask the relay that runs on the journal of --config or --journal, as the user who runs it: its roots, revocations and credentials count",
        "Interroger le relais qui tourne sur le journal de --config ou --journal, sous l'utilisateur qui le fait tourner : ses racines, révocations et accréditations comptent",
    ),
    (
        "trust explain [relay]",
        "Log in and subscribe as the identity, so that the relay itself judges",
        "S'authentifier et s'abonner au nom de l'identité, pour que le relais juge lui-même",
    ),
    (
        "trust explain [journal]",
        "Revocations and messages of this journal folder, beside a running relay or not",
        "Révocations et messages de ce dossier de journal, à côté d'un relais en marche ou non",
    ),
    (
        "trust explain [config]",
        "The same, of the journal of a relay with these settings",
        "De même, du journal d'un relais de ces réglages",
    ),
    ("trust explain [wait]", "How long to wait for the relay", "Combien de temps attendre le relais"),
    ("trust explain [exercise]", "On the exercise plane", "Sur le plan d'exercice"),
];
