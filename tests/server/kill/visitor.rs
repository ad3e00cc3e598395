//! A client that brings visitors, some of whom log in, some of whom log out again.

use super::fate::{Fate, Unanswered};
use crate::process::{Host, Shop};
use session_tests::cookie::Cookie;
use session_tests::http::{Answer, Connection, Request};
use session_tests::random::Random;

/// The first cart of every visitor.
const CART: &str = r#"{"7":1}"#;

/// Sessions as the server acknowledged them.
#[derive(Default)]
pub(super) struct Visitors {
    /// With who is logged in.
    pub(super) present: Vec<(Cookie, Option<&'static str>)>,
    pub(super) ended: Vec<Cookie>,
    /// Ids from before a login.
    replaced: Vec<Cookie>,
    in_flight: Option<InFlight>,
}

/// The request in flight when the connection broke.
enum InFlight {
    Create,
    Login(Cookie),
    Logout(Cookie),
}

impl Visitors {
    /// Until the server is gone.
    pub(super) fn work(&mut self, mut connection: Connection, mut random: Random) {
        while self.visit(&mut connection, &mut random).is_some() {}
    }

    fn visit(&mut self, connection: &mut Connection, random: &mut Random) -> Option<()> {
        let cookie = self.ask(connection, InFlight::Create)?.expect(200).new_cookie();
        match random.below(3) {
            0 => self.present.push((cookie, None)),
            1 => {
                let answer = self.ask(connection, InFlight::Login(cookie.clone()))?;
                self.present.push((answer.expect(204).new_cookie(), Some("anna")));
                self.replaced.push(cookie);
            }
            _ => {
                self.ask(connection, InFlight::Logout(cookie.clone()))?.expect(204);
                self.ended.push(cookie);
            }
        }
        Some(())
    }

    fn ask(&mut self, connection: &mut Connection, what: InFlight) -> Option<Answer> {
        let request = match &what {
            InFlight::Create => Request::post("/cart/add/7"),
            InFlight::Login(cookie) => Request::post("/login/anna").cookie(cookie),
            InFlight::Logout(cookie) => Request::post("/logout").cookie(cookie),
        };
        self.in_flight = Some(what);
        let answer = connection.ask(&request).ok()?;
        self.in_flight = None;
        Some(answer)
    }

    pub(super) const fn is_waiting(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Everything acknowledged holds, whenever that was.
    pub(super) fn check(&self, shop: &Shop) {
        for (cookie, user) in &self.present {
            assert_eq!(shop.cart(cookie), CART, "an acknowledged first write is lost");
            assert_eq!(shop.user(cookie).as_deref(), *user, "an acknowledged login is lost");
        }
        for cookie in self.ended.iter().chain(&self.replaced) {
            shop.assert_anonymous(cookie);
        }
    }

    /// A request in flight happened as a whole or not at all. From here on it counts as acknowledged, or as never sent.
    pub(super) fn settle(&mut self, shop: &Shop, host: &Host) -> Unanswered {
        let mut unanswered = Unanswered::default();
        match self.in_flight.take() {
            Some(InFlight::Login(cookie)) => unanswered.logins = self.settle_login(shop, host, cookie),
            Some(InFlight::Logout(cookie)) => unanswered.logouts = self.settle_logout(shop, host, cookie),
            first_write_or_none => self.in_flight = first_write_or_none,
        }
        unanswered
    }

    /// After the others: a session whose cookie was lost shows as one session too many. The sums over the file prove
    /// that it is whole.
    pub(super) fn settle_first_write(&mut self, is_one_too_many: bool) -> Fate {
        self.in_flight.take().map_or_else(Fate::default, |_| Fate::of(is_one_too_many))
    }

    /// Either the old id opens the session as it was, or a new id, whose cookie was lost, opens it with the user logged
    /// in.
    fn settle_login(&mut self, shop: &Shop, host: &Host, cookie: Cookie) -> Fate {
        let rows = host.rows_about(&cookie);
        let was_stored = rows.iter().any(|row| row.contains("anna"));
        if was_stored {
            shop.assert_anonymous(&cookie);
            self.replaced.push(cookie);
        } else {
            assert_eq!((shop.cart(&cookie).as_str(), shop.user(&cookie)), (CART, None), "half a login");
            self.present.push((cookie, None));
        }
        Fate::of(was_stored)
    }

    /// Either the session is as it was, or nothing is left of it.
    fn settle_logout(&mut self, shop: &Shop, host: &Host, cookie: Cookie) -> Fate {
        let rows = host.rows_about(&cookie);
        if rows.is_empty() {
            self.ended.push(cookie);
        } else {
            assert_eq!(shop.cart(&cookie), CART, "half a logout");
            self.present.push((cookie, None));
        }
        Fate::of(rows.is_empty())
    }
}
