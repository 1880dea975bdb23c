//! CPU time of the threads of this process: what a figure is bound by, whatever else runs on the machine.

use std::path::Path;

/// CPU time so far in nanoseconds: of the relay's threads, and of all others. Zero where the system does not tell.
pub(crate) fn spent() -> (u64, u64) {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return (0, 0) };
    let (mut relay, mut others) = (0, 0);
    for thread in threads.filter_map(Result::ok) {
        let is_relay = read(&thread.path(), "comm").starts_with("vigie-");
        let nanoseconds =
            read(&thread.path(), "schedstat").split(' ').next().and_then(|text| text.parse().ok());
        *(if is_relay { &mut relay } else { &mut others }) += nanoseconds.unwrap_or(0_u64);
    }
    (relay, others)
}

fn read(thread: &Path, name: &str) -> String {
    std::fs::read_to_string(thread.join(name)).unwrap_or_default()
}
