//! Command sets: group 0000 in implicit little endian (PS3.7 section 6.3, 9.3, annex E).

use std::fmt;

use super::{
    MOST_COMMAND_BYTES,
    error::{DimseError, Malformed},
    is_uid,
};

/// Command Data Set Type of a message without data set.
pub const NO_DATA_SET: u16 = 0x0101;

/// What a message asks or answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // Names of the standard.
pub enum CommandField {
    CStoreRq,
    CStoreRsp,
    CEchoRq,
    CEchoRsp,
    CCancelRq,
    /// Any other: its number.
    Other(u16),
}

impl CommandField {
    fn of(number: u16) -> Self {
        match number {
            0x0001 => Self::CStoreRq,
            0x8001 => Self::CStoreRsp,
            0x0030 => Self::CEchoRq,
            0x8030 => Self::CEchoRsp,
            0x0FFF => Self::CCancelRq,
            other => Self::Other(other),
        }
    }

    /// Its number.
    pub fn number(self) -> u16 {
        match self {
            Self::CStoreRq => 0x0001,
            Self::CStoreRsp => 0x8001,
            Self::CEchoRq => 0x0030,
            Self::CEchoRsp => 0x8030,
            Self::CCancelRq => 0x0FFF,
            Self::Other(other) => other,
        }
    }

    /// Whether it is an answer.
    pub fn is_response(self) -> bool {
        self.number() & 0x8000 != 0
    }
}

/// What an answer says (PS3.7 annex C, PS3.4 section B.2.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Status(pub u16);

/// What kind of answer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusClass {
    /// Done.
    Success,
    /// Done, with something to say.
    Warning,
    /// Not done.
    Failure,
    /// More answers follow.
    Pending,
    /// Ended as it was asked to.
    Cancelled,
}

impl Status {
    /// Done.
    pub const SUCCESS: Self = Self(0x0000);
    /// SOP class not supported.
    pub const SOP_CLASS_NOT_SUPPORTED: Self = Self(0x0122);
    /// The SOP instance UID is none.
    pub const INVALID_SOP_INSTANCE: Self = Self(0x0117);
    /// An operation that is not spoken on this context.
    pub const UNRECOGNIZED_OPERATION: Self = Self(0x0211);
    /// The message lacks something.
    pub const MISTYPED_ARGUMENT: Self = Self(0x0212);
    /// Something failed on our side.
    pub const PROCESSING_FAILURE: Self = Self(0x0110);
    /// Refused: out of resources. Sent again later it may be taken.
    pub const OUT_OF_RESOURCES: Self = Self(0xA700);
    /// The data set is not of the SOP class or instance that the message says.
    pub const DOES_NOT_MATCH: Self = Self(0xA900);
    /// The data set cannot be understood.
    pub const CANNOT_UNDERSTAND: Self = Self(0xC000);

    /// What kind of answer it is.
    pub fn class(self) -> StatusClass {
        match self.0 {
            0x0000 => StatusClass::Success,
            0x0001 | 0x0107 | 0x0116 | 0xB000..=0xBFFF => StatusClass::Warning,
            0xFF00 | 0xFF01 => StatusClass::Pending,
            0xFE00 => StatusClass::Cancelled,
            _ => StatusClass::Failure,
        }
    }

    /// Whether it was stored: success or warning.
    pub fn is_stored(self) -> bool {
        matches!(self.class(), StatusClass::Success | StatusClass::Warning)
    }

    /// Whether the same may be taken later: out of resources.
    pub fn is_transient(self) -> bool {
        matches!(self.0, 0xA700..=0xA7FF)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:04X}", self.0)
    }
}

/// A command set: what the messages of C-STORE and C-ECHO have. Everything else in it is read and left aside.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// What it asks or answers.
    pub field: CommandField,
    /// Number of the message; of an answer, that of the message that it answers.
    pub message_id: u16,
    /// UID of the SOP class; empty where there is none.
    pub sop_class: String,
    /// UID of the SOP instance; empty where there is none. It identifies: never in a log.
    pub sop_instance: String,
    /// 2 low, 0 medium, 1 high.
    pub priority: u16,
    /// Whether a data set follows.
    pub has_data_set: bool,
    /// What an answer says; success in a request.
    pub status: Status,
    /// Words about the status, at most 64 characters; empty where there are none.
    pub comment: String,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("field", &self.field)
            .field("message_id", &self.message_id)
            .field("has_data_set", &self.has_data_set)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Command {
    /// C-ECHO.
    pub fn echo(message_id: u16) -> Self {
        Self {
            field: CommandField::CEchoRq,
            message_id,
            sop_class: super::VERIFICATION.to_owned(),
            sop_instance: String::new(),
            priority: 0,
            has_data_set: false,
            status: Status::SUCCESS,
            comment: String::new(),
        }
    }

    /// C-STORE of an instance.
    pub fn store(message_id: u16, sop_class: &str, sop_instance: &str) -> Self {
        Self {
            field: CommandField::CStoreRq,
            sop_class: sop_class.to_owned(),
            sop_instance: sop_instance.to_owned(),
            has_data_set: true,
            ..Self::echo(message_id)
        }
    }

    /// The answer to this request. `comment` is words of ours, never of the data.
    pub fn response(&self, status: Status, comment: &'static str) -> Self {
        Self {
            field: CommandField::of(self.field.number() | 0x8000),
            has_data_set: false,
            status,
            comment: comment.chars().take(64).collect(),
            ..self.clone()
        }
    }

    /// Reads a command set.
    ///
    /// # Errors
    /// When an element is cut off, a number has not two bytes, or the field or the number of the message is missing.
    pub fn parse(bytes: &[u8]) -> Result<Self, DimseError> {
        let damaged = |at: usize| DimseError::Malformed(Malformed::Command, at);
        if bytes.len() > MOST_COMMAND_BYTES {
            return Err(damaged(MOST_COMMAND_BYTES));
        }
        let (mut field, mut message_id, mut responded, mut data_set) = (None, None, None, None);
        let mut command = Self::echo(0);
        command.sop_class.clear();
        let mut at = 0;
        while at < bytes.len() {
            let Some(&[g0, g1, e0, e1, l0, l1, l2, l3]) = bytes.get(at..at + 8).and_then(|header| header.first_chunk::<8>()) else {
                return Err(damaged(at));
            };
            let start = at + 8;
            let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
            let Some(value) = start.checked_add(length).and_then(|end| bytes.get(start..end)) else { return Err(damaged(at)) };
            let number = || <[u8; 2]>::try_from(value).map(u16::from_le_bytes).map_err(|_| damaged(at));
            if [g0, g1] != [0, 0] {
                return Err(damaged(at));
            }
            match u16::from_le_bytes([e0, e1]) {
                0x0002 | 0x0003 => command.sop_class = text(value),
                0x0100 => field = Some(CommandField::of(number()?)),
                0x0110 => message_id = Some(number()?),
                0x0120 => responded = Some(number()?),
                0x0700 => command.priority = number()?,
                0x0800 => data_set = Some(number()? != NO_DATA_SET),
                0x0900 => command.status = Status(number()?),
                0x0902 => command.comment = text(value).chars().take(64).collect(),
                0x1000 | 0x1001 => command.sop_instance = text(value),
                _ => {}
            }
            at = start + length;
        }
        let Some(field) = field else { return Err(damaged(at)) };
        let id = if field.is_response() || field == CommandField::CCancelRq { responded } else { message_id };
        let (Some(message_id), Some(has_data_set)) = (id, data_set) else { return Err(damaged(at)) };
        Ok(Self { field, message_id, has_data_set, ..command })
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        let element = |number: u16, value: &[u8], pad: u8, out: &mut Vec<u8>| {
            let odd = value.len() % 2;
            out.extend([0, 0]);
            out.extend(number.to_le_bytes());
            out.extend(((value.len() + odd) as u32).to_le_bytes());
            out.extend(value);
            out.extend(std::iter::repeat_n(pad, odd));
        };
        let is_response = self.field.is_response();
        if !self.sop_class.is_empty() {
            element(0x0002, self.sop_class.as_bytes(), 0, &mut out);
        }
        element(0x0100, &self.field.number().to_le_bytes(), 0, &mut out);
        element(if is_response { 0x0120 } else { 0x0110 }, &self.message_id.to_le_bytes(), 0, &mut out);
        if self.field == CommandField::CStoreRq {
            element(0x0700, &self.priority.to_le_bytes(), 0, &mut out);
        }
        // Any number but this one says that there is one.
        let data_set = if self.has_data_set { 1 } else { NO_DATA_SET };
        element(0x0800, &data_set.to_le_bytes(), 0, &mut out);
        if is_response {
            element(0x0900, &self.status.0.to_le_bytes(), 0, &mut out);
            if !self.comment.is_empty() {
                element(0x0902, self.comment.as_bytes(), b' ', &mut out);
            }
        }
        if !self.sop_instance.is_empty() {
            element(0x1000, self.sop_instance.as_bytes(), 0, &mut out);
        }
        let mut whole = Vec::with_capacity(out.len() + 12);
        element(0x0000, &(out.len() as u32).to_le_bytes(), 0, &mut whole);
        whole.append(&mut out);
        whole
    }

    /// Whether class and instance are UIDs.
    pub fn has_uids(&self) -> bool {
        is_uid(&self.sop_class) && is_uid(&self.sop_instance)
    }
}

/// ASCII without padding; what is none becomes a question mark.
fn text(value: &[u8]) -> String {
    let text: String = value.iter().take(1024).map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }).collect();
    text.trim_matches(['\0', ' ']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_come_back() {
        let store = Command::store(7, "1.2.840.10008.5.1.4.1.1.2", "1.2.3");
        for command in [Command::echo(1), store.clone(), store.response(Status::OUT_OF_RESOURCES, "the disk is full")] {
            assert_eq!(Command::parse(&command.to_bytes()).unwrap(), command);
        }
        assert_eq!(store.response(Status::SUCCESS, "").field, CommandField::CStoreRsp);
        assert!(!format!("{store:?}").contains("1.2.3"));
    }

    #[test]
    fn damaged_ones_are_errors() {
        let bytes = Command::store(7, "1.2.840.10008.5.1.4.1.1.2", "1.2.3").to_bytes();
        for cut in 1..bytes.len() {
            // Without its last element it still says what it wants, but not of what.
            if let Ok(command) = Command::parse(&bytes[..cut]) {
                assert!(!command.has_uids(), "{cut}");
            }
        }
        assert!(Command::parse(&[]).is_err());
        assert!(Command::parse(&[0, 0, 0, 1, 255, 255, 255, 255]).is_err());
        assert!(Command::parse(&[8, 0, 0, 1, 2, 0, 0, 0, 1, 0]).is_err());
        assert!(Command::parse(&[0, 0, 0, 1, 1, 0, 0, 0, 1]).is_err());
    }

    #[test]
    fn statuses_have_classes() {
        use StatusClass::*;
        for (status, class) in
            [(0, Success), (0xB007, Warning), (0xA700, Failure), (0xC001, Failure), (0xFF00, Pending), (0xFE00, Cancelled)]
        {
            assert_eq!(Status(status).class(), class);
        }
        assert!(Status(0xA701).is_transient() && !Status(0xA900).is_transient());
    }
}
