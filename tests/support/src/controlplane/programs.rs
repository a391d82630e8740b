//! How each program of the control plane is called; starting and watching it is its parent's work.

use std::path::{Path, PathBuf};

/// Where a control plane keeps its files and which ports it has.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) directory: PathBuf,
    /// The program that is etcd, kube-apiserver and so on, by its first argument.
    pub(super) binary: PathBuf,
    pub(super) kwok: PathBuf,
    pub(super) etcd: u16,
    pub(super) etcd_peer: u16,
    pub(super) apiserver: u16,
    /// Whether the API server notes requests, as `audit.yaml` says.
    pub(super) audited: bool,
}

impl Layout {
    /// The path of one file.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The API server's address.
    pub(super) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.apiserver)
    }
}

/// The programs, in the order in which they start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    Etcd,
    Apiserver,
    ControllerManager,
    Scheduler,
    Kwok,
}

impl Program {
    /// The name that Kubernetes gives it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Apiserver => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Kwok => "kwok",
        }
    }

    /// The binary and its whole argument list.
    pub(super) fn command(self, layout: &Layout) -> (PathBuf, Vec<String>) {
        let file = |name: &str| show(&layout.file(name));
        let flags = match self {
            Self::Etcd => vec![
                format!("--data-dir={}", file("etcd")),
                format!("--listen-client-urls=http://127.0.0.1:{}", layout.etcd),
                format!("--listen-peer-urls=http://127.0.0.1:{}", layout.etcd_peer),
                "--unsafe-no-fsync".to_owned(),
            ],
            Self::Apiserver => apiserver(layout),
            Self::ControllerManager => vec![
                format!("--kubeconfig={}", file("admin.kubeconfig")),
                format!("--root-ca-file={}", file("authority.crt")),
                format!(
                    "--service-account-private-key-file={}",
                    file("serviceaccount.key")
                ),
                "--leader-elect=false".to_owned(),
                // No port: nobody asks it anything, and a port could be taken.
                "--secure-port=0".to_owned(),
                // Nodes have no kubelet to report for them; a slow machine must not evict pods.
                "--controllers=*,-node-lifecycle-controller,-taint-eviction-controller".to_owned(),
                "--kube-api-qps=500".to_owned(),
                "--kube-api-burst=1000".to_owned(),
            ],
            Self::Scheduler => vec![
                format!("--kubeconfig={}", file("admin.kubeconfig")),
                "--leader-elect=false".to_owned(),
                "--secure-port=0".to_owned(),
            ],
            Self::Kwok => vec![
                format!("--kubeconfig={}", file("admin.kubeconfig")),
                format!("--config={}", file("stages.yaml")),
                "--manage-all-nodes=true".to_owned(),
            ],
        };
        match self {
            Self::Kwok => (layout.kwok.clone(), flags),
            Self::Etcd | Self::Apiserver | Self::ControllerManager | Self::Scheduler => {
                let mut args = vec![self.name().to_owned()];
                args.extend(flags);
                (layout.binary.clone(), args)
            }
        }
    }
}

fn apiserver(layout: &Layout) -> Vec<String> {
    let file = |name: &str| show(&layout.file(name));
    let mut flags = vec![
        format!("--etcd-servers=http://127.0.0.1:{}", layout.etcd),
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", layout.apiserver),
        // A loopback address cannot be an endpoint of the `kubernetes` Service.
        "--endpoint-reconciler-type=none".to_owned(),
        "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
        "--authorization-mode=Node,RBAC".to_owned(),
        format!("--client-ca-file={}", file("authority.crt")),
        format!("--tls-cert-file={}", file("apiserver.crt")),
        format!("--tls-private-key-file={}", file("apiserver.key")),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", file("serviceaccount.pub")),
        format!(
            "--service-account-signing-key-file={}",
            file("serviceaccount.key")
        ),
        "--allow-privileged=true".to_owned(),
        // It taints a new node until the node lifecycle controller, which is off, says it is well.
        "--disable-admission-plugins=TaintNodesByCondition".to_owned(),
    ];
    if layout.audited {
        flags.push(format!("--audit-policy-file={}", file("audit.yaml")));
        flags.push(format!("--audit-log-path={}", file("audit.log")));
    }
    flags
}

fn show(path: &Path) -> String {
    path.display().to_string()
}
