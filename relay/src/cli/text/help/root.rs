//! What `vigie trust root` and its arguments are for, and rotations among the arguments of others.

pub(super) const HELP: &[(&str, &str, &str)] = &[
    (
        "trust root",
        "Roots: make one offline, hand over from one to the next (certs/CEREMONY.md)",
        "Racines : en faire une hors ligne, passer de l'une à la suivante (certs/CEREMONIE.md)",
    ),
    (
        "trust root new",
        "Make a root of one plane: key, public key, and the credential that it issues to itself",
        "Faire une racine d'un plan : clé, clé publique, et l'accréditation qu'elle s'émet",
    ),
    (
        "trust root new [out]",
        "Folder for root-PLANE.key.pem, .pub.pem and .chain; nothing is overwritten",
        "Dossier pour root-PLAN.key.pem, .pub.pem et .chain ; rien n'est écrasé",
    ),
    (
        "trust root new [at]",
        "Place over which it has all rights, such as fr; its organisation, too",
        "Lieu où elle a tous les droits, ainsi fr ; c'est aussi son organisation",
    ),
    ("trust root new [name]", "Name for people, at most 64 bytes", "Nom pour les gens, 64 octets au plus"),
    ("trust root new [exercise]", "Of the exercise plane", "Du plan d'exercice"),
    (
        "trust root rotate",
        "Sign with the old root that it hands over to a new one",
        "Signer, avec l'ancienne racine, qu'elle passe la main à une nouvelle",
    ),
    (
        "trust root rotate [authority]",
        "Folder of the old root: its key and chain",
        "Dossier de l'ancienne racine : sa clé et sa chaîne",
    ),
    (
        "trust root rotate [to]",
        "Chain file of the new root; its key is not needed",
        "Fichier de chaîne de la nouvelle racine ; sa clé n'est pas nécessaire",
    ),
    (
        "trust root rotate [overlap]",
        "How long the old root goes on beside the new one (d, h, m, s)",
        "Combien de temps l'ancienne racine continue à côté de la nouvelle (d, h, m, s)",
    ),
    ("trust root rotate [out]", "Write the rotation here", "Écrire la rotation ici"),
    ("trust root rotate [exercise]", "On the exercise plane", "Sur le plan d'exercice"),
    (
        "trust root show",
        "Check a root or a rotation, and say what it is",
        "Vérifier une racine ou une rotation, et dire ce qu'elle est",
    ),
    (
        "trust root show [file]",
        "Chain file of a root, or a rotation",
        "Fichier de chaîne d'une racine, ou rotation",
    ),
    (
        "verify [rotations]",
        "Rotations of these roots, beside those that the export carries",
        "Rotations de ces racines, outre celles que porte l'export",
    ),
    ("journal verify [rotations]", "Rotations of these roots", "Rotations de ces racines"),
    ("journal export [rotations]", "Rotations of these roots", "Rotations de ces racines"),
    ("journal import [rotations]", "Rotations of these roots", "Rotations de ces racines"),
];
