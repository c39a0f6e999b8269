-- Last in the transaction: Amazon's package, which may go in it, takes its
-- directories along when they are empty.
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

-- The name for people. A link, which the packager's tool cannot ship.
local link = "/usr/sbin/ecs-init"
if not posix.stat(link) then
    directory("/usr/sbin")
    posix.symlink("../libexec/amazon-ecs-init", link)
end

-- Where the user's ecs.config was, rpm put the package's beside it, which is empty.
local new = "/etc/ecs/ecs.config.rpmnew"
if posix.stat(new) and tonumber(posix.stat(new, "size")) == 0 then
    os.remove(new)
end

-- What runs is taken over by the new binary. What does not run is not started.
if posix.stat("/run/systemd/system") and rpm.execute then
    rpm.execute("systemctl", "daemon-reload")
    rpm.execute("systemctl", "try-restart", "ecs.service")
end
