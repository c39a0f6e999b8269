-- Configuration, cache, logs and the agent's state stay; rmdir removes empty directories only.
if tonumber(arg[2]) == 0 then
    for _, path in ipairs({
        "/etc/ecs", "/var/cache/ecs", "/var/log/ecs/exec", "/var/log/ecs",
        "/var/lib/ecs/data", "/var/lib/ecs", "/mnt/ecs/ebs", "/mnt/ecs",
    }) do
        posix.rmdir(path)
    end
end
