//! The model: sessions, and requests upon them.

use std::collections::BTreeMap;

use session_runtime::ErrorKind;

use super::merge::{Emptied, lasting, merge};
use super::{ABSOLUTE, GRACE, IDLE};

/// Stored data. A field is its value, and an entry is present or absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Values {
    pub(super) coupon: Option<u8>,
    pub(super) visits: i64,
    pub(super) items: BTreeMap<u8, u32>,
    pub(super) address: Option<u8>,
    pub(super) user: Option<u8>,
    pub(super) language: Option<u8>,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Choice {
    Default,
    After(i64),
}

impl Choice {
    pub(super) fn expires(self, now: i64, ends: i64) -> i64 {
        let idle = match self {
            Self::Default => IDLE,
            Self::After(seconds) => seconds,
        };
        (now + idle).min(ends)
    }
}

/// A stored session. Its secret is a number here: how often the id was renewed.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) values: Values,
    pub(super) secret: u32,
    pub(super) renewed: Option<i64>,
    pub(super) expires: i64,
    pub(super) ends: i64,
    pub(super) choice: Choice,
}

#[derive(Clone)]
pub(super) enum SessionStatus {
    Unread,
    Anonymous,
    Stale,
    Live(usize, Box<Stored>),
}

/// A request as the model has it.
#[expect(clippy::struct_excessive_bools, reason = "each is one call that a request made")]
pub(super) struct Request {
    pub(super) browser: usize,
    pub(super) now: i64,
    pub(super) cookie: Option<(usize, u32)>,
    pub(super) status: SessionStatus,
    /// The values that its guards see.
    pub(super) values: Values,
    pub(super) renew: bool,
    pub(super) destroy: bool,
    pub(super) expire: Option<i64>,
    /// The session of a user has ended, or is to.
    pub(super) starts_over: bool,
    pub(super) restart: bool,
    /// An edit of a value of that user.
    pub(super) refused: bool,
    pub(super) emptied: Emptied,
}

/// The end of a request.
#[derive(Debug, PartialEq)]
pub(super) enum Out {
    Keep,
    Renewed(usize),
    New(usize),
    Remove,
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) now: i64,
    pub(super) sessions: BTreeMap<usize, Stored>,
    pub(super) made: usize,
}

impl Model {
    pub(super) fn live(&mut self, session: usize, now: i64) -> Option<&mut Stored> {
        self.sessions.get_mut(&session).filter(|stored| now < stored.expires)
    }

    pub(super) fn load(&mut self, request: &mut Request) {
        if !matches!(request.status, SessionStatus::Unread) {
            return;
        }
        let found =
            request.cookie.and_then(|(session, secret)| Some((session, secret, self.live(session, request.now)?)));
        request.status = match found {
            Some((session, secret, stored)) if stored.secret == secret => {
                if !request.destroy {
                    if !request.starts_over {
                        request.values = stored.values.clone();
                    }
                    request.values.language = stored.values.language;
                }
                SessionStatus::Live(session, Box::new(stored.clone()))
            }
            Some((_, _, stored)) if stored.renewed.is_some_and(|at| request.now < at + GRACE) => SessionStatus::Stale,
            _ => SessionStatus::Anonymous,
        };
    }

    pub(super) fn finish(&mut self, mut request: Request, failed: bool) -> (Out, Option<ErrorKind>) {
        if request.destroy || request.renew || request.restart || (request.expire.is_some() && !failed) {
            self.load(&mut request);
        }
        let base = match &request.status {
            SessionStatus::Live(_, stored) => stored.values.clone(),
            _ => Values::default(),
        };
        let refused = request.refused && !failed;
        if failed || refused {
            request.starts_over = request.restart;
            request.values = if request.starts_over { lasting(&base) } else { base.clone() };
            request.expire = None;
        }
        let (out, error) = self.commit(&request, &base);
        (out, if refused { Some(ErrorKind::PreviousUser) } else { error })
    }

    pub(super) fn commit(&mut self, request: &Request, base: &Values) -> (Out, Option<ErrorKind>) {
        let changed = request.values != *base;
        match request.status.clone() {
            SessionStatus::Live(session, _) if request.destroy => {
                self.sessions.remove(&session);
                (Out::Remove, None)
            }
            _ if request.destroy => (Out::Keep, None),
            SessionStatus::Live(session, loaded) if request.starts_over => self.start_over(request, session, &loaded),
            SessionStatus::Live(session, loaded) => self.save(request, session, &loaded),
            SessionStatus::Stale if changed && request.values.user.is_none() => (Out::Keep, Some(ErrorKind::Renewed)),
            SessionStatus::Anonymous | SessionStatus::Stale if changed => {
                (Out::New(self.create(request, request.values.clone(), Choice::Default)), None)
            }
            _ => (Out::Keep, None),
        }
    }

    pub(super) fn create(&mut self, request: &Request, values: Values, choice: Choice) -> usize {
        let choice = request.expire.map_or(choice, Choice::After);
        let ends = self.now + ABSOLUTE;
        let expires = choice.expires(self.now, ends);
        self.made += 1;
        self.sessions.insert(self.made, Stored { values, secret: 0, renewed: None, expires, ends, choice });
        self.made
    }

    pub(super) fn save(&mut self, request: &Request, session: usize, loaded: &Stored) -> (Out, Option<ErrorKind>) {
        let (ours, base) = (&request.values, &loaded.values);
        let other_user = ours.user != base.user;
        let login = other_user && base.user.is_none();
        let raise = request.renew || other_user;
        if ours == base && !raise && request.expire.is_none() {
            return (Out::Keep, None);
        }
        let now = self.now;
        let Some(stored) = self.live(session, now) else { return (Out::Keep, None) };
        if stored.secret != loaded.secret {
            if !login {
                return (Out::Keep, Some(ErrorKind::Renewed));
            }
            return (Out::New(self.create(request, ours.clone(), loaded.choice)), None);
        }
        let Some((merged, writes)) = merge(base, &stored.values, ours) else {
            return (Out::Keep, Some(ErrorKind::Rejected));
        };
        stored.values = merged;
        if let Some(seconds) = request.expire {
            stored.choice = Choice::After(seconds);
            stored.expires = stored.choice.expires(now, loaded.ends);
        } else if writes && stored.expires == loaded.expires {
            stored.expires = loaded.choice.expires(now, loaded.ends).max(loaded.expires);
        }
        if raise {
            stored.secret += 1;
            stored.renewed = Some(now);
            return (Out::Renewed(session), None);
        }
        (Out::Keep, None)
    }

    /// The next session begins with the language and with what this request did.
    pub(super) fn start_over(
        &mut self,
        request: &Request,
        session: usize,
        loaded: &Stored,
    ) -> (Out, Option<ErrorKind>) {
        let login = request.values.user.is_some();
        let language = match self.live(session, request.now) {
            Some(stored) if stored.secret == loaded.secret => stored.values.language,
            Some(_) if login || request.restart => loaded.values.language,
            None if login || request.restart => None,
            Some(_) => return (Out::Keep, Some(ErrorKind::Renewed)),
            None => return (Out::Keep, None),
        };
        let mut next = request.values.clone();
        if next.language == loaded.values.language {
            next.language = language;
        }
        let now = self.now;
        let ended = match self.live(session, now) {
            _ if request.restart => Ok(()),
            Some(stored) if stored.secret == loaded.secret => Ok(()),
            Some(_) => Err(Some(ErrorKind::Renewed)),
            None => Err(None),
        };
        match ended {
            Ok(()) => drop(self.sessions.remove(&session)),
            Err(_) if login => {}
            Err(error) => return (Out::Keep, error),
        }
        if next == Values::default() {
            return (Out::Remove, None);
        }
        (Out::New(self.create(request, next, Choice::Default)), None)
    }
}
