//! What the store promises, checked on a store in memory and on one on disk.

use super::*;
use redb::StorageBackend;
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};

const NUMBERS: Keyspace = "numbers";

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(work)
}

fn put(store: &Store, pairs: &[(&str, &str)]) {
    let pairs: Vec<_> = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let work = move |transaction: &mut Transaction<'_>| {
        pairs.into_iter().for_each(|(key, value)| transaction.put(NUMBERS, key, value));
        Ok::<_, StoreError>(())
    };
    block_on(store.write(work)).expect("written");
}

fn texts(rows: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<String> {
    rows.into_iter()
        .map(|(key, value)| String::from_utf8([key, b"=".to_vec(), value].concat()).expect("text"))
        .collect()
}

#[test]
fn a_transaction_sees_its_own_writes_and_others_see_all_or_nothing() {
    let store = Store::ephemeral().expect("a store");
    put(&store, &[("a", "1"), ("b", "2"), ("c", "3")]);
    let before = store.read().expect("a snapshot");
    let seen = block_on(store.write(|transaction| {
        transaction.delete(NUMBERS, "b");
        transaction.put(NUMBERS, "bb", "4");
        transaction.put(NUMBERS, "c", "5");
        let forwards = texts(transaction.scan(NUMBERS, "", 9)?);
        let backwards =
            texts(transaction.range(NUMBERS, Bound::Unbounded, Bound::Excluded(b"c"), 9, true)?);
        Ok::<_, StoreError>((forwards, backwards))
    }))
    .expect("written");
    assert_eq!(seen.0, ["a=1", "bb=4", "c=5"]);
    assert_eq!(seen.1, ["bb=4", "a=1"]);
    assert_eq!(texts(before.scan(NUMBERS, "", 9).expect("rows")), ["a=1", "b=2", "c=3"]);
    assert_eq!(texts(store.read().and_then(|now| now.scan(NUMBERS, "b", 9)).expect("rows")), ["bb=4"]);
}

#[test]
fn what_fails_or_panics_leaves_no_trace_and_the_store_goes_on() {
    let store = Store::ephemeral().expect("a store");
    let refused: Result<(), StoreError> = block_on(store.write(|transaction| {
        transaction.put(NUMBERS, "a", "1");
        Err(StoreError::Closed)
    }));
    assert!(refused.is_err());
    let panicked: Result<(), StoreError> = block_on(store.write(|transaction| {
        transaction.put(NUMBERS, "a", "1");
        panic!("no");
    }));
    assert!(matches!(panicked, Err(StoreError::Panicked(text)) if text == "no"));
    put(&store, &[("z", "1")]);
    assert_eq!(texts(store.read().and_then(|now| now.scan(NUMBERS, "", 9)).expect("rows")), ["z=1"]);
}

#[test]
fn everything_answered_is_there_after_reopening_and_orphaned_blobs_are_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let (kept, orphan) = {
        let store = Store::open(directory.path()).expect("a store");
        put(&store, &[("a", "1")]);
        assert!(matches!(Store::open(directory.path()), Err(StoreError::InUse(_))));
        let kept = store.blobs().put(b"hello world").expect("a blob");
        let orphan = store.blobs().put(b"nobody's").expect("a blob");
        let id = kept.clone();
        block_on(store.write(move |transaction| {
            transaction.keep(&id);
            Ok::<_, StoreError>(())
        }))
        .expect("written");
        (kept, orphan)
    };
    let store = Store::open(directory.path()).expect("a store");
    assert_eq!(texts(store.read().and_then(|now| now.scan(NUMBERS, "", 9)).expect("rows")), ["a=1"]);
    assert_eq!(store.blobs().read(&kept, 6, 5).expect("bytes"), b"world");
    assert!(store.blobs().read_all(&orphan).is_err());
    block_on(store.reset()).expect("reset");
    assert!(store.blobs().read_all(&kept).is_err());
    assert!(store.read().and_then(|now| now.scan(NUMBERS, "", 9)).expect("rows").is_empty());
}

#[test]
fn watchers_hear_of_their_keyspace_only() {
    let store = Store::ephemeral().expect("a store");
    let (mut numbers, other) = (store.watch(NUMBERS), store.watch("other"));
    put(&store, &[("a", "1")]);
    assert!(numbers.has_changed().expect("open"));
    assert!(!other.has_changed().expect("open"));
    assert_eq!(*numbers.borrow_and_update(), 1);
}

#[test]
fn many_writers_are_serialised() {
    let store = Store::ephemeral().expect("a store");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().expect("a runtime");
    runtime.block_on(async {
        let tasks: Vec<_> = (0..500)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move {
                    let increment = |transaction: &mut Transaction<'_>| {
                        let count: u64 = transaction.get_json(NUMBERS, "count")?.unwrap_or(0);
                        transaction.put_json(NUMBERS, "count", &(count + 1))
                    };
                    store.write(increment).await.expect("written");
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("done");
        }
    });
    let count: Option<u64> = store.read().and_then(|now| now.get_json(NUMBERS, "count")).expect("a row");
    assert_eq!(count, Some(500));
}

#[test]
fn what_nobody_waits_for_comes_in_its_order() {
    let store = Store::ephemeral().expect("a store");
    let append = |store: &Store, text: &'static str| {
        store.write_later(move |transaction| {
            let before = transaction.get(NUMBERS, "all")?.unwrap_or_default();
            transaction.put(NUMBERS, "all", [before, text.into()].concat());
            Ok(())
        });
    };
    let seen = |store: &Store| store.read().and_then(|now| now.get(NUMBERS, "all")).expect("read");
    for text in ["a", "b", "c"] {
        append(&store, text);
    }
    block_on(store.settle()).expect("settled");
    assert_eq!(seen(&store).as_deref(), Some(&b"abc"[..]));
    append(&store, "d");
    // Who is answered finds what came before.
    put(&store, &[("a", "1")]);
    assert_eq!(seen(&store).as_deref(), Some(&b"abcd"[..]));
    // More than wait at a time.
    (0..5000).for_each(|_| append(&store, "e"));
    block_on(store.settle()).expect("settled");
    assert_eq!(seen(&store).map(|all| all.len()), Some(5004));
}

#[test]
fn a_store_that_is_closed_writes_what_nobody_waits_for() {
    let directory = std::env::temp_dir().join(format!("aloft-later-{}", aloft_base::Ids::random().hex(8)));
    let store = Store::open(&directory).expect("a store");
    put(&store, &[("a", "1")]);
    store.write_later(|transaction| {
        transaction.put(NUMBERS, "b", "2");
        Ok(())
    });
    drop(store);
    let store = Store::open(&directory).expect("a store");
    assert_eq!(texts(store.read().and_then(|now| now.scan(NUMBERS, "b", 9)).expect("rows")), ["b=2"]);
    drop(store);
    std::fs::remove_dir_all(&directory).expect("removed");
}

/// A disk that is full from some moment on.
#[derive(Debug)]
struct Disk {
    memory: redb::backends::InMemoryBackend,
    is_full: Arc<AtomicBool>,
}

impl Disk {
    fn check(&self) -> io::Result<()> {
        if self.is_full.load(Ordering::Relaxed) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.memory.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        StorageBackend::read(&self.memory, offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check().and_then(|()| self.memory.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.check()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check().and_then(|()| StorageBackend::write(&self.memory, offset, data))
    }
}

/// Whoever is in the commit that fails hears why, and so do all after them, whose commit cannot begin.
#[test]
fn all_hear_why_the_disk_failed() {
    let is_full = Arc::<AtomicBool>::default();
    let disk = Disk { memory: redb::backends::InMemoryBackend::new(), is_full: is_full.clone() };
    let database = redb::Builder::new().create_with_backend(disk).expect("a database");
    let store = Store::with(database, Blobs::in_memory(), None).expect("a store");
    put(&store, &[("a", "1")]);
    is_full.store(true, Ordering::Relaxed);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    runtime.block_on(async {
        for _ in 0..3 {
            store.write_later(|transaction| {
                transaction.put(NUMBERS, "b", "2");
                Ok(())
            });
            let write = || {
                store.write(|transaction| {
                    transaction.put(NUMBERS, "c", "3");
                    Ok::<_, StoreError>(())
                })
            };
            let (one, other) = tokio::join!(write(), write());
            for result in [one, other] {
                let error = result.expect_err("the disk is full").to_string();
                assert!(error.contains(&io::Error::from(io::ErrorKind::StorageFull).to_string()), "{error}");
            }
        }
    });
    // Nor does anybody wait forever for what failed in the background.
    while !store.0.writer.is_settled() {
        std::thread::yield_now();
    }
}
