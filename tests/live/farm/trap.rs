//! What a server does instead of an answer.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

/// The most bytes one connection is flooded with: a client without limits must not take the
/// machine along.
const FLOOD: usize = 64 * 1024 * 1024;
/// The longest silence.
const SILENCE: Duration = Duration::from_secs(600);
/// How long the client's last bytes are waited for.
const LEAVING: Duration = Duration::from_secs(2);

/// Something a client does not expect.
#[derive(Clone, Debug)]
pub(crate) enum Trap {
    /// Hangs up.
    Close,
    /// Says nothing, and stays.
    Silence,
    /// These bytes, then hangs up.
    Last(Vec<u8>),
    /// These bytes, then silence.
    Stuck(Vec<u8>),
    /// These bytes again and again, as fast as they are taken.
    Endless(Vec<u8>),
    /// These bytes again and again, one a second.
    Drip(Vec<u8>),
}

impl Trap {
    /// Runs to its end.
    ///
    /// # Errors
    /// The client has gone.
    pub(crate) async fn spring<S>(&self, stream: &mut S) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match self {
            Self::Close => {}
            Self::Silence => hold(stream).await?,
            Self::Last(bytes) => {
                stream.write_all(bytes).await?;
                stream.flush().await?;
            }
            Self::Stuck(bytes) => {
                stream.write_all(bytes).await?;
                stream.flush().await?;
                hold(stream).await?;
            }
            Self::Endless(bytes) => {
                let chunk = bytes.repeat((16 * 1024 / bytes.len()).max(1));
                for _ in 0..FLOOD / chunk.len() {
                    stream.write_all(&chunk).await?;
                }
                hold(stream).await?;
            }
            Self::Drip(bytes) => {
                for byte in bytes.iter().cycle().take(600) {
                    stream.write_all(&[*byte]).await?;
                    stream.flush().await?;
                    sleep(Duration::from_secs(1)).await;
                }
            }
        }
        leave(stream).await
    }
}

/// Hears and says nothing until the client gives up.
async fn hold<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<()> {
    let mut bytes = [0; 1024];
    while let Ok(Ok(1..)) = timeout(SILENCE, stream.read(&mut bytes)).await {}
    Ok(())
}

/// Closes its side and hears the client out, so that the kernel resets nothing.
///
/// # Errors
/// The client has gone.
pub(crate) async fn leave<S>(stream: &mut S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.shutdown().await?;
    let mut bytes = [0; 1024];
    let rest = async { while let Ok(1..) = stream.read(&mut bytes).await {} };
    let _ = timeout(LEAVING, rest).await;
    Ok(())
}
