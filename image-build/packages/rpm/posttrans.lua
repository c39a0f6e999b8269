-- Amazon's package owns this file without having put anything there, so its
-- removal in this transaction set the user's aside.
local config = "/etc/ecs/ecs.config.json"
if posix.stat(config .. ".rpmsave") and not posix.stat(config) then
    os.rename(config .. ".rpmsave", config)
end
-- What runs is taken over by the new binary. What does not run is not started.
if posix.stat("/run/systemd/system") and rpm.execute then
    rpm.execute("systemctl", "daemon-reload")
    rpm.execute("systemctl", "try-restart", "ecs.service")
end
