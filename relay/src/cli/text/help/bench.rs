//! What `vigie bench` and its arguments are for.

pub(super) const HELP: &[(&str, &str, &str)] = &[
    (
        "bench",
        "Load a relay and time what comes: without --context, one that is made for the purpose",
        "Charger un relais et chronométrer ce qui vient : sans --context, un relais fait pour l'occasion",
    ),
    (
        "bench fanout",
        "One author, many readers: from when a message was due to each verified delivery",
        "Un auteur, beaucoup de lecteurs : de l'instant prévu d'un message à chaque livraison vérifiée",
    ),
    ("bench fanout [readers]", "Readers, each on a line of its own", "Lecteurs, chacun sur sa ligne"),
    ("bench fanout [rate]", "Messages a second", "Messages par seconde"),
    ("bench fanout [seconds]", "For how long", "Pendant combien de temps"),
    ("bench fanout [channel]", CHANNEL.0, CHANNEL.1),
    ("bench fanout [remote]", REMOTE.0, REMOTE.1),
    (
        "bench publish",
        "Many authors: from when a message was due to its receipt, which means that it is on disk",
        "Beaucoup d'auteurs : de l'instant prévu d'un message à son reçu, qui veut dire qu'il est sur disque",
    ),
    ("bench publish [authors]", "Authors, each on a line of its own", "Auteurs, chacun sur sa ligne"),
    ("bench publish [rate]", "Messages a second, of all together", "Messages par seconde, tous ensemble"),
    ("bench publish [seconds]", "For how long", "Pendant combien de temps"),
    ("bench publish [channel]", CHANNEL.0, CHANNEL.1),
    ("bench publish [remote]", REMOTE.0, REMOTE.1),
    (
        "bench connect",
        "Newcomers: from when one was due to its subscription",
        "Nouveaux venus : de l'instant prévu de l'arrivée à l'abonnement",
    ),
    ("bench connect [rate]", "Newcomers a second", "Nouveaux venus par seconde"),
    ("bench connect [seconds]", "For how long", "Pendant combien de temps"),
    ("bench connect [channel]", CHANNEL.0, CHANNEL.1),
    ("bench connect [remote]", REMOTE.0, REMOTE.1),
    (
        "bench resume",
        "Readers who all come back at once: from then to each message that they missed",
        "Lecteurs qui reviennent tous à la fois : de là à chaque message qu'ils ont manqué",
    ),
    ("bench resume [readers]", "Readers, each on a line of its own", "Lecteurs, chacun sur sa ligne"),
    ("bench resume [messages]", "Messages that they miss", "Messages qu'ils manquent"),
    ("bench resume [channel]", CHANNEL.0, CHANNEL.1),
    ("bench resume [remote]", REMOTE.0, REMOTE.1),
];

const CHANNEL: (&str, &str) = (
    "Where to speak, on the exercise plane; by default the first place of the identity",
    "Où parler, sur le plan d'exercice ; par défaut le premier lieu de l'identité",
);
const REMOTE: (&str, &str) =
    ("Load a relay that is not this machine", "Charger un relais qui n'est pas cette machine");
