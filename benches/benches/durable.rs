//! What durability costs on this machine: the disk alone, the journal alone and the whole relay over TLS, side by side in
//! one run.
//!
//! `cargo bench -p vigie-benches --bench durable` takes a minute or two, writes some 2 GiB below the folder for
//! temporary files (`TMPDIR`), and ends by itself. The rounds are interleaved, so that a slow minute of the disk falls on
//! all alike; each figure is the median of the rounds with the lowest and the highest.
//!
//! The relay is the library in this process, its publishers and readers are too: clients of the SDK, each with its own
//! TLS connection over loopback. So all share the cores, and what a client pays for is in the figures. Messages are
//! signed before they are timed. Nobody subscribes while publishes are timed.
#![allow(clippy::unwrap_used, reason = "a bench that cannot be set up must stop")]
#![allow(clippy::print_stdout, reason = "the figures are what it is for")]

#[path = "durable/cpu.rs"]
mod cpu;
#[path = "durable/figures.rs"]
mod figures;
#[path = "durable/disk.rs"]
mod disk;
#[path = "durable/messages.rs"]
mod messages;
#[path = "durable/publishing.rs"]
mod publishing;
#[path = "durable/recovery.rs"]
mod recovery;
#[path = "durable/replay.rs"]
mod replay;
#[path = "durable/verifying.rs"]
mod verifying;

use vigie_tests::world::World;

fn main() {
    let world = World::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tell_machine(&world);
    verifying::run(&world);
    publishing::run(&world, &runtime);
    replay::run(&world, &runtime);
    recovery::run(&world, &runtime);
}

fn tell_machine(world: &World) {
    let told = |program: &str, args: &[&str]| {
        let output = std::process::Command::new(program).args(args).output().ok();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processor.lines().find(|line| line.starts_with("model name")).unwrap_or("unknown processor");
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("commit {}, {cores} cores, {model}", told("git", &["rev-parse", "--short", "HEAD"]));
    println!("load before the run {}", load.trim());
    println!("{}", told("df", &["--output=source,fstype,avail,target", &world.folder().to_string_lossy()]));
}
