//! A little DNS server: what it says, a test decides while it runs. Written by hand on one UDP socket.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

const A: u16 = 1;
const AAAA: u16 = 28;
const SRV: u16 = 33;

/// What a name has.
#[derive(Debug, Clone, Default)]
pub struct Zone {
    pub addresses: HashMap<String, Vec<IpAddr>>,
    /// Priority, weight, port, target.
    pub services: HashMap<String, Vec<(u16, u16, u16, String)>>,
    /// Seconds.
    pub ttl: u32,
    /// Says nothing at all.
    pub dead: bool,
}

/// A running server.
pub struct Server {
    pub address: SocketAddr,
    pub zone: Arc<Mutex<Zone>>,
    /// The names asked for, in order.
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start(ttl: u32) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let zone = Arc::new(Mutex::new(Zone {
            ttl,
            ..Zone::default()
        }));
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (known, log) = (Arc::clone(&zone), Arc::clone(&asked));
        std::thread::spawn(move || {
            let mut bytes = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut bytes) {
                let zone = known.lock().unwrap().clone();
                if !zone.dead
                    && let Some(said) = answer(&zone, &bytes[..length], &log)
                {
                    let _ = socket.send_to(&said, from);
                }
            }
        });
        Self {
            address,
            zone,
            asked,
        }
    }

    /// From now on `name` has these addresses.
    pub fn set(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let mut zone = self.zone.lock().unwrap();
        zone.addresses.insert(name.to_owned(), addresses);
    }

    pub fn set_services(&self, name: &str, services: &[(u16, u16, u16, &str)]) {
        let owned = |(priority, weight, port, target): &(u16, u16, u16, &str)| {
            (*priority, *weight, *port, (*target).to_owned())
        };
        let services = services.iter().map(owned).collect();
        let mut zone = self.zone.lock().unwrap();
        zone.services.insert(name.to_owned(), services);
    }

    pub fn set_dead(&self, dead: bool) {
        self.zone.lock().unwrap().dead = dead;
    }

    /// How often it was asked for a name.
    pub fn count(&self, name: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|known| *known == name).count()
    }
}

fn answer(zone: &Zone, question: &[u8], asked: &Mutex<Vec<String>>) -> Option<Vec<u8>> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        let label = question.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += length;
    }
    let name = labels.join(".");
    let kind = u16::from_be_bytes(question.get(at..at + 2)?.try_into().ok()?);
    asked.lock().unwrap().push(name.clone());
    let (addresses, services) = (zone.addresses.get(&name), zone.services.get(&name));
    let mut records = Vec::new();
    for address in addresses.into_iter().flatten() {
        match (kind, address) {
            (A, IpAddr::V4(ip)) => records.push(ip.octets().to_vec()),
            (AAAA, IpAddr::V6(ip)) => records.push(ip.octets().to_vec()),
            _ => {}
        }
    }
    for (priority, weight, port, target) in services.into_iter().flatten() {
        if kind == SRV {
            let mut data: Vec<u8> = [priority, weight, port]
                .into_iter()
                .flat_map(|number| number.to_be_bytes())
                .collect();
            for label in target.split('.') {
                data.push(u8::try_from(label.len()).unwrap());
                data.extend(label.as_bytes());
            }
            data.push(0);
            records.push(data);
        }
    }
    let is_known = addresses.is_some() || services.is_some();
    let mut said = question[..2].to_vec();
    said.extend([0x81, if is_known { 0x80 } else { 0x83 }, 0, 1]);
    said.extend(u16::try_from(records.len()).unwrap().to_be_bytes());
    said.extend([0; 4]);
    said.extend(&question[12..at + 4]);
    for data in records {
        said.extend([0xc0, 12]);
        said.extend(kind.to_be_bytes());
        said.extend([0, 1]);
        said.extend(zone.ttl.to_be_bytes());
        said.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        said.extend(data);
    }
    Some(said)
}
