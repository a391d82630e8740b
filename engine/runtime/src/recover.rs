//! After a start: the stored state, the rest of the log on top of it, and what was under way.

use fluvial_event::{Command, Event, Head, Id, Offset};
use fluvial_log::{Applied, EventLog, Restored, StateStore, ahead, restore};
use fluvial_reduce::World;

use crate::Error;
use crate::runtime::Order;

/// The world as the log leaves it.
#[derive(Debug)]
pub struct Recovered {
    /// Everything known, as of the head.
    pub world: World,
    /// The end of the log.
    pub head: Head,
    /// The commands in the log that have no outcome there. They are carried out again.
    pub orders: Vec<Order>,
    /// How many records were folded in on top of what was stored.
    pub replayed: u64,
}

/// Recovers from `log` and `state`. A state that is missing, torn, of another version or of another
/// history is made again from the log.
pub fn recover(log: &dyn EventLog, state: &dyn StateStore) -> Result<Recovered, Error> {
    let head = log.head();
    let restored = restore(log, state, head.offset, |pairs| World::load(pairs))?;
    let (mut world, applied) = match restored {
        Restored::Stored(world, applied) => (world, applied),
        Restored::Nothing => Default::default(),
        Restored::Cleared(why) => {
            tracing::warn!(why, "The state is made again from the log.");
            Default::default()
        }
    };
    let mut replayed = 0;
    let mut last = applied;
    ahead::for_each(log, applied.offset.next(), |record| {
        world.evolve(record);
        last = Applied {
            offset: record.offset,
            hash: record.hash,
        };
        replayed += 1;
        Ok::<_, Error>(())
    })?;
    // What was decided is in the log. When to look again follows from the state at the end alone.
    world.pass();
    if replayed > 0 {
        let changes = world.changes();
        state.commit(last, &changes)?;
    }
    let orders = orders(log, &world)?;
    Ok(Recovered {
        world,
        head,
        orders,
        replayed,
    })
}

fn orders(log: &dyn EventLog, world: &World) -> Result<Vec<Order>, Error> {
    world
        .outstanding()
        .map(|(_, outstanding)| {
            let command = command_at(log, Offset(outstanding.offset))?;
            Ok(Order {
                id: Id(outstanding.id),
                command,
            })
        })
        .collect()
}

fn command_at(log: &dyn EventLog, offset: Offset) -> Result<Command, Error> {
    let record = log
        .read(offset)
        .next()
        .ok_or(Error::NoCommand(offset.0))??;
    match record.event {
        Event::CommandIssued(issued) if record.offset == offset => {
            issued.command.ok_or(Error::NoCommand(offset.0))
        }
        _ => Err(Error::NoCommand(offset.0)),
    }
}
