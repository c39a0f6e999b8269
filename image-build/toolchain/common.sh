# Shared by the scripts beside it; to be sourced, not run.

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

note() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

# Everything that is fetched or built once lives here, outside the tree.
cache_dir() {
    local base=${ECS_INIT_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set; set ECS_INIT_CACHE}/.cache}/ecs-init}
    mkdir -p "$base/toolchain" || die "cannot create the cache $base; set ECS_INIT_CACHE to a writable directory"
    (cd "$base/toolchain" && pwd)
}

# tool NAME VERSION: a program of crates.io, compiled once into the cache, a directory to each
# version; prints its path.
tool() {
    local name=$1 version=$2 root
    root=$(dirname "$(cache_dir)")/tools/$name-$version
    if [ ! -x "$root/bin/$name" ]; then
        note "compiling $name $version into $root (once, some minutes)"
        # With settings of its own: neither our target directory nor our target.
        env -u CARGO_BUILD_TARGET -u CARGO_TARGET_DIR -u RUSTFLAGS CARGO_NET_RETRY=10 \
            nice cargo install --quiet --locked --version "$version" --root "$root" "$name" \
            || die "no $name; run: cargo install --locked --version $version --root $root $name"
    fi
    printf '%s\n' "$root/bin/$name"
}

# Sets arch (the kernel's name), target (Rust's), deb_arch (Debian's).
set_target() {
    case $1 in
        x86_64 | x86_64-unknown-linux-musl) arch=x86_64 deb_arch=amd64 ;;
        aarch64 | aarch64-unknown-linux-musl) arch=aarch64 deb_arch=arm64 ;;
        *) die "unknown target '$1': x86_64 or aarch64" ;;
    esac
    target=$arch-unknown-linux-musl
}

# The C compiler for $arch: links, assembles ring, and owns crtbegin.o.
set_compiler() {
    if [ "$(uname -m)" = "$arch" ]; then
        compiler=gcc
    else
        compiler=$arch-linux-gnu-gcc
    fi
    command -v "$compiler" >/dev/null \
        || die "$compiler is missing; run image-build/toolchain/prerequisites as root"
}

# Sets lld_dir, where gcc finds ld.lld: rustc's own, else the system's. GNU ld
# would do but for RELR on aarch64 (binutils 2.43) and dropping unwind tables.
set_linker() {
    lld_dir=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin/gcc-ld
    [ -x "$lld_dir/ld.lld" ] && return
    lld_dir=$(command -v ld.lld) \
        || die "neither rustc nor the system has ld.lld; run as root: apt-get install --yes lld"
    lld_dir=${lld_dir%/*}
}
