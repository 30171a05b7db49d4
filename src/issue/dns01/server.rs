//! Our own name server for delegated names, bound only while a record is presented.
//!
//! Many orders share it: the first record binds its sockets, the last one to go closes them. It is
//! bounded in all it does: questions over UDP by source, connections by source and in all.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, sockopt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::hand::Txt;
use super::limit::{Limit, Turn};
use crate::dns::{Authority, Over};
use crate::issue::{door, taken};

/// The sockets and what is answered at them.
pub(super) struct Server {
    addresses: Vec<SocketAddr>,
    /// Held while sockets are bound, so that two orders do not bind twice.
    door: tokio::sync::Mutex<()>,
    state: Arc<Mutex<State>>,
}

struct State {
    authority: Authority,
    limit: Limit,
    /// Connections of each source.
    connections: HashMap<IpAddr, usize>,
    /// The tasks that hold the sockets.
    running: Vec<JoinHandle<()>>,
    /// Tasks told to end, whose sockets may not be closed yet.
    ending: Vec<JoinHandle<()>>,
}

impl Server {
    pub(super) fn new(addresses: Vec<SocketAddr>, authority: Authority) -> Self {
        let (limit, connections) = (Limit::default(), HashMap::new());
        let (running, ending) = (Vec::new(), Vec::new());
        let state = State { authority, limit, connections, running, ending };
        Self { addresses, door: tokio::sync::Mutex::default(), state: Arc::new(state.into()) }
    }

    /// Tries whether the sockets can be bound.
    pub(super) async fn rehearse(&self) -> Result<(), String> {
        let _door = self.door.lock().await;
        self.wait_for_end().await;
        if lock(&self.state).running.is_empty() { self.bind().map(|_| ()) } else { Ok(()) }
    }

    pub(super) async fn show(&self, txt: &Txt) -> Result<(), String> {
        let _door = self.door.lock().await;
        self.wait_for_end().await;
        if lock(&self.state).running.is_empty() {
            let sockets = self.bind()?;
            let slots = Arc::new(Semaphore::new(CONNECTIONS));
            let tasks = sockets.into_iter().flat_map(|(udp, tcp)| {
                [
                    tokio::spawn(datagrams(udp, self.state.clone())),
                    tokio::spawn(accept(tcp, self.state.clone(), slots.clone())),
                ]
            });
            lock(&self.state).running = tasks.collect();
        }
        let mut state = lock(&self.state);
        if state.authority.show(&txt.zone, &txt.record, &txt.value) {
            return Ok(());
        }
        close_if_idle(&mut state);
        Err(format!("{} is no name that can be answered for", txt.record))
    }

    pub(super) fn hide(&self, txt: &Txt) {
        let mut state = lock(&self.state);
        state.authority.hide(&txt.zone, &txt.record, &txt.value);
        close_if_idle(&mut state);
    }

    /// Waits until sockets are closed that were told to be.
    pub(super) async fn wait_for_end(&self) {
        let ending = std::mem::take(&mut lock(&self.state).ending);
        for task in ending {
            // It was told to end; its socket is closed when it has.
            let _ = task.await;
        }
    }

    fn bind(&self) -> Result<Vec<(UdpSocket, TcpListener)>, String> {
        let both = |address: &SocketAddr| {
            let tcp = door::bind(*address);
            tcp.and_then(|tcp| Ok((bind_udp(*address)?, tcp)))
                .map_err(|error| obstacle(*address, &error))
        };
        self.addresses.iter().map(both).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        lock(&self.state).running.iter().for_each(JoinHandle::abort);
    }
}

fn close_if_idle(state: &mut State) {
    if state.authority.is_empty() {
        let tasks = std::mem::take(&mut state.running);
        tasks.iter().for_each(JoinHandle::abort);
        state.ending.extend(tasks);
    }
}

/// A panic elsewhere does not make the records wrong.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (kind, protocol) = (SocketType::DGRAM, Some(ipproto::UDP));
    let socket = rustix::net::socket_with(family, kind, flags, protocol)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    UdpSocket::from_std(socket.into())
}

/// What stands in the way and what to do about it.
fn obstacle(address: SocketAddr, error: &io::Error) -> String {
    let what = "`listen` in [challenge.dns-01.serve]";
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let by = taken::holder(address).map(|by| format!(" by {by}"));
            format!(
                "{address} is taken{}; expected a free port 53 while challenges are answered: give \
                 {what} an address of its own, or let that server do it ([challenge.dns-01.rfc2136])",
                by.unwrap_or_default()
            )
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("{address} is no address of this machine; correct {what} (see `ip address`)")
        }
        io::ErrorKind::PermissionDenied => format!(
            "{address} may not be listened on by this user; run as root or with \
             CAP_NET_BIND_SERVICE"
        ),
        _ => format!("cannot listen on {address}: {error}"),
    }
}

/// Answers datagrams until it is aborted; then the socket is closed.
async fn datagrams(socket: UdpSocket, state: Arc<Mutex<State>>) {
    let mut buffer = [0; QUESTION];
    loop {
        let Ok((length, source)) = socket.recv_from(&mut buffer).await else {
            // Something about an earlier answer: nobody is there to be told.
            tokio::task::yield_now().await;
            continue;
        };
        let asked = &buffer[..length];
        let answer = {
            let mut state = lock(&state);
            match state.limit.ask(source.ip(), Instant::now()) {
                Turn::Answer => state.authority.answer(asked, Over::Udp),
                Turn::PutOff => Authority::put_off(asked),
                Turn::Drop => None,
            }
        };
        if let Some(answer) = answer {
            // Who cannot be sent to asks again.
            let _ = socket.try_send_to(&answer, source);
        }
    }
}

async fn accept(socket: TcpListener, state: Arc<Mutex<State>>, slots: Arc<Semaphore>) {
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        match socket.accept().await {
            Ok((stream, source)) => {
                let Some(seat) = Seat::take(&state, source.ip()) else { continue };
                tokio::spawn(async move {
                    // Who is slower than this is cut off.
                    let _ = timeout(PATIENCE, conversation(stream, &seat.state)).await;
                    drop((seat, slot));
                });
            }
            // Out of descriptors: the next try may find some.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// A connection of a source that has not too many.
struct Seat {
    state: Arc<Mutex<State>>,
    source: IpAddr,
}

impl Seat {
    fn take(state: &Arc<Mutex<State>>, source: IpAddr) -> Option<Self> {
        let mut locked = lock(state);
        let count = locked.connections.entry(source).or_default();
        if *count >= PER_SOURCE {
            return None;
        }
        *count += 1;
        Some(Self { state: state.clone(), source })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if let Some(count) = state.connections.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                state.connections.remove(&self.source);
            }
        }
    }
}

/// A few questions one after another (RFC 7766), each with its length before it.
async fn conversation(mut stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = [0; QUESTION];
    for _ in 0..QUESTIONS {
        let length = usize::from(stream.read_u16().await?);
        let Some(asked) = buffer.get_mut(..length) else { break };
        stream.read_exact(asked).await?;
        let Some(answer) = lock(state).authority.answer(asked, Over::Tcp) else { break };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes()[..], &answer].concat()).await?;
    }
    Ok(())
}

/// Most bytes of a question: one name and its options.
const QUESTION: usize = 1232;
/// Questions of one connection.
const QUESTIONS: usize = 100;
/// Connections served at once, and those of one source.
const CONNECTIONS: usize = 64;
const PER_SOURCE: usize = 8;
/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
