//! A whole Kubernetes control plane on loopback: etcd, kube-apiserver, controller manager, scheduler
//! and kwok, with TLS and RBAC on. How each program is called is in `controlplane/programs.rs`.

mod programs;

use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rcgen::KeyPair;
use serde_json::json;
use tempfile::TempDir;

use self::programs::{Layout, Program};
use crate::Authority;
use crate::certificates::{Signed, write};
use crate::charts;
use crate::process::Process;
use crate::tools;

/// How long one program may take until it answers. Generous: it is reached only when something is wrong.
const START_MAX: Duration = Duration::from_mins(2);
/// How long to leave between two questions.
const PAUSE: Duration = Duration::from_millis(50);
/// How often ports are chosen anew when another program took one between choosing and listening.
const ATTEMPTS: usize = 3;

/// A running control plane with one ready node and no workloads.
///
/// Methods take `&self` and may be called from any thread. On drop everything is killed, and the
/// directory is removed unless the caller named it.
#[derive(Debug)]
pub struct ControlPlane {
    layout: Layout,
    authority: Authority,
    url: String,
    running: Mutex<Vec<(Program, Process)>>,
    /// Never read: removes the directory on drop. `None` when the caller keeps it.
    temporary: Option<TempDir>,
}

impl ControlPlane {
    /// Starts a control plane in a directory of its own, and returns once a Deployment could become
    /// ready in it. When it cannot be started its directory stays, and the error names it.
    pub fn start() -> Result<Self> {
        Self::start_somewhere(None)
    }

    /// The same; and every request of `user` is noted in [`audit_log`](Self::audit_log), a line of JSON
    /// each (Kubernetes' `audit.k8s.io/v1`).
    pub fn start_audited(user: &str) -> Result<Self> {
        Self::start_somewhere(Some(user))
    }

    fn start_somewhere(audited: Option<&str>) -> Result<Self> {
        let directory = TempDir::with_prefix("controlplane-").context("cannot make a directory")?;
        match Self::attempt_in(directory.path(), audited) {
            Ok(mut plane) => {
                plane.temporary = Some(directory);
                Ok(plane)
            }
            Err(error) => {
                let kept = directory.keep();
                Err(error.context(format!("logs are kept in {}", kept.display())))
            }
        }
    }

    /// Starts a new control plane that keeps everything in `directory`; the data of one that ran
    /// there before is removed.
    pub fn start_in(directory: &Path) -> Result<Self> {
        Self::attempt_in(directory, None)
    }

    fn attempt_in(directory: &Path, audited: Option<&str>) -> Result<Self> {
        let mut attempt = 1;
        loop {
            let error = match Self::try_start(directory, audited) {
                Ok(plane) => return Ok(plane),
                Err(error) => error,
            };
            let taken = format!("{error:#}").contains("address already in use");
            if !taken || attempt == ATTEMPTS {
                return Err(error.context("cannot start the control plane"));
            }
            attempt += 1;
        }
    }

    fn try_start(directory: &Path, audited: Option<&str>) -> Result<Self> {
        let [etcd, etcd_peer, apiserver] = free_ports()?;
        let layout = Layout {
            directory: std::path::absolute(directory).context("cannot tell where we are")?,
            binary: tools::program("controlplane")?,
            kwok: tools::program("kwok")?,
            etcd,
            etcd_peer,
            apiserver,
            audited: audited.is_some(),
        };
        let authority = Authority::new("controlplane")?;
        write_files(&layout, &authority)?;
        if let Some(user) = audited {
            let policy = json!({
                "apiVersion": "audit.k8s.io/v1",
                "kind": "Policy",
                "omitStages": ["RequestReceived"],
                "rules": [{"level": "Metadata", "users": [user]}, {"level": "None"}],
            });
            write(&layout.file("audit.yaml"), &policy.to_string())?;
        }
        let plane = Self {
            url: layout.url(),
            layout,
            authority,
            running: Mutex::new(Vec::new()),
            temporary: None,
        };
        plane.start_program(Program::Etcd)?;
        plane.start_program(Program::Apiserver)?;
        plane.start_program(Program::ControllerManager)?;
        plane.start_program(Program::Scheduler)?;
        plane.start_program(Program::Kwok)?;
        plane.add_node()?;
        Ok(plane)
    }

    /// The API server's address, `https://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A kubeconfig for the cluster's administrator (group `system:masters`).
    pub fn kubeconfig(&self) -> PathBuf {
        self.layout.file("admin.kubeconfig")
    }

    /// Where certificates, data and logs are.
    pub fn directory(&self) -> &Path {
        &self.layout.directory
    }

    /// Where the requests of the audited user are noted.
    pub fn audit_log(&self) -> PathBuf {
        self.layout.file("audit.log")
    }

    /// The number of the process of one program, such as `kube-apiserver`, while it runs.
    pub fn process(&self, program: &str) -> Option<u32> {
        let running = self.running();
        let mut found = running
            .iter()
            .filter(|(each, _)| each.name() == program)
            .map(|(_, process)| process.id());
        found.next()
    }

    /// Writes a kubeconfig for another user, known by a client certificate, who may do only what RBAC
    /// grants to `name` and `group`.
    pub fn user_kubeconfig(&self, name: &str, group: Option<&str>) -> Result<PathBuf> {
        let signed = self.authority.client(name, group)?;
        write_kubeconfig(&self.layout, &self.authority, name, &signed)
    }

    /// Runs kubectl as the administrator and returns what it printed; an error has what it complained of.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.kubectl_with(args, "")
    }

    /// Like [`kubectl`](Self::kubectl), with a standard input: `kubectl_with(&["apply", "-f", "-"], yaml)`.
    pub fn kubectl_with(&self, args: &[&str], input: &str) -> Result<String> {
        let output = self.run_kubectl(args, input)?;
        ensure!(
            output.status.success(),
            "cannot run kubectl {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        String::from_utf8(output.stdout).context("cannot read what kubectl printed")
    }

    /// The words that the real kubectl is run with, by itself.
    pub fn kubectl_words(&self) -> [String; 2] {
        let program = self.layout.binary.display().to_string();
        [program, "kubectl".to_owned()]
    }

    /// Runs the real helm as the administrator and returns what it printed.
    pub fn helm(&self, args: &[&str]) -> Result<String> {
        let kubeconfig = self.kubeconfig().display().to_string();
        // Its caches are kept where the next control plane on the same port does not find them.
        let cache = self.layout.file("helm-cache").display().to_string();
        let ours = ["--kubeconfig", &kubeconfig, "--repository-cache", &cache];
        charts::helm(&[args, &ours].concat())
    }

    /// Creates or updates the objects of a YAML stream by server-side apply under the manager `kubectl`.
    pub fn apply(&self, yaml: &str) -> Result<()> {
        self.kubectl_with(&["apply", "--server-side", "-f", "-"], yaml)
            .map(drop)
    }

    /// Kills the API server; what is connected to it sees the connection break.
    pub fn stop_apiserver(&self) {
        self.stop(Program::Apiserver);
    }

    /// Starts the API server again on the same port, and returns once it is ready.
    pub fn start_apiserver(&self) -> Result<()> {
        self.start_program(Program::Apiserver)?;
        self.renew_kwok()
    }

    /// Kills etcd: the API server stays and answers with errors.
    pub fn stop_etcd(&self) {
        self.stop(Program::Etcd);
    }

    /// Starts etcd again on the same data, and returns once the API server, if it runs, reads from it.
    pub fn start_etcd(&self) -> Result<()> {
        self.start_program(Program::Etcd)?;
        if self.process(Program::Apiserver.name()).is_none() {
            return Ok(());
        }
        self.apiserver_is_ready()?;
        self.renew_kwok()
    }

    /// What kwok was about to write when it got an error is never written, unless the error says that the
    /// server is busy (kwok 0.8.0, `shouldRetry`): the pod stays pending for ever. A kubelet tries again, so
    /// another kwok has to take over after an outage: it begins with a list.
    fn renew_kwok(&self) -> Result<()> {
        self.stop(Program::Kwok);
        self.start_program(Program::Kwok)
    }

    fn apiserver_is_ready(&self) -> Result<()> {
        self.until(Program::Apiserver.name(), || {
            self.kubectl(&["get", "--raw", "/readyz"]).map(drop)
        })
    }

    fn running(&self) -> MutexGuard<'_, Vec<(Program, Process)>> {
        self.running
            .lock()
            .expect("nothing panics while it holds the lock")
    }

    fn stop(&self, program: Program) {
        self.running().retain(|(each, _)| *each != program);
    }

    /// Starts one program and waits until it answers; a second start of a running one is an error.
    fn start_program(&self, program: Program) -> Result<()> {
        let name = program.name();
        {
            let mut running = self.running();
            ensure!(
                running.iter().all(|(each, _)| *each != program),
                "cannot start {name} twice"
            );
            let (binary, args) = program.command(&self.layout);
            let log = self.layout.file(&format!("{name}.log"));
            running.push((program, Process::start(name, &binary, args, &log)?));
        }
        match program {
            Program::Etcd => self.until(name, || self.connects(self.layout.etcd)),
            Program::Apiserver => {
                self.until(name, || self.connects(self.layout.apiserver))?;
                self.apiserver_is_ready()
            }
            // They have no port; `add_node` waits for what they do.
            Program::ControllerManager | Program::Scheduler | Program::Kwok => Ok(()),
        }
    }

    fn connects(&self, port: u16) -> Result<()> {
        TcpStream::connect(("127.0.0.1", port))
            .map(drop)
            .with_context(|| format!("cannot connect to port {port} ({})", self.url))
    }

    /// One node, and proof that kwok (the node is ready) and the controller manager (the default
    /// service account exists) are at work.
    fn add_node(&self) -> Result<()> {
        // The labels that each kubelet sets, and charts select by.
        let labels = json!({"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": "node"});
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node", "labels": labels}});
        self.kubectl_with(&["create", "-f", "-"], &node.to_string())?;
        self.until("a ready node", || {
            let ready = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
            let seen = self.kubectl(&["get", "node", "node", "-o", ready])?;
            ensure!(seen == "True", "the node's Ready condition is {seen:?}");
            Ok(())
        })?;
        self.until("the default service account", || {
            self.kubectl(&["get", "serviceaccount", "default"])
                .map(drop)
        })
    }

    /// Asks until it is so, a program has ended, or [`START_MAX`] has passed.
    fn until(&self, what: &str, ask: impl Fn() -> Result<()>) -> Result<()> {
        let start = Instant::now();
        loop {
            let Err(seen) = ask() else { return Ok(()) };
            for (_, process) in self.running().iter_mut() {
                process.check()?;
            }
            if start.elapsed() > START_MAX {
                let logs: Vec<_> = self
                    .running()
                    .iter()
                    .map(|(_, each)| each.log_end())
                    .collect();
                bail!(
                    "{what} did not come up in {START_MAX:?}: {seen:#}\n{}",
                    logs.join("\n")
                );
            }
            thread::sleep(PAUSE);
        }
    }

    fn run_kubectl(&self, args: &[&str], input: &str) -> Result<Output> {
        let mut child = Command::new(&self.layout.binary)
            .arg("kubectl")
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            // Discovery is cached here and not in the home directory, where the next control plane on
            // the same port would find it.
            .arg("--cache-dir")
            .arg(self.layout.file("kubectl-cache"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start kubectl")?;
        let mut stdin = child
            .stdin
            .take()
            .ok_or_else(|| anyhow!("kubectl has no standard input"))?;
        let input = input.to_owned();
        let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = child
            .wait_with_output()
            .context("cannot wait for kubectl")?;
        // A write that failed means that kubectl had heard enough; its exit status says how it went.
        drop(writer.join());
        Ok(output)
    }
}

/// Everything that the programs read: certificates, keys, kubeconfigs, stages.
fn write_files(layout: &Layout, authority: &Authority) -> Result<()> {
    fs::create_dir_all(&layout.directory)
        .with_context(|| format!("cannot make {}", layout.directory.display()))?;
    let data = layout.file("etcd");
    if data.exists() {
        fs::remove_dir_all(&data).with_context(|| format!("cannot remove {}", data.display()))?;
    }
    write(&layout.file("authority.crt"), authority.certificate())?;
    let names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"];
    authority
        .server(&names)?
        .write(&layout.directory, "apiserver")?;
    let key = KeyPair::generate().context("cannot make the service accounts' key")?;
    write(&layout.file("serviceaccount.key"), &key.serialize_pem())?;
    write(&layout.file("serviceaccount.pub"), &key.public_key_pem())?;
    write(
        &layout.file("stages.yaml"),
        include_str!("../../controlplane/stages.yaml"),
    )?;
    let admin = authority.client("admin", Some("system:masters"))?;
    write_kubeconfig(layout, authority, "admin", &admin)?;
    Ok(())
}

fn write_kubeconfig(
    layout: &Layout,
    authority: &Authority,
    user: &str,
    signed: &Signed,
) -> Result<PathBuf> {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "controlplane",
        "contexts": [{"name": "controlplane", "context": {"cluster": "controlplane", "user": user}}],
        "clusters": [{"name": "controlplane", "cluster": {
            "server": layout.url(),
            "certificate-authority-data": BASE64_STANDARD.encode(authority.certificate()),
        }}],
        "users": [{"name": user, "user": {
            "client-certificate-data": BASE64_STANDARD.encode(&signed.certificate),
            "client-key-data": BASE64_STANDARD.encode(&signed.key),
        }}],
    });
    let path = layout.file(&format!("{}.kubeconfig", user.replace(['/', ':'], "-")));
    write(&path, &format!("{config:#}\n"))?;
    Ok(path)
}

/// Ports that nobody listened on a moment ago, all different.
fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut ports = [0; N];
    // All are held until all are known.
    let mut held = Vec::with_capacity(N);
    for port in &mut ports {
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot find a free port")?;
        *port = listener.local_addr().context("cannot read a port")?.port();
        held.push(listener);
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait;

    #[test]
    fn pods_play_the_part_that_their_label_says() {
        let plane = ControlPlane::start().unwrap();
        for (name, part) in [("runs", "any"), ("waits", "pending"), ("fails", "failing")] {
            let label = format!("--labels=fluvial.dev/pod={part}");
            plane
                .kubectl(&["run", name, "--image=web:1", &label])
                .unwrap();
        }
        plane
            .kubectl(&["create", "job", "ends", "--image=job:1"])
            .unwrap();
        plane
            .kubectl(&[
                "wait",
                "--for=condition=Complete",
                "job/ends",
                "--timeout=60s",
            ])
            .unwrap();
        plane
            .kubectl(&["wait", "--for=condition=Ready", "pod/runs", "--timeout=60s"])
            .unwrap();
        let seen = wait("the failing pod", Duration::from_secs(30), || {
            let pods = plane
                .kubectl(&["get", "pods"])
                .map_err(|error| error.to_string())?;
            if pods.contains("CrashLoopBackOff") {
                Ok(pods)
            } else {
                Err(pods)
            }
        });
        let waiting = seen.lines().find(|line| line.starts_with("waits")).unwrap();
        assert!(waiting.contains("Pending"), "{seen}");
        // Gone at once, and not after the grace period that no kubelet would end.
        plane
            .kubectl(&["delete", "pod", "runs", "waits", "fails", "--timeout=20s"])
            .unwrap();
    }

    #[test]
    fn deployments_become_ready_users_are_told_apart_and_restarts_keep_the_data() {
        let plane = ControlPlane::start().unwrap();
        plane
            .kubectl(&[
                "create",
                "deployment",
                "web",
                "--image=web:1",
                "--replicas=2",
            ])
            .unwrap();
        plane
            .kubectl(&[
                "wait",
                "--for=condition=Available",
                "deployment/web",
                "--timeout=60s",
            ])
            .unwrap();

        let user = plane.user_kubeconfig("jane", Some("readers")).unwrap();
        let as_jane = ["--kubeconfig", user.to_str().unwrap(), "get", "deployments"];
        let refused = plane.kubectl(&as_jane).unwrap_err().to_string();
        assert!(
            refused.contains(r#"User "jane" cannot list resource "deployments""#),
            "{refused}"
        );
        plane
            .kubectl(&[
                "create",
                "clusterrolebinding",
                "r",
                "--clusterrole=view",
                "--group=readers",
            ])
            .unwrap();
        let seen = wait("the grant to count", Duration::from_secs(20), || {
            plane.kubectl(&as_jane).map_err(|error| error.to_string())
        });
        assert!(seen.contains("web"), "{seen}");

        plane.stop_apiserver();
        plane.kubectl(&["get", "--raw", "/readyz"]).unwrap_err();
        plane.stop_etcd();
        plane.start_etcd().unwrap();
        plane.start_apiserver().unwrap();
        plane.kubectl(&["get", "deployment", "web"]).unwrap();

        let directory = plane.directory().to_owned();
        assert!(directory.exists());
        drop(plane);
        assert!(!directory.exists());
    }
}
