//! Old versions become new ones here, and nowhere else.
//!
//! Stored bytes are never rewritten. A type whose version grew gets a step here that reads the old
//! payload and answers the current one; its golden bytes stay in `schemas/golden/` for ever.

use crate::codec::Error;
use crate::event::Event;

/// Reads the payload of any version ever written.
pub(crate) fn read(number: u16, version: u16, payload: &[u8]) -> Result<Event, Error> {
    let Some((_, current, name)) = Event::TYPES.iter().find(|(each, ..)| *each == number) else {
        return Err(Error::UnknownType { number });
    };
    if version == 0 || version > *current {
        return Err(Error::UnknownVersion {
            name,
            version,
            current: *current,
        });
    }
    Event::read(number, payload)
}
