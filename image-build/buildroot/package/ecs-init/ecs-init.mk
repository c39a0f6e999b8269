################################################################################
#
# ecs-init
#
################################################################################

ECS_INIT_VERSION = 0.1.0
# No source: the static programs are used as they are.
ECS_INIT_SOURCE =
ECS_INIT_LICENSE = Apache-2.0

ECS_INIT_DIST = $(call qstrip,$(BR2_PACKAGE_ECS_INIT_DIST))
ECS_INIT_ARCH = $(if $(BR2_aarch64),aarch64,x86_64)

# The agent's tar, by its name in Amazon's buckets.
ECS_INIT_AGENT_VERSION = $(call qstrip,$(BR2_PACKAGE_ECS_INIT_AGENT_VERSION))
ECS_INIT_AGENT_TAR = ecs-agent-$(if $(BR2_aarch64),arm64-)$(ECS_INIT_AGENT_VERSION).tar
ECS_INIT_AGENT_SITE = $(call qstrip,$(BR2_PACKAGE_ECS_INIT_AGENT_SITE))
ECS_INIT_EXTRA_DOWNLOADS = \
	$(ECS_INIT_AGENT_SITE)/$(ECS_INIT_AGENT_TAR) \
	$(ECS_INIT_AGENT_SITE)/$(ECS_INIT_AGENT_TAR).asc
# No hashes: `ecs-init bake` verifies the signature.
BR_NO_CHECK_HASH_FOR += $(ECS_INIT_AGENT_TAR) $(ECS_INIT_AGENT_TAR).asc

ifeq ($(BR2_PACKAGE_ECS_INIT)$(BR_BUILDING)$(ECS_INIT_AGENT_VERSION),yy)
$(error BR2_PACKAGE_ECS_INIT_AGENT_VERSION is empty: name the agent's version, v1.2.3)
endif

ECS_INIT_INIT_SYSTEM = $(strip \
	$(if $(BR2_INIT_SYSTEMD),systemd) \
	$(if $(BR2_INIT_OPENRC),openrc) \
	$(if $(BR2_INIT_SYSV),sysvinit) \
	$(if $(BR2_INIT_BUSYBOX),busybox))

ECS_INIT_CONFIG_FILE = $(call qstrip,$(BR2_PACKAGE_ECS_INIT_CONFIG_FILE))

ECS_INIT_BAKE_OPTS = \
	--root $(TARGET_DIR) \
	--arch $(ECS_INIT_ARCH) \
	--agent-version $(ECS_INIT_AGENT_VERSION) \
	--tar $(ECS_INIT_DL_DIR)/$(ECS_INIT_AGENT_TAR) \
	--sig $(ECS_INIT_DL_DIR)/$(ECS_INIT_AGENT_TAR).asc \
	--binary $(ECS_INIT_DIST)/ecs-init-$(ECS_INIT_ARCH) \
	--init $(or $(ECS_INIT_INIT_SYSTEM),none) \
	$(if $(ECS_INIT_CONFIG_FILE),--config-file $(ECS_INIT_CONFIG_FILE) --force)

# The skeleton of every init but systemd has the link /var/cache -> ../tmp; /tmp is emptied and is a
# tmpfs at boot. It is replaced by another link, not by a directory: with per-package directories each
# make restores the skeleton's link, and rsync does not replace a non-empty directory by a link.
define ECS_INIT_PERSISTENT_CACHE
	if [ "$$(readlink $(TARGET_DIR)/var/cache)" = ../tmp ]; then \
		mkdir -p $(TARGET_DIR)/var/lib/cache && \
		ln -sfn lib/cache $(TARGET_DIR)/var/cache; \
	fi
endef

# Runs last, when /etc/inittab and the other packages' files exist.
define ECS_INIT_BAKE
	$(ECS_INIT_DIST)/ecs-init-$(HOSTARCH) bake $(ECS_INIT_BAKE_OPTS)
	$(ECS_INIT_DIST)/ecs-init-$(HOSTARCH) bake --check $(TARGET_DIR)
endef
ECS_INIT_TARGET_FINALIZE_HOOKS += ECS_INIT_PERSISTENT_CACHE ECS_INIT_BAKE

# Kernel options for the firewall rules; docker-engine selects most of them, too.
define ECS_INIT_LINUX_CONFIG_FIXUPS
	$(call KCONFIG_ENABLE_OPT,CONFIG_NETFILTER)
	$(call KCONFIG_ENABLE_OPT,CONFIG_NF_CONNTRACK)
	$(call KCONFIG_ENABLE_OPT,CONFIG_NF_TABLES)
	$(call KCONFIG_ENABLE_OPT,CONFIG_NF_TABLES_IPV4)
	$(call KCONFIG_ENABLE_OPT,CONFIG_NF_TABLES_IPV6)
	$(call KCONFIG_ENABLE_OPT,CONFIG_NFT_COMPAT)
	$(call KCONFIG_ENABLE_OPT,CONFIG_NFT_CT)
	$(call KCONFIG_ENABLE_OPT,CONFIG_NFT_NAT)
	$(call KCONFIG_ENABLE_OPT,CONFIG_NFT_REDIR)
	$(call KCONFIG_ENABLE_OPT,CONFIG_NETFILTER_XT_MATCH_CONNTRACK)
	$(call KCONFIG_ENABLE_OPT,CONFIG_NETFILTER_XT_NAT)
	$(call KCONFIG_ENABLE_OPT,CONFIG_NETFILTER_XT_TARGET_REDIRECT)
endef

$(eval $(generic-package))
