-- The package is removed, not upgraded.
if tonumber(arg[2]) == 0 then
    if posix.stat("/run/systemd/system") and rpm.execute then
        rpm.execute("systemctl", "--no-reload", "disable", "--now", "ecs.service")
    end
    os.remove("/etc/systemd/system/multi-user.target.wants/ecs.service")
    local link = "/usr/sbin/ecs-init"
    if posix.readlink(link) == "../libexec/amazon-ecs-init" then
        os.remove(link)
    end
end
