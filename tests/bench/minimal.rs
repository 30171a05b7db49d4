//! The smallest program on instant-acme that issues a certificate over HTTP-01: hyper with
//! TCP_NODELAY, a first poll after 20 ms, the answers given in process. No CAA, no preflight, no
//! check of what comes back, nothing kept: what mailcert's own cost is measured against.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use instant_acme::{
    Account, BodyWrapper, BytesResponse, ChallengeType, Error, HttpClient, Identifier, NewAccount,
    NewOrder, RetryPolicy,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Key authorizations by token.
type Answers = Arc<Mutex<BTreeMap<String, String>>>;

/// The program with its account.
pub(crate) struct Minimal {
    account: Account,
    answers: Answers,
}

impl Minimal {
    /// Makes an account, and answers challenges at `address`.
    pub(crate) async fn start(
        directory: &str,
        anchors: rustls::RootCertStore,
        address: SocketAddr,
    ) -> Self {
        let answers = Answers::default();
        let listener = TcpListener::bind(address).await.expect("port 80 needs root");
        tokio::spawn(serve(listener, Arc::clone(&answers)));
        let wanted =
            NewAccount { contact: &[], terms_of_service_agreed: true, only_return_existing: false };
        let builder = Account::builder_with_http(Box::new(Bare(client(anchors))));
        let (account, _) = builder.create(&wanted, directory.to_owned(), None).await.expect("made");
        Self { account, answers }
    }

    /// Key and chain in PEM.
    pub(crate) async fn issue(&self, name: &str) -> Result<(String, String), Error> {
        let identifiers = [Identifier::Dns(name.to_owned())];
        let mut order = self.account.new_order(&NewOrder::new(&identifiers)).await?;
        let mut authorizations = order.authorizations();
        let mut authorization = authorizations.next().await.expect("one name")?;
        let mut challenge = authorization.challenge(ChallengeType::Http01).expect("offered");
        let token = challenge.token.clone();
        let answer = challenge.key_authorization().as_str().to_owned();
        self.answers.lock().expect("no panic").insert(token.clone(), answer);
        challenge.set_ready().await?;
        let policy = RetryPolicy::new().initial_delay(Duration::from_millis(20)).backoff(1.5);
        order.poll_ready(&policy).await?;
        self.answers.lock().expect("no panic").remove(&token);
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let request = params.serialize_request(&key).expect("a request");
        order.finalize_csr(request.der()).await?;
        Ok((key.serialize_pem(), order.poll_certificate(&policy).await?))
    }
}

/// instant-acme's way to a client of one's own.
struct Bare(Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>);

impl HttpClient for Bare {
    fn request(
        &self,
        request: http::Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let answer = self.0.request(request);
        Box::pin(async move {
            Ok(BytesResponse::from(answer.await.map_err(|error| Error::Other(Box::new(error)))?))
        })
    }
}

fn client(
    anchors: rustls::RootCertStore,
) -> Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_root_certificates(anchors)
        .with_no_client_auth();
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.enforce_http(false);
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_only()
        .enable_http1()
        .wrap_connector(connector);
    Client::builder(hyper_util::rt::TokioExecutor::new()).build(connector)
}

async fn serve(listener: TcpListener, answers: Answers) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, Arc::clone(&answers)));
    }
}

/// One request, which comes whole in one read from a CA on the same machine.
async fn answer(mut stream: TcpStream, answers: Answers) -> std::io::Result<()> {
    let mut bytes = [0; 2048];
    let length = stream.read(&mut bytes).await?;
    let request = String::from_utf8_lossy(&bytes[..length]).into_owned();
    let token = request.split(' ').nth(1).and_then(|path| path.rsplit('/').next()).unwrap_or("");
    let text = answers.lock().expect("no panic").get(token).cloned().unwrap_or_default();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", text.len());
    stream.write_all(format!("{head}Connection: close\r\n\r\n{text}").as_bytes()).await
}
