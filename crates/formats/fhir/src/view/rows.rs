//! Resources to rows.
//!
//! The rows of one resource are built first, as cells that already fit their columns, and appended column by column when the
//! whole resource has gone well: a resource that fails leaves nothing behind. A resource with more rows than are held at once is
//! gone through twice: to see that all of them fit, then to give them out part by part.

use std::{borrow::Cow, ops::ControlFlow, sync::Arc};

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::SchemaRef,
    error::ArrowError,
};
use smallvec::smallvec;

use super::{
    ViewError,
    columns::{Builder, Cell, Kind},
    plan::{Block, Child, Path, Plan, Select, Source},
    shape::{Shape, passes},
    walk::Found,
};
use crate::{
    fhirpath::{Collection, Context, DateTime, Item, Node},
    json::{Kind as JsonKind, Value},
};

/// Most rows of one resource.
const MAX_ROWS: usize = 1_000_000;
/// Deepest `repeat`.
const MAX_REPEAT: usize = 256;
/// Most steps of one resource: those of the evaluator, and [`STEPS_OF_ITEM`] for each path that a select follows and each item it finds.
/// Rows alone do not bound the time: a factor that finds nothing makes none.
const MAX_STEPS: u64 = 100_000_000;
const STEPS_OF_ITEM: u64 = 16;
/// Most that the cells of one resource take, text and all. No resource that is meant well comes near; it bounds the time.
const MAX_BYTES: u64 = 8 << 30;
/// Most that cells may take before they are in their columns.
const PART_BYTES: usize = 16 << 20;
/// A batch with so much text is full.
const BATCH_BYTES: usize = 16 << 20;

/// Rows of one view on their way into a batch.
#[derive(Debug)]
pub struct Rows {
    shape: Shape,
    batch: Batch,
}

impl Rows {
    pub(super) fn new(shape: Shape) -> Self {
        Self { batch: Batch::new(&shape), shape }
    }

    /// Appends the rows of a resource and says how many; none for another type or one that the filters leave out. After an
    /// error the batch is as it was before.
    pub fn append(&mut self, resource: Value<'_>) -> Result<usize, ViewError> {
        let Self { shape, batch } = self;
        let Some(cells) = Cells::of_any(shape, resource, batch.usual)? else { return Ok(0) };
        cells.each_part(shape, resource, &mut |part| {
            batch.append(part);
            Ok(())
        })?;
        Ok(cells.rows)
    }

    /// As [`Rows::append`], in bounded memory whatever the resource is: where the batch would have more than `most` rows, or has much
    /// text, it is handed to `give` in pieces of `most` rows, also in the middle of the resource.
    ///
    /// # Errors
    /// As [`Rows::append`], before anything of the resource is given; and [`ViewError::Stopped`] when `give` breaks.
    pub fn append_to(&mut self, resource: Value<'_>, most: usize, give: Give<'_>) -> Result<usize, ViewError> {
        let Self { shape, batch } = self;
        let Some(cells) = Cells::of_any(shape, resource, batch.usual)? else { return Ok(0) };
        batch.add(shape, resource, &cells, most.max(1), give)?;
        Ok(cells.rows)
    }

    /// Hands the rows so far to `give` in pieces of `most` rows; the next batch starts empty.
    pub(super) fn give(&mut self, most: usize, give: Give<'_>) -> Result<(), ViewError> {
        self.batch.give(most.max(1), give)
    }

    /// The rows so far.
    pub fn len(&self) -> usize {
        self.batch.rows()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.batch.rows() == 0
    }

    /// The rows so far as a batch; the next one starts empty.
    pub fn finish(&mut self) -> Result<RecordBatch, ViewError> {
        self.batch.finish().map_err(|error| ViewError::Arrow(error.to_string()))
    }
}

/// Takes batches, and may say that it wants no more.
pub type Give<'g> = &'g mut dyn FnMut(RecordBatch) -> ControlFlow<()>;

/// Takes the rows of a part of a resource.
type TakePart<'t> = &'t mut dyn FnMut(&Cells<'_>) -> Result<(), ViewError>;

/// The rows of one resource, as cells that fit their columns.
pub(crate) struct Cells<'d> {
    /// Row by row; none when they are too many to be held at once.
    cells: Vec<Cell<'d>>,
    rows: usize,
    /// Of a resource whose rows are not held.
    large: Option<Large>,
}

/// What making rows once more has to know to come to the same.
#[derive(Clone, Copy)]
struct Large {
    /// What `now()` said.
    now: Option<DateTime>,
}

impl<'d> Cells<'d> {
    /// Those of a resource; nothing for one of another type than the view's.
    fn of_any(shape: &'d Shape, resource: Value<'d>, usual: usize) -> Result<Option<Self>, ViewError> {
        if resource.get("resourceType").and_then(|kind| kind.as_str()) != Some(shape.resource()) {
            return Ok(None);
        }
        Self::of(shape, resource, usual).map(Some)
    }

    /// Those of a resource of the view's type. `usual` is how many cells to expect.
    pub(crate) fn of(shape: &'d Shape, resource: Value<'d>, usual: usize) -> Result<Self, ViewError> {
        let mut run = Run::new(shape, resource, Keep::All);
        run.cells.reserve(usual);
        run.whole()?;
        let large = matches!(run.keep, Keep::Nothing).then(|| Large { now: run.now() });
        Ok(Self { cells: run.cells, rows: run.rows, large })
    }

    /// Gives all rows, in one part or in many. `shape` and `resource` are those that they were made of.
    fn each_part(&self, shape: &Shape, resource: Value<'_>, take: TakePart<'_>) -> Result<(), ViewError> {
        let Some(Large { now }) = self.large else { return take(self) };
        let mut run = Run::new(shape, resource, Keep::Parts(take));
        run.given_now = now;
        run.whole()?;
        run.part()
    }
}

/// Growing columns.
#[derive(Debug)]
pub(crate) struct Batch {
    builders: Vec<Builder>,
    schema: SchemaRef,
    rows: usize,
    /// Bytes of text in it.
    bytes: usize,
    /// Cells that the last resource needed: the next one is likely to need as many.
    usual: usize,
}

impl Batch {
    pub(crate) fn new(shape: &Shape) -> Self {
        let columns = shape.wanted.iter().map(|slot| &shape.plan.columns[*slot]);
        let builders = columns.map(|column| column.kind.builder(column.list)).collect();
        Self { builders, schema: Arc::clone(&shape.schema), rows: 0, bytes: 0, usual: 0 }
    }

    /// Adds the rows of a resource; a batch that is full goes out before, also in the middle of them.
    pub(crate) fn add(
        &mut self,
        shape: &Shape,
        resource: Value<'_>,
        cells: &Cells<'_>,
        most: usize,
        give: Give<'_>,
    ) -> Result<(), ViewError> {
        cells.each_part(shape, resource, &mut |part| {
            if self.has_no_room(part.rows, most) {
                self.give(most, give)?;
            }
            self.append(part);
            Ok(())
        })
    }

    /// Gives out what is there in pieces of `most` rows: one part of a resource may have made many more than a batch should have.
    pub(crate) fn give(&mut self, most: usize, give: Give<'_>) -> Result<(), ViewError> {
        if self.rows == 0 {
            return Ok(());
        }
        let batch = self.finish().map_err(|error| ViewError::Arrow(error.to_string()))?;
        let mut start = 0;
        while start < batch.num_rows() {
            let length = most.min(batch.num_rows() - start);
            if give(batch.slice(start, length)).is_break() {
                return Err(ViewError::Stopped);
            }
            start += length;
        }
        Ok(())
    }

    fn append(&mut self, cells: &Cells<'_>) {
        let Cells { cells, rows, .. } = cells;
        if *rows == 0 {
            return;
        }
        self.usual = cells.len();
        let width = self.builders.len();
        for (slot, builder) in self.builders.iter_mut().enumerate() {
            for cell in cells.iter().skip(slot).step_by(width) {
                self.bytes += cell.bytes();
                builder.append(cell);
            }
        }
        self.rows += rows;
    }

    fn rows(&self) -> usize {
        self.rows
    }

    /// Cells to expect of the next resource.
    pub(crate) fn usual(&self) -> usize {
        self.usual
    }

    /// Whether it should go out before so many rows are added: it would have more than `most`, or has much text already.
    fn has_no_room(&self, rows: usize, most: usize) -> bool {
        self.rows > 0 && (self.rows + rows > most || self.bytes >= BATCH_BYTES)
    }

    fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let arrays = self.builders.iter_mut().map(Builder::finish).collect::<Result<Vec<_>, _>>()?;
        self.bytes = 0;
        let options = RecordBatchOptions::new().with_row_count(Some(std::mem::take(&mut self.rows)));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
    }
}

/// What becomes of rows that are complete.
enum Keep<'d> {
    /// They are held.
    All,
    /// They are counted and checked, and nothing more.
    Nothing,
    /// They go out part by part.
    Parts(TakePart<'d>),
}

/// One resource on its way.
struct Run<'d> {
    shape: &'d Shape,
    plan: &'d Plan,
    /// Made when the first path needs the evaluator.
    context: Option<Context<'d>>,
    /// What `now()` is to say.
    given_now: Option<DateTime>,
    resource: Item<'d>,
    row: Vec<Cell<'d>>,
    keep: Keep<'d>,
    cells: Vec<Cell<'d>>,
    /// Bytes that `cells` take.
    held: usize,
    /// Rows of which `cells` are, where they go out in parts.
    rows_of_part: usize,
    /// Rows, and bytes of cells, so far.
    rows: usize,
    bytes: u64,
    steps: u64,
    row_index: i64,
}

/// What happens to a row when all its factors are there.
type Next<'n, 'd> = &'n mut dyn FnMut(&mut Run<'d>) -> Result<(), ViewError>;

impl<'d> Run<'d> {
    fn new(shape: &'d Shape, resource: Value<'d>, keep: Keep<'d>) -> Self {
        let plan = &*shape.plan;
        Self {
            shape,
            plan,
            context: None,
            given_now: None,
            resource: Item::resource(resource),
            row: vec![Cell::Null; plan.columns.len()],
            keep,
            cells: Vec::new(),
            held: 0,
            rows_of_part: 0,
            rows: 0,
            bytes: 0,
            steps: 0,
            row_index: 0,
        }
    }

    /// The whole resource, if the filters let it pass.
    fn whole(&mut self) -> Result<(), ViewError> {
        if self.passes()? {
            let (plan, focus) = (self.plan, self.resource.clone());
            self.block(&plan.body, Some(&focus), &mut Run::row)?;
        }
        Ok(())
    }

    fn now(&self) -> Option<DateTime> {
        self.context.as_ref().and_then(|context| context.now)
    }

    fn passes(&mut self) -> Result<bool, ViewError> {
        let plan = self.plan;
        for filter in &plan.filters {
            let focus = self.resource.clone();
            let found = self.evaluate(filter, Some(&focus))?;
            match &found[..] {
                [] => return Ok(false),
                [item] => match &*item.atom() {
                    Item::Boolean(true) => {}
                    Item::Boolean(false) => return Ok(false),
                    _ => return Err(ViewError::FilterNotBoolean),
                },
                _ => return Err(ViewError::FilterNotBoolean),
            }
        }
        Ok(true)
    }

    /// The row is complete.
    fn row(&mut self) -> Result<(), ViewError> {
        if self.rows >= MAX_ROWS {
            return Err(ViewError::TooManyRows(MAX_ROWS));
        }
        self.rows += 1;
        let held = self.shape.wanted.iter().map(|slot| self.row[*slot].held()).sum::<usize>();
        self.bytes += held as u64;
        if self.bytes > MAX_BYTES {
            return Err(ViewError::TooManyBytes(MAX_BYTES >> 30));
        }
        if matches!(self.keep, Keep::Nothing) {
            return Ok(());
        }
        self.held += held;
        self.rows_of_part += 1;
        self.cells.extend(self.shape.wanted.iter().map(|slot| self.row[*slot].clone()));
        if self.held < PART_BYTES {
            return Ok(());
        }
        if matches!(self.keep, Keep::All) {
            self.keep = Keep::Nothing;
            self.cells = Vec::new();
            return Ok(());
        }
        self.part()
    }

    /// Gives out the rows that wait.
    fn part(&mut self) -> Result<(), ViewError> {
        let Keep::Parts(take) = &mut self.keep else { return Ok(()) };
        self.held = 0;
        let mut part = Cells { cells: std::mem::take(&mut self.cells), rows: std::mem::take(&mut self.rows_of_part), large: None };
        take(&part)?;
        part.cells.clear();
        self.cells = part.cells;
        Ok(())
    }

    fn block(&mut self, block: &'d Block, focus: Option<&Item<'d>>, next: Next<'_, 'd>) -> Result<(), ViewError> {
        if self.shape.tests.is_empty() {
            self.columns(block, focus)?;
            return self.children(&block.children, focus, next);
        }
        for (slot, path) in &block.columns {
            let tests = self.shape.tests_of(*slot);
            if !tests.is_empty() {
                let cell = self.cell(*slot, path, focus)?;
                if !tests.iter().all(|test| passes(test, &cell)) {
                    return Ok(());
                }
                self.row[*slot] = cell;
            }
        }
        // The other columns wait until a row is known to stay: one of the factors may drop them all.
        let mut waiting = true;
        self.children(&block.children, focus, &mut |run: &mut Self| {
            if std::mem::take(&mut waiting) {
                run.columns(block, focus)?;
            }
            next(run)
        })
    }

    /// The columns of a block that no condition is about.
    fn columns(&mut self, block: &'d Block, focus: Option<&Item<'d>>) -> Result<(), ViewError> {
        let shape = self.shape;
        for (slot, path) in &block.columns {
            if shape.needed[*slot] && shape.tests_of(*slot).is_empty() {
                self.row[*slot] = self.cell(*slot, path, focus)?;
            }
        }
        Ok(())
    }

    /// The product of the factors: each row of the first with each of the others.
    fn children(&mut self, children: &'d [Child], focus: Option<&Item<'d>>, next: Next<'_, 'd>) -> Result<(), ViewError> {
        let Some((first, rest)) = children.split_first() else { return next(self) };
        let mut then = |run: &mut Self| run.children(rest, focus, next);
        match first {
            Child::Select(select) => self.select(select, focus, &mut then),
            Child::Union(branches) => branches.iter().try_for_each(|branch| self.select(branch, focus, &mut then)),
        }
    }

    fn select(&mut self, select: &'d Select, focus: Option<&Item<'d>>, next: Next<'_, 'd>) -> Result<(), ViewError> {
        let items = match &select.source {
            Source::Same => return self.block(&select.body, focus, next),
            Source::Each(path) | Source::EachOrNull(path) => self.items(path, focus)?,
            Source::Repeat(paths) => {
                let mut found = Vec::new();
                self.repeat(paths, focus, 0, &mut found)?;
                found.into()
            }
        };
        self.count((1 + items.len() as u64) * STEPS_OF_ITEM)?;
        let outer = self.row_index;
        // Factors to the right of this one count by themselves, and so does the block around.
        let mut then = |run: &mut Self| {
            let inner = run.row_index;
            run.set_row_index(outer);
            let result = next(run);
            run.set_row_index(inner);
            result
        };
        if items.is_empty() && matches!(select.source, Source::EachOrNull(_)) {
            self.set_row_index(0);
            self.block(&select.body, None, &mut then)?;
        }
        for (index, item) in items.iter().enumerate() {
            self.set_row_index(index as i64);
            self.block(&select.body, Some(item), &mut then)?;
        }
        self.set_row_index(outer);
        Ok(())
    }

    fn count(&mut self, steps: u64) -> Result<(), ViewError> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > MAX_STEPS { Err(ViewError::TooManySteps(MAX_STEPS)) } else { Ok(()) }
    }

    fn set_row_index(&mut self, index: i64) {
        self.row_index = index;
        if self.plan.uses_row_index
            && let Some(context) = &mut self.context
        {
            context.set_variable("rowIndex", smallvec![Item::Integer(index)]);
        }
    }

    /// Depth first: an item, then what the paths find from it.
    fn repeat(&mut self, paths: &'d [Path], focus: Option<&Item<'d>>, depth: usize, found: &mut Vec<Item<'d>>) -> Result<(), ViewError> {
        if depth > MAX_REPEAT || found.len() > MAX_ROWS {
            return Err(ViewError::TooManyRows(MAX_ROWS));
        }
        for path in paths {
            for item in self.evaluate(path, focus)? {
                found.push(item.clone());
                self.repeat(paths, Some(&item), depth + 1, found)?;
            }
        }
        Ok(())
    }

    fn items(&mut self, path: &'d Path, focus: Option<&Item<'d>>) -> Result<Collection<'d>, ViewError> {
        if let (Some(walk), Some(Item::Node(Node { value: Some(value), .. }))) = (&path.walk, focus)
            && !walk.is_key()
        {
            let mut items = Collection::new();
            let walked = walk.run(*value, &mut |found| {
                if let Found::Value(value) = found {
                    items.push(Item::element(value, None, walk.ty));
                }
                ControlFlow::Continue(())
            });
            if walked.is_ok() {
                return Ok(items);
            }
        }
        self.evaluate(path, focus)
    }

    fn evaluate(&mut self, path: &'d Path, focus: Option<&Item<'d>>) -> Result<Collection<'d>, ViewError> {
        if self.context.is_none() {
            let mut context = Context::new().resource(self.resource.clone());
            context.now = self.given_now;
            for (name, value) in &self.plan.constants {
                context.set_variable(name, smallvec![value.clone()]);
            }
            self.context = Some(context);
            self.set_row_index(self.row_index);
        }
        let Some(context) = &mut self.context else { return Ok(Collection::new()) };
        let focus = focus.map_or(&[][..], std::slice::from_ref);
        let found =
            path.expression.evaluate_on(focus, context).map_err(|error| ViewError::Evaluation { place: path.place.clone(), error })?;
        let steps = context.steps_used();
        self.count(steps)?;
        Ok(found)
    }

    fn cell(&mut self, slot: usize, path: &'d Path, focus: Option<&Item<'d>>) -> Result<Cell<'d>, ViewError> {
        let column = &self.plan.columns[slot];
        let wrong = || ViewError::WrongType(column.name.clone());
        if path.is_row_index {
            return column.kind.cell_of_item(&Item::Integer(self.row_index)).ok_or_else(wrong);
        }
        if let (Some(walk), Some(Item::Node(Node { value: Some(value), .. }))) = (&path.walk, focus) {
            let (mut one, mut list, mut several, mut misfit) = (None, Vec::new(), false, false);
            let walked = walk.run(*value, &mut |found| {
                let cell = match found {
                    Found::Text(text) => column.kind.cell_of_item(&Item::String(Cow::Borrowed(text))),
                    Found::Value(value) => column.kind.cell_of_json(value),
                };
                match cell {
                    None => misfit = true,
                    Some(cell) if column.list => list.push(cell),
                    Some(cell) => several |= one.replace(cell).is_some(),
                }
                if misfit || several { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            if walked.is_ok() {
                return match () {
                    () if misfit => Err(wrong()),
                    () if several => Err(ViewError::SeveralValues(column.name.clone())),
                    () if column.list => Ok(Cell::List(list)),
                    () => Ok(one.unwrap_or(Cell::Null)),
                };
            }
        }
        let found = self.evaluate(path, focus)?;
        if column.list {
            let cells = found.iter().filter(|item| has_content(item)).map(|item| column.kind.cell_of_item(item).ok_or_else(wrong));
            return Ok(Cell::List(cells.collect::<Result<_, _>>()?));
        }
        match &found[..] {
            [] => Ok(Cell::Null),
            [item] => cell_of(column.kind, item).ok_or_else(wrong),
            _ => Err(ViewError::SeveralValues(column.name.clone())),
        }
    }
}

fn cell_of<'d>(kind: Kind, item: &Item<'d>) -> Option<Cell<'d>> {
    if has_content(item) { kind.cell_of_item(item) } else { Some(Cell::Null) }
}

/// False for a primitive that has extensions only.
fn has_content(item: &Item<'_>) -> bool {
    match item {
        Item::Node(node) => node.value.is_some_and(|value| value.kind() != JsonKind::Null),
        _ => true,
    }
}
