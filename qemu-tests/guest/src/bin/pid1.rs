//! Process 1 of a tree without an init system; see [`ecs_init_guest::pid1`].

use ecs_init_guest::pid1;

fn main() -> ! {
    pid1::run()
}
