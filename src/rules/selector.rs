// SPDX-License-Identifier: GPL-2.0

//! Where a handshake rule applies: a conjunction of source, destination, port and egress
//! device, and the table in which the most specific one is found.
//!
//! Logic: against `core` and what [`crate::rules::table`] needs.
//!
//! A selector has a shape: which terms it has, and how long its prefixes are. All selectors
//! of one shape are found by one look-up, with what the shape leaves of the handshake. So the
//! cost grows with the number of shapes in use, which is small, not with that of the rules.

use core::net::IpAddr;
use core::sync::atomic::{
    AtomicUsize,
    Ordering::Relaxed, //
};

use crate::compat::array::{
    AllocError,
    Array, //
};
use crate::compat::label::{
    self,
    Label, //
};
use crate::compat::rcu::{
    self,
    Guard,
    Published,
    Shared, //
};
use crate::rules::table::{
    Key,
    Refused,
    Table, //
};

/// An address of either family as a number in host order, and its length in bits.
fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u32::from(address).into(), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    }
}

/// The upper `len` of `width` bits.
fn mask(len: u8, width: u8) -> u128 {
    match width.checked_sub(len) {
        Some(host @ 0..=127) => u128::MAX << host,
        _ => 0,
    }
}

/// The addresses that share their first `len` bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    address: IpAddr,
    len: u8,
}

impl Prefix {
    /// The prefix of `len` bits at `address`; `None` if `len` is too large, if a bit is set
    /// behind it, or if it is of IPv4 addresses in IPv6's clothes, which never match: such
    /// connections are IPv4.
    pub fn new(address: IpAddr, len: u8) -> Option<Self> {
        let (bits, width) = bits(address);
        let mapped = matches!(address, IpAddr::V6(it) if it.to_ipv4_mapped().is_some());
        let fits = len <= width && bits & !mask(len, width) == 0 && !mapped;
        fits.then_some(Self { address, len })
    }

    /// Both are of IPv4 addresses, or of IPv6 ones.
    pub fn same_family(&self, other: &Self) -> bool {
        self.address.is_ipv4() == other.address.is_ipv4()
    }
}

/// Which connections a rule is about; what is `None` does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selector {
    /// Where the side that connects is; of the same family as `dst`.
    pub src: Option<Prefix>,
    /// Where the side that listens is.
    pub dst: Option<Prefix>,
    /// The port it listens on, in host order; not 0.
    pub port: Option<u16>,
    /// The device by which this host sends.
    pub dev: Option<Label>,
}

/// The two ends of a connection, as numbers in host order. Both addresses are of one family,
/// and an IPv4-mapped one is an IPv4 one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    src: u128,
    dst: u128,
    width: u8,
}

impl Ends {
    /// Of an IPv4 connection.
    #[inline]
    pub fn v4(src: u32, dst: u32) -> Self {
        Self {
            src: src.into(),
            dst: dst.into(),
            width: 32,
        }
    }

    /// Of what an IPv6 socket takes for its connection.
    #[inline]
    pub fn v6(src: u128, dst: u128) -> Self {
        match src >> 32 {
            0xffff => Self::v4(src as u32, dst as u32),
            _ => Self {
                src,
                dst,
                width: 128,
            },
        }
    }

    /// Seen from the other end.
    #[inline]
    pub fn swapped(self) -> Self {
        Self {
            src: self.dst,
            dst: self.src,
            ..self
        }
    }

    /// It is an IPv4 connection.
    #[inline]
    pub fn are_v4(&self) -> bool {
        self.width == 32
    }
}

/// What is asked of a handshake, on either of its ends.
pub trait Handshake {
    /// The address of the side that connects, and of the side that listens.
    fn ends(&self) -> Ends;
    /// The port that is listened on, in host order.
    fn port(&self) -> u16;
    /// The device by which this host sends; asked only if a rule wants to know.
    fn dev(&self) -> Option<Label>;
}

/// Which terms a selector has.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Shape {
    /// The bits of an address: 32 or 128; 0 if neither `src` nor `dst` is there.
    width: u8,
    /// One more than the length of the prefix; 0 if there is none.
    dst: u8,
    src: u8,
    port: bool,
    dev: bool,
}

impl Shape {
    fn of(selector: &Selector) -> Self {
        let prefix = selector.dst.or(selector.src);
        let len = |prefix: Option<Prefix>| prefix.map_or(0, |prefix| prefix.len + 1);
        Self {
            width: prefix.map_or(0, |prefix| bits(prefix.address).1),
            dst: len(selector.dst),
            src: len(selector.src),
            port: selector.port.is_some(),
            dev: selector.dev.is_some(),
        }
    }

    /// Larger for what is asked first: the longest `dst`, then `src`, then `port`, `dev`.
    fn rank(&self) -> impl Ord {
        (self.dst, self.src, self.port, self.dev, self.width)
    }
}

/// A selector as the table knows it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Masked {
    src: u128,
    dst: u128,
    shape: Shape,
    port: u16,
    dev: Option<Label>,
}

impl From<&Selector> for Masked {
    fn from(selector: &Selector) -> Self {
        let masked = |prefix: Option<Prefix>| prefix.map_or(0, |prefix| bits(prefix.address).0);
        Self {
            src: masked(selector.src),
            dst: masked(selector.dst),
            shape: Shape::of(selector),
            port: selector.port.unwrap_or_default(),
            dev: selector.dev,
        }
    }
}

impl Key for Masked {
    #[inline]
    fn hash(&self) -> u64 {
        let lens = (u64::from(self.shape.dst) << 16) | (u64::from(self.shape.src) << 24);
        let mut hash = label::mix(u64::from(self.port) | lens, self.dst as u64);
        hash = label::mix(hash, self.src as u64);
        if self.shape.width == 128 {
            hash = label::mix(hash, (self.dst >> 64) as u64);
            hash = label::mix(hash, (self.src >> 64) as u64);
        }
        if let Some(dev) = self.dev {
            hash = label::mix(hash, dev.hash());
        }
        hash
    }
}

/// A shape in use, and by how many.
struct Used {
    shape: Shape,
    /// The bits that are looked at, of each address.
    src: u128,
    dst: u128,
    by: AtomicUsize,
}

impl Used {
    fn new(shape: Shape, by: usize) -> Self {
        let bits = |len: u8| len.checked_sub(1).map_or(0, |len| mask(len, shape.width));
        Self {
            shape,
            src: bits(shape.src),
            dst: bits(shape.dst),
            by: AtomicUsize::new(by),
        }
    }

    /// What the shape leaves of a handshake between `ends`, if that is of its family and known.
    #[inline]
    fn key(&self, ends: Ends, handshake: &impl Handshake) -> Option<Masked> {
        let shape = self.shape;
        if shape.width != 0 && shape.width != ends.width {
            return None;
        }
        Some(Masked {
            src: ends.src & self.src,
            dst: ends.dst & self.dst,
            shape,
            port: if shape.port { handshake.port() } else { 0 },
            dev: match shape.dev {
                true => Some(handshake.dev()?),
                false => None,
            },
        })
    }

    fn by(&self) -> usize {
        self.by.load(Relaxed)
    }
}

/// A table from selectors to values, which are cheap to clone.
///
/// Readers and writers as those of [`Table`].
pub struct Selectors<V: Clone + Send + Sync + 'static> {
    table: Table<Masked, V>,
    /// The shapes of all that is in the table, most specific first.
    shapes: Published<Array<Used>>,
}

impl<V: Clone + Send + Sync + 'static> Default for Selectors<V> {
    fn default() -> Self {
        Self {
            table: Table::default(),
            shapes: Published::new(None),
        }
    }
}

impl<V: Clone + Send + Sync + 'static> Selectors<V> {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.table.len()
    }

    /// The value of the most specific selector that `handshake` meets.
    ///
    /// Context: any.
    #[inline]
    pub fn get<'g>(&'g self, handshake: &impl Handshake, guard: &'g Guard) -> Option<&'g V> {
        let shapes = self.shapes.get(guard)?;
        let ends = handshake.ends();
        shapes
            .iter()
            .filter_map(|used| used.key(ends, handshake))
            .find_map(|key| self.table.get(|| key, guard))
    }

    /// Adds one; readers find it from now on.
    ///
    /// # Errors
    ///
    /// [`Refused`], and nothing has changed.
    ///
    /// Context: process context, may sleep.
    pub fn insert(&self, selector: &Selector, value: V) -> Result<(), Refused> {
        let shape = Shape::of(selector);
        // First the shape: one that nothing has is looked up in vain, but a selector whose
        // shape is not known would not be found.
        self.shape_gained(shape)?;
        self.table
            .insert(selector.into(), value)
            .inspect_err(|_| self.shape_lost(shape))
    }

    /// Takes one away, if it is there.
    ///
    /// Context: process context, may sleep.
    pub fn remove(&self, selector: &Selector) {
        let before = self.count();
        self.table.remove(&selector.into());
        if self.count() < before {
            self.shape_lost(Shape::of(selector));
        }
    }

    fn shape_gained(&self, shape: Shape) -> Result<(), AllocError> {
        match self.used(shape) {
            0 => self.publish_shapes(Some(shape)),
            by => {
                self.set_used(shape, by + 1);
                Ok(())
            }
        }
    }

    fn shape_lost(&self, shape: Shape) {
        let by = self.used(shape).saturating_sub(1);
        self.set_used(shape, by);
        if by == 0 {
            // Without memory it stays, and costs a look-up.
            let _ = self.publish_shapes(None);
        }
    }

    fn used(&self, shape: Shape) -> usize {
        let guard = rcu::read_lock();
        let shapes = self.shapes.get(&guard).map_or(&[][..], |all| all);
        shapes
            .iter()
            .find(|used| used.shape == shape)
            .map_or(0, Used::by)
    }

    fn set_used(&self, shape: Shape, by: usize) {
        let guard = rcu::read_lock();
        let shapes = self.shapes.get(&guard).map_or(&[][..], |all| all);
        if let Some(used) = shapes.iter().find(|used| used.shape == shape) {
            used.by.store(by, Relaxed);
        }
    }

    /// Publishes the shapes that are in use, and `new` at its place among them.
    fn publish_shapes(&self, new: Option<Shape>) -> Result<(), AllocError> {
        let old = self.shapes.share();
        let old = old.as_deref().map_or(&[][..], |all| all);
        let rest = || {
            old.iter()
                .filter(|used| used.by() > 0 && Some(used.shape) != new)
                .map(|used| (used.shape, used.by()))
        };
        let ahead = |shape: &Shape| new.is_some_and(|new| shape.rank() > new.rank());
        let all = rest()
            .filter(|(shape, _)| ahead(shape))
            .chain(new.map(|new| (new, 1)))
            .chain(rest().filter(|(shape, _)| !ahead(shape)));
        let len = rest().count() + usize::from(new.is_some());
        let shapes = Array::new(len, all.map(|(shape, by)| Used::new(shape, by)))?;
        self.shapes.set(Some(Shared::new(shapes)?));
        Ok(())
    }
}
