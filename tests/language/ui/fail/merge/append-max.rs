use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(merge = append(max = 0))]
    zero: Vec<u32>,
    #[session(merge = append(max = 1_001))]
    many: Vec<u32>,
    #[session(merge = append(max = -1))]
    negative: Vec<u32>,
    #[session(merge = append(max = "20"))]
    text: Vec<u32>,
    #[session(merge = append(max = 20u8))]
    suffix: Vec<u32>,
    #[session(merge = append(max = LIMIT))]
    name: Vec<u32>,
    #[session(merge = append(max))]
    nothing: Vec<u32>,
    #[session(merge = append(most = 20))]
    other: Vec<u32>,
    #[session(merge = append(20))]
    number: Vec<u32>,
}

fn main() {}
