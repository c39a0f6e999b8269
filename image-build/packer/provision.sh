#!/bin/sh
# provision.sh PROGRAM - makes the machine that it runs on an ECS host's image.
#
# PROGRAM is ecs-init, a .deb or an .rpm that holds it, or the binary. An ecs.config
# that is not empty, beside it, becomes the image's. As root, in the instance that
# becomes the image or in a root tree (chroot).
#
#   AGENT_VERSION   the agent's version, v1.2.3
#   REGION          whose bucket it is taken from
#   MIRROR          in place of it: a URL below which the agent's files lie
set -eu

program=$1
config=$(dirname "$program")/ecs.config

# Docker, where the base image has none.
if ! command -v dockerd >/dev/null; then
    if command -v dnf >/dev/null; then
        dnf install --assumeyes docker
    else
        # cloud-init may hold apt's lock on a young machine.
        apt-get -o DPkg::Lock::Timeout=300 update
        DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
            install --yes --no-install-recommends docker.io
    fi
fi
# It is enabled by Debian's package, not by Amazon Linux's.
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

# The last word on what goes into the image.
/usr/libexec/amazon-ecs-init bake --check /
