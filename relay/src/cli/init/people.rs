//! Who is in a trial deployment: a chain of command from the nation to the street, two neighbours, one far away.

use vigie_proto::channel::Flow;
use vigie_proto::credential::Grant;
use vigie_proto::severity::Severity;

/// Under whom the first of them stands.
pub(super) const ROOT: &str = "root";
/// The organisation that runs the relay.
pub(super) const RELAY_ORG: &str = "fr.relais";
/// Its name.
pub(super) const RELAY_TITLE: &str = "Relais d'essai";

/// One identity.
pub(super) struct Person {
    /// The folder below `identities`, and the `--as` of the command line.
    pub(super) name: &'static str,
    /// Who issues its credential.
    pub(super) under: &'static str,
    /// Inside the organisation of its issuer.
    pub(super) org: &'static str,
    /// The free text, at most 64 bytes.
    pub(super) title: &'static str,
    at: &'static str,
    may: May,
    delegate: u8,
}

/// What one may do at its place.
enum May {
    /// Publish and hear, alerts and signals.
    All,
    /// Publish signals up to Severe, hear alerts.
    Field,
}

/// Issuers stand before those they issue for.
pub(super) const PEOPLE: &[Person] = &[
    Person {
        name: "nation",
        under: ROOT,
        org: "fr.interieur",
        title: "Ministère de l'Intérieur, veille nationale",
        at: "fr",
        may: May::All,
        delegate: 3,
    },
    Person {
        name: "region",
        under: "nation",
        org: "fr.interieur.idf",
        title: "Préfecture de la région Île-de-France",
        at: "fr.idf",
        may: May::All,
        delegate: 2,
    },
    Person {
        name: "town",
        under: "region",
        org: "fr.interieur.idf.paris",
        title: "Ville de Paris, salle de veille",
        at: "fr.idf.75.paris",
        may: May::All,
        delegate: 0,
    },
    Person {
        name: "neighbour",
        under: "region",
        org: "fr.interieur.idf.nanterre",
        title: "Ville de Nanterre, salle de veille",
        at: "fr.idf.92.nanterre",
        may: May::All,
        delegate: 0,
    },
    Person {
        name: "elsewhere",
        under: "nation",
        org: "fr.interieur.bordeaux",
        title: "Ville de Bordeaux, salle de veille",
        at: "fr.naq.33.bordeaux",
        may: May::All,
        delegate: 0,
    },
    Person {
        name: "field",
        under: "region",
        org: "fr.interieur.idf.pompiers",
        title: "Sapeurs-pompiers de Paris, engin 12",
        at: "fr.idf.75.paris",
        may: May::Field,
        delegate: 0,
    },
];

impl Person {
    pub(super) fn grants(&self) -> Vec<Grant> {
        let grant = |flow, publish, subscribe| Grant {
            flow,
            at: super::place(self.at),
            publish,
            subscribe,
            delegate: self.delegate,
        };
        match self.may {
            May::All => {
                [Flow::Alert, Flow::Signal].map(|flow| grant(flow, Some(Severity::Extreme), true)).into()
            }
            May::Field => {
                vec![grant(Flow::Alert, None, true), grant(Flow::Signal, Some(Severity::Severe), false)]
            }
        }
    }
}
