# Downloads packages from Debian suites other than this machine's; sourced.
# Needs common.sh, $work (a scratch directory) and $manifest (a file to which
# lines are appended).
#
# apt runs with separate lists and sources. The machine's configuration is only
# read, for the archive's URL.

# Prints the URLs of the machine's apt archives, one a line.
debian_archives() {
    apt-get --print-uris update 2>/dev/null \
        | sed -n "s,^'\(.*\)/dists/[^/]*/InRelease'.*,\1,p" | grep -v -- '-security$' | sort -u
}

# private_apt ROOT APT-GET-OR-APT-CACHE ARGS...
private_apt() {
    local root=$1 tool=$2
    shift 2
    "$tool" -q -o APT::Architecture="$apt_arch" -o APT::Architectures="$apt_arch" \
        -o Dir::Etc::SourceList="$root/sources.list" -o Dir::Etc::SourceParts=- \
        -o Dir::Etc::Preferences=- -o Dir::Etc::PreferencesParts=- \
        -o Dir::State="$root" -o Dir::State::Lists="$root/lists" -o Dir::State::status=/dev/null \
        -o Dir::Cache="$root/cache" -o APT::Sandbox::User= \
        -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
        -o Acquire::Retries=5 -o APT::Update::Error-Mode=any "$@"
}

# suite_lists ARCHIVE SUITE: downloads the lists, once a run; prints the directory.
suite_lists() {
    local archive=$1 suite=$2 root pause signed=
    root=$work/apt/$(printf '%s %s %s' "$archive" "$suite" "$apt_arch" | sha256sum | cut -c1-16)
    if [ ! -e "$root/tried" ]; then
        mkdir -p "$root/lists/partial" "$root/cache/archives/partial"
        : > "$root/tried"
        [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] \
            && signed='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
        echo "deb $signed $archive $suite main" > "$root/sources.list"
        for pause in 5 20 0; do
            private_apt "$root" apt-get update >"$root/log" 2>&1 && : > "$root/ok" && break
            sleep "$pause"
        done
    fi
    [ -e "$root/ok" ] && echo "$root"
}

# deb_unpack PACKAGE ARCH VERSION-PREFIX INTO SUITE...
# Unpacks the newest version with that prefix (empty: any) from the first suite
# that has one, and appends a line to the manifest. Fails if no suite has one.
deb_unpack() {
    local package=$1 apt_arch=$2 prefix=$3 into=$4 archive suite root version deb
    shift 4
    for suite; do
        for archive in $(debian_archives); do
            root=$(suite_lists "$archive" "$suite") || continue
            version=$(private_apt "$root" apt-cache madison "$package" \
                | awk -F' *[|] *' -v p="$prefix" 'index($2, p) == 1 { print $2; exit }')
            [ -n "$version" ] || continue
            deb=$work/deb/$package-$apt_arch
            mkdir -p "$deb" "$into"
            # apt verifies the package's digest against the signed lists.
            (cd "$deb" && private_apt "$root" apt-get download "$package=$version") \
                >"$deb.log" 2>&1 || continue
            dpkg-deb -x "$deb"/*.deb "$into" || continue
            printf 'deb %s %s %s %s sha256:%s\n' "$package" "$apt_arch" "$version" "$suite" \
                "$(sha256sum "$deb"/*.deb | cut -d' ' -f1)" >> "$manifest"
            return 0
        done
    done
    return 1
}
