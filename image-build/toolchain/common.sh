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
