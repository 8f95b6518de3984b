// SPDX-License-Identifier: GPL-2.0
//! Requests over netlink and their answers, for the few messages needed here.

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use neli::FromBytesWithInput;
use neli::ToBytes;
use neli::consts::nl::NlmF;
use neli::consts::nl::Nlmsg;
use neli::consts::socket::NlFamily;
use neli::genl::AttrTypeBuilder;
use neli::genl::NlattrBuilder;
use neli::nl::NlPayload;
use neli::nl::NlmsghdrBuilder;
use neli::socket::synchronous::NlSocketHandle;
use neli::types::Buffer;
use neli::types::GenlBuffer;
use neli::utils::Groups;
use std::io::Cursor;
use std::io::Error;

/// A message body: a family's fixed header, then attributes.
pub struct Body(Vec<u8>);

impl Body {
    /// Starts with the bytes of the family's header.
    pub fn new(header: &[u8]) -> Self {
        Self(header.to_vec())
    }

    /// Appends one attribute.
    pub fn attr(mut self, kind: u16, value: &[u8]) -> Result<Self> {
        let attr = NlattrBuilder::default()
            .nla_type(AttrTypeBuilder::default().nla_type(kind).build()?)
            .nla_payload(Buffer::from(value))
            .build()?;
        let mut bytes = Cursor::new(Vec::new());
        attr.to_bytes(&mut bytes)?;
        self.0.extend(bytes.into_inner());
        Ok(self)
    }

    /// Appends one attribute that holds what `inner` does, attributes mostly.
    pub fn nest(self, kind: u16, inner: Self) -> Result<Self> {
        self.attr(kind, &inner.0)
    }

    /// Appends one attribute that holds a NUL-terminated string.
    pub fn string(self, kind: u16, value: &str) -> Result<Self> {
        self.attr(kind, &[value.as_bytes(), b"\0"].concat())
    }
}

/// Attributes, as (type, value) pairs.
pub type Attributes = Vec<(u16, Vec<u8>)>;

/// The attributes in `bytes`.
pub fn attrs(bytes: &[u8]) -> Result<Attributes> {
    let attrs =
        GenlBuffer::<u16, Buffer>::from_bytes_with_input(&mut Cursor::new(bytes), bytes.len())?;
    Ok(attrs
        .iter()
        .map(|a| (*a.nla_type().nla_type(), a.nla_payload().as_ref().to_vec()))
        .collect())
}

/// Sends one request and returns the bodies of its answer. With `DUMP` in
/// `flags` these are all up to the end of the dump, else those before the ACK.
pub fn request(family: NlFamily, kind: u16, flags: NlmF, body: Body) -> Result<Vec<Vec<u8>>> {
    let socket = NlSocketHandle::connect(family, None, Groups::empty())
        .with_context(|| format!("netlink {family:?}: no socket"))?;
    let flags = flags | NlmF::REQUEST | NlmF::ACK;
    let message = NlmsghdrBuilder::default()
        .nl_type(kind)
        .nl_flags(flags)
        .nl_payload(NlPayload::<u16, Buffer>::Payload(Buffer::from(body.0)))
        .build()?;
    socket.send(&message)?;
    let mut bodies = Vec::new();
    loop {
        let (messages, _) = socket.recv::<u16, Buffer>()?;
        for message in messages {
            let message = message?;
            match message.nl_payload() {
                NlPayload::Err(e) => {
                    let error = Error::from_raw_os_error(-*e.error());
                    return Err(error)
                        .with_context(|| format!("netlink {family:?} request {kind}"));
                }
                NlPayload::Ack(_) => return Ok(bodies),
                _ if *message.nl_type() == u16::from(Nlmsg::Done) => return Ok(bodies),
                NlPayload::Payload(body) => bodies.push(body.as_ref().to_vec()),
                _ => {}
            }
        }
    }
}

/// The id of the generic netlink family `name`.
fn family_id(name: &str) -> Result<u16> {
    const CTRL: u16 = 16;
    const GETFAMILY: u8 = 3;
    const ATTR_FAMILY_ID: u16 = 1;
    const ATTR_FAMILY_NAME: u16 = 2;
    let body = Body::new(&[GETFAMILY, 1, 0, 0]).string(ATTR_FAMILY_NAME, name)?;
    let answer = request(NlFamily::Generic, CTRL, NlmF::empty(), body).with_context(|| {
        format!("generic netlink family {name} is not there: is smc.ko loaded?")
    })?;
    for body in answer {
        for (kind, value) in attrs(body.get(4..).unwrap_or_default())? {
            if let (ATTR_FAMILY_ID, [low, high]) = (kind, value.as_slice()) {
                return Ok(u16::from_ne_bytes([*low, *high]));
            }
        }
    }
    bail!("generic netlink family {name} has no id")
}

/// Sends one command to the generic netlink family `name`; returns the attributes of each
/// message of its answer.
fn command(
    name: &str,
    command: u8,
    flags: NlmF,
    attributes: &[(u16, &[u8])],
) -> Result<Vec<Attributes>> {
    let id = family_id(name)?;
    let mut body = Body::new(&[command, 1, 0, 0]);
    for (kind, value) in attributes {
        body = body.attr(*kind, value)?;
    }
    let answer = request(NlFamily::Generic, id, flags, body)
        .with_context(|| format!("{name} command {command}"))?;
    let attributes = |body: &Vec<u8>| attrs(body.get(4..).unwrap_or_default());
    answer.iter().map(attributes).collect()
}

/// Has the generic netlink family `name` do something.
pub fn generic(name: &str, kind: u8, attributes: &[(u16, &[u8])]) -> Result<()> {
    command(name, kind, NlmF::empty(), attributes).map(drop)
}

/// Has the generic netlink family `name` list something: the attributes of each entry.
pub fn dump(name: &str, kind: u8) -> Result<Vec<Attributes>> {
    command(name, kind, NlmF::DUMP, &[])
}
