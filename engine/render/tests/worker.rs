//! Real worker processes whose handler does what a renderer that was taken over would try.
//!
//! This program is its own worker: started again as one, it serves [`Villain`] instead of a renderer. So
//! it has its own `main`, which speaks as much of the test harness's language as `cargo` and nextest need.
#![expect(clippy::unwrap_used, reason = "tests assert with it")]

use std::io::{self, Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::pin::Pin;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use fluvial_render::{Breach, Error, Fence, Handler, Limits, Pool, Reply, is_worker, serve};

type Test = (&'static str, fn());

const TESTS: &[Test] = &[
    ("every_fence_stands", every_fence_stands),
    (
        "what_must_not_be_ends_the_worker_and_is_named",
        what_must_not_be_ends_the_worker_and_is_named,
    ),
    (
        "what_takes_too_long_is_ended_and_named",
        what_takes_too_long_is_ended_and_named,
    ),
    ("limits_hold_to_the_byte", limits_hold_to_the_byte),
    (
        "an_attachment_is_fetched_when_it_is_wanted",
        an_attachment_is_fetched_when_it_is_wanted,
    ),
    ("tenants_never_share_a_worker", tenants_never_share_a_worker),
    ("a_busy_tenant_delays_nobody", a_busy_tenant_delays_nobody),
    ("an_old_worker_is_no_excuse", an_old_worker_is_no_excuse),
    (
        "a_worker_without_a_parent_ends",
        a_worker_without_a_parent_ends,
    ),
];

fn main() -> ExitCode {
    if is_worker() {
        return serve(Villain::default());
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    if has("--list") {
        if !has("--ignored") {
            for (name, _) in TESTS {
                println!("{name}: test");
            }
        }
        return ExitCode::SUCCESS;
    }
    let wanted = args.iter().find(|arg| !arg.starts_with('-'));
    for (name, test) in TESTS {
        if wanted.is_none_or(|wanted| name.contains(wanted.as_str())) {
            test();
            println!("test {name} ... ok");
        }
    }
    ExitCode::SUCCESS
}

/// Does what it is told.
#[derive(Default)]
struct Villain {
    remembered: Vec<u8>,
    hoard: Vec<Vec<u8>>,
}

impl Handler for Villain {
    fn answer(&mut self, request: &[u8], attachment: Option<&[u8]>) -> Reply {
        let request = String::from_utf8_lossy(request);
        let (deed, what) = request.split_once(' ').unwrap_or((&request, ""));
        let number = || what.parse::<usize>().unwrap_or_default();
        match (deed, attachment) {
            ("echo", _) => return Reply::Answer(what.into()),
            ("pid", _) => return Reply::Answer(std::process::id().to_string().into()),
            ("remember", _) => self.remembered = what.into(),
            ("recall", _) => return Reply::Answer(self.remembered.clone()),
            ("want", None) => return Reply::Wanting,
            ("want", Some(bytes)) => return Reply::Answer(bytes.into()),
            ("answer", _) => return Reply::Answer(vec![b'x'; number()]),
            ("allocate", _) => drop(std::hint::black_box(vec![1_u8; number()])),
            ("hoard", _) => self.hoard.push(vec![1; number()]),
            ("nest", _) => return Reply::Answer(vec![descend(0)]),
            ("panic", _) => panic!("the password is hunter2"),
            ("abort", _) => std::process::abort(),
            ("loop", _) => loop {
                std::hint::spin_loop();
            },
            ("babble", _) => while io::stdout().write_all(&[b'x'; 4096]).is_ok() {},
            ("complain", _) => while io::stderr().write_all(&[b'x'; 4096]).is_ok() {},
            _ => return Reply::Answer(escape(&request).into()),
        }
        Reply::Answer(Vec::new())
    }
}

/// Uses the system. What comes back says that it was let.
fn escape(deed: &str) -> String {
    let command = || Command::new("/bin/true");
    let outcome = match deed {
        "read a file" => std::fs::read("/etc/passwd").map(drop),
        "read its memory" => std::fs::read("/proc/self/mem").map(drop),
        "list" => std::fs::read_dir("/").map(drop),
        "look" => std::fs::metadata("/etc").map(drop),
        "write a file" => std::fs::write("/tmp/fluvial-villain", b"x"),
        "remove" => std::fs::remove_file("/tmp/fluvial-villain"),
        "link" => std::fs::hard_link("/etc/passwd", "/tmp/fluvial-villain"),
        "connect" => std::net::TcpStream::connect("127.0.0.1:1").map(drop),
        "resolve" => std::net::ToSocketAddrs::to_socket_addrs("localhost:1").map(drop),
        "listen" => std::net::TcpListener::bind("127.0.0.1:0").map(drop),
        "connect locally" => std::os::unix::net::UnixStream::connect("/run/x").map(drop),
        "execute" => Err(command().exec()),
        "spawn" => command().spawn().map(drop),
        "start a thread" => std::thread::Builder::new().spawn(|| ()).map(drop),
        // A worker may not sleep: the system ends it here.
        "wait" => {
            std::thread::sleep(Duration::from_secs(1));
            Ok(())
        }
        other => panic!("no such deed: {other}"),
    };
    format!("{deed}: {outcome:?}")
}

#[expect(unconditional_recursion, reason = "it is to overflow the stack")]
fn descend(depth: u8) -> u8 {
    let ballast = std::hint::black_box([depth; 4096]);
    descend(depth.wrapping_add(1)).wrapping_add(ballast[17])
}

const SMALL: Limits = Limits {
    memory_bytes_max: 64 << 20,
    time_max: Duration::from_mins(1),
    output_bytes_max: 1 << 20,
    workers_max: 4,
};

/// Runs one conversation after the other, each on a runtime of its own.
fn run<T>(talk: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(talk)
}

async fn ask(pool: &Pool, tenant: &str, request: &str) -> Result<String, Breach> {
    let none = || -> Pin<Box<dyn Future<Output = io::Result<Vec<u8>>> + Send>> {
        panic!("nothing is to be attached")
    };
    match pool.ask(tenant, request.as_bytes(), &none).await {
        Ok(answer) => Ok(String::from_utf8(answer).unwrap()),
        Err(Error::Breach(breach)) => Err(breach),
        Err(error) => panic!("{request}: {error}"),
    }
}

/// Asks for a deed, expects to be told of it so, and makes sure that the next question is answered.
async fn breach(pool: &Pool, request: &str, words: &str) {
    let breach = ask(pool, "a", request).await.expect_err(request);
    let said = breach.to_string();
    assert!(said.contains(words), "{request}: {said}");
    assert!(!said.contains("hunter2"), "{request}: {said}");
    assert_eq!(
        ask(pool, "a", "echo well").await,
        Ok("well".into()),
        "after {request}"
    );
}

fn every_fence_stands() {
    let confinement = run(Pool::new(SMALL, false).probe()).unwrap();
    let missing = &confinement.missing;
    // A fence that the kernel lacks is reported; a harness can have left a file open.
    let unexpected = missing
        .iter()
        .filter(|missing| !matches!(missing.fence, Fence::Landlock | Fence::Descriptors));
    assert_eq!(unexpected.count(), 0, "{missing:?}");
    let fences = &confinement.fences;
    assert_eq!(fences.len() + missing.len(), 6, "{fences:?}");
    assert_eq!(fences.last(), Some(&Fence::Seccomp));
}

fn what_must_not_be_ends_the_worker_and_is_named() {
    const SYSTEM: &str = "asked the system for something that it must never need";
    let table = [
        ("read a file", SYSTEM),
        ("read its memory", SYSTEM),
        ("list", SYSTEM),
        ("look", SYSTEM),
        ("write a file", SYSTEM),
        ("remove", SYSTEM),
        ("link", SYSTEM),
        ("connect", SYSTEM),
        ("resolve", SYSTEM),
        ("listen", SYSTEM),
        ("connect locally", SYSTEM),
        ("execute", SYSTEM),
        ("spawn", SYSTEM),
        ("start a thread", SYSTEM),
        ("wait", SYSTEM),
        (
            "allocate 4294967296",
            "more than 64 MiB, the limit on memory",
        ),
        (
            "nest",
            "nested more deeply than the renderer's stack allows",
        ),
        (
            "panic",
            "failed on this input at engine/render/tests/worker.rs:",
        ),
        ("abort", "died on this input (signal: 6 (SIGABRT)"),
        ("babble", "it wrote what is no answer"),
    ];
    run(async {
        let pool = Pool::new(SMALL, false);
        for (deed, words) in table {
            breach(&pool, deed, words).await;
        }
    });
}

fn what_takes_too_long_is_ended_and_named() {
    let hurried = Limits {
        time_max: Duration::from_secs(3),
        ..SMALL
    };
    run(async {
        let pool = Pool::new(hurried, false);
        // The second fills the pipe that nobody empties, and waits.
        for deed in ["loop", "complain"] {
            breach(&pool, deed, "longer than 3s, the limit on time").await;
        }
    });
}

fn limits_hold_to_the_byte() {
    run(async {
        let pool = Pool::new(SMALL, false);
        let fits = ask(&pool, "a", "answer 1048576")
            .await
            .map(|answer| answer.len());
        assert_eq!(fits, Ok(1 << 20));
        breach(
            &pool,
            "answer 1048577",
            "larger than 1 MiB, the limit on output",
        )
        .await;
        // Nobody counts what the allocator keeps for itself.
        assert_eq!(
            ask(&pool, "a", "allocate 62914560").await,
            Ok(String::new())
        );
        breach(&pool, "allocate 67108864", "64 MiB, the limit on memory").await;
    });
}

fn an_attachment_is_fetched_when_it_is_wanted() {
    run(async {
        let pool = Pool::new(SMALL, false);
        let bring = || -> Pin<Box<dyn Future<Output = io::Result<Vec<u8>>> + Send>> {
            Box::pin(async { Ok(b"the bytes".to_vec()) })
        };
        assert_eq!(pool.ask("a", b"want", &bring).await.unwrap(), b"the bytes");
        let fail = || -> Pin<Box<dyn Future<Output = io::Result<Vec<u8>>> + Send>> {
            Box::pin(async { Err(io::Error::other("the store is away")) })
        };
        let error = pool.ask("a", b"want", &fail).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read what is to be rendered: the store is away"
        );
        assert_eq!(ask(&pool, "a", "echo well").await, Ok("well".into()));
    });
}

fn tenants_never_share_a_worker() {
    run(async {
        // Fewer workers than tenants, so that each has to make room.
        let pool = Pool::new(
            Limits {
                workers_max: 2,
                ..SMALL
            },
            false,
        );
        let mut workers = Vec::new();
        for tenant in ["a", "b", "c", "d"] {
            ask(&pool, tenant, &format!("remember {tenant}"))
                .await
                .unwrap();
            assert_eq!(ask(&pool, tenant, "recall").await.as_deref(), Ok(tenant));
            workers.push(ask(&pool, tenant, "pid").await.unwrap());
        }
        for tenant in ["a", "b"] {
            assert_eq!(ask(&pool, tenant, "recall").await.as_deref(), Ok(""));
            workers.push(ask(&pool, tenant, "pid").await.unwrap());
        }
        // Numbers are not used again so soon.
        workers.sort();
        workers.dedup();
        assert_eq!(workers.len(), 6, "{workers:?}");
    });
}

fn a_busy_tenant_delays_nobody() {
    run(async {
        let pool = Pool::new(SMALL, false);
        let hog = async {
            let loops = (0..8).map(|_| ask(&pool, "hog", "loop"));
            futures::future::select_all(loops.map(Box::pin)).await.0
        };
        let others = async {
            // The hog has every worker that it gets by now, or soon.
            for round in ["1", "2", "3"] {
                for tenant in ["a", "b", "c"] {
                    assert_eq!(
                        ask(&pool, tenant, &format!("echo {round}"))
                            .await
                            .as_deref(),
                        Ok(round)
                    );
                }
            }
        };
        let first = futures::future::select(Box::pin(others), Box::pin(hog)).await;
        assert!(
            matches!(first, futures::future::Either::Left(_)),
            "the hog was served first"
        );
    });
}

fn an_old_worker_is_no_excuse() {
    run(async {
        let pool = Pool::new(SMALL, false);
        for _ in 0..4 {
            // Together more than one worker may have; each is answered all the same.
            assert_eq!(ask(&pool, "a", "hoard 25000000").await, Ok(String::new()));
        }
        breach(&pool, "hoard 70000000", "64 MiB, the limit on memory").await;
    });
}

fn a_worker_without_a_parent_ends() {
    const CPU: i32 = 24;
    let start = || {
        Command::new("/proc/self/exe")
            .arg0("fluvial-render")
            .args(["67108864", "1"])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    // Nobody asks any more.
    let mut quiet = start();
    drop(quiet.stdin.take());
    assert!(quiet.wait().unwrap().success());
    // It is busy, and nobody is there to stop it.
    let mut busy = start();
    let mut stdin = busy.stdin.take().unwrap();
    stdin.write_all(&[2, 4, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    stdin.write_all(b"loop").unwrap();
    let mut hello = Vec::new();
    busy.stdout.take().unwrap().read_to_end(&mut hello).unwrap();
    assert_eq!(busy.wait().unwrap().signal(), Some(CPU));
}
