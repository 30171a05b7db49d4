//! What stands behind the URLs in the farm's certificates: a few files over plain HTTP.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::trap::{self, Trap};

/// Paths and contents.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

/// Serves until the process ends. `/endless` has no end.
pub(crate) async fn serve(listener: &TcpListener, files: &Files) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let files = files.clone();
        // A client that hangs up is not a failure of the server.
        tokio::spawn(async move { answer(stream, &files).await.ok() });
    }
}

async fn answer(mut stream: TcpStream, files: &Files) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < 16 * 1024 {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let request = String::from_utf8_lossy(&request);
    let path = request.split(' ').nth(1).unwrap_or_default();
    if path == "/endless" {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/pkix-cert\r\n\r\n").await?;
        return Trap::Endless(vec![0x30; 1024]).spring(&mut stream).await;
    }
    let file = files.iter().find(|(name, _)| name == path).map(|(_, content)| content.as_slice());
    let (status, content) = file.map_or(("404 Not Found", &b"no\n"[..]), |file| ("200 OK", file));
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        content.len()
    );
    stream.write_all(&[head.as_bytes(), content].concat()).await?;
    trap::leave(&mut stream).await
}
