include $(sort $(wildcard $(BR2_EXTERNAL_ECS_INIT_PATH)/package/*/*.mk))
