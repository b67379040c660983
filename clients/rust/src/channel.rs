//! How a client talks to a daemon: the connection's settings, and the credentials that go with each RPC.

use std::path::Path;
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::error::Error;
use crate::target::{Place, Target, Tls};

/// How long an answer may take, if nothing else is said.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest of all, as good as none: 30 years. Clocks and `grpc-timeout` end somewhere behind it.
pub(crate) const LONGEST_TIMEOUT: Duration = Duration::from_secs(30 * 365 * 86_400);
/// The largest message that is taken: a batch has at most 1 MiB of events, and one event may be larger.
pub(crate) const LARGEST_MESSAGE: usize = 4 << 20;

/// A stream's window decides how far a daemon runs ahead of a reader. Fixed, for a window that grows would let it run
/// megabytes ahead.
const STREAM_WINDOW: u32 = 65_535;
/// All streams share the connection's window. It must hold what many streams have left unread, or they would keep every
/// other answer waiting.
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Not below the daemon's minimum of 10 s, or it ends the connection: ENHANCE_YOUR_CALM, "too_many_pings".
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that is made when it is first needed, and again when it was lost.
pub(crate) fn open(Target { place, tls, .. }: &Target) -> Result<Channel, Error> {
    let url = match place {
        Place::Socket(path) => format!("unix://{}", path.display()),
        Place::Port { host, port, tls: true } => format!("https://{}", Place::authority(host, *port)),
        Place::Port { host, port, tls: false } => format!("http://{}", Place::authority(host, *port)),
    };
    let wrong = |error: tonic::transport::Error| Error::refused(format!("{place}: {}", causes(&error)));
    let mut endpoint = Endpoint::from_shared(url)
        .map_err(wrong)?
        .user_agent(concat!("agenticd-client-rust/", env!("CARGO_PKG_VERSION")))
        .map_err(wrong)?
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .connect_timeout(CONNECT_TIMEOUT);
    if let (Place::Port { host, .. }, Some(tls)) = (place, tls) {
        endpoint = endpoint.tls_config(configure(host, tls)?).map_err(wrong)?;
    }
    Ok(endpoint.connect_lazy())
}

/// The metadata that shows a token.
pub(crate) fn authorization(token: &str) -> Result<MetadataValue<Ascii>, Error> {
    let value = format!("Bearer {token}").parse::<MetadataValue<Ascii>>();
    let mut value = value.map_err(|_| Error::refused("a token is printable ASCII, on one line"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn configure(host: &str, tls: &Tls) -> Result<ClientTlsConfig, Error> {
    let mut config = ClientTlsConfig::new().domain_name(host);
    config = match &tls.ca {
        Some(file) => config.ca_certificate(Certificate::from_pem(pem(file, "CERTIFICATE")?)),
        None => config.with_native_roots(),
    };
    if let Some((certificate, key)) = &tls.identity {
        config = config.identity(Identity::from_pem(pem(certificate, "CERTIFICATE")?, pem(key, "PRIVATE KEY")?));
    }
    Ok(config)
}

/// What is in a PEM file, if it has what it should.
fn pem(file: &Path, holds: &str) -> Result<String, Error> {
    let wrong = |what: String| Error::refused(format!("{}: {what}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    if text.contains("BEGIN ENCRYPTED") {
        return Err(wrong("is encrypted; nobody is asked for a passphrase here".to_owned()));
    }
    if !text.contains(&format!("{holds}-----")) {
        return Err(wrong(format!("there is no {} in it, in PEM", holds.to_lowercase())));
    }
    Ok(text)
}

/// Why, without the words "transport error" that tonic begins with.
fn causes(error: &dyn std::error::Error) -> String {
    let first = error.source().unwrap_or(error);
    let rest = std::iter::successors(first.source(), |error| error.source());
    std::iter::once(first).chain(rest).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
