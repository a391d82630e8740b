//! Keys, host keys and hostile paths, over SSH to a server of our own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fluvial_source::{
    Credentials, Error, Fetched, GitRequest, Reference, Retry, Secret, fetch, from_secret_data,
};
use tempfile::TempDir;

use crate::repository::Repository;

/// An `sshd` that accepts one key, and the files it lives on.
struct Sshd {
    folder: TempDir,
    port: u16,
    child: Child,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.child
            .kill()
            .and_then(|()| self.child.wait().map(drop))
            .unwrap();
    }
}

impl Sshd {
    fn start() -> Self {
        Self::start_with("AcceptEnv GIT_PROTOCOL")
    }

    fn start_with(setting: &str) -> Self {
        let folder = TempDir::new().unwrap();
        keygen(&folder.path().join("host"), "");
        keygen(&folder.path().join("user"), "");
        keygen(&folder.path().join("locked"), "op3n s3same");
        keygen(&folder.path().join("stranger"), "");
        let accepted = ["user.pub", "locked.pub"].map(|name| read(folder.path().join(name)));
        let keys = folder.path().join("authorized_keys");
        fs::write(&keys, accepted.concat()).unwrap();
        fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
        // As root, sshd insists on its folder for unprivileged children.
        fs::create_dir_all("/run/sshd").unwrap_or(());

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let config = folder.path().join("sshd_config");
        let at = folder.path().display();
        fs::write(
            &config,
            format!(
                "ListenAddress 127.0.0.1\nPort {port}\nHostKey {at}/host\n\
                 AuthorizedKeysFile {at}/authorized_keys\nStrictModes no\nUsePAM no\n\
                 PasswordAuthentication no\nPermitRootLogin yes\nPidFile none\n{setting}\n"
            ),
        )
        .unwrap();
        let mut child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(&config)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut printed = BufReader::new(child.stderr.take().unwrap()).lines();
        let ready = printed.find(|line| line.as_ref().unwrap().contains("Server listening"));
        assert!(ready.is_some(), "sshd did not start");
        // Whoever writes to a closed pipe ends: keep reading until the server does.
        std::thread::spawn(move || printed.for_each(drop));
        Self {
            folder,
            port,
            child,
        }
    }

    fn known_hosts(&self) -> String {
        format!(
            "[127.0.0.1]:{} {}",
            self.port,
            read(self.folder.path().join("host.pub"))
        )
    }

    fn credentials(&self, key: &str, known_hosts: String, password: Option<&str>) -> Credentials {
        Credentials::Ssh {
            identity: Secret::new(read(self.folder.path().join(key))),
            known_hosts,
            password: password.map(Secret::new),
        }
    }

    fn request(&self, path: &Path, credentials: Credentials) -> GitRequest {
        let user = whoami();
        let url = format!("ssh://{user}@127.0.0.1:{}{}", self.port, path.display());
        let reference = Reference {
            branch: Some("main".to_owned()),
            ..Reference::default()
        };
        GitRequest {
            credentials,
            reference,
            ..GitRequest::new(url)
        }
    }
}

fn keygen(path: &Path, passphrase: &str) {
    let status = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-C", "", "-N", passphrase, "-f"])
        .arg(path)
        .status()
        .unwrap();
    assert!(status.success());
}

fn read(path: PathBuf) -> String {
    fs::read_to_string(path).unwrap()
}

fn whoami() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn attempt(request: &GitRequest) -> Result<Fetched, Error> {
    fetch(request, TempDir::new().unwrap().path())
}

#[test]
fn a_key_and_a_known_host_are_both_needed() {
    let repository = Repository::with(&[("a", "1")]);
    let sshd = Sshd::start();
    let path = repository.path();
    let table = [
        ("user", sshd.known_hosts(), None, None),
        ("locked", sshd.known_hosts(), Some("op3n s3same"), None),
        (
            "locked",
            sshd.known_hosts(),
            Some("wr0ng"),
            Some("Authentication"),
        ),
        ("stranger", sshd.known_hosts(), None, Some("Authentication")),
        ("user", String::new(), None, Some("Trust")),
        (
            "user",
            "example.com ssh-ed25519 AAAA\n".to_owned(),
            None,
            Some("Trust"),
        ),
        (
            "user",
            format!(
                "[127.0.0.1]:{} {}",
                sshd.port,
                read(sshd.folder.path().join("stranger.pub"))
            ),
            None,
            Some("Trust"),
        ),
    ];
    for (key, known_hosts, password, refused) in table {
        let request = sshd.request(&path, sshd.credentials(key, known_hosts, password));
        match (attempt(&request), refused) {
            (Ok(Fetched::New { tree, .. }), None) => assert_eq!(tree.file("a").unwrap(), b"1"),
            (Err(error), Some(variant)) => {
                assert!(
                    format!("{error:?}").starts_with(variant),
                    "{key}: {error:?}"
                );
                assert_eq!(error.retry(), Retry::Later);
                assert!(!format!("{error:?}").contains("wr0ng"), "{error:?}");
            }
            (outcome, _) => panic!("{key} {refused:?}: {outcome:?}"),
        }
    }
}

#[test]
fn an_absent_repository_and_a_missing_server_are_told_apart() {
    let sshd = Sshd::start();
    let credentials = || sshd.credentials("user", sshd.known_hosts(), None);
    let error =
        attempt(&sshd.request(Path::new("/no/such/repository"), credentials())).unwrap_err();
    assert!(
        matches!(error, Error::RepositoryNotFound { .. }),
        "{error:?}"
    );

    let mut request = sshd.request(Path::new("/x"), credentials());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let free = listener.local_addr().unwrap().port();
    drop(listener);
    request.url = format!("ssh://git@127.0.0.1:{free}/x");
    let error = attempt(&request).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
}

#[test]
fn a_commit_that_an_old_server_withholds_is_found_in_the_history() {
    let repository = Repository::with(&[("a", "1")]);
    let inner = repository.commit(&[("a", "2")]);
    let tip = repository.commit(&[("a", "3")]);
    repository.git(&["branch", "other", &format!("{inner}~1")]);
    let sshd = Sshd::start_with("AcceptEnv NOTHING");
    let credentials = sshd.credentials("user", sshd.known_hosts(), None);
    let request = sshd.request(&repository.path(), credentials);
    let at = |commit: &str, branch: Option<&str>| {
        let (commit, branch) = (Some(commit.to_owned()), branch.map(ToOwned::to_owned));
        let reference = Reference {
            commit,
            branch,
            ..Reference::default()
        };
        attempt(&GitRequest {
            reference,
            ..request.clone()
        })
    };
    for (commit, branch, text) in [
        (&tip, None, "3"),
        (&inner, None, "2"),
        (&inner, Some("main"), "2"),
    ] {
        let Fetched::New { tree, .. } = at(commit, branch).unwrap() else {
            panic!("nothing new")
        };
        assert_eq!(tree.file("a").unwrap(), text.as_bytes());
    }
    let error = at(&inner, Some("other")).unwrap_err();
    assert!(
        matches!(error, Error::ReferenceNotFound { .. }),
        "{error:?}"
    );
}

#[test]
fn a_server_that_says_nothing_costs_no_more_than_the_timeout() {
    let sshd = Sshd::start();
    let credentials = sshd.credentials("user", sshd.known_hosts(), None);
    let mut request = sshd.request(Path::new("/x"), credentials);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    request.url = format!("ssh://git@{}/x", silent.local_addr().unwrap());
    request.timeout = Duration::from_millis(300);
    let start = Instant::now();
    let error = attempt(&request).unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "it took {:?}",
        start.elapsed()
    );
}

#[test]
fn a_path_is_never_run_by_the_shell_it_passes() {
    let sshd = Sshd::start();
    let trap = sshd.folder.path().join("sprung");
    for path in [
        format!("/x'$(touch {0})`touch {0}`;touch {0}", trap.display()),
        format!("/x;touch {}", trap.display()),
    ] {
        let url_path = path.replace(' ', "%20").replace('`', "%60");
        let request = sshd.request(
            Path::new(&url_path),
            sshd.credentials("user", sshd.known_hosts(), None),
        );
        let error = attempt(&request).unwrap_err();
        assert!(
            matches!(error, Error::RepositoryNotFound { .. }),
            "{error:?}"
        );
        assert!(!trap.exists(), "{path} was run");
    }
}

type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<&'a str>);

#[test]
fn secrets_are_read_as_flux_spells_them() {
    let data = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
            .collect()
    };
    let ssh = "ssh://git@h/r";
    let https = "https://h/r";
    // url, keys, what the error names (or nothing)
    let table: &[Case] = &[
        (ssh, &[("identity", "k"), ("known_hosts", "h")], None),
        (ssh, &[("identity", "k")], Some("known_hosts")),
        (ssh, &[("known_hosts", "h")], Some("identity")),
        (
            ssh,
            &[("username", "u"), ("password", "p")],
            Some("identity"),
        ),
        (https, &[("username", "u"), ("password", "p")], None),
        (https, &[("username", "u")], Some("password")),
        (https, &[("password", "p")], Some("username")),
        (https, &[("bearerToken", "t\n")], None),
        (https, &[("bearerToken", "a\nb")], Some("bearerToken")),
        (https, &[("caFile", "pem")], None),
        (https, &[("tls.crt", "c")], Some("tls.key")),
        (https, &[("keyFile", "k")], Some("tls.crt")),
        (https, &[("githubAppID", "1")], Some("GitHub App")),
        (https, &[], None),
    ];
    for (url, keys, missing) in table {
        match (from_secret_data(url, &data(keys)), missing) {
            (Ok(_), None) => {}
            (Err(error), Some(missing)) => {
                assert!(error.to_string().contains(missing), "{keys:?}: {error}");
            }
            (outcome, _) => panic!("{keys:?}: {outcome:?}"),
        }
    }
    let (credentials, tls) = from_secret_data(
        https,
        &data(&[("username", "u"), ("password", "s3cr3t"), ("ca.crt", "pem")]),
    )
    .unwrap();
    assert_eq!(tls.ca.as_deref(), Some("pem"));
    assert_eq!(
        format!("{credentials:?}"),
        r#"Basic { username: "u", password: *** }"#
    );
}
