SUMMARY = "Fetches, verifies, runs and supervises the Amazon ECS agent"
DESCRIPTION = "A static program that makes the target an Amazon ECS host, and the agent's image, \
whose OpenPGP signature is verified when the package is built and again before each load."
LICENSE = "Apache-2.0 & LGPL-2.0-or-later"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/Apache-2.0;md5=89aea4e17d99a7cacdbeed46a0096b10"

# The agent's version. Set in local.conf or a .bbappend:
#   ECS_AGENT_VERSION = "v1.2.3"
#   SRC_URI[agent.sha256sum] = "…"
#   SRC_URI[signature.sha256sum] = "…"
ECS_AGENT_VERSION ?= ""
# The base URL of ecs-agent-VERSION.tar (or ecs-agent-arm64-VERSION.tar) and its .asc: a region's bucket
# or a mirror.
ECS_AGENT_SITE ?= "https://s3.us-east-1.amazonaws.com/amazon-ecs-agent-us-east-1"
# A file that becomes /etc/ecs/ecs.config; empty: none.
ECS_INIT_CONFIG_FILE ?= ""

COMPATIBLE_HOST = "(x86_64|aarch64).*-linux.*"

ECS_AGENT_TAR = "ecs-agent-${@'arm64-' if d.getVar('TARGET_ARCH') == 'aarch64' else ''}${ECS_AGENT_VERSION}.tar"
SRC_URI = "${ECS_AGENT_SITE}/${ECS_AGENT_TAR};name=agent;unpack=0 \
           ${ECS_AGENT_SITE}/${ECS_AGENT_TAR}.asc;name=signature;unpack=0"
S = "${UNPACKDIR}"
B = "${WORKDIR}/build"

python () {
    if not d.getVar("ECS_AGENT_VERSION"):
        raise bb.parse.SkipRecipe("ECS_AGENT_VERSION is not set: name the agent's version, v1.2.3")
}

# No code is compiled for the target.
INHIBIT_DEFAULT_DEPS = "1"

inherit systemd features_check
REQUIRED_DISTRO_FEATURES = "systemd"
SYSTEMD_SERVICE:${PN} = "ecs.service"

# meta-virtualization's docker-moby, or another engine.
ECS_INIT_DOCKER ?= "docker-moby"
RDEPENDS:${PN} = "${ECS_INIT_DOCKER}"

do_configure[noexec] = "1"

# fakeroot does not work with a static program; do_install sets the files' owner.
do_compile[cleandirs] = "${B}/tree"
do_compile() {
    dist="${ECS_INIT_DIST}"
    config=
    if [ -n "${ECS_INIT_CONFIG_FILE}" ]; then
        config="--config-file ${ECS_INIT_CONFIG_FILE}"
    fi
    $dist/ecs-init-${BUILD_ARCH} bake \
        --root ${B}/tree --arch ${TARGET_ARCH} --init systemd \
        --agent-version ${ECS_AGENT_VERSION} \
        --tar ${UNPACKDIR}/${ECS_AGENT_TAR} --sig ${UNPACKDIR}/${ECS_AGENT_TAR}.asc \
        --binary $dist/ecs-init-${TARGET_ARCH} $config
    $dist/ecs-init-${BUILD_ARCH} bake --check ${B}/tree
}
do_compile[file-checksums] += "${ECS_INIT_DIST}/ecs-init-${TARGET_ARCH}:True \
    ${ECS_INIT_DIST}/ecs-init-${BUILD_ARCH}:True \
    ${@d.getVar('ECS_INIT_CONFIG_FILE') + ':True' if d.getVar('ECS_INIT_CONFIG_FILE') else ''}"

do_install() {
    cp -R --no-preserve=ownership ${B}/tree/. ${D}/
    # /var/log is volatile in most images; pre-start makes missing directories.
    rm -r ${D}${localstatedir}/log
    chown -R root:root ${D}
}

# Fails if the distribution's fs-perms table makes /var/cache or /var/lib a link into /var/volatile, a
# tmpfs, as oe-core's table does for /var/log: the agent would be lost at boot. Runs when the link
# exists.
PACKAGESPLITFUNCS =+ "ecs_init_check_persistent"
ecs_init_check_persistent() {
    for dir in ${PKGD}${localstatedir}/cache ${PKGD}${localstatedir}/lib; do
        if [ -L $dir ]; then
            bbfatal "${localstatedir}/${dir##*/} is a link to $(readlink $dir), set by FILESYSTEM_PERMS_TABLES: remove that entry"
        fi
    done
}

FILES:${PN} = "${libexecdir} ${sbindir} ${systemd_system_unitdir} ${sysconfdir} /var /mnt"
CONFFILES:${PN} = "${sysconfdir}/ecs/ecs.config"
# Static, stripped, and for any libc.
INHIBIT_PACKAGE_STRIP = "1"
INHIBIT_SYSROOT_STRIP = "1"
INSANE_SKIP:${PN} = "already-stripped"
