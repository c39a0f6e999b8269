# Functions shared by the scripts in this directory; sourced.

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

note() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

# Prints the cache directory of the toolchain, outside the tree, and creates it.
cache_dir() {
    local base=${ECS_INIT_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set; set ECS_INIT_CACHE}/.cache}/ecs-init}
    mkdir -p "$base/toolchain" || die "cannot create the cache $base; set ECS_INIT_CACHE to a writable directory"
    (cd "$base/toolchain" && pwd)
}

# tool NAME VERSION: prints the path of a program from cargo's registry, which is compiled once per
# version and cached.
tool() {
    local name=$1 version=$2 root
    root=$(dirname "$(cache_dir)")/tools/$name-$version
    mkdir -p "$root"
    # Two builds at the same time would both compile it.
    exec 6< "$root"
    flock 6
    if [ ! -x "$root/bin/$name" ]; then
        note "compiling $name $version into $root (once, a few minutes)"
        # The tool is built for this machine, outside the caller's target directory.
        env -u CARGO_BUILD_TARGET -u CARGO_TARGET_DIR -u RUSTFLAGS CARGO_NET_RETRY=10 \
            cargo install --quiet --locked --version "$version" --root "$root" "$name" \
            || die "cannot compile $name; for details run: cargo install --locked --version $version --root $root $name"
    fi
    exec 6<&-
    printf '%s\n' "$root/bin/$name"
}

# Sets arch, target and deb_arch: the kernel's, Rust's and Debian's name of the architecture.
set_target() {
    case $1 in
        x86_64 | x86_64-unknown-linux-musl) arch=x86_64 deb_arch=amd64 ;;
        aarch64 | aarch64-unknown-linux-musl) arch=aarch64 deb_arch=arm64 ;;
        *) die "unknown target '$1': x86_64 or aarch64" ;;
    esac
    target=$arch-unknown-linux-musl
}

# Sets compiler to the C compiler for $arch. It links, compiles ring, and provides crtbegin.o.
set_compiler() {
    if [ "$(uname -m)" = "$arch" ]; then
        compiler=gcc
    else
        compiler=$arch-linux-gnu-gcc
    fi
    command -v "$compiler" >/dev/null \
        || die "$compiler is missing; run as root: image-build/toolchain/prerequisites"
}

# Sets lld_dir to the directory of ld.lld: rustc's, or else the system's. GNU ld
# lacks RELR on aarch64 before binutils 2.43 and cannot drop unwind tables.
set_linker() {
    lld_dir=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin/gcc-ld
    [ -x "$lld_dir/ld.lld" ] && return
    lld_dir=$(command -v ld.lld) \
        || die "ld.lld not found in rustc's directory or PATH; run as root: apt-get install --yes lld"
    lld_dir=${lld_dir%/*}
}
