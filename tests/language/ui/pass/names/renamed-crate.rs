mod framework {
    pub mod sessions {
        pub use session_runtime::*;
    }
}

extern crate session_runtime as renamed;

#[derive(framework::sessions::Session)]
#[session(key = "a", version = 1, crate = crate::framework::sessions)]
struct Absolute {
    count: u32,
}

#[derive(session_runtime::Session)]
#[session(key = "b", version = 1, crate = "crate::renamed")]
struct External {
    count: u32,
}

fn main() {
    let _ = |a: &mut AbsoluteMut, b: &mut ExternalMut| (a.set_count(1), b.set_count(1));
}
