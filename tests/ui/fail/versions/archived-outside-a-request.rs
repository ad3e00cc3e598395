use session_runtime::{Session, SessionError, SessionKey, Sessions};

#[derive(Session)]
#[session(key = "cart", version = 2, oldest = 2, archived, layout = "count:4d0f51c1")]
struct CartV2 {
    count: u32,
}

async fn visit(sessions: &Sessions) -> Result<u32, SessionError> {
    let visit = sessions.open([]);
    let _ = visit.write::<CartV2>().await?;
    let cart = visit.read::<CartV2>().await?;
    Ok(*cart.count())
}

async fn job(sessions: &Sessions, key: &SessionKey) -> Result<(), SessionError> {
    let _ = sessions.read::<CartV2>(key).await?;
    sessions.update::<CartV2, _>(key, |_| ()).await?;
    Ok(())
}

fn main() {
    let _ = (visit, job);
}
