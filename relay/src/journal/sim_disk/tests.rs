//! The disk itself: what a crash may do, and what it may not.

use super::crash::SECTOR_BYTES;
use super::*;

fn written(disk: &SimDisk, bytes: &[u8]) -> SimFile {
    let file = disk.create_new("f").unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file
}

#[test]
fn what_was_synced_outlives_every_crash() {
    let disk = SimDisk::new();
    written(&disk, &[1; 2000]).sync_data().unwrap();
    disk.sync_directory().unwrap();
    for seed in 0..200 {
        assert_eq!(disk.crash(seed).content("f"), Some(vec![1; 2000]));
    }
}

#[test]
fn neither_sync_covers_for_the_other() {
    let (names_only, bytes_only) = (SimDisk::new(), SimDisk::new());
    written(&names_only, &[1; 2000]);
    names_only.sync_directory().unwrap();
    written(&bytes_only, &[1; 2000]).sync_data().unwrap();
    let crashes = || 0..200_u64;
    assert!(crashes().any(|seed| names_only.crash(seed).content("f") == Some(Vec::new())));
    assert!(crashes().any(|seed| bytes_only.crash(seed).content("f").is_none()));
}

#[test]
fn a_crash_loses_tears_and_reorders() {
    let disk = SimDisk::new();
    let file = written(&disk, &[0; 2048]);
    file.sync_data().unwrap();
    disk.sync_directory().unwrap();
    file.write_all_at(&[1; 2048], 0).unwrap();
    let images: BTreeSet<Vec<u8>> = (0..500).filter_map(|seed| disk.crash(seed).content("f")).collect();
    // Four sectors, each old or new: all sixteen disks are met, and none that is torn inside a sector.
    assert_eq!(images.len(), 16);
    for image in images {
        assert!(image.chunks(SECTOR_BYTES).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
    }
}

#[test]
fn the_same_seed_is_the_same_crash() {
    let disk = SimDisk::new();
    written(&disk, &[3; 5000]);
    for seed in 0..20 {
        assert_eq!(disk.crash(seed).content("f"), disk.crash(seed).content("f"));
        assert_eq!(disk.crash(seed).damage(), disk.crash(seed).damage());
    }
}

#[test]
fn a_failed_sync_is_not_made_good_by_the_next() {
    let disk = SimDisk::new();
    let file = written(&disk, b"old");
    file.sync_data().unwrap();
    disk.sync_directory().unwrap();
    file.write_all_at(b"new", 0).unwrap();
    disk.fail_at(disk.operations().len() + 1, io::ErrorKind::Other);
    file.sync_data().unwrap_err();
    file.sync_data().unwrap();
    assert_eq!(disk.content("f").unwrap(), b"new");
    for seed in 0..50 {
        assert_eq!(disk.crash(seed).content("f").unwrap(), b"old");
    }
}

#[test]
fn nothing_works_without_power() {
    let disk = SimDisk::new();
    let file = written(&disk, b"old");
    disk.power_off_at(disk.operations().len() + 1);
    file.write_all_at(b"new", 0).unwrap_err();
    assert!(file.sync_data().is_err() && disk.names().is_err() && disk.open("f").is_err());
    assert_eq!(disk.operations().len(), 3);
}

#[test]
fn the_lock_has_one_holder() {
    let disk = SimDisk::new();
    let held = disk.lock("lock").unwrap();
    assert_eq!(disk.lock("lock").unwrap_err().kind(), io::ErrorKind::WouldBlock);
    drop(held);
    disk.lock("lock").unwrap();
}
