//! How the program is linked on Linux: with what has to run before its `main`, and with the libraries inside
//! that take long to load.

use std::env;
use std::error::Error;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// What the program would load at each start, and the archive that takes its place.
const INSIDE: [(&str, &str); 4] = [
    ("libcrypto.a", "libcrypto.a"),
    ("libgcc_s.a", "libgcc_eh.a"),
    ("libssl.a", "libssl.a"),
    ("libstdc++.a", "libstdc++.a"),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/start.c");
    let is = |name: &str, wanted: &str| env::var(name).is_ok_and(|value| value == wanted);
    // Only glibc calls constructors with the arguments of the program.
    if !(is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu")) {
        return Ok(());
    }
    for object in cc::Build::new()
        .file("src/start.c")
        .try_compile_intermediates()?
    {
        println!("cargo::rustc-link-arg-bins={}", object.display());
    }
    // At an address of its own choice the program would be written over in sixty thousand places at each start,
    // in memory of its own: half of a small render. SECURITY.md says what that costs.
    println!("cargo::rustc-link-arg-bins=-no-pie");
    link_inside(&PathBuf::from(env::var("OUT_DIR")?).join("inside"))
}

/// Loading C++'s library, or OpenSSL that only Kafka's client needs, takes longer than most renders. A linker takes
/// the archive where it finds no shared library beside it, so the archives alone are put in a directory that it
/// searches first.
fn link_inside(directory: &Path) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(directory)?;
    let compiler = cc::Build::new().cpp(true).try_get_compiler()?;
    for (name, archive) in INSIDE {
        let mut command = compiler.to_command();
        let asked = command
            .arg(format!("-print-file-name={archive}"))
            .output()?;
        let found = PathBuf::from(String::from_utf8(asked.stdout)?.trim());
        let link = directory.join(name);
        // A compiler that has no archive says its name alone: then the library is loaded.
        if found.is_absolute() && !link.is_symlink() {
            symlink(found, link)?;
        }
    }
    println!("cargo::rustc-link-search=native={}", directory.display());
    Ok(())
}
