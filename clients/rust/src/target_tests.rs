//! Which addresses are taken, what is said of the others, and where tokens come from.

use std::fs;

use super::*;

/// A directory of the test's own, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("agentic-{}-{name}", std::process::id()));
        fs::create_dir_all(path.join("agenticd")).unwrap();
        Self(path)
    }

    fn text(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn env<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    |name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
}

fn at(address: &str, credentials: &Credentials) -> Result<Target, Error> {
    find(Some(address), credentials, &env(&[("XDG_RUNTIME_DIR", "/nowhere")]))
}

fn token(token: &str) -> Credentials {
    Credentials { token: Some(token.to_owned()), ..Credentials::default() }
}

fn port(host: &str, port: u16, tls: bool) -> Place {
    Place::Port { host: host.to_owned(), port, tls }
}

#[test]
fn addresses() {
    let socket = |path: &str| Place::Socket(PathBuf::from(path));
    for (address, place) in [
        ("unix:/run/a.sock", socket("/run/a.sock")),
        ("unix:///run/a.sock", socket("/run/a.sock")),
        ("/run/a.sock", socket("/run/a.sock")),
        ("127.0.0.1:50051", port("127.0.0.1", 50051, false)),
        ("127.8.8.8:1", port("127.8.8.8", 1, false)),
        ("localhost:50051", port("localhost", 50051, false)),
        ("[::1]:50051", port("::1", 50051, false)),
        ("tls:127.0.0.1:50051", port("127.0.0.1", 50051, true)),
        ("tls:[::1]:50051", port("::1", 50051, true)),
        ("voice.example.com:443", port("voice.example.com", 443, true)),
        ("tls:voice.example.com:443", port("voice.example.com", 443, true)),
        ("192.0.2.7:50051", port("192.0.2.7", 50051, true)),
        ("0.0.0.0:50051", port("0.0.0.0", 50051, true)),
        ("[2001:db8::7]:50051", port("2001:db8::7", 50051, true)),
    ] {
        assert_eq!(at(address, &token("t")).unwrap().place, place, "{address}");
    }
}

#[test]
fn what_is_no_address_is_refused_with_what_would_be_right() {
    for address in [
        "unix:run/a.sock",
        "run/a.sock",
        "voice.example.com",
        "127.0.0.1",
        ":50051",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:+1",
        "tls:",
        "tls:unix:/run/a.sock",
        "http://127.0.0.1:50051",
        "user@voice.example.com:443",
        "voice example:443",
        "[voice]x:443",
    ] {
        let error = at(address, &token("t")).unwrap_err();
        assert_eq!(error.code_name(), "INVALID_ARGUMENT", "{address}");
        assert_eq!(error.reason(), "", "{address}");
        assert!(error.to_string().contains("unix:/"), "{address}: {error}");
    }
}

#[test]
fn a_place_is_written_as_an_address() {
    assert_eq!(port("::1", 7, false).to_string(), "[::1]:7");
    assert_eq!(port("voice.example.com", 443, true).to_string(), "voice.example.com:443");
    assert_eq!(Place::Socket(PathBuf::from("/run/a.sock")).to_string(), "unix:/run/a.sock");
}

#[test]
fn another_machine_is_shown_who_asks() {
    let error = at("voice.example.com:443", &Credentials::default()).unwrap_err();
    assert!(error.to_string().contains("a token"), "{error}");
    assert!(error.to_string().contains("a certificate"), "{error}");
    let identity = Some((PathBuf::from("c"), PathBuf::from("k")));
    let shown = Credentials { identity, ..Credentials::default() };
    assert_eq!(at("voice.example.com:443", &shown).unwrap().token, None);
}

#[test]
fn certificates_that_nobody_would_look_at_are_refused() {
    let ca = || Credentials { ca: Some(PathBuf::from("ca.pem")), ..token("t") };
    let identity = || Credentials { identity: Some((PathBuf::from("c"), PathBuf::from("k"))), ..token("t") };
    for credentials in [ca(), identity()] {
        let error = at("127.0.0.1:50051", &credentials).unwrap_err();
        assert!(error.to_string().contains("tls:127.0.0.1:50051"), "{error}");
        let error = at("/run/a.sock", &credentials).unwrap_err();
        assert!(error.to_string().contains("Unix socket"), "{error}");
        assert!(at("tls:127.0.0.1:50051", &credentials).is_ok());
    }
}

#[test]
fn the_address_is_found_in_order() {
    let folder = Folder::new("order");
    let runtime = folder.text();
    let none = Credentials::default();
    let found = |variables: &[(&str, &str)]| find(None, &none, &env(variables)).unwrap().place;
    let socket = |path: PathBuf| Place::Socket(path);
    let both = [("RUNTIME_DIRECTORY", runtime.as_str()), ("XDG_RUNTIME_DIR", runtime.as_str())];
    let system = socket(PathBuf::from("/run/agenticd/agenticd.sock"));
    assert_eq!(found(&both), system, "none exists");
    fs::write(folder.0.join("agenticd/agenticd.sock"), "").unwrap();
    assert_eq!(found(&both), socket(folder.0.join("agenticd/agenticd.sock")));
    fs::write(folder.0.join("agenticd.sock"), "").unwrap();
    assert_eq!(found(&both), socket(folder.0.join("agenticd.sock")));
    let several = format!("{runtime}:/elsewhere");
    assert_eq!(found(&[("RUNTIME_DIRECTORY", &several)]), socket(folder.0.join("agenticd.sock")), "systemd's list");
    assert_eq!(found(&[("XDG_RUNTIME_DIR", "relative")]), system);
    let told = [("AGENTCTL_ADDR", "127.0.0.1:7"), ("RUNTIME_DIRECTORY", runtime.as_str())];
    assert_eq!(found(&told), port("127.0.0.1", 7, false));
    let given = find(Some("unix:/given"), &none, &env(&told)).unwrap().place;
    assert_eq!(given, socket(PathBuf::from("/given")));
}

#[test]
fn a_token_is_found_in_order_and_shown_to_its_own_daemon_only() {
    let folder = Folder::new("token");
    let runtime = folder.text();
    let file = folder.0.join("named");
    fs::write(&file, "named\n").unwrap();
    fs::write(folder.0.join("token"), "beside the socket\n").unwrap();
    let file = file.display().to_string();
    let here = [("RUNTIME_DIRECTORY", runtime.as_str())];
    let named = [("RUNTIME_DIRECTORY", runtime.as_str()), ("AGENTCTL_TOKEN_FILE", file.as_str())];
    let shown = |address: &str, credentials: &Credentials, variables: &[(&str, &str)]| {
        find(Some(address), credentials, &env(variables)).unwrap().token
    };
    let none = Credentials::default();
    assert_eq!(shown("127.0.0.1:7", &token("given"), &named).as_deref(), Some("given"));
    assert_eq!(shown("127.0.0.1:7", &none, &named).as_deref(), Some("named"));
    assert_eq!(shown("127.0.0.1:7", &none, &here).as_deref(), Some("beside the socket"));
    assert_eq!(shown("tls:127.0.0.1:7", &none, &here).as_deref(), Some("beside the socket"));
    assert_eq!(shown("127.0.0.1:7", &none, &[("RUNTIME_DIRECTORY", "/nowhere")]), None, "the daemon will ask for it");
    assert_eq!(shown("unix:/a.sock", &token("given"), &named), None);
    assert_eq!(shown("voice.example.com:443", &none, &named).as_deref(), Some("named"));
    let error = find(Some("voice.example.com:443"), &none, &env(&here)).unwrap_err();
    assert!(error.to_string().contains("another machine"), "{error}");
}

#[test]
fn a_token_file_that_was_named_must_be_there() {
    let variables = [("AGENTCTL_TOKEN_FILE", "/nowhere/token")];
    let error = find(Some("127.0.0.1:7"), &Credentials::default(), &env(&variables)).unwrap_err();
    assert!(error.to_string().contains("$AGENTCTL_TOKEN_FILE: /nowhere/token"), "{error}");
}

#[test]
#[cfg(unix)]
fn a_directory_that_somebody_else_may_have_made_is_not_trusted() {
    use std::os::unix::fs::{MetadataExt, symlink};

    let folder = Folder::new("temporary");
    let parent = folder.text();
    let variables = [("TMPDIR", parent.as_str())];
    let own = folder.0.join(format!("agenticd-{}", fs::metadata(&folder.0).unwrap().uid()));
    let elsewhere = folder.0.join("agenticd");
    fs::write(elsewhere.join("agenticd.sock"), "").unwrap();
    symlink(&elsewhere, &own).unwrap();
    let found = || find(None, &Credentials::default(), &env(&variables)).unwrap().place;
    assert_eq!(found(), Place::Socket(PathBuf::from("/run/agenticd/agenticd.sock")), "a link may lead anywhere");
    fs::remove_file(&own).unwrap();
    fs::create_dir(&own).unwrap();
    fs::write(own.join("agenticd.sock"), "").unwrap();
    assert_eq!(found(), Place::Socket(own.join("agenticd.sock")));
}
