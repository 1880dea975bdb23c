//! What the log is told of the end of a client certificate.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

use std::io::Seek as _;
use std::time::SystemTime;

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use tracing::Level;
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Flow, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::key::SigningKey;

use super::*;

const DAY: Duration = Duration::from_secs(DAY_SECONDS);

/// What this thread says in the log meanwhile, a line each.
fn logged(said: impl FnOnce()) -> Vec<String> {
    let file = Arc::new(tempfile::tempfile().unwrap());
    let log = tracing_subscriber::fmt().with_max_level(Level::TRACE).without_time().with_ansi(false);
    tracing::subscriber::with_default(log.with_writer(Arc::clone(&file)).finish(), said);
    (&*file).rewind().unwrap();
    let text = std::io::read_to_string(&*file).unwrap();
    text.lines().map(|line| line.trim_start().to_owned()).collect()
}

/// Whose credential is good for years.
fn identity() -> Identity {
    let key = SigningKey::from_seed(&[0x5a; 32]).unwrap();
    let at = "fr".parse().unwrap();
    let claims = Claims {
        subject: *key.public(),
        org: "fr".parse().unwrap(),
        name: "unité".to_owned(),
        role: Role::Author,
        grants: vec![Grant { flow: Flow::Alert, at, publish: None, subscribe: true, delegate: 0 }],
        plane: Plane::Live,
        valid: Window { from: clock::now().minus(DAY * 400), until: clock::now().plus(DAY * 400) },
    };
    let root = Credential::issue_root(&key, &claims).unwrap();
    let roots = Roots::new([key.public().thumbprint()]);
    let chain = Chain::verify([&**root.token()], &roots, &NoVerdicts).unwrap();
    Identity::new(Arc::new(key), Arc::new(chain)).unwrap()
}

/// Shows a certificate that ends in so many days, below an authority that ends in so many.
fn showing(own: u32, above: u32) -> TlsRoots {
    let until = |days: u32| SystemTime::now() + DAY * days + Duration::from_secs(60);
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.not_after = until(above).into();
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["console-1".to_owned()]).unwrap();
    params.not_after = until(own).into();
    let chain = params.signed_by(&key, &authority).unwrap().pem() + &authority.pem();
    let roots = TlsRoots::from_pem(authority.pem().as_bytes()).unwrap();
    roots.with_client_certificate(chain.as_bytes(), key.serialize_pem().as_bytes()).unwrap()
}

fn told(shown: &TlsRoots) -> Vec<String> {
    let dialler = Dialler::new(shown, identity(), Duration::from_secs(5));
    logged(|| {
        // Each time that it dials; told once.
        dialler.tell_ends();
        dialler.tell_ends();
    })
}

#[test]
fn the_end_of_the_certificate_that_is_shown_is_told_once_thirty_seven_and_one_day_before() {
    for (own, above) in [(31, 400), (400, 31)] {
        assert_eq!(told(&showing(own, above)), [""; 0]);
    }
    for (days, notice) in [(29, "Month"), (6, "Week"), (0, "Day")] {
        for (own, above) in [(days, 400), (400, days)] {
            let lines = told(&showing(own, above));
            let [line] = &lines[..] else { panic!("{lines:?}") };
            let fields = [format!("notice={notice}"), format!("days_left={days}")];
            assert!(line.starts_with("WARN") && line.contains("client certificate"), "{line}");
            assert!(fields.iter().all(|field| line.contains(field)), "{line}");
        }
    }
    let authority = CertificateParams::new(Vec::new()).unwrap();
    let authority = authority.self_signed(&KeyPair::generate().unwrap()).unwrap();
    assert_eq!(told(&TlsRoots::from_pem(authority.pem().as_bytes()).unwrap()), [""; 0], "nothing is shown");
}
