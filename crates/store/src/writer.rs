//! The one thread that writes: it takes all the transactions that wait, runs them in order, and commits them together.
//!
//! One fsync serves many callers. Transactions that nobody waits for gather for a moment, so that a busy function's log
//! does not cost a commit a line. Keeps true: nobody is answered before the commit is on disk, and whoever is answered has
//! what came before them there too; a transaction that fails or panics leaves no trace, and those beside it go on.

use crate::blobs::Blobs;
use crate::transaction::{Applied, Transaction};
use crate::{StoreError, Watches};
use redb::{Database, Durability, StorageError, TransactionError, WriteTransaction};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many transactions may wait before callers are held back.
const QUEUE: usize = 4096;
/// How many transactions share a commit at most.
const GROUP: usize = 512;
/// How long after a commit those gather that nobody waits for.
const GATHER: Duration = Duration::from_millis(100);

/// Tells the caller how it ended, once the commit has.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// Runs a transaction inside the group's: what it touched, and who is to be told. Where that could not begin, the reason is
/// what is told.
type Job = Box<dyn FnOnce(Result<&WriteTransaction, StoreError>) -> (Applied, Answer) + Send>;

enum Message {
    Job(Job),
    /// Some wait in [`Later`]: the first, or as many as share a commit.
    Later,
}

/// Transactions that nobody waits for.
#[derive(Default)]
struct Later {
    waiting: Mutex<Waiting>,
    taken: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: Vec<Job>,
    /// Those that were taken and are not committed yet count too.
    uncommitted: usize,
}

/// A handle to the writer's thread, which ends when this is dropped.
pub(crate) struct Writer {
    messages: Option<SyncSender<Message>>,
    later: Arc<Later>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Writer {
    pub fn start(database: Arc<Database>, watches: Arc<Watches>, blobs: Blobs) -> Result<Self, StoreError> {
        let (messages, queue) = sync_channel(QUEUE);
        let later = Arc::<Later>::default();
        let group = Group { database, watches, blobs, failed: None };
        let waiting = later.clone();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(group, &waiting, &queue))?;
        Ok(Self { messages: Some(messages), later, thread: Some(thread) })
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
        self.send(Message::Job(job(work, answer)))
    }

    /// Queues a transaction that nobody waits for, and holds the caller back while too many do.
    pub fn submit_later<F>(
        &self,
        work: F,
        answer: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) -> Result<(), StoreError>
    where
        F: FnOnce(&mut Transaction<'_>) -> Result<(), StoreError> + Send + 'static,
    {
        let job = job(work, answer);
        let waiting = self.later.lock();
        let too_many = |waiting: &mut Waiting| waiting.jobs.len() >= QUEUE;
        let mut waiting =
            self.later.taken.wait_while(waiting, too_many).unwrap_or_else(PoisonError::into_inner);
        waiting.jobs.push(job);
        waiting.uncommitted += 1;
        let count = waiting.jobs.len();
        drop(waiting);
        if count == 1 || count == GROUP { self.send(Message::Later) } else { Ok(()) }
    }

    /// Whether all is committed that nobody waits for.
    pub fn is_settled(&self) -> bool {
        self.later.lock().uncommitted == 0
    }

    fn send(&self, message: Message) -> Result<(), StoreError> {
        self.messages.as_ref().ok_or(StoreError::Closed)?.send(message).map_err(|_| StoreError::Closed)
    }
}

impl Later {
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is due, there is a group, or somebody waits; gives what is first to be done.
    fn wait(&self, queue: &Receiver<Message>, due: Instant) -> Message {
        loop {
            match queue.recv_timeout(due.saturating_duration_since(Instant::now())) {
                // That of some who were committed with somebody who waited.
                Ok(Message::Later) if self.lock().jobs.len() < GROUP => {}
                Ok(message) => return message,
                Err(_) => return Message::Later,
            }
        }
    }

    fn take(&self) -> Vec<Job> {
        let jobs = std::mem::take(&mut self.lock().jobs);
        self.taken.notify_all();
        jobs
    }
}

/// The work of a transaction, inside the group's.
fn job<T, E, F>(work: F, answer: impl FnOnce(Result<T, E>) + Send + 'static) -> Job
where
    F: FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    Box::new(move |group| {
        let run = || {
            let mut transaction = Transaction::new(group?)?;
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
    })
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.messages = None;
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            drop(thread.join());
        }
    }
}

/// What a group of transactions is committed to.
struct Group {
    database: Arc<Database>,
    watches: Arc<Watches>,
    blobs: Blobs,
    /// Why a commit failed. After a failure of the disk the database refuses everything and no longer says why.
    failed: Option<StoreError>,
}

fn run(mut group: Group, later: &Later, queue: &Receiver<Message>) {
    let mut last: Option<Instant> = None;
    while let Ok(first) = queue.recv() {
        let first = match first {
            Message::Later => {
                let due = last.map_or_else(Instant::now, |last| last + GATHER);
                later.wait(queue, due)
            }
            job @ Message::Job(_) => job,
        };
        let messages = std::iter::once(first).chain(queue.try_iter());
        let waited = messages.filter_map(|message| match message {
            Message::Job(job) => Some(job),
            Message::Later => None,
        });
        let waited: Vec<Job> = waited.take(GROUP).collect();
        // Taken after them and done before them: whoever is answered finds what came before.
        let unwaited = later.take();
        let count = unwaited.len();
        group.commit(unwaited.into_iter().chain(waited));
        later.lock().uncommitted -= count;
        last = Some(Instant::now());
    }
    group.commit(later.take().into_iter());
}

impl Group {
    /// Runs them, and tells everybody when that is on disk.
    fn commit(&mut self, jobs: impl Iterator<Item = Job>) {
        let mut jobs = jobs.peekable();
        if jobs.peek().is_none() {
            return;
        }
        let (mut applied, mut answers) = (Vec::new(), Vec::new());
        let committed = self.try_commit(jobs, &mut applied, &mut answers);
        if committed.is_ok() {
            self.watches
                .changed(applied.iter().flat_map(|one: &Applied| one.keyspaces.iter().map(String::as_str)));
            for blob in applied.iter().flat_map(|one| &one.discarded) {
                self.blobs.remove(blob);
            }
        }
        if let Err(error) = &committed {
            self.failed.get_or_insert_with(|| error.clone());
        }
        for answer in answers {
            answer(committed.clone());
        }
    }

    fn try_commit(
        &self,
        jobs: impl Iterator<Item = Job>,
        applied: &mut Vec<Applied>,
        answers: &mut Vec<Answer>,
    ) -> Result<(), StoreError> {
        let begun = self.begin();
        for job in jobs {
            let (touched, answer) = job(begun.as_ref().map_err(StoreError::clone));
            applied.push(touched);
            answers.push(answer);
        }
        begun?.commit()?;
        Ok(())
    }

    fn begin(&self) -> Result<WriteTransaction, StoreError> {
        let begun = self.database.begin_write().map_err(|error| match (error, &self.failed) {
            (TransactionError::Storage(StorageError::PreviousIo), Some(failed)) => failed.clone(),
            (error, _) => error.into(),
        });
        let mut transaction = begun?;
        let durable = transaction.set_durability(Durability::Immediate);
        durable.map_err(|error| StoreError::Storage(error.to_string()))?;
        Ok(transaction)
    }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}
