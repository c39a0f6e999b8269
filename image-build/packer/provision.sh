#!/bin/sh
# provision.sh PROGRAM - turns the machine that it runs on into the image of an ECS host.
#
# PROGRAM is the ecs-init binary, or a .deb or .rpm that contains it. If there is a non-empty
# ecs.config next to it, it becomes the image's configuration. Run as root, in the instance
# that becomes the image or in a root tree (chroot).
#
#   AGENT_VERSION   the agent's version, v1.2.3
#   REGION          the region of the bucket to download from
#   MIRROR          instead of a region: the base URL of the agent's files
set -eu

program=$1
config=$(dirname "$program")/ecs.config

# Install Docker if the base image does not have it.
if ! command -v dockerd >/dev/null; then
    if command -v dnf >/dev/null; then
        dnf install --assumeyes docker
    else
        # cloud-init may hold apt's lock shortly after boot.
        apt-get -o DPkg::Lock::Timeout=300 update
        DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
            install --yes --no-install-recommends docker.io
    fi
fi
# Debian's package enables the service, Amazon Linux's does not.
if command -v systemctl >/dev/null && ! systemctl is-enabled --quiet docker.service; then
    systemctl enable docker.service
fi

case $program in
    *.deb) dpkg --install "$program"; bake=/usr/libexec/amazon-ecs-init ;;
    *.rpm) rpm --upgrade --hash "$program"; bake=/usr/libexec/amazon-ecs-init ;;
    *) chmod +x "$program"; bake=$program ;;
esac

set -- --root / --agent-version "$AGENT_VERSION"
if [ -n "${MIRROR:-}" ]; then
    set -- "$@" --mirror "$MIRROR"
else
    set -- "$@" --region "$REGION"
fi
if [ -s "$config" ]; then
    set -- "$@" --config-file "$config" --force
fi
"$bake" bake "$@"
rm -f "$program" "$config"
rmdir "$(dirname "$program")" 2>/dev/null || :

# Fails the build if the image contains anything that it must not.
/usr/libexec/amazon-ecs-init bake --check /
