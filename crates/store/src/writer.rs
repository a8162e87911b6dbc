//! The one thread that writes: it takes all the transactions that wait, runs them in order, and commits them together.
//!
//! One fsync serves many callers. Keeps true: nobody is answered before the commit is on disk; a transaction that fails or
//! panics leaves no trace, and those beside it go on.

use crate::blobs::Blobs;
use crate::transaction::{Applied, Transaction};
use crate::{StoreError, Watches};
use redb::{Database, Durability, WriteTransaction};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// How many transactions may wait before callers are held back.
const QUEUE: usize = 4096;
/// How many transactions share a commit at most.
const GROUP: usize = 512;

/// Tells the caller how it ended, once the commit has.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// Runs a transaction inside the group's: what it touched, and who is to be told.
type Job = Box<dyn FnOnce(&WriteTransaction) -> (Applied, Answer) + Send>;

/// A handle to the writer's thread, which ends when this is dropped.
pub(crate) struct Writer {
    jobs: Option<SyncSender<Job>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Writer {
    pub fn start(database: Arc<Database>, watches: Arc<Watches>, blobs: Blobs) -> Result<Self, StoreError> {
        let (jobs, queue) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(&database, &watches, &blobs, &queue))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Queues a transaction; `answer` is called when its fate is known.
    pub fn submit<T, E, F>(
        &self,
        work: F,
        answer: impl FnOnce(Result<T, E>) + Send + 'static,
    ) -> Result<(), StoreError>
    where
        F: FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let job: Job = Box::new(move |group| {
            let run = || {
                let mut transaction = Transaction::new(group)?;
                let value = work(&mut transaction)?;
                Ok((value, transaction.apply()?))
            };
            let panicked =
                |panic: Box<dyn std::any::Any + Send>| Err(StoreError::Panicked(text_of(&*panic)).into());
            match catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(panicked) {
                Ok((value, applied)) => {
                    (applied, Box::new(move |committed| answer(committed.map_err(E::from).map(|()| value))))
                }
                Err(error) => (Applied::default(), Box::new(move |_| answer(Err(error)))),
            }
        });
        self.jobs.as_ref().ok_or(StoreError::Closed)?.send(job).map_err(|_| StoreError::Closed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            drop(thread.join());
        }
    }
}

fn run(database: &Database, watches: &Watches, blobs: &Blobs, queue: &Receiver<Job>) {
    while let Ok(first) = queue.recv() {
        let (mut applied, mut answers) = (Vec::new(), Vec::new());
        let committed = commit_group(database, first, queue, &mut applied, &mut answers);
        if committed.is_ok() {
            watches
                .changed(applied.iter().flat_map(|one: &Applied| one.keyspaces.iter().map(String::as_str)));
            for blob in applied.iter().flat_map(|one| &one.discarded) {
                blobs.remove(blob);
            }
        }
        for answer in answers {
            answer(committed.clone());
        }
    }
}

fn commit_group(
    database: &Database,
    first: Job,
    queue: &Receiver<Job>,
    applied: &mut Vec<Applied>,
    answers: &mut Vec<Answer>,
) -> Result<(), StoreError> {
    let mut transaction = database.begin_write()?;
    transaction
        .set_durability(Durability::Immediate)
        .map_err(|error| StoreError::Storage(error.to_string()))?;
    for job in std::iter::once(first).chain(queue.try_iter()).take(GROUP) {
        let (touched, answer) = job(&transaction);
        applied.push(touched);
        answers.push(answer);
    }
    transaction.commit()?;
    Ok(())
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}
