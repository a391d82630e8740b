# shellcheck shell=bash
# What ops/test and ops/quickstart share: where things are built and kept, and how what is missing
# gets there. Sourced, never run. Nothing is built twice: everything lands in one cache outside the
# checkout, and a stamp beside it says which version it is.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export FLUVIAL_CACHE=${FLUVIAL_CACHE:-$HOME/.cache/fluvial}
export CARGO_TARGET_DIR=$FLUVIAL_CACHE/target
# A fresh clone has nothing to build upon, and what it would leave behind fills the disk.
[[ -z ${CI:-} ]] || export CARGO_INCREMENTAL=0
export PATH=$FLUVIAL_CACHE/bin:$HOME/.cargo/bin:/usr/local/go/bin:$PATH

KUBERNETES_VERSION=1.37.2 # as in tests/controlplane/go.mod
KWOK_VERSION=0.8.0
KUSTOMIZE_VERSION=5.8.2
HELM_VERSION=4.3.1
REGISTRY_VERSION=3.1.2
KAFKA_VERSION=4.1.2 # as in tests/kafka/pom.xml
NEXTEST_VERSION=0.9.151
DENY_VERSION=0.20.2

say() { printf '%s\n' "$*"; }
fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Runs a long command in silence, and shows what it said only when it fails.
quietly() {
    local log
    log=$(mktemp)
    if "$@" >"$log" 2>&1 </dev/null; then
        rm -f "$log"
        return
    fi
    tail -n 60 "$log" >&2
    fail "this failed: $* (all of its output: $log)"
}

# The Debian packages that are missing, of those that the builds and tests need.
missing_packages() {
    local pair
    for pair in \
        cc:gcc clang:clang cmake:cmake curl:curl git:git java:default-jre-headless mold:mold mvn:maven pkg-config:pkg-config \
        setpriv:util-linux flock:util-linux shellcheck:shellcheck ssh-keygen:openssh-client /usr/sbin/sshd:openssh-server \
        /usr/sbin/exim4:exim4-daemon-light; do
        command -v "${pair%%:*}" >/dev/null || say "${pair##*:}"
    done
    # bindgen loads it to read RocksDB's header.
    compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null ||
        compgen -G '/usr/lib/*/libclang*.so*' >/dev/null ||
        [[ -n ${LIBCLANG_PATH:-} ]] || say libclang-dev
    # For librdkafka's TLS, as a static library.
    compgen -G '/usr/lib/*/libssl.a' >/dev/null || say libssl-dev
    python_with_yaml >/dev/null || say python3-yaml
}

# A Python that has PyYAML, which the conformance comparison reads with.
python_with_yaml() {
    local python
    for python in python3 /usr/bin/python3; do
        if "$python" -c 'import yaml' 2>/dev/null; then
            say "$python"
            return
        fi
    done
    return 1
}

install_packages() {
    local packages sudo=()
    mapfile -t packages < <(missing_packages | sort -u)
    ((${#packages[@]})) || return 0
    command -v apt-get >/dev/null ||
        fail "please install what these Debian packages have: ${packages[*]}"
    if ((EUID != 0)); then
        command -v sudo >/dev/null || fail "please install, as root: apt-get install ${packages[*]}"
        sudo=(sudo)
    fi
    say "Installing ${packages[*]} …"
    quietly "${sudo[@]}" apt-get update
    quietly "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends "${packages[@]}"
}

require_toolchains() {
    command -v cargo >/dev/null ||
        fail "Rust is missing: install rustup (https://rustup.rs); it takes the version from rust-toolchain.toml"
    command -v go >/dev/null ||
        fail "Go is missing, which builds the Kubernetes that we test with: install Go 1.26 or later (https://go.dev/dl)"
}

# build NAME VERSION TEXT COMMAND…: runs the command unless bin/NAME is of that version already.
build() {
    local name=$1 version=$2 text=$3
    shift 3
    local stamp=$FLUVIAL_CACHE/stamp/$name
    [[ -x $FLUVIAL_CACHE/bin/$name && $(cat "$stamp" 2>/dev/null) == "$version" ]] && return
    say "Building $text (once) …"
    rm -f "$stamp"
    quietly "$@"
    printf '%s\n' "$version" >"$stamp"
}

build_controlplane() {
    local version=k8s.io/component-base/version
    # Beside and then renamed: a program that runs cannot be overwritten.
    go build -C "$ROOT/tests/controlplane" -trimpath -o "$FLUVIAL_CACHE/bin/controlplane.new" \
        -ldflags "-s -w -X $version.gitVersion=v$KUBERNETES_VERSION \
            -X $version.gitMajor=1 -X $version.gitMinor=${KUBERNETES_VERSION:2:2}" . &&
        mv "$FLUVIAL_CACHE/bin/controlplane.new" "$FLUVIAL_CACHE/bin/controlplane"
}

# Kafka's classes, and a program that runs one of them: kafka CLASS ARGUMENT….
fetch_kafka() {
    rm -rf "$FLUVIAL_CACHE/kafka"
    mvn --quiet --batch-mode --file "$ROOT/tests/kafka/pom.xml" dependency:copy-dependencies \
        -DoutputDirectory="$FLUVIAL_CACHE/kafka" -DincludeScope=runtime &&
        cat >"$FLUVIAL_CACHE/bin/kafka" <<'END' &&
#!/bin/sh
exec java $KAFKA_JVM_OPTS -cp "$(dirname "$0")/../kafka/*" "$@"
END
        chmod +x "$FLUVIAL_CACHE/bin/kafka"
}

# A hash of what the control plane is built from; its stages are read at run time.
controlplane_version() {
    (cd "$ROOT/tests/controlplane" && cat -- *.go go.mod go.sum <(go env GOVERSION) |
        sha256sum | cut -d ' ' -f 1)
}

go_install() { GOBIN=$FLUVIAL_CACHE/bin GOFLAGS=-trimpath go install "$1"; }

cargo_install() {
    CARGO_TARGET_DIR=$FLUVIAL_CACHE/target-tools \
        cargo install --locked --force --root "$FLUVIAL_CACHE" --version "$2" "$1"
}

# Waits for its turn: two scripts at once do not build the same. Ends with `exec 9>&-`.
take_turns() {
    mkdir -p "$FLUVIAL_CACHE"/{bin,stamp}
    exec 9>"$FLUVIAL_CACHE/lock"
    flock 9
}

# The programs of the test world.
build_controlplane_tools() {
    take_turns
    build controlplane "$(controlplane_version)" \
        "Kubernetes $KUBERNETES_VERSION, some ten minutes on two cores" build_controlplane
    build kwok $KWOK_VERSION "kwok $KWOK_VERSION" go_install sigs.k8s.io/kwok/cmd/kwok@v$KWOK_VERSION
    exec 9>&-
}

# The programs that only the tests need.
build_test_tools() {
    take_turns
    build kustomize $KUSTOMIZE_VERSION "kustomize $KUSTOMIZE_VERSION" \
        go_install sigs.k8s.io/kustomize/kustomize/v5@v$KUSTOMIZE_VERSION
    build helm $HELM_VERSION "helm $HELM_VERSION" \
        go_install helm.sh/helm/v4/cmd/helm@v$HELM_VERSION
    build registry $REGISTRY_VERSION "registry $REGISTRY_VERSION (CNCF distribution)" \
        go_install github.com/distribution/distribution/v3/cmd/registry@v$REGISTRY_VERSION
    build kafka $KAFKA_VERSION "Apache Kafka $KAFKA_VERSION, from Maven Central" fetch_kafka
    build cargo-nextest $NEXTEST_VERSION "cargo-nextest $NEXTEST_VERSION, a few minutes" \
        cargo_install cargo-nextest $NEXTEST_VERSION
    build cargo-deny $DENY_VERSION "cargo-deny $DENY_VERSION, a few minutes" \
        cargo_install cargo-deny $DENY_VERSION
    exec 9>&-
}

# Deliberate bugs, all built at once into a copy of the tree in the cache: the simulator must find each of
# them. What the simulator's own build left is shared, so that only our own crates are compiled again.
hunt_mutants() {
    local place=$FLUVIAL_CACHE/mutants each
    (cd "$ROOT" && cargo build --quiet --profile sim --locked -p fluvial-sim)
    if [[ ! -d $place/target ]]; then
        mkdir -p "$place/target/sim"
        for each in deps build .fingerprint; do
            cp -al "$CARGO_TARGET_DIR/sim/$each" "$place/target/sim/$each"
        done
    fi
    "$CARGO_TARGET_DIR/sim/fluvial-sim" mutants --place "$place" "$@"
}
