// SPDX-License-Identifier: GPL-2.0

//! KUnit: the handshake hook: where it is published, who is asked, and about what.

use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::rcu;

use crate::handshake::Publication;
use crate::net::hs_ctrl::Judge;
use crate::net::Connection;

/// Says yes to everything.
pub(crate) struct Yes;

impl Judge for Yes {
    fn smc(&self, _connection: &Connection<'_>, _guard: &rcu::Guard) -> bool {
        true
    }
}

/// Whether `is` says so of what the attribute shows.
fn shows<J: Judge>(publication: &Publication<J>, is: impl Fn(&str) -> bool) -> Result<bool> {
    let text = CString::try_from_fmt(format_args!("{publication}"))?;
    text.to_str().map(is).map_err(|_| EINVAL)
}

#[cfg(not(CONFIG_SMC_HS_CTRL_BPF))]
#[kunit_tests(smcify_handshake)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_it_refuses() {
        let mut publication = Publication::idle();
        let refusal = Error::from_errno(-(kernel::bindings::EOPNOTSUPP as c_int));
        assert_eq!(publication.publish(|| Yes), Err(refusal));
        assert_eq!(shows(&publication, |it| it == "absent"), Ok(true));
    }
}

#[cfg(CONFIG_SMC_HS_CTRL_BPF)]
mod with {
    use core::net::Ipv4Addr;
    use core::sync::atomic::{
        AtomicU32,
        Ordering::SeqCst, //
    };

    use kernel::sync::Arc;

    use super::*;
    use crate::calls::connect4;
    use crate::compat::label::Label;
    use crate::hs_ctrl::{
        is_empty,
        listen4,
        references,
        Other, //
    };
    use crate::net::hs_ctrl::HsCtrl;
    use crate::net::Socket;
    use crate::rules::selector::Ends;

    const HERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
    const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 2, 1);
    const PORT: u16 = 4711;

    /// Counts what it is asked, and gives one answer.
    #[derive(Default)]
    pub(super) struct Counts {
        answer: bool,
        /// Questions in all.
        pub(super) asked: AtomicU32,
        /// Those about the connection that [`Counts::connect`] makes.
        pub(super) expected: AtomicU32,
        /// Those of them about one that leaves by `lo`.
        pub(super) by_lo: AtomicU32,
    }

    impl Judge for Arc<Counts> {
        fn smc(&self, connection: &Connection<'_>, guard: &rcu::Guard) -> bool {
            let ends = Ends::v4(HERE.into(), THERE.into());
            let is_expected = (connection.ends, connection.port) == (ends, PORT);
            let egress = connection.egress(guard).map(|dev| dev.name());
            let is_lo = egress.is_some_and(|name| Some(name) == Label::new(b"lo"));
            self.asked.fetch_add(1, SeqCst);
            self.expected.fetch_add(is_expected.into(), SeqCst);
            self.by_lo.fetch_add(is_lo.into(), SeqCst);
            self.answer
        }
    }

    /// Questions in all, about the right connection, by the right device; while one SMC
    /// socket connects to another, of which `answer` is said.
    pub(super) fn asked(answer: bool) -> Result<[u32; 3]> {
        let counts = Counts {
            answer,
            ..Counts::default()
        };
        let counts = Arc::new(counts, GFP_KERNEL)?;
        let published = HsCtrl::publish(counts.clone())?;
        let listener = Socket::create_kern(2, 1, 256)?;
        listen4(&listener, THERE.octets(), PORT)?;
        let client = Socket::create_kern(2, 1, 256)?;
        connect4(&client, THERE.octets(), PORT)?;
        drop(client);
        drop(listener);
        drop(published);
        let counts = [&counts.asked, &counts.expected, &counts.by_lo];
        Ok(counts.map(|it| it.load(SeqCst)))
    }

    /// How many references of the module there are more while it is published, whether that
    /// is as many as namespaces it is in, and what is left of them.
    pub(super) fn counted() -> Result<(bool, bool, c_int)> {
        let before = references();
        let published = HsCtrl::publish(Yes)?;
        let places = published.places();
        let more = references() - before;
        drop(published);
        let same = usize::try_from(more) == Ok(places.published);
        Ok((places.published > 0, same, references() - before))
    }

    /// With somebody else's control in the initial namespace: how many are taken, whether it
    /// has stayed there, what references are left.
    pub(super) fn taken() -> Result<(usize, bool, c_int)> {
        let before = references();
        let other = Other::put()?;
        let published = HsCtrl::publish(Yes)?;
        let taken = published.places().taken;
        drop(published);
        Ok((taken, other.is_there(), references() - before))
    }

    /// What a second one is answered, and whether the first is where it was.
    pub(super) fn twice() -> Result<(Result, bool)> {
        let first = HsCtrl::publish(Yes)?;
        let places = first.places();
        let second = HsCtrl::publish(Yes).map(drop);
        Ok((second, first.places() == places))
    }

    #[kunit_tests(smcify_handshake)]
    mod tests {
        use super::*;

        #[test]
        fn the_module_is_counted_in_each_namespace() {
            assert!(is_empty());
            assert_eq!(counted(), Ok((true, true, 0)));
            assert!(is_empty());
        }

        #[test]
        fn a_place_that_is_taken_is_left_alone() {
            assert_eq!(taken(), Ok((1, true, 0)));
            assert!(is_empty());
        }

        #[test]
        fn there_is_one_at_a_time() {
            assert_eq!(twice(), Ok((Err(EBUSY), true)));
            assert!(is_empty());
        }

        #[test]
        fn both_sides_are_asked_about_the_same_connection() {
            assert_eq!(asked(true), Ok([2, 2, 2]));
        }

        #[test]
        fn a_syn_without_the_option_is_not_asked_about_again() {
            assert_eq!(asked(false), Ok([1, 1, 1]));
        }

        #[test]
        fn it_shows_what_it_is() {
            let mut publication = Publication::idle();
            assert_eq!(shows(&publication, |it| it == "idle"), Ok(true));
            assert!(publication.publish(|| Yes).is_ok());
            assert!(publication.publish(|| Yes).is_ok());
            assert_eq!(
                shows(&publication, |it| it.starts_with("published ")),
                Ok(true)
            );
            publication.withdraw();
            assert_eq!(shows(&publication, |it| it == "idle"), Ok(true));
            assert!(is_empty());
        }
    }
}
