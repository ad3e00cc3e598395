//! Edits that would take a value of the first user along.

use session_runtime::ErrorKind;

use super::{Account, AccountMut, Basket, Look, Site};

/// Edits a basket in a request in which a user goes, and returns the answer.
async fn edited(site: &Site, edit: fn(&mut super::BasketMut), login: fn(&mut AccountMut)) -> Option<ErrorKind> {
    let mut browser = site.of_ada().await;
    let before = browser.clone();
    let visit = site.open(&browser);
    edit(&mut visit.write::<Basket>().await.unwrap());
    login(&mut visit.write::<Account>().await.unwrap());
    let error = site.close(visit, &mut browser).await;
    if error.is_some() {
        assert_eq!(browser, before);
        assert_eq!(site.user(&browser).await.as_deref(), Some("ada"), "a refused request stores nothing");
        assert_eq!(site.language(&browser).await.as_deref(), Some("de"));
    }
    error
}

/// Each accessor that builds on a value of the first user, for a login and for a logout.
#[rocket::async_test]
async fn an_edit_of_a_value_of_the_first_user_is_refused() {
    let edits: [fn(&mut super::BasketMut); 6] = [
        |basket| basket.notes_mut().push("more".into()),
        |basket| basket.update(|basket| basket.notes.push("more".into())),
        |basket| basket.remark_mut().push_str(" and more"),
        |basket| basket.address_mut().as_mut().unwrap().push_str(" 7"),
        |basket| basket.update(|basket| basket.address = Some("another".into())),
        |basket| {
            basket.take_address();
            basket.notes_mut()[0].push('!');
        },
    ];
    let turns: [fn(&mut AccountMut); 3] =
        [|account| account.set_user("bob".into()), AccountMut::clear_user, |account| *account.user_mut() = None];
    for site in Site::both() {
        for edit in edits {
            for turn in turns {
                assert_eq!(edited(&site, edit, turn).await, Some(ErrorKind::PreviousUser));
            }
        }
    }
}

/// A value without data of the first user is accepted.
#[rocket::async_test]
async fn removals_and_sums_and_edits_of_nothing_are_fine() {
    let edits: [fn(&mut super::BasketMut); 7] = [
        super::BasketMut::clear_notes,
        |basket| drop(basket.take_remark()),
        |basket| basket.notes_mut().clear(),
        |basket| basket.update(|basket| basket.address = None),
        |basket| *basket.items_mut().entry(7).or_default() += 1,
        |basket| *basket.visits_mut() -= 1,
        |basket| {
            basket.notes_mut().push("more".into());
            basket.set_notes(vec!["mine".into()]);
        },
    ];
    for site in Site::both() {
        for edit in edits {
            assert_eq!(edited(&site, edit, |account| account.set_user("bob".into())).await, None);
        }
    }
}

type Edit = fn(&mut super::BasketMut);

/// A cleared or removed value is none to build on, in one guard or in two, before the user goes.
#[rocket::async_test]
async fn an_edit_of_a_field_that_was_cleared_first_goes_along() {
    let (clear, edit): ([Edit; 2], Edit) = (
        [
            |basket| {
                basket.clear_items();
                basket.clear_tags();
                drop(basket.take_notes());
                basket.clear_remark();
                basket.clear_visits();
            },
            |basket| {
                basket.items_mut().clear();
                basket.tags_mut().clear();
                basket.set_notes(Vec::new());
                basket.set_remark(String::new());
                basket.set_visits(0);
            },
        ],
        |basket| {
            basket.items_mut().insert(7, 16);
            basket.tags_mut().insert("gift".into());
            basket.notes_mut().push("mine".into());
            basket.remark_mut().push_str("mine");
            *basket.visits_mut() += 16;
        },
    );
    for (at, guards) in [(0, 1), (0, 2), (1, 2)] {
        let site = Site::served();
        let mut browser = site.of_ada().await;
        let visit = site.open(&browser);
        let mut basket = visit.write::<Basket>().await.unwrap();
        clear[at](&mut basket);
        if guards == 2 {
            drop(basket);
            basket = visit.write::<Basket>().await.unwrap();
        }
        edit(&mut basket);
        drop(basket);
        visit.write::<Account>().await.unwrap().set_user("bob".into());
        assert_eq!(site.close(visit, &mut browser).await, None, "{at} in {guards}");
        let visit = site.open(&browser);
        let basket = visit.read::<Basket>().await.unwrap();
        let shown = (basket.items(), basket.notes().as_slice(), basket.remark().as_str(), *basket.visits());
        assert_eq!(shown, (&[(7, 16)].into(), &["mine".to_owned()][..], "mine", 16), "{at} in {guards}");
        assert_eq!(basket.tags(), &["gift".to_owned()].into(), "{at} in {guards}");
    }
}

/// The same in the guard of the user.
#[rocket::async_test]
async fn an_edit_of_a_field_that_was_cleared_in_the_guard_of_the_user_goes_along() {
    let site = Site::served();
    let mut browser = site.of_ada().await;
    site.edit::<Account>(&mut browser, |account| {
        account.clear_roles();
        account.roles_mut().push("user".into());
        assert_eq!(account.take_points(), 100);
        *account.points_mut() += 7;
        account.clear_level();
        account.set_user("bob".into());
        assert_eq!(account.roles().as_slice(), ["user"]);
    })
    .await;
    let visit = site.open(&browser);
    let account = visit.read::<Account>().await.unwrap();
    let shown = (account.roles().as_slice(), *account.points(), *account.level());
    assert_eq!(shown, (&["user".to_owned()][..], 7, 0));
}

/// The error of the save names schema and field, and the handler can mend it by setting the field.
#[rocket::async_test]
async fn a_refused_edit_is_named_and_can_be_replaced() {
    for site in Site::both() {
        let mut browser = site.of_ada().await;
        let visit = site.open(&browser);
        visit.write::<Basket>().await.unwrap().notes_mut().push("more".into());
        let mut account = visit.write::<Account>().await.unwrap();
        account.set_user("bob".into());
        let error = account.save().await.unwrap_err();
        assert_eq!((error.kind(), error.kind().status()), (ErrorKind::PreviousUser, 500));
        assert_eq!((error.schema(), error.field()), (Some("basket"), Some("notes")));
        assert!(!error.chain().contains("ada"));
        assert!(visit.read::<Basket>().await.unwrap().notes().is_empty(), "a refused value is not shown");
        visit.write::<Basket>().await.unwrap().notes_mut().push("mine".into());
        assert_eq!(account.save().await.unwrap_err().kind(), ErrorKind::PreviousUser);
        visit.write::<Basket>().await.unwrap().set_notes(vec!["mine".into()]);
        account.save().await.unwrap();
        drop(account);
        assert_eq!(site.close(visit, &mut browser).await, None);
        assert_eq!(site.open(&browser).read::<Basket>().await.unwrap().notes().as_slice(), ["mine"]);
    }
}

/// Within the guard of the user itself: edits before the setter are refused, edits after it are not.
#[rocket::async_test]
async fn in_one_guard_the_order_of_edit_and_setter_counts() {
    let before: [fn(&mut AccountMut); 4] = [
        |account| {
            account.roles_mut().push("user".into());
            account.set_user("bob".into());
        },
        |account| {
            account.roles_mut().push("user".into());
            *account.user_mut() = Some("bob".into());
        },
        |account| {
            account.update(|account| {
                account.user = Some("bob".into());
                account.roles.push("user".into());
            });
        },
        |account| {
            account.roles_mut().push("user".into());
            drop(account.take_user());
            account.set_user("bob".into());
        },
    ];
    let after: [fn(&mut AccountMut); 3] = [
        |account| {
            account.set_user("bob".into());
            account.roles_mut().push("user".into());
        },
        |account| {
            *account.user_mut() = Some("bob".into());
            account.roles_mut().push("user".into());
        },
        |account| {
            account.roles_mut().push("lost".into());
            account.set_user("bob".into());
            account.set_roles(vec!["user".into()]);
        },
    ];
    for site in Site::both() {
        for (at, edit) in before.into_iter().chain(after).enumerate() {
            let mut browser = site.of_ada().await;
            let visit = site.open(&browser);
            edit(&mut visit.write::<Account>().await.unwrap());
            let error = site.close(visit, &mut browser).await;
            assert_eq!(error, (at < before.len()).then_some(ErrorKind::PreviousUser), "edit {at}");
            let visit = site.open(&browser);
            let account = visit.read::<Account>().await.unwrap();
            let roles = if at < before.len() { ["admin"] } else { ["user"] };
            assert_eq!(account.roles().as_slice(), roles, "edit {at}");
        }
    }
}

/// A guard that was open when the user went, and ends after that.
#[rocket::async_test]
async fn a_guard_that_was_open_takes_nothing_of_the_first_user_along() {
    for (edit, error) in [(false, None), (true, Some(ErrorKind::PreviousUser))] {
        let site = Site::served();
        let mut browser = site.of_ada().await;
        let visit = site.open(&browser);
        let mut basket = visit.write::<Basket>().await.unwrap();
        visit.write::<Account>().await.unwrap().set_user("bob".into());
        if edit {
            basket.notes_mut().push("more".into());
        }
        basket.set_remark("mine".into());
        *basket.visits_mut() += 1;
        drop(basket);
        assert_eq!(site.close(visit, &mut browser).await, error);
        if !edit {
            let visit = site.open(&browser);
            let basket = visit.read::<Basket>().await.unwrap();
            assert_eq!((basket.remark().as_str(), *basket.visits(), basket.items().len()), ("mine", 1, 0));
        }
    }
}

/// The handler that panics, or answers 5xx, has logged no user out.
#[rocket::async_test]
async fn a_logout_by_field_of_a_request_that_fails_is_discarded() {
    for site in Site::both() {
        let mut browser = site.of_ada().await;
        let visit = site.open(&browser);
        visit.write::<Account>().await.unwrap().clear_user();
        assert_eq!(site.close_as(500, visit, &mut browser).await, None);
        assert_eq!(site.user(&browser).await.as_deref(), Some("ada"));
        let visit = site.open(&browser);
        visit.write::<Account>().await.unwrap().clear_user();
        let basket = visit.write::<Basket>().await.unwrap();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _basket = basket;
            panic!("the handler panics");
        }));
        assert!(panicked.is_err());
        visit.write::<Look>().await.unwrap().set_language("fr".into());
        assert_eq!(visit.read::<Account>().await.unwrap().user().as_deref(), Some("ada"));
        assert_eq!(site.close(visit, &mut browser).await, None, "a catcher answers");
        assert_eq!(site.user(&browser).await.as_deref(), Some("ada"));
        assert_eq!(site.language(&browser).await.as_deref(), Some("fr"));
    }
}

/// A count that this request has lowered is none of the next user's: not an entry of zero either.
#[rocket::async_test]
async fn a_lowered_count_of_the_first_user_leaves_no_entry() {
    for site in Site::both() {
        let mut browser = site.of_ada().await;
        let visit = site.open(&browser);
        *visit.write::<Basket>().await.unwrap().items_mut().entry(7).or_default() -= 1;
        visit.write::<Account>().await.unwrap().set_user("bob".into());
        assert_eq!(site.close(visit, &mut browser).await, None);
        assert_eq!(site.user(&browser).await.as_deref(), Some("bob"));
        assert!(site.open(&browser).read::<Basket>().await.unwrap().items().is_empty());
    }
}
