//! [`Door`]: sockets that are ours only while something is presented behind them.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::issue::taken;

/// Many orders share it: the first challenge binds its sockets, the last one to go closes them.
#[derive(Debug)]
pub(super) struct Door {
    addresses: Vec<SocketAddr>,
    /// What to do where another program has an address.
    yield_to: &'static str,
    /// The table of the configuration that says `listen`.
    table: &'static str,
    /// Held while sockets are bound, so that two orders do not bind twice.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    /// A missing address family is worth one line, not one for each bind.
    noted: Once,
}

#[derive(Debug, Default)]
struct State {
    /// How many challenges need it.
    users: usize,
    /// The tasks that hold the sockets.
    running: Vec<JoinHandle<()>>,
    /// Tasks told to end, whose sockets may not be closed yet.
    ending: Vec<JoinHandle<()>>,
}

impl Door {
    /// On these addresses. A v6 socket takes v6 only; a family the machine does not have is left
    /// out as long as another remains.
    pub(super) fn new(
        addresses: Vec<SocketAddr>,
        table: &'static str,
        yield_to: &'static str,
    ) -> Self {
        let (turn, state) = (tokio::sync::Mutex::default(), Mutex::default());
        Self { addresses, yield_to, table, turn, state, noted: Once::new() }
    }

    /// Opens it for one challenge more: `serve` has each connection, for a bounded time.
    ///
    /// # Errors
    /// A sentence that says what stands in the way and what to do.
    pub(super) async fn open<F, W>(&self, serve: F) -> Result<(), String>
    where
        F: Fn(TcpStream) -> W + Clone + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let _turn = self.turn.lock().await;
        loop {
            let ending = {
                let mut state = self.lock();
                if !state.running.is_empty() {
                    state.users += 1;
                    return Ok(());
                }
                std::mem::take(&mut state.ending)
            };
            if ending.is_empty() {
                break;
            }
            for task in ending {
                // It was told to end; its socket is closed when it has.
                let _ = task.await;
            }
        }
        let sockets = self.bind()?;
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        let mut state = self.lock();
        let accept = |socket| tokio::spawn(accept(socket, serve.clone(), Arc::clone(&slots)));
        state.running = sockets.into_iter().map(accept).collect();
        state.users += 1;
        Ok(())
    }

    /// One challenge needs it no more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.users = state.users.saturating_sub(1);
        if state.users == 0 {
            let tasks = std::mem::take(&mut state.running);
            tasks.iter().for_each(JoinHandle::abort);
            state.ending.extend(tasks);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere does not make the state wrong.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Binds every address, or says what stands in the way.
    fn bind(&self) -> Result<Vec<TcpListener>, String> {
        let mut sockets = Vec::new();
        let mut missing = Vec::new();
        for address in &self.addresses {
            match bind(*address) {
                Ok(socket) => sockets.push(socket),
                Err(e) if lacks_family(*address, &e) => {
                    self.noted.call_once(|| {
                        tracing::info!(%address, "this machine has no addresses of this family");
                    });
                    missing.push(format!("cannot listen on {address}: {e}"));
                }
                Err(e) => return Err(self.obstacle(*address, &e)),
            }
        }
        if sockets.is_empty() {
            missing.push("the listener has no address to listen on".to_owned());
            return Err(missing.swap_remove(0));
        }
        Ok(sockets)
    }

    /// What stands in the way and what to do about it.
    fn obstacle(&self, address: SocketAddr, error: &io::Error) -> String {
        let (table, yield_to) = (self.table, self.yield_to);
        match error.kind() {
            io::ErrorKind::AddrInUse => {
                let by = taken::holder(address);
                let by = by.unwrap_or_else(|| "a process only root can see".to_owned());
                format!("{address} is taken by {by}; {yield_to}, or stop it")
            }
            io::ErrorKind::AddrNotAvailable => {
                format!("{address} is no address of this machine; correct listen in {table}")
            }
            io::ErrorKind::PermissionDenied => format!(
                "{address} may not be listened on by this user; run as root or with \
                 CAP_NET_BIND_SERVICE, or {yield_to}"
            ),
            _ => format!("cannot listen on {address}: {error}"),
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.lock().running.iter().for_each(JoinHandle::abort);
    }
}

/// One socket; a v6 one takes v6 only.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    if address.is_ipv6() {
        // Otherwise `[::]:80` takes the v4 port too, and `0.0.0.0:80` finds it taken.
        rustix::net::sockopt::set_ipv6_v6only(&socket, true)?;
    }
    // Connections of the last round that linger in TIME_WAIT are no obstacle.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Whether the machine lacks the whole family, not only this address.
fn lacks_family(address: SocketAddr, error: &io::Error) -> bool {
    let code = rustix::io::Errno::from_io_error(error);
    code == Some(rustix::io::Errno::AFNOSUPPORT)
        || (error.kind() == io::ErrorKind::AddrNotAvailable && address.ip().is_unspecified())
}

/// Takes connections until it is aborted; then the socket is closed.
async fn accept<F, W>(socket: TcpListener, serve: F, slots: Arc<Semaphore>)
where
    F: Fn(TcpStream) -> W,
    W: Future<Output = ()> + Send + 'static,
{
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        match socket.accept().await {
            Ok((stream, _)) => {
                let work = serve(stream);
                tokio::spawn(async move {
                    // Who is slower than this is cut off.
                    let _ = tokio::time::timeout(PATIENCE, work).await;
                    drop(slot);
                });
            }
            // Out of descriptors: the next try may find some.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Connections served at once.
const CONNECTIONS: usize = 256;
/// Connections the kernel keeps waiting.
const BACKLOG: u32 = 256;
/// Most a connection may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
