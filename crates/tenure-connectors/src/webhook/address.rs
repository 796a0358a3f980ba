//! Where webhooks may go. URLs hold data of customers and names that strangers control, so a request must not be a
//! way into the machine's own network (server-side request forgery).
//!
//! What counts is the address that is connected to, after the name was looked up: a name that points inside is
//! refused like the address itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Metadata service of a cloud provider under a unique local address.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
/// Metadata service of a cloud provider in the shared address space.
const METADATA_SHARED: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);

/// Which networks webhooks may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// The public internet only.
    #[default]
    Public,
    /// Loopback and private networks too, for receivers beside the server. Link-local and metadata addresses stay
    /// refused.
    Private,
}

/// Why an address is refused.
const OUTSIDE: &str =
    "the address is link-local, multicast or of a metadata service, which webhooks never reach";
const INSIDE: &str = "the address is on this machine or in a private network; allow those in the settings if it is meant";

/// Whether `ip` may be connected to.
pub(super) fn check_ip(ip: IpAddr, reach: Reach) -> Result<(), &'static str> {
    let ip = match ip {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => embedded_v4(ip).map_or(IpAddr::V6(ip), IpAddr::V4),
    };
    let (is_never, is_private) = match ip {
        IpAddr::V4(ip) => (is_never_v4(ip), is_private_v4(ip)),
        IpAddr::V6(ip) => (is_never_v6(ip), is_private_v6(ip)),
    };
    match reach {
        _ if is_never => Err(OUTSIDE),
        Reach::Public if is_private => Err(INSIDE),
        _ => Ok(()),
    }
}

/// Whether a URL may be requested, as far as it says by itself; names are checked again when they are looked up.
pub(crate) fn check_url(url: &str, reach: Reach) -> Result<Uri, &'static str> {
    let uri: Uri = url.parse().map_err(|_| "the URL is not valid")?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("the URL must begin with `https://` or `http://`");
    }
    let authority = uri.authority().ok_or("the URL has no host")?;
    if authority.as_str().contains('@') {
        return Err("the URL must not hold a user or a password");
    }
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if host.is_empty() {
        return Err("the URL has no host");
    }
    let is_own_name = host == "localhost" || host.ends_with(".localhost");
    if let Ok(ip) = host.parse::<IpAddr>() {
        check_ip(ip, reach)?;
    } else if is_own_name && reach == Reach::Public {
        return Err(INSIDE);
    }
    Ok(uri)
}

/// IPv4 in IPv6: mapped, compatible, and behind the NAT64 and 6to4 prefixes.
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => v4(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => v4(high, low),
        _ => None,
    }
}

fn is_never_v4(ip: Ipv4Addr) -> bool {
    ip.is_link_local() || ip.is_multicast() || ip.is_broadcast() || ip == METADATA_SHARED
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let is_shared = a == 100 && (64..128).contains(&b);
    let is_special = a == 0 || a >= 240 || (a == 192 && b == 0 && c == 0);
    let is_benchmark = a == 198 && (18..20).contains(&b);
    ip.is_private() || ip.is_loopback() || is_shared || is_special || is_benchmark
}

fn is_never_v6(ip: Ipv6Addr) -> bool {
    let first = ip.segments()[0];
    first & 0xffc0 == 0xfe80 || ip.is_multicast() || ip == METADATA_V6
}

fn is_private_v6(ip: Ipv6Addr) -> bool {
    let first = ip.segments()[0];
    let is_local = first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfec0;
    ip.is_loopback() || ip.is_unspecified() || is_local
}

/// Looks names up and keeps only what may be reached.
#[derive(Debug)]
pub(super) struct GuardedResolver {
    pub(super) inner: DefaultResolver,
    pub(super) reach: Reach,
}

impl Resolver for GuardedResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let found = self.inner.resolve(uri, config, timeout);
        // A failed look-up is an error of input and output without a kind of its own.
        let found = found.map_err(|error| match error {
            Error::Io(_) => Error::HostNotFound,
            other => other,
        })?;
        let mut kept = self.empty();
        let mut refused = INSIDE;
        for address in found.iter().copied() {
            match check_ip(SocketAddr::ip(&address), self.reach) {
                Ok(()) => kept.push(address),
                Err(reason) => refused = reason,
            }
        }
        if kept.is_empty() {
            return Err(Error::Other(refused.into()));
        }
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_refused_by_what_they_are_in_every_spelling() {
        for (ip, public, private) in [
            ("192.0.2.10", true, true),
            ("2001:db8::1", true, true),
            ("127.0.0.1", false, true),
            ("10.1.2.3", false, true),
            ("172.31.0.1", false, true),
            ("192.168.0.1", false, true),
            ("100.64.0.1", false, true),
            ("0.0.0.0", false, true),
            ("::1", false, true),
            ("::", false, true),
            ("fd12::1", false, true),
            ("::ffff:10.0.0.1", false, true),
            ("64:ff9b::10.0.0.1", false, true),
            ("2002:0a00:0001::", false, true),
            ("169.254.169.254", false, false),
            ("::ffff:169.254.169.254", false, false),
            ("fe80::1", false, false),
            ("fd00:ec2::254", false, false),
            ("100.100.100.200", false, false),
            ("224.0.0.1", false, false),
            ("ff02::1", false, false),
        ] {
            let parsed = ip.parse().unwrap();
            assert_eq!(check_ip(parsed, Reach::Public).is_ok(), public, "{ip}");
            assert_eq!(check_ip(parsed, Reach::Private).is_ok(), private, "{ip}");
        }
    }

    #[test]
    fn only_web_addresses_without_credentials_are_requested() {
        for (url, is_fine) in [
            ("https://hooks.example.com/a?b=c", true),
            ("http://hooks.example.com:8080/", true),
            ("ftp://hooks.example.com/", false),
            ("file:///etc/passwd", false),
            ("https://user:word@hooks.example.com/", false),
            ("https:///path", false),
            ("hooks.example.com", false),
            ("http://localhost:80/", false),
            ("http://LOCALHOST./", false),
            ("http://a.localhost/", false),
            ("http://127.0.0.1/", false),
            ("http://[::1]:8080/", false),
            ("http://[fe80::1]/", false),
            ("", false),
        ] {
            assert_eq!(check_url(url, Reach::Public).is_ok(), is_fine, "{url}");
        }
        assert!(check_url("http://127.0.0.1:9000/x", Reach::Private).is_ok());
        assert!(check_url("http://169.254.169.254/", Reach::Private).is_err());
    }
}
