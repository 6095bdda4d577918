//! One stream into its files. Encoding runs on a blocking thread behind a short queue, so that the
//! plan goes on computing while bytes are compressed, and waits when they are not taken.

use std::{collections::HashMap, sync::Arc};

use arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use tokio::sync::mpsc;

use super::{LateFacts, Layout, Shared, WrittenFile, budget::BudgetShare, encode::Encoder, partition::Partitioner};
use crate::{EngineError, Result};

/// Batches that wait for the encoder.
pub(super) const QUEUE: usize = 2;

/// What goes through the queue.
pub(super) enum Message {
    /// The next rows.
    Batch(RecordBatch),
    /// No more rows; the end waits for late facts.
    LastRow,
    /// The stream ended well; without this nothing is finished.
    End,
}

/// Drains a stream into the queue of its encoder. Late facts are waited for when nothing of the plan is left to hold up others.
pub(super) async fn pump(mut stream: SendableRecordBatchStream, sender: mpsc::Sender<Message>, late: Option<LateFacts>) -> Result<()> {
    // A closed queue: the encoder failed, and says why itself.
    let closed = |_| EngineError::Stopped { reason: "an output file could not be written".to_owned() };
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        if batch.num_rows() > 0 {
            sender.send(Message::Batch(batch)).await.map_err(closed)?;
        }
    }
    drop(stream);
    if let Some(late) = late {
        sender.send(Message::LastRow).await.map_err(closed)?;
        late.wait().await?;
    }
    sender.send(Message::End).await.map_err(closed)
}

/// The one file of an output without rows: a header, or a footer with the schema.
pub(super) fn write_empty(shared: &Arc<Shared>) -> Result<Vec<WrittenFile>> {
    let mut writer = PartWriter::new(Arc::clone(shared), 0)?;
    writer.open(0)?;
    writer.finish()
}

/// Turns what comes through the queue into files.
pub(super) fn encode(shared: Arc<Shared>, part: usize, mut receiver: mpsc::Receiver<Message>) -> Result<Vec<WrittenFile>> {
    let mut writer = PartWriter::new(shared, part)?;
    while let Some(message) = receiver.blocking_recv() {
        match message {
            Message::Batch(batch) => writer.write(&batch)?,
            Message::LastRow => writer.end_row_groups()?,
            Message::End => return writer.finish(),
        }
    }
    Ok(Vec::new())
}

struct OpenFile {
    path: String,
    encoder: Encoder,
    rows: u64,
    last_used: u64,
}

/// The open files of one stream, by partition (one, number 0, when not partitioned).
struct PartWriter {
    shared: Arc<Shared>,
    part: usize,
    partitioner: Option<Partitioner>,
    open: HashMap<usize, OpenFile>,
    sequences: HashMap<usize, usize>,
    clock: u64,
    done: Vec<WrittenFile>,
    budget: Option<BudgetShare>,
}

impl PartWriter {
    fn new(shared: Arc<Shared>, part: usize) -> Result<Self> {
        let partitioner = if shared.spec.partition_by.is_empty() { None } else { Some(Partitioner::new(&shared.schema, &shared.spec)?) };
        let budget = shared.spec.budget.clone().map(BudgetShare::new);
        Ok(Self { shared, part, partitioner, open: HashMap::new(), sequences: HashMap::new(), clock: 0, done: Vec::new(), budget })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.partitioner {
            None => self.write_rows(0, batch)?,
            Some(partitioner) => {
                for (partition, rows) in partitioner.split(batch)? {
                    self.write_rows(partition, &rows)?;
                }
            }
        }
        self.bound_memory()
    }

    fn write_rows(&mut self, partition: usize, rows: &RecordBatch) -> Result<()> {
        // The stream's own schema may lack the metadata, or carry more of it; the data is the same.
        let mut rows = RecordBatch::try_new(Arc::clone(&self.shared.encoding.columns), rows.columns().to_vec())?;
        while rows.num_rows() > 0 {
            self.open(partition)?;
            let Some(file) = self.open.get_mut(&partition) else { return Ok(()) };
            let room = self.shared.spec.limits.rows_per_file.map_or(u64::MAX, |most| most.max(1) - file.rows);
            let taken = rows.num_rows().min(usize::try_from(room).unwrap_or(usize::MAX));
            file.encoder.write(&rows.slice(0, taken))?;
            file.rows += taken as u64;
            if taken as u64 == room {
                self.close(partition)?;
            }
            rows = rows.slice(taken, rows.num_rows() - taken);
        }
        Ok(())
    }

    /// Opens the partition's file unless it is open, closing the least recently used one when there are too many.
    fn open(&mut self, partition: usize) -> Result<()> {
        self.clock += 1;
        if let Some(file) = self.open.get_mut(&partition) {
            file.last_used = self.clock;
            return Ok(());
        }
        if self.open.len() >= self.shared.spec.limits.open_files.max(1) {
            let oldest = self.open.iter().min_by_key(|(_, file)| file.last_used).map(|(&partition, _)| partition);
            if let Some(oldest) = oldest {
                self.close(oldest)?;
            }
        }
        let sequence = self.sequences.entry(partition).or_default();
        let name = match self.shared.spec.layout {
            Layout::File => self.shared.spec.location.rsplit(['/', '\\']).next().unwrap_or_default().to_owned(),
            Layout::Parts | Layout::Single => self.shared.encoding.file_name(self.part, *sequence),
        };
        let name = self.shared.place.name(name);
        if self.shared.spec.layout == Layout::File && *sequence > 0 {
            return Err(EngineError::BadOutput {
                location: self.shared.spec.location.clone(),
                reason: "a single file cannot be split; give a folder or lift rows_per_file".to_owned(),
            });
        }
        *sequence += 1;
        let path = match &self.partitioner {
            None => name,
            Some(partitioner) => format!("{}/{name}", partitioner.folder(partition)),
        };
        let encoder = self.shared.encoding.encoder(self.shared.place.create(&path)?)?;
        self.open.insert(partition, OpenFile { path, encoder, rows: 0, last_used: self.clock });
        Ok(())
    }

    fn close(&mut self, partition: usize) -> Result<()> {
        let Some(file) = self.open.remove(&partition) else { return Ok(()) };
        let failed = |source| EngineError::Write { location: file.path.clone(), source };
        let mut encoder = file.encoder;
        // The same in every file of the output: readers merge the facts of files, and refuse those that differ.
        encoder.add_facts(self.shared.spec.known_late());
        let (bytes, hash) = encoder.finish()?.commit().map_err(failed)?;
        self.done.push(WrittenFile { path: file.path, rows: file.rows, bytes, sha256: hash.to_string() });
        Ok(())
    }

    /// Compresses what is held, while the run still reads.
    fn end_row_groups(&mut self) -> Result<()> {
        self.open.values_mut().try_for_each(|file| file.encoder.end_row_group())
    }

    /// Ends the largest unfinished row groups until what all of them hold fits the bound.
    fn bound_memory(&mut self) -> Result<()> {
        let mut held: usize = self.open.values().map(|file| file.encoder.held_bytes()).sum();
        let allowed = self.budget.as_mut().map_or(usize::MAX, |share| share.allowed(held));
        let limit = self.shared.spec.limits.row_group_bytes.min(allowed);
        while held > limit {
            let Some(largest) = self.open.values_mut().max_by_key(|file| file.encoder.held_bytes()) else { break };
            let before = largest.encoder.held_bytes();
            largest.encoder.end_row_group()?;
            let after = largest.encoder.held_bytes();
            if after >= before {
                break;
            }
            held -= before - after;
        }
        if let Some(share) = &mut self.budget {
            share.tell(held);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<WrittenFile>> {
        let mut partitions: Vec<usize> = self.open.keys().copied().collect();
        partitions.sort_unstable();
        for partition in partitions {
            self.close(partition)?;
        }
        Ok(self.done)
    }
}
