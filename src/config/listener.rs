//! `gateway.listen`: where requests come to, and what stands around them there.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// One entry of `gateway.listen`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where connections come to.
    pub place: Place,
    /// Whether they speak TLS.
    pub tls: bool,
    /// Whether they begin with a PROXY protocol header that tells their client.
    pub proxy_protocol: bool,
}

/// Where connections come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An address and port.
    Tcp(SocketAddr),
    /// A Unix socket at this path.
    Unix(PathBuf),
    /// The sockets that systemd passes under this name.
    Systemd(String),
}

/// How an entry is written.
pub(super) const LISTENER: &str =
    "127.0.0.1:8080, tls://127.0.0.1:8443, unix:/path or systemd:name";

/// How permissions are written.
pub(super) const UNIX_MODE: &str = "permissions in octal digits, such as \"660\"";

/// Permissions of a Unix socket.
pub(super) struct UnixMode(pub(super) u32);

impl FromStr for UnixMode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
        mode.map(Self).ok_or("there are three digits from 0 to 7")
    }
}

impl Listener {
    /// Plain HTTP at an address.
    pub fn plain(address: SocketAddr) -> Self {
        Self { place: Place::Tcp(address), tls: false, proxy_protocol: false }
    }

    /// The address, where it is one.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.place {
            Place::Tcp(address) => Some(address),
            Place::Unix(_) | Place::Systemd(_) => None,
        }
    }
}

impl FromStr for Listener {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (words, place) = if let Some((words, address)) = text.split_once("://") {
            (words, Place::Tcp(socket_address(address)?))
        } else if let Some((words, path)) = after(text, "unix") {
            if !path.starts_with('/') {
                return Err("the path of a Unix socket must begin with /".to_owned());
            }
            (words, Place::Unix(PathBuf::from(path)))
        } else if let Some((words, name)) = after(text, "systemd") {
            if name.is_empty() {
                return Err("the socket's name (FileDescriptorName=) is missing".to_owned());
            }
            (words, Place::Systemd(name.to_owned()))
        } else {
            ("", Place::Tcp(socket_address(text)?))
        };
        let mut listener = Self { place, tls: false, proxy_protocol: false };
        for word in words.split('+').filter(|word| !word.is_empty()) {
            match word {
                "tls" if !listener.tls => listener.tls = true,
                "proxy" if !listener.proxy_protocol && !listener.tls => {
                    listener.proxy_protocol = true;
                }
                "http" => return Err("plain HTTP is written without http://".to_owned()),
                "https" => return Err("TLS is written tls://".to_owned()),
                _ => return Err("before the place stand proxy, tls or proxy+tls".to_owned()),
            }
        }
        Ok(listener)
    }
}

/// What stands before and behind `word:` where it is the last word.
fn after<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let (words, rest) = text.split_once(':')?;
    let before = words.strip_suffix(word)?;
    (before.is_empty() || before.ends_with('+')).then_some((before, rest))
}

fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "that is no address and port".to_owned())
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match (self.proxy_protocol, self.tls) {
            (false, false) => "",
            (false, true) => "tls",
            (true, false) => "proxy",
            (true, true) => "proxy+tls",
        };
        let joint = |joint| if words.is_empty() { "" } else { joint };
        match &self.place {
            Place::Tcp(address) => write!(f, "{words}{}{address}", joint("://")),
            Place::Unix(path) => write!(f, "{words}{}unix:{}", joint("+"), path.display()),
            Place::Systemd(name) => write!(f, "{words}{}systemd:{name}", joint("+")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_read_as_it_is_written() {
        for (text, tls, proxy_protocol) in [
            ("127.0.0.1:8080", false, false),
            ("[::1]:8080", false, false),
            ("tls://0.0.0.0:8443", true, false),
            ("proxy://[::]:80", false, true),
            ("proxy+tls://0.0.0.0:443", true, true),
            ("unix:/run/leakgate.sock", false, false),
            ("tls+unix:/run/leakgate.sock", true, false),
            ("proxy+unix:/run/leakgate.sock", false, true),
            ("systemd:http", false, false),
            ("proxy+tls+systemd:https", true, true),
        ] {
            let listener: Listener = text.parse().unwrap();
            assert_eq!((listener.tls, listener.proxy_protocol), (tls, proxy_protocol), "{text}");
            assert_eq!(listener.to_string(), text);
        }
    }

    #[test]
    fn permissions_are_octal() {
        assert_eq!("660".parse::<UnixMode>().unwrap().0, 0o660);
        for bad in ["", "888", "0o660", "1777", "-1"] {
            assert!(bad.parse::<UnixMode>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_wrong_says_what_would_be_right() {
        for (text, part) in [
            ("nowhere", "no address and port"),
            ("http://127.0.0.1:80", "without http://"),
            ("https://127.0.0.1:80", "written tls://"),
            ("tls+proxy://127.0.0.1:80", "proxy+tls"),
            ("tls+tls://127.0.0.1:80", "proxy+tls"),
            ("tls://localhost:80", "no address and port"),
            ("unix:run/leakgate.sock", "begin with /"),
            ("systemd:", "FileDescriptorName"),
        ] {
            let error = text.parse::<Listener>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
