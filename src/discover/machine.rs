//! The addresses of this machine, as its interfaces have them.

use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;

/// The addresses of this machine's interfaces that others can reach: no loopback, no link-local,
/// IPv6 first, each once. Empty if there are none, or if the kernel does not say: then the
/// configuration's `[machine] addresses` have to state them, as behind NAT.
#[must_use]
pub fn interface_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = getifaddrs() else {
        return Vec::new();
    };
    let mut addresses: Vec<IpAddr> = interfaces
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        })
        .filter(|address| reachable(*address))
        .collect();
    super::sort_addresses(&mut addresses);
    addresses
}

fn reachable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !(v4.is_loopback() || v4.is_link_local() || v4.is_unspecified()),
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unspecified()),
    }
}

#[cfg(test)]
mod tests {
    use super::{interface_addresses, reachable};

    #[test]
    fn loopback_and_link_local_are_nobody() {
        for (address, expected) in [
            ("127.0.0.1", false),
            ("127.0.22.53", false),
            ("169.254.1.1", false),
            ("0.0.0.0", false),
            ("::1", false),
            ("fe80::1", false),
            ("192.0.2.7", true),
            ("10.0.0.1", true),
            ("2001:db8::1", true),
            ("fd00::1", true),
        ] {
            assert_eq!(reachable(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn no_interface_address_is_loopback() {
        assert!(interface_addresses().into_iter().all(reachable));
    }
}
