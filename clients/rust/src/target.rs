//! Where the daemon is: an address that was given, or the sockets where daemons listen. Nothing here connects.

use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use crate::error::Error;

const ADDRESS_VARIABLE: &str = "AGENTCTL_ADDR";
const TOKEN_VARIABLE: &str = "AGENTCTL_TOKEN_FILE";
const CA_VARIABLE: &str = "AGENTCTL_CA_FILE";
const CERT_VARIABLE: &str = "AGENTCTL_CERT_FILE";
const KEY_VARIABLE: &str = "AGENTCTL_KEY_FILE";
const SOCKET: &str = "agenticd.sock";
const TOKEN: &str = "token";
const SYSTEM_RUNTIME: &str = "/run/agenticd";
const TLS: &str = "tls:";
const FORMS: &str = "an address is unix:/path, 127.0.0.1:port on this machine, or host:port on another one";

/// What a program said of itself, beside the address.
#[derive(Default)]
pub(crate) struct Credentials {
    pub(crate) token: Option<String>,
    pub(crate) tls: Tls,
}

/// Files of PEM, for TLS.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Tls {
    /// The authorities that may have signed the daemon's certificate; `None`: those of the system.
    pub(crate) ca: Option<PathBuf>,
    /// What the client shows: a certificate and its key.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

/// An address that may be connected to, and what to show there.
#[derive(PartialEq)]
pub(crate) struct Target {
    pub(crate) place: Place,
    pub(crate) token: Option<String>,
    pub(crate) tls: Option<Tls>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Place {
    Socket(PathBuf),
    /// `host` without the brackets of an IPv6 address.
    Port {
        host: String,
        port: u16,
        tls: bool,
    },
}

impl Place {
    /// What a URL says after its scheme.
    pub(crate) fn authority(host: &str, port: u16) -> String {
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
            Self::Port { host, port, tls } => {
                let mark = if *tls && is_loopback(host) { TLS } else { "" };
                write!(f, "{mark}{}", Self::authority(host, *port))
            }
        }
    }
}

/// The daemon at `address`, else at `$AGENTCTL_ADDR`, else where daemons listen. `env` is the environment.
pub(crate) fn find(
    address: Option<&str>,
    credentials: Credentials,
    env: &impl Fn(&str) -> Option<String>,
) -> Result<Target, Error> {
    let variable = env(ADDRESS_VARIABLE);
    let given = address.filter(|given| !given.is_empty()).or(variable.as_deref()).unwrap_or_default();
    let place = if given.is_empty() { listening(env) } else { parse(given)? };
    let token = credentials.token.filter(|token| !token.is_empty());
    if let Place::Port { tls: true, .. } = place {
        let token = if token.is_some() { token } else { named_token(env)? };
        return Ok(Target { place, token, tls: Some(credentials.tls.or_named(env)?) });
    }
    // One that nobody looks at would be a false comfort.
    if credentials.tls != Tls::default() {
        let advice = "on loopback, write tls:127.0.0.1:port";
        return Err(Error::refused(format!("certificates are for TLS, and {place} is without; {advice}")));
    }
    let token = match place {
        Place::Socket(_) => None,
        Place::Port { .. } if token.is_some() => token,
        Place::Port { .. } => own_token(env)?,
    };
    Ok(Target { place, token, tls: None })
}

impl Tls {
    /// What was not given is taken from the environment.
    fn or_named(self, env: &impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let named = |name: &str| env(name).filter(|file| !file.is_empty()).map(PathBuf::from);
        let identity = match (self.identity, named(CERT_VARIABLE), named(KEY_VARIABLE)) {
            (Some(given), ..) => Some(given),
            (None, Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None, None) => None,
            _ => {
                let together = "a certificate and its key belong together";
                return Err(Error::refused(format!("${CERT_VARIABLE}, ${KEY_VARIABLE}: one is missing; {together}")));
            }
        };
        Ok(Self { ca: self.ca.or_else(|| named(CA_VARIABLE)), identity })
    }
}

fn parse(given: &str) -> Result<Place, Error> {
    if given.starts_with("unix:") || given.starts_with('/') {
        let path = given.strip_prefix("unix:").unwrap_or(given);
        if !path.starts_with('/') {
            return Err(Error::refused(format!(
                "the path of a Unix socket must be absolute: unix:{SYSTEM_RUNTIME}/{SOCKET}, not {given}"
            )));
        }
        return Ok(Place::Socket(Path::new("/").join(path.trim_start_matches('/'))));
    }
    let wrong = |what: &str| Error::refused(format!("{given} {what}; {FORMS}"));
    let text = given.strip_prefix(TLS).unwrap_or(given);
    if text.contains('/') {
        return Err(wrong("is a URL or a path"));
    }
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    let digits = port.bytes().all(|digit| digit.is_ascii_digit());
    let port =
        port.parse().ok().filter(|&port: &u16| digits && port > 0).ok_or_else(|| wrong("does not end with a port"))?;
    let host = parse_host(host).ok_or_else(|| wrong("has no host that can be"))?;
    let tls = given.starts_with(TLS) || !is_loopback(&host);
    Ok(Place::Port { host, port, tls })
}

/// A name, or an IP address, one of IPv6 in brackets. Without them.
fn parse_host(text: &str) -> Option<String> {
    if let Some(bare) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return bare.parse::<Ipv6Addr>().is_ok().then(|| bare.to_owned());
    }
    let named = text.bytes().all(|letter| letter.is_ascii_alphanumeric() || b".-_".contains(&letter))
        && text.bytes().any(|letter| letter.is_ascii_alphabetic())
        && !text.starts_with(['.', '-'])
        && !text.ends_with('-');
    (named || text.parse::<Ipv4Addr>().is_ok()).then(|| text.to_owned())
}

fn is_loopback(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

/// The first socket that exists; else where the system's daemon will have its own.
fn listening(env: &impl Fn(&str) -> Option<String>) -> Place {
    let sockets = runtime(env).into_iter().map(|directory| directory.join(SOCKET));
    let found = sockets.into_iter().find(|path| path.exists());
    Place::Socket(found.unwrap_or_else(|| Path::new(SYSTEM_RUNTIME).join(SOCKET)))
}

fn named_token(env: &impl Fn(&str) -> Option<String>) -> Result<Option<String>, Error> {
    let Some(file) = env(TOKEN_VARIABLE).filter(|file| !file.is_empty()) else { return Ok(None) };
    let text = fs::read_to_string(&file);
    let text = text.map_err(|error| Error::refused(format!("${TOKEN_VARIABLE}: {file}: {error}")))?;
    Ok(Some(text.trim().to_owned()))
}

/// For loopback: also that of this machine's daemon, which is shown to no other.
fn own_token(env: &impl Fn(&str) -> Option<String>) -> Result<Option<String>, Error> {
    if let Some(token) = named_token(env)? {
        return Ok(Some(token));
    }
    // One that is not there, or not for us: the daemon will ask for it.
    let text = runtime(env).iter().find_map(|directory| fs::read_to_string(directory.join(TOKEN)).ok());
    Ok(text.map(|text| text.trim().to_owned()))
}

/// Where daemons keep their sockets and tokens, the nearest first.
fn runtime(env: &impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let mut directories = Vec::new();
    directories.extend(directory(env, "RUNTIME_DIRECTORY"));
    match directory(env, "XDG_RUNTIME_DIR") {
        Some(user) => directories.push(user.join("agenticd")),
        None => directories.extend(temporary(env)),
    }
    directories.push(PathBuf::from(SYSTEM_RUNTIME));
    directories
}

/// A variable's directory: the first of several (systemd), and none that is relative (XDG).
fn directory(env: &impl Fn(&str) -> Option<String>, name: &str) -> Option<PathBuf> {
    let value = env(name)?;
    let first = value.split(':').next().filter(|first| first.starts_with('/'))?;
    Some(PathBuf::from(first))
}

/// The daemon's directory where no session gives it one. Anybody can make it first, to stand in for the daemon.
#[cfg(unix)]
fn temporary(env: &impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    use std::os::unix::fs::MetadataExt;

    #[expect(unsafe_code, reason = "the standard library does not tell; it cannot fail")]
    let user = unsafe { libc::getuid() };
    let parent = directory(env, "TMPDIR").unwrap_or_else(|| PathBuf::from("/tmp"));
    let path = parent.join(format!("agenticd-{user}"));
    let found = path.symlink_metadata().ok()?;
    (found.is_dir() && found.uid() == user).then_some(path)
}

#[cfg(not(unix))]
fn temporary(_: &impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    None
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;
