//! Where the daemon is: an address that was given, or the sockets where daemons listen. Nothing here connects.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::error::Error;

pub(crate) const ADDRESS_VARIABLE: &str = "AGENTCTL_ADDR";
pub(crate) const TOKEN_VARIABLE: &str = "AGENTCTL_TOKEN_FILE";
const SOCKET: &str = "agenticd.sock";
const TOKEN: &str = "token";
const SYSTEM_RUNTIME: &str = "/run/agenticd";
const FORMS: &str = "an address is unix:/path, a port on loopback such as 127.0.0.1:50051, or host:port, and tls:host:port for TLS on loopback";

/// What a program said of itself, beside the address.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    pub(crate) token: Option<String>,
    /// The file with the certificates that the daemon's is checked against.
    pub(crate) ca: Option<PathBuf>,
    /// The files of a certificate and its key.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

/// An address that may be connected to, and the token to show there.
#[derive(Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) place: Place,
    pub(crate) token: Option<String>,
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

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
            Self::Port { host, port, .. } => f.write_str(&Self::authority(host, *port)),
        }
    }
}

/// The daemon at `address`, else at `$AGENTCTL_ADDR`, else where daemons listen. `env` is the environment.
pub(crate) fn find(
    address: Option<&str>,
    credentials: &Credentials,
    env: &impl Fn(&str) -> Option<String>,
) -> Result<Target, Error> {
    let variable = env(ADDRESS_VARIABLE);
    let given = address.or(variable.as_deref()).unwrap_or_default();
    let place = if given.is_empty() { listening(env) } else { parse(given)? };
    let Place::Port { ref host, tls, .. } = place else {
        check_tls(given, false, credentials)?;
        return Ok(Target { place, token: None });
    };
    check_tls(given, tls, credentials)?;
    let token = match &credentials.token {
        Some(token) => Some(token.clone()),
        // What lies in the runtime directory is the token of this machine's daemon, and is shown to no other.
        None => token(env, is_loopback(host))?,
    };
    if !is_loopback(host) && token.is_none() && credentials.identity.is_none() {
        return Err(Error::refused(format!(
            "{given} is on another machine: give a token (or ${TOKEN_VARIABLE}), or a certificate"
        )));
    }
    Ok(Target { place, token })
}

/// A certificate that nobody looks at would be a false comfort.
fn check_tls(given: &str, tls: bool, credentials: &Credentials) -> Result<(), Error> {
    if tls || (credentials.ca.is_none() && credentials.identity.is_none()) {
        return Ok(());
    }
    let advice = if given.starts_with("unix:") || given.starts_with('/') || given.is_empty() {
        "a Unix socket has no TLS, and takes no certificates".to_owned()
    } else {
        format!("certificates need TLS: say tls:{given}")
    };
    Err(Error::refused(advice))
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
    let (asked, rest) = given.strip_prefix("tls:").map_or((false, given), |rest| (true, rest));
    let (host, port) = split(rest).ok_or_else(|| Error::refused(format!("{FORMS}; not {given}")))?;
    let tls = asked || !is_loopback(&host);
    Ok(Place::Port { host, port, tls })
}

fn split(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.bytes().all(|digit| digit.is_ascii_digit()).then(|| port.parse().ok())??;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let named =
        !bare.is_empty() && bare.bytes().all(|letter| letter.is_ascii_alphanumeric() || b".-_".contains(&letter));
    (port != 0 && (named || bare.parse::<IpAddr>().is_ok())).then(|| (bare.to_owned(), port))
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

fn token(env: &impl Fn(&str) -> Option<String>, here: bool) -> Result<Option<String>, Error> {
    if let Some(named) = env(TOKEN_VARIABLE).filter(|name| !name.is_empty()) {
        let text = std::fs::read_to_string(&named);
        let text = text.map_err(|error| Error::refused(format!("${TOKEN_VARIABLE}: {named}: {error}")))?;
        return Ok(Some(text.trim().to_owned()));
    }
    let directories = if here { runtime(env) } else { Vec::new() };
    // One that is not there, or not for us: the daemon will ask for it.
    let text = directories.iter().find_map(|directory| std::fs::read_to_string(directory.join(TOKEN)).ok());
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
