################################################################################
#
# ecs-init
#
################################################################################

ECS_INIT_VERSION = 0.1.0
# No source of its own: the programs are static and lie there as they are.
ECS_INIT_SOURCE =
ECS_INIT_LICENSE = Apache-2.0

ECS_INIT_DIST = $(call qstrip,$(BR2_PACKAGE_ECS_INIT_DIST))
ECS_INIT_ARCH = $(if $(BR2_aarch64),aarch64,x86_64)

# The agent itself: what Amazon's bucket calls it.
ECS_INIT_AGENT_VERSION = $(call qstrip,$(BR2_PACKAGE_ECS_INIT_AGENT_VERSION))
ECS_INIT_AGENT_TAR = ecs-agent-$(if $(BR2_aarch64),arm64-)$(ECS_INIT_AGENT_VERSION).tar
ECS_INIT_AGENT_SITE = $(call qstrip,$(BR2_PACKAGE_ECS_INIT_AGENT_SITE))
ECS_INIT_EXTRA_DOWNLOADS = \
	$(ECS_INIT_AGENT_SITE)/$(ECS_INIT_AGENT_TAR) \
	$(ECS_INIT_AGENT_SITE)/$(ECS_INIT_AGENT_TAR).asc
# What matters of them is the signature, which is checked when the root is filled.
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

# The skeleton of every init but systemd has /var/cache -> ../tmp, which is emptied, and is a tmpfs
# at boot. Another link, and no directory: with per-package directories each make brings the
# skeleton's back, and rsync puts no link in a full directory's place.
define ECS_INIT_CACHE_LASTS
	if [ "$$(readlink $(TARGET_DIR)/var/cache)" = ../tmp ]; then \
		mkdir -p $(TARGET_DIR)/var/lib/cache && \
		ln -sfn lib/cache $(TARGET_DIR)/var/cache; \
	fi
endef

# At the end, when /etc/inittab and the other packages' files are there.
define ECS_INIT_BAKE
	$(ECS_INIT_DIST)/ecs-init-$(HOSTARCH) bake $(ECS_INIT_BAKE_OPTS)
	$(ECS_INIT_DIST)/ecs-init-$(HOSTARCH) bake --check $(TARGET_DIR)
endef
ECS_INIT_TARGET_FINALIZE_HOOKS += ECS_INIT_CACHE_LASTS ECS_INIT_BAKE

# What the rules at 169.254.170.2 are written with; docker-engine asks for most of them.
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
