use session_runtime::Session;

macro_rules! counter {
    ($name:ident, $key:literal, $field:ident: $type:ty = $start:expr) => {
        #[derive(Session)]
        #[session(key = $key, version = 1)]
        struct $name {
            #[session(default = $start)]
            $field: $type,
            spare: Option<$type>,
        }
    };
}

counter!(Visits, "visits", count: u32 = 1 + 1);

fn main() {
    let _ = |visits: &mut VisitsMut| visits.set_count(2);
}
