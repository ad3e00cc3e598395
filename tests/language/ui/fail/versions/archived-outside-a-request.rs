use session_runtime::{MemoryStore, Session, SessionError, SessionKey, Sessions};

#[derive(Session)]
#[session(key = "cart", version = 2, oldest = 2, archived, layout = "count:4d0f51c1")]
struct CartV2 {
    count: u32,
}

fn main() {
    let sessions = Sessions::builder().store(MemoryStore::new()).build().unwrap();
    let _ = rocket::execute(async {
        let visit = sessions.open([]);
        let written = *visit.write::<CartV2>().await?.count();
        let read = *visit.read::<CartV2>().await?.count();
        Ok::<_, SessionError>((written, read))
    });
    let _ = rocket::execute(async {
        let key = SessionKey::from_bytes([0; 16]);
        sessions.update::<CartV2, _>(&key, |cart| *cart.count()).await?;
        sessions.read::<CartV2>(&key).await
    });
}
