// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who receives the images: one table, or a list of them.

use std::{fmt, ops::Deref};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::form::Recipient;

/// The recipients that a mandate names; each run serves one of them.
///
/// In a form this is one table `[recipient]`, or several tables `[[recipient]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipients(pub Vec<Recipient>);

impl Recipients {
    /// The recipient called `name`.
    pub fn named(&self, name: &str) -> Option<&Recipient> {
        self.0.iter().find(|r| r.name == name)
    }
}

impl Deref for Recipients {
    type Target = [Recipient];

    fn deref(&self) -> &[Recipient] {
        &self.0
    }
}

impl Serialize for Recipients {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(s),
            several => several.serialize(s),
        }
    }
}

impl<'de> Deserialize<'de> for Recipients {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(OneOrMore).map(Self)
    }
}

/// Not an untagged enum: that would lose what is wrong and where.
struct OneOrMore;

impl<'de> de::Visitor<'de> for OneOrMore {
    type Value = Vec<Recipient>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a recipient or a list of recipients")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Vec<Recipient>, A::Error> {
        Recipient::deserialize(de::value::MapAccessDeserializer::new(map)).map(|one| vec![one])
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<Vec<Recipient>, A::Error> {
        Vec::deserialize(de::value::SeqAccessDeserializer::new(list))
    }
}
