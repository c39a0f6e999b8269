# Makes the target's directory of the sysroot; sourced. Needs common.sh,
# debian.sh and the variables of sysroot.sh.
#
#   lib/                  the standard library's crates, compiled from source
#   lib/self-contained/   start files, musl's libc.a and libunwind.a: rustup's,
#                         or from Debian's packages if rustup is unreachable

# rust-src must have exactly rustc's version. musl must be as new as rustup's:
# since 1.2.4 its start code applies RELR relocations, which cargo-musl uses, and
# its resolver retries over TCP.
rust_src_suites='trixie-backports sid forky trixie'
musl_suites='trixie forky sid'
# Not gcc's libgcc_eh.a: it needs glibc's _dl_find_object.
unwind_packages='libunwind-14-dev libunwind-15-dev libunwind-16-dev libunwind-19-dev'
unwind_suites='bookworm trixie sid'

# parts_from_debian LIB: fills LIB/self-contained from Debian's packages.
parts_from_debian() {
    local lib=$1 tool
    for tool in apt-get apt-cache dpkg-deb; do
        command -v "$tool" >/dev/null || die "rustup cannot add $target, and $tool, which" \
            "Debian's packages need, is missing; run: rustup target add $target"
    done
    note "rustup cannot add $target: using Debian's packages instead"
    mkdir -p "$lib/self-contained" "$work/deb"
    fetch_self_contained "$lib/self-contained"
}

fetch_self_contained() {
    local into=$1 package found=
    # shellcheck disable=SC2086
    deb_unpack musl-dev "$deb_arch" '' "$work/musl" $musl_suites \
        || die "cannot download musl-dev for $deb_arch from any Debian suite of: $musl_suites"
    cp "$work/musl/usr/lib/$arch-linux-musl/"{rcrt1,crt1,Scrt1,crti,crtn}.o \
        "$work/musl/usr/lib/$arch-linux-musl/libc.a" "$into"
    for package in crtbegin crtbeginS crtend crtendS; do
        cp "$("$compiler" -print-file-name=$package.o)" "$into" \
            || die "$compiler has no $package.o"
    done
    printf 'compiler %s\n' "$("$compiler" --version | head -n1)" >> "$manifest"
    for package in $unwind_packages; do
        # shellcheck disable=SC2086
        deb_unpack "$package" "$deb_arch" '' "$work/unwind" $unwind_suites && found=1 && break
    done
    [ "$found" ] || die "cannot download any of $unwind_packages from any Debian suite of: $unwind_suites"
    cp -L "$work/unwind/usr/lib/$arch-linux-gnu/libunwind.a" "$into"
    "$compiler" -Os -ffreestanding -fPIC -fno-stack-protector -c "$here/libunwind-glue.c" -o "$work/glue.o"
    "${compiler%gcc}ar" r "$into/libunwind.a" "$work/glue.o"
}

# Sets library to the source of the standard library of exactly rustc's version.
find_library() {
    library=$(rustc --print sysroot)/lib/rustlib/src/rust/library
    if [ ! -e "$library/Cargo.lock" ] && [ "${ECS_INIT_STD:-}" != debian ] && command -v rustup >/dev/null; then
        rustup_add component add rust-src || true
    fi
    if [ -e "$library/Cargo.lock" ]; then
        printf 'library %s\n' "$library" >> "$manifest"
        return
    fi
    mkdir -p "$work/deb"
    # shellcheck disable=SC2086 # a list of suites
    deb_unpack rust-src "$(dpkg --print-architecture)" "$rust_version+" "$work/src" $rust_src_suites \
        || die "cannot download rust-src $rust_version from any Debian suite of: $rust_src_suites;" \
            "run: rustup component add rust-src"
    library=$work/src/usr/src/rustc-$rust_version/library
}

# build_std LIB: compiles the standard library into the directory LIB, for both
# panic strategies, with bitcode for LTO and object code for builds without it.
# Without the feature `backtrace`: see sysroot.sh.
build_std() {
    local lib=$1 std=$work/std library commit stage
    find_library
    note "compiling the standard library for $target (once, a minute or two)"
    commit=$(rustc -vV | sed -n 's/^commit-hash: //p')
    # The compiler looks for the start files in the directory of the crates that
    # this build produces.
    stage=$work/stage
    mkdir -p "$std/src" "$stage/lib/rustlib/$target"
    ln -s "$lib" "$stage/lib/rustlib/$target/lib"
    printf '[package]\nname = "std-only"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n' > "$std/Cargo.toml"
    echo '#![no_std]' > "$std/src/lib.rs"
    # The crate panic_abort must itself be compiled with panic=abort.
    cat > "$std/rustc" <<'END'
#!/bin/sh
case " $* " in
    *" --crate-name panic_abort "*) exec "$@" -Cpanic=abort ;;
    *) exec "$@" ;;
esac
END
    chmod +x "$std/rustc"
    if [ -d "$library/vendor" ]; then
        mkdir -p "$std/.cargo"
        printf '[source.crates-io]\nreplace-with = "vendored"\n[source.vendored]\ndirectory = "%s"\n' \
            "$library/vendor" > "$std/.cargo/config.toml"
    fi
    (
        cd "$std"
        unset RUSTFLAGS CARGO_BUILD_TARGET CARGO_TARGET_DIR
        flags=(
            -Cembed-bitcode=yes "--sysroot=$stage"
            "--remap-path-prefix=$library=/rustc/$commit/library"
            # The standard library's dependencies.
            "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=/cargo"
        )
        sep=$(printf '\037')
        CARGO_ENCODED_RUSTFLAGS=$(IFS=$sep; echo "${flags[*]}") \
        CARGO_PROFILE_RELEASE_OPT_LEVEL=z \
        RUSTC_WRAPPER=$std/rustc RUSTC_BOOTSTRAP=1 __CARGO_TESTS_ONLY_SRC_ROOT=$library CARGO_TARGET_DIR=$std/target \
            cargo build --quiet --release --target "$target" \
            -Z build-std=std,panic_abort,panic_unwind,proc_macro \
            -Z build-std-features=panic-unwind,optimize_for_size
    ) || die "the standard library does not compile for $target"
    cp "$std/target/$target/release/deps/"*.rlib "$lib"
    rm -f "$lib"/libstd_only-*.rlib
}
