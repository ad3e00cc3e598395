//! Schemas with every kind of field, and the writes to them.

use std::collections::{BTreeMap, BTreeSet};

use session_runtime::{Session, SessionKey};

use super::steps::{Part, Way};

/// A set of numbers below 64.
pub(super) type Numbers = u64;

#[derive(Session)]
#[session(key = "auth", version = 1)]
pub(super) struct Auth {
    #[session(renew)]
    user: Option<u8>,
    roles: Vec<String>,
    note: Option<String>,
    #[session(renew(keep))]
    level: u64,
    #[session(transient)]
    scratch: Option<String>,
}

#[derive(Session)]
#[session(key = "staff", version = 1)]
pub(super) struct Staff {
    #[session(renew)]
    operator: u8,
    note: String,
}

#[derive(Session)]
#[session(key = "cart", version = 1)]
pub(super) struct Cart {
    #[session(merge = keys)]
    tags: BTreeSet<String>,
    #[session(merge = keys)]
    texts: BTreeMap<u8, String>,
    #[session(merge = keys(sum))]
    items: BTreeMap<u8, u64>,
    #[session(merge = sum)]
    visits: u64,
    #[session(merge = with = joined)]
    remark: String,
    #[session(merge = reject)]
    address: Option<String>,
    lines: Vec<String>,
    #[session(transient)]
    scratch: Option<String>,
}

fn joined(_base: &String, theirs: &String, ours: String) -> String {
    format!("{theirs}{ours}")
}

#[derive(Session)]
#[session(key = "orders", version = 1, lazy)]
pub(super) struct Orders {
    pages: Vec<String>,
}

#[derive(Session)]
#[session(key = "look", version = 1, lasting)]
pub(super) struct Look {
    pub(super) language: Option<String>,
}

/// The numbers in angle brackets.
pub(super) fn numbers_in(text: &str) -> Numbers {
    let numbers = text.split('<').skip(1).map(|rest| rest.split('>').next().unwrap().parse::<u32>().unwrap());
    numbers.fold(0, |all, number| all | 1 << number)
}

impl Auth {
    /// Those of the stored fields.
    pub(super) fn numbers(&self) -> Numbers {
        numbers_in(&format!("{:?}", (&self.roles, &self.note))) | self.level
    }

    pub(super) fn scratch_numbers(&self) -> Numbers {
        self.scratch.as_deref().map_or(0, numbers_in)
    }
}

impl Staff {
    pub(super) fn numbers(&self) -> Numbers {
        numbers_in(&self.note)
    }
}

impl Cart {
    /// Those of the stored fields.
    pub(super) fn numbers(&self) -> Numbers {
        let Self { tags, texts, items, visits, remark, address, lines, scratch: _ } = self;
        let texts = format!("{:?}", (tags, texts, remark, address, lines));
        items.values().fold(numbers_in(&texts) | visits, |all, item| all | item)
    }

    pub(super) fn scratch_numbers(&self) -> Numbers {
        self.scratch.as_deref().map_or(0, numbers_in)
    }
}

impl Orders {
    pub(super) fn numbers(&self) -> Numbers {
        numbers_in(&self.pages.concat())
    }
}

impl Look {
    /// It may go from one user to the next.
    #[expect(clippy::unused_self, reason = "as of the other schemas")]
    pub(super) fn numbers(&self) -> Numbers {
        0
    }
}

/// Numbers that one step writes and sees.
pub(super) struct Written {
    number: u32,
    /// A guard was opened for it: the session that the request then went on from, and the numbers that the guard showed.
    pub(super) opened: Option<(Option<SessionKey>, Numbers)>,
    /// The number, if a transient field was written.
    pub(super) scratch: Numbers,
}

impl Written {
    pub(super) fn new(number: u32) -> Self {
        assert!(number < 64, "more writes than bits");
        Self { number, opened: None, scratch: 0 }
    }

    pub(super) fn text(&self) -> String {
        format!("<{}>", self.number)
    }

    pub(super) fn number(&self) -> Numbers {
        1 << self.number
    }
}

/// One field by one way: set, edited in place, by `update`, cleared or taken.
macro_rules! by {
    ($guard:expr, $way:expr, $field:ident, $set:ident($value:expr), $mut:ident, $edit:expr, $clear:ident, $take:ident) => {{
        let edit = $edit;
        match $way {
            Way::Set => $guard.$set($value),
            Way::Edit => edit($guard.$mut()),
            Way::Update => $guard.update(|it| edit(&mut it.$field)),
            Way::Clear => $guard.$clear(),
            Way::Take => drop($guard.$take()),
        }
    }};
}

impl AuthMut {
    pub(super) fn write(&mut self, part: Part, way: Way, written: &mut Written) {
        let text = written.text();
        match part {
            Part::User(Some(user)) => {
                by!(self, way, user, set_user(user), user_mut, |it: &mut _| *it = Some(user), clear_user, take_user);
            }
            Part::User(None) => match way {
                Way::Edit | Way::Set => *self.user_mut() = None,
                Way::Update => self.update(|auth| auth.user = None),
                Way::Clear => self.clear_user(),
                Way::Take => drop(self.take_user()),
            },
            Part::Level => {
                let edit = |it: &mut u64| *it |= written.number();
                by!(self, way, level, set_level(written.number()), level_mut, edit, clear_level, take_level);
            }
            Part::Note => {
                let edit = |it: &mut Option<String>| it.get_or_insert_default().push_str(&text);
                by!(self, way, note, set_note(text.clone()), note_mut, edit, clear_note, take_note);
            }
            Part::Scratch => {
                written.scratch = written.number();
                let edit = |it: &mut Option<String>| it.get_or_insert_default().push_str(&text);
                by!(self, way, scratch, set_scratch(text.clone()), scratch_mut, edit, clear_scratch, take_scratch);
            }
            _ => {
                let edit = |it: &mut Vec<String>| it.push(text.clone());
                by!(self, way, roles, set_roles(vec![text.clone()]), roles_mut, edit, clear_roles, take_roles);
            }
        }
    }
}

impl StaffMut {
    pub(super) fn write(&mut self, part: Part, way: Way, written: &Written) {
        if let Part::Operator(operator) = part {
            let edit = |it: &mut u8| *it = operator;
            by!(self, way, operator, set_operator(operator), operator_mut, edit, clear_operator, take_operator);
        } else {
            let text = written.text();
            let edit = |it: &mut String| it.push_str(&text);
            by!(self, way, note, set_note(text.clone()), note_mut, edit, clear_note, take_note);
        }
    }
}

impl CartMut {
    pub(super) fn write(&mut self, part: Part, way: Way, written: &mut Written) {
        let (text, number) = (written.text(), written.number());
        match part {
            Part::Tags => {
                let edit = |it: &mut BTreeSet<String>| drop(it.replace(text.clone()));
                by!(self, way, tags, set_tags([text.clone()].into()), tags_mut, edit, clear_tags, take_tags);
            }
            Part::Texts(at) => {
                let edit = |it: &mut BTreeMap<u8, String>| it.entry(at).or_default().push_str(&text);
                by!(self, way, texts, set_texts([(at, text.clone())].into()), texts_mut, edit, clear_texts, take_texts);
            }
            Part::Items(at) => {
                let edit = |it: &mut BTreeMap<u8, u64>| *it.entry(at).or_default() |= number;
                by!(self, way, items, set_items([(at, number)].into()), items_mut, edit, clear_items, take_items);
            }
            Part::Visits => {
                let edit = |it: &mut u64| *it |= number;
                by!(self, way, visits, set_visits(number), visits_mut, edit, clear_visits, take_visits);
            }
            Part::Remark => {
                let edit = |it: &mut String| it.push_str(&text);
                by!(self, way, remark, set_remark(text.clone()), remark_mut, edit, clear_remark, take_remark);
            }
            Part::Address => {
                let edit = |it: &mut Option<String>| it.get_or_insert_default().push_str(&text);
                by!(self, way, address, set_address(text.clone()), address_mut, edit, clear_address, take_address);
            }
            Part::CartScratch => {
                written.scratch = number;
                let edit = |it: &mut Option<String>| it.get_or_insert_default().push_str(&text);
                by!(self, way, scratch, set_scratch(text.clone()), scratch_mut, edit, clear_scratch, take_scratch);
            }
            _ => {
                let edit = |it: &mut Vec<String>| it.push(text.clone());
                by!(self, way, lines, set_lines(vec![text.clone()]), lines_mut, edit, clear_lines, take_lines);
            }
        }
    }
}

impl OrdersMut {
    pub(super) fn write(&mut self, way: Way, written: &Written) {
        let text = written.text();
        let edit = |it: &mut Vec<String>| it.push(text.clone());
        by!(self, way, pages, set_pages(vec![text.clone()]), pages_mut, edit, clear_pages, take_pages);
    }
}
