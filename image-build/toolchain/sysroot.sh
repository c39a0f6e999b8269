# Makes a private sysroot for one target in the cache; sourced. Needs common.sh.
#
# rustup's sysroot is not changed. A private one is needed for two reasons:
#
# - rustc links aarch64-musl as non-PIE and has no option to change that. Only the
#   start files that it names can be replaced.
# - The standard library is compiled for size and without the code that reads
#   debug information for backtraces, which a stripped program does not have.
#   That code is a tenth of the program.
#
# The result is the same whether the target comes from rustup or from Debian.

# Prints the sysroot's path and makes it if it is missing. Needs $target.
private_sysroot() {
    local cache key sysroot
    cache=$(cache_dir) || exit 1
    rust_version=$(rustc -vV | sed -n 's/^release: //p')
    [ -n "$rust_version" ] || die "rustc -vV prints no version; install Rust with rustup"
    # Earlier versions have musl 1.2.3, whose start code cannot apply RELR relocations.
    printf '1.93.0\n%s\n' "$rust_version" | sort -CV \
        || die "needs rustc 1.93 or newer, this is $rust_version; run: rustup update stable"
    key=$({ rustc -vV; rustc --print sysroot; echo "${ECS_INIT_STD:-any}"; cat "$here"/{sysroot,parts,debian}.sh \
        "$here/libunwind-glue.c"; "$compiler" --version; } | sha256sum | cut -c1-16)
    sysroot=$cache/sysroot-$arch-$rust_version-$key
    exec 9>"$cache/lock"
    flock 9
    # The file is a dangling link if rustup has removed the target.
    if ! compgen -G "$sysroot/lib/rustlib/$target/lib/libstd-*.rlib" >/dev/null \
        || ! [ -e "$(compgen -G "$sysroot/lib/rustlib/$target/lib/libstd-*.rlib")" ]; then
        make_sysroot "$sysroot" >&2
    fi
    exec 9>&-
    echo "$sysroot"
}

make_sysroot() {
    local sysroot=$1 rustup_lib lib manifest
    work=$(mktemp -d "${sysroot%/*}/work.XXXXXX")
    # shellcheck disable=SC2064 # this directory, not a later one
    trap "rm -rf '$work'" EXIT
    lib=$work/out/lib/rustlib/$target/lib
    manifest=$work/out/manifest
    mkdir -p "$lib"
    { date -u +'made %Y-%m-%dT%H:%M:%SZ'; rustc -vV; } > "$manifest"
    rustup_lib=$(rustc --print sysroot)/lib/rustlib/$target/lib
    . "$here/debian.sh"
    . "$here/parts.sh"
    if from_rustup "$rustup_lib"; then
        printf 'rustup %s\n' "$rustup_lib" >> "$manifest"
        mkdir -p "$lib/self-contained"
        ln -s "$rustup_lib"/self-contained/* "$lib/self-contained"
    else
        parts_from_debian "$lib"
    fi
    build_std "$lib"
    [ "$arch" = aarch64 ] && position_independent "$lib/self-contained"
    rm -rf "$sysroot"
    mv "$work/out" "$sysroot"
    note "$target is ready; its sources are listed in $sysroot/manifest"
}

# Whether rustup has the target, or can add it. ECS_INIT_STD excludes one of the sources.
from_rustup() {
    [ "${ECS_INIT_STD:-}" != debian ] || return 1
    if ! compgen -G "$1/libstd-*.rlib" >/dev/null; then
        command -v rustup >/dev/null && rustup_add target add "$target"
    fi
    compgen -G "$1/libstd-*.rlib" >/dev/null && return 0
    [ "${ECS_INIT_STD:-}" != rustup ] || die "rustup cannot add $target, and ECS_INIT_STD=rustup excludes Debian"
    return 1
}

# rustup_add ARGS...: three attempts, or one if it times out.
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

# rustc links crt1.o, crtbegin.o and crtend.o; make these the static-PIE ones.
position_independent() {
    ln -sf rcrt1.o "$1/crt1.o"
    ln -sf crtbeginS.o "$1/crtbegin.o"
    ln -sf crtendS.o "$1/crtend.o"
}
