//! Changes to a zone (RFC 2136): records are added and taken away one by one, so that what others
//! have at the same name stays.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{TLSA, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record as Line, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::dns::tsig::{self, Unsigned};
use crate::dns::{Record, name};
use crate::model::TsigKey;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The record (TXT or TLSA) is there afterwards, with this TTL in seconds.
    Add(String, u32, Record),
    /// The record (TXT or TLSA) is not there afterwards; others at its name stay.
    Delete(String, Record),
}

/// Why a zone was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotUpdated {
    /// Nobody answers.
    #[error(
        "{0} takes no updates: {1}; expected the zone's primary there: try `{dig} +tcp . SOA`, or set \
         `server`",
        dig = dig(.0)
    )]
    Unreachable(SocketAddr, String),
    /// The key is not known there.
    #[error(
        "{0} knows no key {1} with this algorithm, or has no rule for it in this zone (BADKEY); \
         expected both there: see `named-checkconf -p` (BIND), or `knotc conf-read key` and \
         `knotc conf-read acl` (Knot)"
    )]
    BadKey(SocketAddr, String),
    /// The secret is another one.
    #[error(
        "{0} has another secret for the key {1} (BADSIG); expected that of key-file: copy it from \
         there again (`named-checkconf -p` or `knotc conf-read key` prints it)"
    )]
    BadSig(SocketAddr, String),
    /// The clocks disagree.
    #[error(
        "{0} refuses the time of the update (BADTIME): {1}; expected at most 300 s: set both by \
         NTP, see `timedatectl`"
    )]
    BadTime(SocketAddr, String),
    /// The answer is not signed as it should be.
    #[error(
        "the answer of {0} is not signed with the key {1}, so nothing in it is believed; who \
         answers there? `{dig} version.bind CH TXT`",
        dig = dig(.0)
    )]
    NotSigned(SocketAddr, String),
    /// The key may not do this.
    #[error(
        "{0} refuses updates of {1} here (REFUSED); expected a rule that allows them to the key: \
         BIND `update-policy {{ grant KEY zonesub TXT TLSA; }};`, Knot `acl` with `action: update`"
    )]
    Refused(SocketAddr, String),
    /// Another zone, or a secondary.
    #[error(
        "{0} is not the primary of the zone {1} ({2}); expected the one that `dig {1} SOA` names: \
         set `server` and `zone` to what is right"
    )]
    NotAuth(SocketAddr, String, String),
    /// Anything else.
    #[error("{0} did not update {1}: {2}; its log says why")]
    Other(SocketAddr, String, String),
}

/// The command that asks this server.
fn dig(server: &SocketAddr) -> String {
    match server.port() {
        53 => format!("dig @{}", server.ip()),
        port => format!("dig @{} -p {port}", server.ip()),
    }
}

/// Makes all changes to `zone` at `server`, or none, at `now` (seconds since 1970, for the
/// signature). Adding what is there and deleting what is not are no errors.
///
/// # Errors
/// [`NotUpdated`] with what to change; nothing was changed then, or, where the answer got lost,
/// it is not known.
pub async fn update(
    server: SocketAddr,
    zone: &str,
    key: Option<&TsigKey>,
    changes: &[Change],
    now: u64,
) -> Result<(), NotUpdated> {
    let other = |why: &str| NotUpdated::Other(server, zone.to_owned(), why.to_owned());
    let not_auth = |code: &str| NotUpdated::NotAuth(server, zone.to_owned(), code.to_owned());
    let message = message(zone, changes).ok_or_else(|| other("it cannot be put into words"))?;
    let bytes = message.to_vec().map_err(|error| other(&error.to_string()))?;
    let (bytes, mac) = match key {
        Some(key) => tsig::sign(&bytes, key, now).ok_or_else(|| other("key-name is no name"))?,
        None => (bytes, Vec::new()),
    };
    let heard = match timeout(PATIENCE, exchange(server, &bytes)).await {
        Err(_) => return Err(NotUpdated::Unreachable(server, "no answer in time".to_owned())),
        Ok(Err(error)) => return Err(NotUpdated::Unreachable(server, error.kind().to_string())),
        Ok(Ok(heard)) => heard,
    };
    let code = code(&heard, message.metadata.id).ok_or_else(|| other("its answer is damaged"))?;
    if let Some(key) = key {
        let signed = tsig::verify(&heard, key, &mac, now);
        signed.or_else(|why| unsigned(server, zone, key, code, why, now))?;
    }
    match code {
        ResponseCode::NoError => Ok(()),
        ResponseCode::Refused => Err(NotUpdated::Refused(server, zone.to_owned())),
        ResponseCode::NotAuth => Err(not_auth("NOTAUTH")),
        ResponseCode::NotZone => Err(not_auth("NOTZONE")),
        ResponseCode::NotImp => Err(not_auth("NOTIMP")),
        code => Err(other(&code.to_string())),
    }
}

/// What an answer without our signature means. A server that knows neither key nor zone cannot
/// sign its refusal: it is told on, and only a success must be proved.
fn unsigned(
    server: SocketAddr,
    zone: &str,
    key: &TsigKey,
    code: ResponseCode,
    why: Unsigned,
    now: u64,
) -> Result<(), NotUpdated> {
    let name = key.name.clone();
    Err(match why {
        Unsigned::BadKey => NotUpdated::BadKey(server, name),
        Unsigned::BadSig => NotUpdated::BadSig(server, name),
        Unsigned::BadTime(clock) => NotUpdated::BadTime(
            server,
            match clock {
                Some(clock) if clock >= now => format!("its clock is {} s ahead", clock - now),
                Some(clock) => format!("its clock is {} s behind", now - clock),
                None => "the clocks differ".to_owned(),
            },
        ),
        Unsigned::Other(error) => {
            NotUpdated::Other(server, zone.to_owned(), format!("TSIG error {error}"))
        }
        Unsigned::Missing if code != ResponseCode::NoError => return Ok(()),
        Unsigned::Missing | Unsigned::Forged => NotUpdated::NotSigned(server, name),
    })
}

/// RFC 2136 section 2: the zone stands where questions do, changes where authorities do.
fn message(zone: &str, changes: &[Change]) -> Option<Message> {
    let id = Message::query().metadata.id;
    let mut message = Message::new(id, MessageType::Query, OpCode::Update);
    message.add_query(Query::query(name::parse(zone)?, RecordType::SOA));
    for change in changes {
        let (owner, ttl, record, class) = match change {
            Change::Add(owner, ttl, record) => (owner, *ttl, record, DNSClass::IN),
            Change::Delete(owner, record) => (owner, 0, record, DNSClass::NONE),
        };
        let owner: Name = name::parse(owner)?;
        let mut line = Line::from_rdata(owner, ttl, data(record)?);
        line.dns_class = class;
        message.authorities.push(line);
    }
    Some(message)
}

fn data(record: &Record) -> Option<RData> {
    match record {
        Record::Txt(text) if text.len() <= 255 => Some(RData::TXT(TXT::new(vec![text.clone()]))),
        Record::Tlsa { usage, selector, matching, data } => Some(RData::TLSA(TLSA::new(
            (*usage).into(),
            (*selector).into(),
            (*matching).into(),
            data.clone(),
        ))),
        _ => None,
    }
}

/// The code of the answer to `id`. Not by the library: it refuses sections that some servers put
/// into answers to updates.
fn code(heard: &[u8], id: u16) -> Option<ResponseCode> {
    let header = heard.get(..12)?;
    let ours = header[..2] == id.to_be_bytes() && header[2] & 0xf8 == 0xa8;
    ours.then(|| ResponseCode::from(0, header[3] & 0x0f))
}

/// Over TCP: an update that is sent twice over UDP may be made twice.
async fn exchange(server: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], bytes].concat()).await?;
    let length = stream.read_u16().await?;
    let mut heard = vec![0; length.into()];
    stream.read_exact(&mut heard).await?;
    Ok(heard)
}

/// Servers write their journal before they answer.
const PATIENCE: Duration = Duration::from_secs(10);
