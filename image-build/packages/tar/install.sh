#!/bin/sh
# install.sh [--root DIR] [--arch x86_64|aarch64] [--init NAME]
#
# Installs ecs-init and its service, enabled, into the root tree DIR (default: /). It
# installs no agent: the first start downloads it. To install an agent too, see
#   ./ecs-init-x86_64 help bake
#
# --arch defaults to this machine's architecture. --init is systemd, openrc, runit, s6,
# s6-linux-init, sysvinit, upstart, busybox or none; it defaults to the one detected in
# DIR. Idempotent; an existing ecs.config is kept.
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
binary=$here/ecs-init-$arch
[ -f "$binary" ] || die "$binary does not exist; --arch is x86_64 or aarch64"

# The binary to install may be for another architecture than the one that runs here.
for machine in "$(uname -m)" x86_64 aarch64; do
    program=$here/ecs-init-$machine
    if "$program" version > /dev/null 2>&1; then
        "$program" bake --no-agent --root "$root" --arch "$arch" --binary "$binary" \
            ${init:+--init "$init"} || exit 1
        exit 0
    fi
done
die "neither ecs-init-x86_64 nor ecs-init-aarch64 runs on this machine"
