//! A name server that knows what the test tells it.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;

const A: u16 = 1;
const AAAA: u16 = 28;

/// Answers every name with the same addresses, until it is dropped.
pub struct Dns {
    pub address: SocketAddr,
    /// `None`: it fails.
    answers: Arc<Mutex<Option<Vec<IpAddr>>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Dns {
    pub async fn start(answers: &[&str]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let known = Arc::new(Mutex::new(None));
        let answering = Arc::clone(&known);
        let task = tokio::spawn(async move {
            let mut query = [0; 1500];
            while let Ok((length, peer)) = socket.recv_from(&mut query).await {
                let answers = answering.lock().unwrap().clone();
                let _ = socket.send_to(&answer(&query[..length], answers), peer).await;
            }
        });
        let dns = Self { address, answers: known, task };
        dns.tell(answers);
        dns
    }

    /// Answers with these from now on.
    pub fn tell(&self, answers: &[&str]) {
        let answers = answers.iter().map(|text| text.parse().unwrap()).collect();
        *self.answers.lock().unwrap() = Some(answers);
    }

    /// Fails from now on.
    pub fn fail(&self) {
        *self.answers.lock().unwrap() = None;
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The query's header and question, with records after it that are good for no time (RFC 1035, 4).
fn answer(query: &[u8], answers: Option<Vec<IpAddr>>) -> Vec<u8> {
    let name = query[12..].iter().position(|byte| *byte == 0).unwrap();
    let question = &query[12..12 + name + 5];
    let kind = u16::from_be_bytes([question[name + 1], question[name + 2]]);
    let wanted = |ip: &IpAddr| (kind == A && ip.is_ipv4()) || (kind == AAAA && ip.is_ipv6());
    let code = if answers.is_some() { 0 } else { 2 };
    let answers: Vec<IpAddr> = answers.unwrap_or_default().into_iter().filter(wanted).collect();
    let mut message = query[..2].to_vec();
    message.extend([0x81, 0x80 | code, 0, 1, 0, answers.len() as u8, 0, 0, 0, 0]);
    message.extend(question);
    for ip in answers {
        let data = match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        message.extend([0xc0, 12]);
        message.extend(kind.to_be_bytes());
        message.extend([0, 1, 0, 0, 0, 0, 0, data.len() as u8]);
        message.extend(data);
    }
    message
}
