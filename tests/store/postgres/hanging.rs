//! A server that takes a connection's bytes and never answers again, as where the network between is gone.

use std::path::{Path, PathBuf};

use leakgate::store;
use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use crate::databases::{Database, key};
use crate::given::{actor, registration, token};

/// Passes connections on to the server, until they hang.
struct Relay {
    folder: tempfile::TempDir,
    server: PathBuf,
    hung: watch::Sender<u64>,
}

impl Relay {
    const SOCKET: &str = ".s.PGSQL.5432";

    /// In front of the server that this URL names by the folder of its socket.
    fn start(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(Self::SOCKET)).unwrap();
        let server = PathBuf::from(url.split_once("host=").unwrap().1);
        let (hung, hangs) = watch::channel(0);
        let socket = server.join(Self::SOCKET);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (socket, mut hangs) = (socket.clone(), hangs.clone());
                hangs.mark_unchanged();
                tokio::spawn(async move {
                    let mut server = UnixStream::connect(socket).await.unwrap();
                    tokio::select! {
                        // First, so that nothing that is sent after it hangs comes through.
                        biased;
                        // Both ends stay open: nobody is told.
                        Ok(()) = hangs.changed() => std::future::pending().await,
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                    }
                });
            }
        });
        Self { folder, server, hung }
    }

    /// The same database by way of this.
    fn url(&self, url: &str) -> String {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        url.replace(&text(&self.server), &text(self.folder.path()))
    }

    /// From now on nothing comes over any connection that there is.
    fn hang(&self) {
        self.hung.send_modify(|times| *times += 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn changes_are_followed_again_after_a_connection_hung() {
    let database = Database::new().await;
    let relay = Relay::start(database.url());
    let other = store::open(database.url(), key()).await.unwrap().store;
    let behind = store::open(&relay.url(database.url()), key()).await.unwrap().store;
    let changes = behind.changes().unwrap();
    let place = changes.place().await.unwrap();
    assert!(changes.after(place).await.unwrap().changes.is_empty());
    let leak = registration("while it hangs", vec![token(other.as_ref(), "one")]);
    other.register(leak, &actor()).await.unwrap();
    relay.hang();
    let error = changes.after(place).await.unwrap_err().to_string();
    assert!(error.contains("did not answer"), "{error}");
    assert_eq!(changes.after(place).await.unwrap().changes.len(), 1);
    other.close().await;
    database.end().await;
}
