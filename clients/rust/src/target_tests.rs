//! Which addresses are taken, what is said of the others, and where tokens come from.

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

fn at(address: &str, credentials: Credentials) -> Result<Target, Error> {
    find(Some(address), credentials, &env(&[("XDG_RUNTIME_DIR", "/nowhere")]))
}

fn token(token: &str) -> Credentials {
    Credentials { token: Some(token.to_owned()), ..Credentials::default() }
}

fn refusal(found: Result<Target, Error>) -> Error {
    found.err().expect("it is refused")
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
        assert_eq!(at(address, token("t")).unwrap_or_else(|error| panic!("{error}")).place, place, "{address}");
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
        "[voice]:443",
        "[127.0.0.1]:443",
        "::1:50051",
        "300.1.1.1:443",
        "-voice:443",
    ] {
        let error = refusal(at(address, token("t")));
        assert_eq!(error.code_name(), "INVALID_ARGUMENT", "{address}");
        assert_eq!(error.reason(), "", "{address}");
        assert!(error.to_string().contains("unix:/"), "{address}: {error}");
    }
}

#[test]
fn a_place_is_written_as_an_address() {
    assert_eq!(port("::1", 7, false).to_string(), "[::1]:7");
    assert_eq!(port("::1", 7, true).to_string(), "tls:[::1]:7");
    assert_eq!(port("voice.example.com", 443, true).to_string(), "voice.example.com:443");
    assert_eq!(Place::Socket(PathBuf::from("/run/a.sock")).to_string(), "unix:/run/a.sock");
}

#[test]
fn certificates_that_nobody_would_look_at_are_refused() {
    let with = |tls: &Tls| Credentials { tls: tls.clone(), ..token("t") };
    let ca = Tls { ca: Some(PathBuf::from("ca.pem")), identity: None };
    let identity = Tls { ca: None, identity: Some((PathBuf::from("c"), PathBuf::from("k"))) };
    for tls in [ca, identity] {
        for address in ["127.0.0.1:50051", "/run/a.sock"] {
            let error = refusal(at(address, with(&tls)));
            assert!(error.to_string().contains("tls:127.0.0.1:port"), "{error}");
        }
        for address in ["tls:127.0.0.1:50051", "voice.example.com:443"] {
            assert_eq!(at(address, with(&tls)).map(|target| target.tls).ok(), Some(Some(tls.clone())));
        }
    }
}

#[test]
fn files_for_tls_are_named_by_the_environment() {
    let all = [("AGENTCTL_CA_FILE", "ca"), ("AGENTCTL_CERT_FILE", "cert"), ("AGENTCTL_KEY_FILE", "key")];
    let found = |address: &str, tls: Tls, variables: &[(&str, &str)]| {
        find(Some(address), Credentials { tls, token: None }, &env(variables)).map(|target| target.tls)
    };
    let of = |ca: &str, cert: &str, key: &str| Tls { ca: Some(ca.into()), identity: Some((cert.into(), key.into())) };
    let named = of("ca", "cert", "key");
    assert_eq!(found("voice.example.com:443", Tls::default(), &all).unwrap(), Some(named));
    let given = of("mine", "my cert", "my key");
    assert_eq!(found("voice.example.com:443", given.clone(), &all).unwrap(), Some(given));
    assert_eq!(found("voice.example.com:443", Tls::default(), &[]).unwrap(), Some(Tls::default()));
    assert_eq!(found("127.0.0.1:7", Tls::default(), &all).unwrap(), None);
    let error = found("voice.example.com:443", Tls::default(), &all[..2]).unwrap_err();
    assert!(error.to_string().contains("belong together"), "{error}");
}

#[test]
fn the_address_is_found_in_order() {
    let folder = Folder::new("order");
    let runtime = folder.text();
    let at = |address: Option<&str>, variables: &[(&str, &str)]| {
        find(address, Credentials::default(), &env(variables)).unwrap_or_else(|error| panic!("{error}")).place
    };
    let found = |variables: &[(&str, &str)]| at(None, variables);
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
    assert_eq!(at(Some("unix:/given"), &told), socket(PathBuf::from("/given")));
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
    let shown = |address: &str, credentials: Credentials, variables: &[(&str, &str)]| {
        find(Some(address), credentials, &env(variables)).unwrap_or_else(|error| panic!("{error}")).token
    };
    let none = Credentials::default;
    assert_eq!(shown("127.0.0.1:7", token("given"), &named).as_deref(), Some("given"));
    assert_eq!(shown("127.0.0.1:7", none(), &named).as_deref(), Some("named"));
    assert_eq!(shown("127.0.0.1:7", none(), &here).as_deref(), Some("beside the socket"));
    assert_eq!(shown("127.0.0.1:7", none(), &[("RUNTIME_DIRECTORY", "/nowhere")]), None, "the daemon will ask for it");
    assert_eq!(shown("unix:/a.sock", token("given"), &named), None);
    for elsewhere in ["voice.example.com:443", "tls:127.0.0.1:7"] {
        assert_eq!(shown(elsewhere, token("given"), &named).as_deref(), Some("given"));
        assert_eq!(shown(elsewhere, none(), &named).as_deref(), Some("named"));
        assert_eq!(shown(elsewhere, none(), &here), None);
    }
}

#[test]
fn a_token_file_that_was_named_must_be_there() {
    let variables = [("AGENTCTL_TOKEN_FILE", "/nowhere/token")];
    let error = refusal(find(Some("127.0.0.1:7"), Credentials::default(), &env(&variables)));
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
    let found = || find(None, Credentials::default(), &env(&variables)).unwrap_or_else(|error| panic!("{error}")).place;
    assert_eq!(found(), Place::Socket(PathBuf::from("/run/agenticd/agenticd.sock")), "a link may lead anywhere");
    fs::remove_file(&own).unwrap();
    fs::create_dir(&own).unwrap();
    fs::write(own.join("agenticd.sock"), "").unwrap();
    assert_eq!(found(), Place::Socket(own.join("agenticd.sock")));
}
