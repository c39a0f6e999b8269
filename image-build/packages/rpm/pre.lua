-- rpm's built-in Lua, because a minimal tree has neither a shell nor systemctl.
-- Enables the service on a new installation. When this replaces an older version or one
-- of Amazon's packages, it stays enabled or disabled as the administrator set it.
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
