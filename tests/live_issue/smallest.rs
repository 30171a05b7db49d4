//! The smallest instant-acme program with nodelay: what our own cost is measured against.

use std::sync::Arc;
use std::time::Duration;

use mailcert::issue::{Listener, Solver};
use mailcert::model::DnsId;

use crate::World;

/// What the smallest instant-acme program with nodelay needs for one certificate.
pub(crate) async fn certify(account: &instant_acme::Account, name: &str, listener: &Listener) {
    let identifiers = [instant_acme::Identifier::Dns(name.to_owned())];
    let mut order = account.new_order(&instant_acme::NewOrder::new(&identifiers)).await.unwrap();
    let mut authorizations = order.authorizations();
    let mut authorization = authorizations.next().await.unwrap().unwrap();
    let kind = instant_acme::ChallengeType::Http01;
    let mut challenge = authorization.challenge(kind).unwrap();
    let host = DnsId::parse(name).unwrap();
    let answer = challenge.key_authorization();
    listener.present(&host, &challenge.token, answer.as_str()).await.unwrap();
    challenge.set_ready().await.unwrap();
    let token = challenge.token.clone();
    let policy =
        instant_acme::RetryPolicy::new().initial_delay(Duration::from_millis(20)).backoff(1.5);
    order.poll_ready(&policy).await.unwrap();
    listener.clear(&host, &token).await;
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    order.finalize_csr(params.serialize_request(&key).unwrap().der()).await.unwrap();
    order.poll_certificate(&policy).await.unwrap();
}

/// The client of the smallest program: hyper with nodelay.
struct Bare(
    hyper_util::client::legacy::Client<
        hyper_rustls::HttpsConnector<hyper_util::client::legacy::connect::HttpConnector>,
        instant_acme::BodyWrapper<bytes::Bytes>,
    >,
);

impl instant_acme::HttpClient for Bare {
    fn request(
        &self,
        request: http::Request<instant_acme::BodyWrapper<bytes::Bytes>>,
    ) -> std::pin::Pin<
        Box<dyn Future<Output = Result<instant_acme::BytesResponse, instant_acme::Error>> + Send>,
    > {
        let answer = self.0.request(request);
        Box::pin(async move {
            let answer = answer.await.map_err(|e| instant_acme::Error::Other(Box::new(e)))?;
            Ok(instant_acme::BytesResponse::from(answer))
        })
    }
}

pub(crate) async fn account(world: &World) -> instant_acme::Account {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(world.anchors.clone())
        .with_no_client_auth();
    let mut connector = hyper_util::client::legacy::connect::HttpConnector::new();
    connector.set_nodelay(true);
    connector.enforce_http(false);
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_only()
        .enable_http1()
        .wrap_connector(connector);
    let executor = hyper_util::rt::TokioExecutor::new();
    let bare = Bare(hyper_util::client::legacy::Client::builder(executor).build(connector));
    let wanted = instant_acme::NewAccount {
        contact: &[],
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let builder = instant_acme::Account::builder_with_http(Box::new(bare));
    builder.create(&wanted, world.url(), None).await.unwrap().0
}
