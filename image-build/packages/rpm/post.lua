-- The name for people. A link, which the packager's tool cannot ship.
local link = "/usr/sbin/ecs-init"
if not posix.stat(link) then
    posix.mkdir("/usr/sbin")
    posix.symlink("../libexec/amazon-ecs-init", link)
end
