// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading the lines of a policy.

use std::collections::HashMap;

use super::{Kind, Member, shown};
use crate::{
    cosignature::{self, WitnessVerifier, split_vkey},
    key::VerifierKey,
};

/// Most witnesses and groups, and most logs.
const MAX_NAMES: usize = 1024;
/// Most levels of groups within groups.
pub(super) const MAX_DEPTH: usize = 64;
/// Signature type of a register: Ed25519.
const ED25519: u8 = 1;
/// ML-DSA-44: allowed in a policy for logs and witnesses, but not verified here.
pub(super) const ML_DSA_44: u8 = 6;
pub(super) const ML_DSA_44_LENGTH: usize = 1312;

/// A policy as far as it was read.
#[derive(Default)]
pub(super) struct Reading {
    pub logs: Vec<VerifierKey>,
    pub members: Vec<Member>,
    names: HashMap<Vec<u8>, usize>,
    /// Public keys of logs and of witnesses.
    log_keys: Vec<Vec<u8>>,
    witness_keys: Vec<Vec<u8>>,
    /// The line, and in it a member or nobody.
    pub quorum: Option<Option<usize>>,
}

impl Reading {
    /// Takes one line in. The error says what is wrong with it.
    pub fn line(&mut self, line: &[u8]) -> Result<(), String> {
        if let Some(octet) = line
            .iter()
            .find(|b| !matches!(b, b'\t' | 0x20..=0x7e | 0x80..))
        {
            return Err(format!(
                "the octet 0x{octet:02x} is not allowed; write the file with plain newlines and no control characters"
            ));
        }
        let mut fields = line
            .split(|b| matches!(b, b' ' | b'\t'))
            .filter(|field| !field.is_empty());
        let Some(keyword) = fields.next() else {
            return Ok(());
        };
        if keyword.starts_with(b"#") {
            return Ok(());
        }
        let fields: Vec<&[u8]> = fields.collect();
        match (keyword, fields.as_slice()) {
            (b"log", [vkey] | [vkey, _]) => self.log(vkey),
            (b"log", _) => Err("write: log <key> [<url>]".into()),
            (b"witness", [name, vkey]) => self.witness(name, vkey, None),
            (b"witness", [name, vkey, url]) => self.witness(name, vkey, Some(url)),
            (b"witness", _) => Err("write: witness <name> <key> [<url>]".into()),
            (b"group", [name, needed, members @ ..]) if !members.is_empty() => {
                self.group(name, needed, members)
            }
            (b"group", _) => Err("write: group <name> <all, any or a number> <name> …".into()),
            (b"quorum", [name]) => self.set_quorum(name),
            (b"quorum", _) => Err("write: quorum <name of a witness or group, or none>".into()),
            _ => Err(format!(
                "\"{}\" is not a keyword; lines begin with log, witness, group, quorum or #",
                shown(keyword)
            )),
        }
    }

    fn log(&mut self, vkey: &[u8]) -> Result<(), String> {
        let (text, algorithm, public) = key(vkey)?;
        match algorithm {
            ED25519 => self.logs.push(
                VerifierKey::from_text(text)
                    .map_err(|_| format!("\"{text}\" is not an Ed25519 key"))?,
            ),
            ML_DSA_44 if public.len() == ML_DSA_44_LENGTH => {}
            cosignature::ALGORITHM => {
                return Err(format!(
                    "\"{text}\" is the key of a witness (signature type 4); a log line takes the key of a register"
                ));
            }
            other => {
                return Err(format!(
                    "\"{text}\" has signature type {other}, which no log has"
                ));
            }
        }
        no_twin(&mut self.log_keys, public)
    }

    fn witness(&mut self, name: &[u8], vkey: &[u8], url: Option<&[u8]>) -> Result<(), String> {
        let (text, algorithm, public) = key(vkey)?;
        let key = match algorithm {
            cosignature::ALGORITHM => Some(Box::new(
                WitnessVerifier::from_text(text)
                    .map_err(|_| format!("\"{text}\" is not an Ed25519 key"))?,
            )),
            ML_DSA_44 if public.len() == ML_DSA_44_LENGTH => None,
            ED25519 => {
                return Err(format!(
                    "\"{text}\" is the key of a register (signature type 1); a witness line takes the key of a witness (type 4)"
                ));
            }
            other => {
                return Err(format!(
                    "\"{text}\" has signature type {other}, which no witness has"
                ));
            }
        };
        no_twin(&mut self.witness_keys, public)?;
        let url = url.map(shown);
        self.define(name, Kind::Witness { key, url }, 0)
    }

    fn group(&mut self, name: &[u8], needed: &[u8], names: &[&[u8]]) -> Result<(), String> {
        let mut members = Vec::with_capacity(names.len());
        let mut depth = 0;
        for member in names {
            let at = self.find(member)?;
            let found = &mut self.members[at];
            if found.taken {
                return Err(format!(
                    "\"{}\" is a member already, of this group or another; each name counts once",
                    shown(member)
                ));
            }
            found.taken = true;
            depth = depth.max(found.depth + 1);
            members.push(at);
        }
        if depth > MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} groups within each other"));
        }
        let needed = match needed {
            b"all" => members.len(),
            b"any" => 1,
            number => str::from_utf8(number)
                .ok()
                .and_then(|text| Some((text, text.parse::<usize>().ok()?)))
                .filter(|(text, k)| *text == k.to_string() && (1..=members.len()).contains(k))
                .map(|(_, k)| k)
                .ok_or_else(|| {
                    format!(
                        "\"{}\" is not all, any, or a number from 1 to {}",
                        shown(number),
                        members.len()
                    )
                })?,
        };
        self.define(name, Kind::Group { needed, members }, depth)
    }

    fn set_quorum(&mut self, name: &[u8]) -> Result<(), String> {
        if self.quorum.is_some() {
            return Err("a second quorum; write one".into());
        }
        self.quorum = Some(match name {
            b"none" => None,
            name => Some(self.find(name)?),
        });
        Ok(())
    }

    fn find(&self, name: &[u8]) -> Result<usize, String> {
        self.names.get(name).copied().ok_or_else(|| {
            format!(
                "\"{}\" is not the name of a witness or group on a line above",
                shown(name)
            )
        })
    }

    fn define(&mut self, name: &[u8], kind: Kind, depth: usize) -> Result<(), String> {
        if name == b"none" {
            return Err(
                "\"none\" is what a quorum of nobody is called; choose another name".into(),
            );
        }
        if self.members.len() == MAX_NAMES {
            return Err(format!("more than {MAX_NAMES} witnesses and groups"));
        }
        if self
            .names
            .insert(name.to_vec(), self.members.len())
            .is_some()
        {
            return Err(format!("\"{}\" is defined twice", shown(name)));
        }
        self.members.push(Member {
            name: name.to_vec(),
            kind,
            depth,
            taken: false,
        });
        Ok(())
    }
}

/// Text, type and bytes of a key.
fn key(vkey: &[u8]) -> Result<(&str, u8, Vec<u8>), String> {
    let bad = || {
        format!(
            "\"{}\" is not a verifier key (<name>+<id>+<key>), or its id does not belong to it",
            shown(vkey)
        )
    };
    let text = str::from_utf8(vkey).map_err(|_| bad())?;
    let (_, algorithm, public) = split_vkey(text).ok_or_else(bad)?;
    Ok((text, algorithm, public))
}

fn no_twin(keys: &mut Vec<Vec<u8>>, public: Vec<u8>) -> Result<(), String> {
    if keys.contains(&public) {
        return Err("the same key is on a line above; give each its own".into());
    }
    if keys.len() == MAX_NAMES {
        return Err(format!("more than {MAX_NAMES} of these lines"));
    }
    keys.push(public);
    Ok(())
}
