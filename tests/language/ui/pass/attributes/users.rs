//! The logged-in user: the fields that a change of user keeps and carries over.

use session_runtime::Session;

#[derive(Session)]
#[session(key = "auth", version = 1)]
struct Auth {
    #[session(renew)]
    user: Option<String>,
    #[session(renew(keep), default = 1)]
    level: u8,
    #[session(merge = reject, renew(keep))]
    tenant: Option<String>,
}

#[derive(Session)]
#[session(key = "look", version = 1, lasting, lazy)]
struct Look {
    language: Option<String>,
}

fn main() {
    fn edit(auth: &mut AuthMut, look: &mut LookMut) {
        auth.set_user("ada".into());
        auth.set_level(2);
        auth.clear_tenant();
        look.set_language("de".into());
    }
    let _ = edit;
}
