//! Who holds a port: what an admin wants to know when port 80 is taken.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The process that listens where `wanted` wants to, as `nginx (pid 812)`, if it can be seen:
/// only root sees the sockets of other users.
#[must_use]
pub fn holder(wanted: SocketAddr) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        let text = fs::read_to_string(table).ok()?;
        text.lines().skip(1).filter_map(listener).find_map(|(at, inode)| {
            let overlaps = at.port() == wanted.port()
                && (at.ip() == wanted.ip()
                    || at.ip().is_unspecified()
                    || wanted.ip().is_unspecified());
            overlaps.then_some(inode)
        })
    })?;
    process_with(&format!("socket:[{inode}]"))
}

/// Address and inode of one line of `/proc/net/tcp{,6}`, if it is a listening socket (proc(5)).
fn listener(line: &str) -> Option<(SocketAddr, u64)> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let (local, state, inode) = (*words.get(1)?, *words.get(3)?, *words.get(9)?);
    if state != "0A" {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    // The kernel prints each 32-bit word in the machine's byte order.
    let ip = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(address)?)),
        32 => {
            let mut bytes = [0; 16];
            for (place, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(address.get(place * 8..place * 8 + 8)?)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some((SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?), inode.parse().ok()?))
}

fn word(digits: &str) -> Option<[u8; 4]> {
    Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
}

/// The first process one of whose descriptors is this socket.
fn process_with(socket: &str) -> Option<String> {
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let name = process.file_name();
        let Some(pid) = name.to_str().filter(|name| name.bytes().all(|b| b.is_ascii_digit()))
        else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else { continue };
        let holds = descriptors
            .flatten()
            .any(|fd| fs::read_link(fd.path()).is_ok_and(|to| to.as_os_str() == socket));
        if holds {
            let comm = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (pid {pid})", comm.trim_end().escape_default()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{holder, listener};

    #[test]
    fn only_listening_sockets_count() {
        for (line, expected) in [
            (
                "   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0",
                Some("127.0.0.1:80 4711"),
            ),
            (
                "   1: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7 1 0 100 0 0 10 0",
                Some("[::]:80 7"),
            ),
            (
                "   2: 00000000000000000000000001000000:0019 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 8 1 0 100 0 0 10 0",
                Some("[::1]:25 8"),
            ),
            (
                "   3: 0100007F:0050 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 9 1 0 100 0 0 10 0",
                None,
            ),
            ("rubbish", None),
        ] {
            let seen = listener(line).map(|(at, inode)| format!("{at} {inode}"));
            assert_eq!(seen.as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn this_process_is_found() {
        let socket = std::net::TcpListener::bind("127.0.26.2:0").unwrap();
        let found = holder(socket.local_addr().unwrap()).unwrap();
        assert!(found.ends_with(&format!("(pid {})", std::process::id())), "{found}");
    }
}
