use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(merge = append(max = 20), renew)]
    users: Vec<u32>,
    #[session(renew(keep), merge = append(max = 20))]
    roles: Vec<u32>,
}

fn main() {}
