//! With the feature `pq`, relay and SDK agree on X25519MLKEM768, and still speak with those who do not have it.
//!
//! ```sh
//! cargo test -p vigie-tests --features pq --test post_quantum
//! ```
#![cfg(feature = "pq")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::{CryptoProvider, aws_lc_rs, ring};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, NamedGroup, RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use vigie_client::TlsRoots;
use vigie_tests::raw::Raw;
use vigie_tests::world::World;

/// A provider with the hybrid and what *ring* has.
fn hybrid() -> CryptoProvider {
    let mut provider = ring::default_provider();
    provider.kx_groups.insert(0, aws_lc_rs::kx_group::X25519MLKEM768);
    provider
}

#[tokio::test]
async fn a_relay_takes_the_hybrid_where_it_is_offered_and_the_old_one_where_it_is_not() {
    let world = World::new();
    let relay = world.relay();
    for (provider, group) in
        [(hybrid(), NamedGroup::X25519MLKEM768), (ring::default_provider(), NamedGroup::X25519)]
    {
        let mut roots = RootCertStore::empty();
        roots.add(world.tls_root.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(relay.local_addr()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let agreed = stream.get_ref().1.negotiated_key_exchange_group().unwrap().name();
        assert_eq!(agreed, group);
        let mut session = Raw::upgrade_over(stream, &Default::default()).await.unwrap();
        session.log_in_as(&world.live.town).await;
    }
    relay.stop(Duration::ZERO).unwrap();
}

#[tokio::test]
async fn the_sdk_asks_for_the_hybrid_first_and_takes_the_old_one() {
    let world = World::new();
    for (provider, group) in
        [(hybrid(), NamedGroup::X25519MLKEM768), (ring::default_provider(), NamedGroup::X25519)]
    {
        let config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(world.tls_chain.clone(), world.tls_key())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("wss://localhost:{}", listener.local_addr().unwrap().port()).parse().unwrap();
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
            stream.get_ref().1.negotiated_key_exchange_group().unwrap().name()
        });
        let roots = TlsRoots::from_pem(world.tls_root_pem.as_bytes()).unwrap();
        roots.certificate_of(&url).await.unwrap();
        assert_eq!(server.await.unwrap(), group);
    }
}
