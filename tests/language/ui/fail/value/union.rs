use session_runtime::SessionValue;

#[derive(SessionValue)]
union Bits {
    whole: u32,
    float: f32,
}

fn main() {}
