-- Lua, which rpm has built in: a bare tree has neither shell nor systemctl.
-- Enabled where there was no service before; over an older version, or Amazon's
-- package of either name, it stays as the administrator left it.
local unit = "/usr/lib/systemd/system/ecs.service"
local wants = "/etc/systemd/system/multi-user.target.wants"
if not posix.stat(unit) and not posix.stat(wants .. "/ecs.service") then
    local path = ""
    for part in string.gmatch(wants, "[^/]+") do
        path = path .. "/" .. part
        posix.mkdir(path)
    end
    posix.symlink(unit, wants .. "/ecs.service")
end
