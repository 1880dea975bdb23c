//! The sentences about roots: how they are made, how they hand over, and what is installed of that.

use std::fmt::Display;

use super::Lang;

sentences! {
    too_many_roots(max) "at most {max} roots are pinned: take out those that have ended",
        "{max} racines épinglées au plus : ôtez celles qui ont pris fin";
    rotation_refused(path, why)
        "{path} is no rotation of a root that is pinned here ({why}); take it out of `rotations`, or ask who gave it for the \
         right one",
        "{path} n'est pas une rotation d'une racine épinglée ici ({why}) ; ôtez-la de « rotations », ou demandez la bonne à \
         qui l'a donnée";
    root_hands_over(plane, old, new, from, until)
        "the {plane} root {old} hands over to {new}: the new one counts from {from}, the old one until {until}",
        "la racine {old} (plan {plane}) passe la main à {new} : la nouvelle compte dès le {from}, l'ancienne jusqu'au {until}";
    root_goes_on(plane, old, new, from)
        "the {plane} root {old} hands over to {new}: the new one counts from {from}, the old one goes on beside it",
        "la racine {old} (plan {plane}) passe la main à {new} : la nouvelle compte dès le {from}, l'ancienne continue à côté";
    rotation_given(what)
        "{what}. Its signature is that of the pinned root. Ask whom you know whether it is true, then install it: \
         `rotations` in context.toml",
        "{what}. La signature est celle de la racine épinglée. Demandez à qui vous connaissez si c'est vrai, puis \
         installez-la : « rotations » dans context.toml";

    root_made(plane, name) "Made the {plane} root: {name}", "La racine du plan {plane} est faite : {name}";
    root_thumbprint(thumbprint) "thumbprint  {thumbprint}", "empreinte  {thumbprint}";
    on_paper(groups) "on paper    {groups}", "sur papier {groups}";
    root_valid(from, until) "valid from {from} until {until}", "valable du {from} au {until}";
    root_next(key)
        "write the thumbprint on paper twice and compare; copy {key} to two media that never meet a network, and to \
         nothing else",
        "écrivez l'empreinte deux fois sur papier et comparez ; copiez {key} sur deux supports qui ne verront jamais de \
         réseau, et nulle part ailleurs";
    rotation_written(path) "Wrote the rotation to {path}: it is no secret", "rotation écrite dans {path} : elle n'est pas secrète";
    rotation_next()
        "give it to every relay and reader: in `rotations` of vigie.toml and of context.toml; issue anew below the new root \
         before the old one ends",
        "donnez-la à chaque relais et à chaque lecteur : « rotations » de vigie.toml et de context.toml ; émettez à nouveau \
         sous la nouvelle racine avant la fin de l'ancienne";
    not_a_root(path) "{path} is not one root by itself: name the .chain file that `vigie trust root new` wrote",
        "{path} n'est pas une racine seule : nommez le fichier .chain qu'a écrit « vigie trust root new »";
    other_plane(path, plane) "{path} is not of the {plane} plane: a root hands over on its own plane only",
        "{path} n'est pas du plan {plane} : une racine ne passe la main que sur son propre plan";
    signed_by_itself() "signed by its own key: compare the thumbprint with the paper",
        "signée par sa propre clé : comparez l'empreinte au papier";
    signed_by_root() "signed by the old root; whether it counts depends on who has pinned that one",
        "signée par l'ancienne racine ; elle compte pour qui a épinglé celle-ci";
    counts_here() "it counts in this context", "elle compte dans ce contexte";
    counts_not_here(why) "it does not count in this context ({why})", "elle ne compte pas dans ce contexte ({why})";
    another_is_installed() "another one of the same root is installed", "une autre de la même racine est installée";
    is_pinned_here() "pinned in this context", "épinglée dans ce contexte";
    is_successor_here() "trusted in this context by a rotation", "reconnue dans ce contexte par une rotation";
    is_not_pinned_here() "not pinned in this context", "pas épinglée dans ce contexte";
}
