# A private sysroot for one target, in the cache; to be sourced, not run.
# Needs common.sh.
#
# Private, because rustc links aarch64-musl as non-PIE with no switch to
# change it: what can be changed is which start files its names lead to. And
# because the standard library is compiled here, for size, and without the
# reader of debug information for backtraces, which a stripped program has not:
# a tenth of what is linked. rustup's own sysroot stays as it is, and both ways
# to get a target end in the same place, built with the same flags.

# Prints the sysroot's path, making it if need be. $target is set.
private_sysroot() {
    local cache key sysroot
    cache=$(cache_dir) || exit 1
    rust_version=$(rustc -vV | sed -n 's/^release: //p')
    [ -n "$rust_version" ] || die "rustc does not tell its version; is Rust installed?"
    # Earlier ones bring musl 1.2.3, which cannot start what cargo-musl links.
    printf '1.93.0\n%s\n' "$rust_version" | sort -CV \
        || die "needs rustc 1.93 or newer, this is $rust_version; run: rustup update stable"
    key=$({ rustc -vV; rustc --print sysroot; echo "${ECS_INIT_STD:-any}"; cat "$here"/{sysroot,parts,debian}.sh \
        "$here/libunwind-glue.c"; "$compiler" --version; } | sha256sum | cut -c1-16)
    sysroot=$cache/sysroot-$arch-$rust_version-$key
    exec 9>"$cache/lock"
    flock 9
    # The link may dangle: rustup can take a target away again.
    if ! compgen -G "$sysroot/lib/rustlib/$target/lib/libstd-*.rlib" >/dev/null \
        || ! [ -e "$(compgen -G "$sysroot/lib/rustlib/$target/lib/libstd-*.rlib")" ]; then
        make_sysroot "$sysroot" >&2
    fi
    exec 9>&-
    echo "$sysroot"
}

make_sysroot() {
    local sysroot=$1 theirs lib manifest
    work=$(mktemp -d "${sysroot%/*}/work.XXXXXX")
    # shellcheck disable=SC2064 # this directory, not a later one
    trap "rm -rf '$work'" EXIT
    lib=$work/out/lib/rustlib/$target/lib
    manifest=$work/out/manifest
    mkdir -p "$lib"
    { date -u +'made %Y-%m-%dT%H:%M:%SZ'; rustc -vV; } > "$manifest"
    theirs=$(rustc --print sysroot)/lib/rustlib/$target/lib
    . "$here/debian.sh"
    . "$here/parts.sh"
    if from_rustup "$theirs"; then
        printf 'rustup %s\n' "$theirs" >> "$manifest"
        mkdir -p "$lib/self-contained"
        ln -s "$theirs"/self-contained/* "$lib/self-contained"
    else
        parts_from_debian "$lib"
    fi
    build_std "$lib"
    [ "$arch" = aarch64 ] && position_independent "$lib/self-contained"
    rm -rf "$sysroot"
    mv "$work/out" "$sysroot"
    note "$target is ready: $sysroot/manifest says of what"
}

# ECS_INIT_STD=rustup or =debian rules the other way out.
from_rustup() {
    [ "${ECS_INIT_STD:-}" != debian ] || return 1
    if ! compgen -G "$1/libstd-*.rlib" >/dev/null; then
        command -v rustup >/dev/null && rustup_add target add "$target"
    fi
    compgen -G "$1/libstd-*.rlib" >/dev/null && return 0
    [ "${ECS_INIT_STD:-}" != rustup ] || die "rustup has no $target, and ECS_INIT_STD=rustup"
    return 1
}

# rustup_add ARGS...: three times, but not where there is a network without an answer.
rustup_add() {
    local pause ended
    for pause in 5 20 0; do
        ended=0
        RUSTUP_MAX_RETRIES=1 timeout 180 rustup "$@" >&2 || ended=$?
        case $ended in
            0) return 0 ;;
            124) return 1 ;;
        esac
        sleep "$pause"
    done
    return 1
}

# rustc names crt1.o, crtbegin.o and crtend.o; lead them to the static-PIE ones.
position_independent() {
    ln -sf rcrt1.o "$1/crt1.o"
    ln -sf crtbeginS.o "$1/crtbegin.o"
    ln -sf crtendS.o "$1/crtend.o"
}
