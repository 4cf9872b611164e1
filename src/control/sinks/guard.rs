//! Where what is sent over the network may go. A webhook's address is chosen by whoever makes the
//! webhook, and so must not reach what only this machine reaches; and nobody's reaches what clouds
//! answer to their machines alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Failure;

/// Which addresses may be sent to.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    /// Beside those that everybody may.
    networks: Arc<[IpNet]>,
    /// Whether this machine and the networks around it are among them.
    internal: bool,
}

impl Guard {
    /// For sinks of the configuration, whose author reaches the machine anyway.
    pub(super) fn of_configuration() -> Self {
        Self { networks: Arc::default(), internal: true }
    }

    /// For webhooks: public addresses, and these networks.
    pub(super) fn of_webhooks(networks: &[IpNet]) -> Self {
        Self { networks: networks.into(), internal: false }
    }

    /// Why this address may not be sent to; none where it may. No network that is configured allows
    /// what nobody sends to.
    fn refuses(&self, address: IpAddr) -> Option<&'static str> {
        let address = inner(address);
        if is_forbidden(address) {
            return Some(FORBIDDEN);
        }
        let may = self.internal
            || !is_internal(address)
            || self.networks.iter().any(|network| network.contains(&address));
        (!may).then_some(REFUSED)
    }

    /// Refuses an address that stands in a URL by itself; a name is looked at when it is resolved.
    ///
    /// # Errors
    /// Where it may not be sent to.
    pub(super) fn check(&self, host: &str) -> Result<(), Failure> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match host.parse::<IpAddr>().ok().and_then(|address| self.refuses(address)) {
            Some(why) => Err(Failure::new(why)),
            None => Ok(()),
        }
    }

    /// The addresses of a name that may be sent to.
    ///
    /// # Errors
    /// Where it has none, or none that may.
    pub(super) async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
        let found = tokio::net::lookup_host((host, port))
            .await
            .map_err(|_| Failure::new("the host's name cannot be resolved"))?;
        let mut refused = None;
        let mut allowed = Vec::new();
        for address in found {
            match self.refuses(address.ip()) {
                None => allowed.push(address),
                why => refused = why,
            }
        }
        if allowed.is_empty() {
            return Err(Failure::new(refused.unwrap_or("the host's name has no address")));
        }
        Ok(allowed)
    }
}

/// Why an address is not sent to, unless the configuration says that it may.
const REFUSED: &str = "its address is none that may be sent to: see \
    control.webhooks.networks in the configuration";

/// Why an address is not sent to, whatever the configuration says.
const FORBIDDEN: &str = "its address is none that may be sent to: it is that of a cloud's metadata, \
    link-local, multicast or of no machine";

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = Self::resolve(&guard, name.as_str(), 0).await?;
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

/// The address of version 4 that one of version 6 stands for, where it does: it leads to the same
/// place.
fn inner(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address.to_canonical() else { return address.to_canonical() };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b, c, d, e, f) {
        // NAT64, and the form that was given up.
        (0x64, 0xff9b, 0, 0, 0, 0) => v4(g, h),
        (0, 0, 0, 0, 0, 0) if g != 0 => v4(g, h),
        // 6to4
        (0x2002, ..) => v4(b, c),
        _ => IpAddr::V6(v6),
    }
}

/// What nobody sends to: no address of one machine, or one that tells secrets to whoever asks.
fn is_forbidden(address: IpAddr) -> bool {
    /// Where clouds answer their machines, beside link-local addresses.
    const METADATA: [IpAddr; 3] = [
        IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
        IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
        IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    ];
    let is_special = match address {
        IpAddr::V4(v4) => {
            v4.is_link_local() || v4.is_broadcast() || v4.octets().first() == Some(&0)
        }
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    is_special || address.is_unspecified() || address.is_multicast() || METADATA.contains(&address)
}

/// What is not reached from everywhere.
fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_loopback()
                || v4.is_private()
                || v4.is_documentation()
                || (a == 100 && (64..128).contains(&b))
                || (a == 198 && (18..20).contains(&b))
                || a >= 240
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_public_is_not_sent_to() {
        let open = Guard::of_webhooks(&[]);
        let trusted = Guard::of_configuration();
        let wide = Guard::of_webhooks(&["0.0.0.0/0", "::/0"].map(|all| all.parse().unwrap()));
        for (address, webhook, configured) in [
            ("203.0.114.7", true, true),
            ("2606:4700::1111", true, true),
            ("127.0.0.1", false, true),
            ("::1", false, true),
            ("::ffff:127.0.0.1", false, true),
            ("10.1.2.3", false, true),
            ("172.16.0.1", false, true),
            ("192.168.1.1", false, true),
            ("fd12::1", false, true),
            ("100.64.0.1", false, true),
            ("169.254.169.254", false, false),
            ("::ffff:169.254.169.254", false, false),
            ("64:ff9b::a9fe:a9fe", false, false),
            ("2002:a9fe:a9fe::1", false, false),
            ("fe80::1", false, false),
            ("fd00:ec2::254", false, false),
            ("100.100.100.200", false, false),
            ("0.0.0.0", false, false),
            ("0.1.2.3", false, false),
            ("::", false, false),
            ("224.0.0.1", false, false),
            ("255.255.255.255", false, false),
        ] {
            let ip: IpAddr = address.parse().unwrap();
            assert_eq!(open.refuses(ip).is_none(), webhook, "a webhook to {address}");
            assert_eq!(trusted.refuses(ip).is_none(), configured, "a configured sink to {address}");
            // Networks open what is internal, and never what nobody sends to.
            let why = (!configured).then_some(FORBIDDEN);
            assert_eq!(wide.refuses(ip), why, "{address}");
        }
        let local = Guard::of_webhooks(&["127.0.0.0/8".parse().unwrap()]);
        assert_eq!(local.refuses("127.0.0.1".parse().unwrap()), None);
        assert_eq!(local.refuses("::1".parse().unwrap()), Some(REFUSED));
        assert!(local.check("127.0.0.1").is_ok() && local.check("[::1]").is_err());
        assert!(local.check("a.example").is_ok(), "a name is looked at when it is resolved");
    }

    #[tokio::test]
    async fn a_name_leads_nowhere_else() {
        let refused = Guard::of_webhooks(&[]).resolve("localhost", 80).await.unwrap_err();
        assert_eq!(refused.text, REFUSED);
        assert!(!Guard::of_configuration().resolve("localhost", 80).await.unwrap().is_empty());
    }
}
