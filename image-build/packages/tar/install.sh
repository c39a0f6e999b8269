#!/bin/sh
# install.sh [--root DIR] [--arch x86_64|aarch64] [--init NAME]
#
# Puts ecs-init and its service, enabled, into DIR (/): no agent, which the first
# start fetches. For an image with the agent in it, and a manifest:
#   ./ecs-init-x86_64 bake --help
#
# NAME: systemd, openrc, runit, s6, sysvinit, upstart, busybox or none; looked for
# if not given. Twice is once; an existing ecs.config is left alone.
set -eu
umask 022

die() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

root=/ arch=$(uname -m) init=
while [ $# -gt 0 ]; do
    case $1 in
        --root | --arch | --init) [ $# -ge 2 ] || die "$1 needs a value" ;;
        --help) sed -n '2,/^set/{s/^# \{0,1\}//;/^set/d;p;}' "$0"; exit 0 ;;
        *) die "unknown option '$1'; see --help" ;;
    esac
    case $1 in
        --root) root=$2 ;;
        --arch) arch=$2 ;;
        --init) init=$2 ;;
    esac
    shift 2
done
case $arch in
    amd64) arch=x86_64 ;;
    arm64) arch=aarch64 ;;
esac
here=$(cd "$(dirname "$0")" && pwd)
program=$here/ecs-init-$arch
[ -f "$program" ] || die "there is no $program; --arch is x86_64 or aarch64"
root=$(cd -P "$root" 2>/dev/null && pwd) || die "--root: there is no such directory"
root=${root%/}

# inside PATH: sets $at to where PATH of the tree is. A link on the way that leads
# out of the tree ends the installation.
inside() {
    inside_dir=$root$(dirname "$1")
    inside_there=$inside_dir
    while [ ! -d "$inside_there" ]; do
        [ ! -L "$inside_there" ] || die "$inside_there is a link to nothing here; ecs-init bake follows it in the tree"
        inside_there=$(dirname "$inside_there")
    done
    case $(cd -P "$inside_there" && pwd)/ in
        "$root"/*) ;;
        *) die "$inside_there leads out of ${root:-/}; ecs-init bake follows it in the tree" ;;
    esac
    at=$inside_dir/$(basename "$1")
}

# The same, its directory made.
within() {
    inside "$1"
    mkdir -p "$inside_dir"
}

# Something is there; where a link leads is not looked at.
there() {
    inside "$1"
    [ -L "$at" ] || [ -e "$at" ]
}

# Beside its place first: what runs from the old one goes on.
put() { # MODE FILE PATH
    within "$3"
    cp "$2" "$at.new"
    chmod "$1" "$at.new"
    mv -f "$at.new" "$at"
}

link() { # TARGET PATH
    within "$2"
    [ ! -d "$at" ] || [ -L "$at" ] || die "$at is a directory"
    rm -f "$at"
    ln -s "$1" "$at"
}

# What an init does at shutdown it does in order: ours comes before the file's own.
lines() { # FILE PATH
    inside "$2"
    [ -z "$(tail -c 1 "$at")" ] || echo >> "$at"
    while IFS= read -r line; do
        # Of one name inittab has one entry.
        entries=0 id=${line%%:*}
        [ -z "$id" ] || entries=$(grep -c "^[[:blank:]]*$id:" "$at") || :
        ! { [ "$entries" -le 1 ] && grep -qxF -e "$line" "$at"; } || continue
        if [ "$entries" -gt 0 ]; then
            grep -v "^[[:blank:]]*$id:" "$at" > "$at.new" || :
            cat "$at.new" > "$at"
        fi
        first=$(grep -n '^[^#]*:shutdown:' "$at" | sed -n '1s/:.*//p')
        first=${first:-$(($(wc -l < "$at") + 1))}
        { head -n $((first - 1)) "$at"; printf '%s\n' "$line"; tail -n "+$first" "$at"; } > "$at.new"
        cat "$at.new" > "$at"
        rm "$at.new"
    done < "$1"
}

# An entry of our name is replaced if it is one of ours, and otherwise the end.
names_free() { # FILE
    while IFS=: read -r id _; do
        [ -n "$id" ] || continue
        other=$(grep -n "^[[:blank:]]*$id:" "$at" | grep -v /usr/libexec/amazon-ecs-init) || continue
        die "$at:$other: ours is named $id, too; give this one another name"
    done < "$1"
}

# Sets $name to the name of what /sbin/init is in the end.
init_name() {
    path=/sbin/init steps=0
    while inside "$path"; [ -L "$at" ] && [ $steps -lt 40 ]; do
        target=$(readlink "$at")
        case $target in
            *s6-linux-init*) name=s6-linux-init; return ;;
            *s6-svscan*) name=s6; return ;;
            /*) path=$target ;;
            *) path=$(dirname "$path")/$target ;;
        esac
        steps=$((steps + 1))
    done
    name=$(basename "$path")
}

if [ -z "$init" ]; then
    init_name
    case $name in
        systemd | upstart | s6 | s6-linux-init) init=$name ;;
        openrc-init) init=openrc ;;
        runit | runit-init) init=runit ;;
        busybox) init=busybox; ! there /sbin/openrc-run || init=openrc ;;
        *)
            for sign in openrc:/sbin/openrc-run upstart:/sbin/initctl \
                sysvinit:/etc/init.d/rc sysvinit:/etc/rc.d/rc; do
                [ -n "$init" ] || ! there "${sign#*:}" || init=${sign%%:*}
            done
            ;;
    esac
    [ -n "$init" ] || die "no init that is known here in ${root:-/}; name one with --init, or --init none"
fi
run_image=/etc/s6-linux-init/current/run-image/service
[ "$init" != s6 ] || ! there $run_image || init=s6-linux-init
case $init in
    sysvinit | busybox) reads=/etc/inittab ;;
    s6) reads=/etc/s6/service ;;
    s6-linux-init) reads=$run_image ;;
    *) reads= ;;
esac
[ -z "$reads" ] || there "$reads" \
    || die "${root:-/} has $init, which reads $reads, and there is none: make it first"
if [ "$reads" = /etc/inittab ]; then
    [ ! -L "$at" ] || die "$at is a link; ecs-init bake follows it in the tree"
    names_free "$here/init/$init/inittab"
fi
[ "$init" = none ] || grep -q "^$init " "$here/init/services" || die "unknown init '$init'; see --help"

# The service last: what it starts is there by then.
put 755 "$program" /usr/libexec/amazon-ecs-init
link ../libexec/amazon-ecs-init /usr/sbin/ecs-init
for directory in /etc/ecs /var/cache/ecs /var/lib/ecs/data /var/log/ecs/exec /mnt/ecs/ebs; do
    within "$directory/."
done
within /etc/ecs/ecs.config
[ -e "$at" ] || [ -L "$at" ] || (umask 077 && : > "$at")

while read -r service kind mode from to; do
    [ "$service" = "$init" ] || continue
    case $kind in
        file) put "$mode" "$here/init/$from" "$to" ;;
        link) link "$from" "$to" ;;
        lines) lines "$here/init/$from" "$to" ;;
    esac
done < "$here/init/services"
echo "ecs-init is in ${root:-/}, its service for: $init"
