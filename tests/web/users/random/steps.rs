//! The steps of random handlers.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;
use session_runtime::{ErrorKind, Session, SessionError, Visit};

use super::schemas::{Auth, Cart, Look, Orders, Staff, Written};

/// An accessor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Way {
    Set,
    Edit,
    Update,
    Clear,
    Take,
}

/// A field, or one entry of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    User(Option<u8>),
    Roles,
    Note,
    Level,
    Scratch,
    Operator(u8),
    StaffNote,
    Tags,
    Texts(u8),
    Items(u8),
    Visits,
    Remark,
    Address,
    Lines,
    CartScratch,
    Pages,
    Language,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Of {
    Auth,
    Staff,
    Cart,
    Orders,
    Look,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// One or two fields of a schema.
    Write(Vec<(Part, Way)>),
    UpdateNow(Vec<(Part, Way)>),
    /// The guard stays open from here to the next of these.
    Hold(Of),
    Read,
    Save,
    Restart,
    Renew,
    Destroy,
    Clear(Of),
    /// The guard of the user unwinds with a change.
    Panic,
    Finish {
        failed: bool,
    },
}

/// One request, or two of the same browser at the same time: each step with the one that does it.
#[derive(Clone, Debug)]
pub(super) struct Round {
    pub(super) two: bool,
    pub(super) steps: Vec<(bool, Step)>,
    pub(super) failed: bool,
}

pub(super) fn round() -> impl Strategy<Value = Round> {
    let steps = prop::collection::vec((any::<bool>(), step()), 1..16);
    let round = (prop::bool::weighted(0.3), steps, prop::bool::weighted(0.1));
    round.prop_map(|(two, steps, failed)| Round { two, steps, failed })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => writes().prop_map(Step::Write),
        2 => writes().prop_map(Step::UpdateNow),
        3 => schema().prop_map(Step::Hold),
        2 => Just(Step::Read),
        3 => Just(Step::Save),
        1 => Just(Step::Restart),
        1 => Just(Step::Renew),
        1 => Just(Step::Destroy),
        1 => schema().prop_map(Step::Clear),
        1 => Just(Step::Panic),
        1 => any::<bool>().prop_map(|failed| Step::Finish { failed }),
    ]
}

fn schema() -> impl Strategy<Value = Of> {
    prop_oneof![3 => Just(Of::Auth), 1 => Just(Of::Staff), 3 => Just(Of::Cart), 1 => Just(Of::Orders), 1 => Just(Of::Look)]
}

fn writes() -> impl Strategy<Value = Vec<(Part, Way)>> {
    let one = (part(), way());
    let two = prop_oneof![(auth_part(), way(), auth_part(), way()), (cart_part(), way(), cart_part(), way())];
    prop_oneof![2 => one.prop_map(|one| vec![one]), 1 => two.prop_map(|(a, by_a, b, by_b)| vec![(a, by_a), (b, by_b)])]
}

fn way() -> impl Strategy<Value = Way> {
    let set_or_edit = prop_oneof![3 => Just(Way::Set), 4 => Just(Way::Edit), 2 => Just(Way::Update)];
    prop_oneof![9 => set_or_edit, 1 => Just(Way::Clear), 1 => Just(Way::Take)]
}

fn part() -> impl Strategy<Value = Part> {
    let staff = prop_oneof![(0..3_u8).prop_map(Part::Operator), Just(Part::StaffNote)];
    prop_oneof![8 => auth_part(), 2 => staff, 8 => cart_part(), 2 => Just(Part::Pages), 1 => Just(Part::Language)]
}

fn auth_part() -> impl Strategy<Value = Part> {
    let user = prop::option::weighted(0.7, 1..3_u8).prop_map(Part::User);
    let rest = prop_oneof![Just(Part::Note), Just(Part::Level), Just(Part::Scratch)];
    prop_oneof![4 => user, 2 => Just(Part::Roles), 3 => rest]
}

fn cart_part() -> impl Strategy<Value = Part> {
    prop_oneof![
        Just(Part::Tags),
        (0..2_u8).prop_map(Part::Texts),
        (0..2_u8).prop_map(Part::Items),
        Just(Part::Visits),
        Just(Part::Remark),
        Just(Part::Address),
        Just(Part::Lines),
        Just(Part::CartScratch),
    ]
}

impl Part {
    fn of(self) -> Of {
        match self {
            Self::User(_) | Self::Roles | Self::Note | Self::Level | Self::Scratch => Of::Auth,
            Self::Operator(_) | Self::StaffNote => Of::Staff,
            Self::Pages => Of::Orders,
            Self::Language => Of::Look,
            _ => Of::Cart,
        }
    }

    /// Picks additions to a sum where two requests run: only those add up to the bits of both.
    fn way(self, way: Way, two: bool) -> Way {
        let is_sum = matches!(self, Self::Items(_) | Self::Visits);
        if two && is_sum && way != Way::Update { Way::Edit } else { way }
    }
}

/// The guards that stay open from step to step.
#[derive(Default)]
pub(super) struct Held<'v> {
    auth: Option<Session<'v, Auth>>,
    staff: Option<Session<'v, Staff>>,
    cart: Option<Session<'v, Cart>>,
    orders: Option<Session<'v, Orders>>,
    look: Option<Session<'v, Look>>,
}

/// Works with the guard that is held, or with one that is opened for it and shows what there is.
macro_rules! with_guard {
    ($held:expr, $visit:expr, $schema:ty, $written:expr, |$guard:ident| $work:expr) => {
        if let Some($guard) = &mut $held {
            $work
        } else {
            let $guard = &mut $visit.write::<$schema>().await?;
            $written.opened = Some(($visit.key(), $guard.numbers()));
            $work
        }
    };
}

macro_rules! hold_or_drop {
    ($held:expr, $visit:expr) => {
        if $held.take().is_none() {
            $held = Some($visit.write().await?);
        }
    };
}

impl<'v> Held<'v> {
    /// Fails as a save does.
    pub(super) async fn step(
        &mut self,
        visit: &'v Visit,
        step: &Step,
        two: bool,
        written: &mut Written,
    ) -> Result<(), SessionError> {
        match step {
            Step::Write(parts) => self.write(visit, parts, two, written).await?,
            Step::UpdateNow(parts) => self.update_now(visit, parts, two, written).await?,
            Step::Hold(of) => self.hold(visit, *of).await?,
            Step::Read => drop((visit.load().await, visit.read::<Orders>().await)),
            Step::Save => self.save(visit).await?,
            Step::Restart => visit.restart(),
            Step::Renew => visit.renew(),
            Step::Destroy => visit.destroy(),
            Step::Clear(of) => clear(visit, *of).await?,
            Step::Panic => self.panic(visit, written).await?,
            Step::Finish { .. } => {}
        }
        Ok(())
    }

    async fn hold(&mut self, visit: &'v Visit, of: Of) -> Result<(), SessionError> {
        match of {
            Of::Auth => hold_or_drop!(self.auth, visit),
            Of::Staff => hold_or_drop!(self.staff, visit),
            Of::Cart => hold_or_drop!(self.cart, visit),
            Of::Orders => hold_or_drop!(self.orders, visit),
            Of::Look => hold_or_drop!(self.look, visit),
        }
        Ok(())
    }

    async fn write(
        &mut self,
        visit: &Visit,
        parts: &[(Part, Way)],
        two: bool,
        written: &mut Written,
    ) -> Result<(), SessionError> {
        let parts = parts.iter().map(|(part, way)| (*part, part.way(*way, two)));
        match of(parts.clone()) {
            Of::Auth => with_guard!(self.auth, visit, Auth, written, |auth| {
                parts.for_each(|(part, way)| auth.write(part, way, written));
            }),
            Of::Staff => with_guard!(self.staff, visit, Staff, written, |staff| {
                parts.for_each(|(part, way)| staff.write(part, way, written));
            }),
            Of::Cart => with_guard!(self.cart, visit, Cart, written, |cart| {
                parts.for_each(|(part, way)| cart.write(part, way, written));
            }),
            Of::Orders => with_guard!(self.orders, visit, Orders, written, |orders| {
                parts.for_each(|(_, way)| orders.write(way, written));
            }),
            Of::Look => with_guard!(self.look, visit, Look, written, |look| look.set_language(written.text())),
        }
        Ok(())
    }

    async fn update_now(
        &mut self,
        visit: &Visit,
        parts: &[(Part, Way)],
        two: bool,
        written: &mut Written,
    ) -> Result<(), SessionError> {
        let parts = parts.iter().map(|(part, way)| (*part, part.way(*way, two)));
        match of(parts.clone()) {
            Of::Auth => with_guard!(self.auth, visit, Auth, written, |auth| {
                auth.update_now(|auth| parts.clone().for_each(|(part, way)| auth.write(part, way, written))).await
            }),
            Of::Cart => with_guard!(self.cart, visit, Cart, written, |cart| {
                cart.update_now(|cart| parts.clone().for_each(|(part, way)| cart.write(part, way, written))).await
            }),
            _ => Ok(()),
        }
    }

    /// Saves through a guard that is held, with its changes, or else through a guard without changes.
    async fn save(&mut self, visit: &Visit) -> Result<(), SessionError> {
        if let Some(cart) = &mut self.cart {
            return cart.save().await;
        }
        if let Some(auth) = &mut self.auth {
            return auth.save().await;
        }
        match &mut self.look {
            Some(look) => look.save().await,
            None => visit.write::<Look>().await?.save().await,
        }
    }

    async fn panic(&mut self, visit: &'v Visit, written: &mut Written) -> Result<(), SessionError> {
        let mut auth = match self.auth.take() {
            Some(auth) => auth,
            None => visit.write::<Auth>().await?,
        };
        auth.write(Part::Roles, Way::Edit, written);
        let panicked = catch_unwind(AssertUnwindSafe(move || {
            let _auth = auth;
            std::panic::resume_unwind(Box::new(()));
        }));
        assert!(panicked.is_err());
        Ok(())
    }
}

/// All parts of a step are of one schema.
fn of(mut parts: impl Iterator<Item = (Part, Way)>) -> Of {
    parts.next().map_or(Of::Look, |(part, _)| part.of())
}

/// Refused while a guard of the schema is held.
async fn clear(visit: &Visit, of: Of) -> Result<(), SessionError> {
    let cleared = match of {
        Of::Auth => visit.clear::<Auth>().await,
        Of::Staff => visit.clear::<Staff>().await,
        Of::Cart => visit.clear::<Cart>().await,
        Of::Orders => visit.clear::<Orders>().await,
        Of::Look => visit.clear::<Look>().await,
    };
    cleared.or_else(|error| if error.kind() == ErrorKind::GuardOpen { Ok(()) } else { Err(error) })
}
