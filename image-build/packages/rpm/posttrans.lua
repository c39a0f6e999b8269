-- Runs last in the transaction: if Amazon's package is removed in the same
-- transaction, it also removes its empty directories.
local function directory(path)
    local sofar = ""
    for part in string.gmatch(path, "[^/]+") do
        sofar = sofar .. "/" .. part
        if not posix.stat(sofar) then
            posix.mkdir(sofar)
            posix.chmod(sofar, "rwxr-xr-x")
        end
    end
end
directory("/var/cache/ecs")
directory("/var/lib/ecs/data")
directory("/var/log/ecs/exec")
directory("/mnt/ecs/ebs")

-- The command in PATH. A link, which cargo-generate-rpm cannot package.
local link = "/usr/sbin/ecs-init"
if not posix.stat(link) then
    directory("/usr/sbin")
    posix.symlink("../libexec/amazon-ecs-init", link)
end

-- If ecs.config existed, rpm has written the package's empty one as .rpmnew.
local new = "/etc/ecs/ecs.config.rpmnew"
if posix.stat(new) and tonumber(posix.stat(new, "size")) == 0 then
    os.remove(new)
end

-- A running service is restarted with the new binary; a stopped one is not started.
if posix.stat("/run/systemd/system") and rpm.execute then
    rpm.execute("systemctl", "daemon-reload")
    rpm.execute("systemctl", "try-restart", "ecs.service")
end
