// SPDX-License-Identifier: MIT OR Apache-2.0
//! Words that every command about the register uses.

use jiff::Timestamp;
use privacy_policy::time;
use privacy_register::Operation;

/// An operation in the reader's language.
pub fn operation_name(operation: Operation, french: bool) -> &'static str {
    if !french {
        return operation.nick();
    }
    match operation {
        Operation::Collect => "collecte",
        Operation::Modify => "modification",
        Operation::Consult => "consultation",
        Operation::Communicate => "communication",
        Operation::Erase => "effacement",
        Operation::Extract => "extraction",
        Operation::Publish => "publication",
        Operation::Refuse => "refus",
        Operation::Config => "configuration",
        Operation::WindowPublished => "publication de comptages",
    }
}

/// An instant as the clocks of France show it.
pub fn local(time: Timestamp) -> String {
    time.to_zoned(time::paris())
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}
