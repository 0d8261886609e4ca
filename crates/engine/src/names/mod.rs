//! Names to addresses: asks DNS, with the system's servers, search list and hosts file unless told otherwise. What comes
//! back is used for as long as its records say, within bounds of ours.

mod files;
mod options;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ProtocolConfig, ResolveHosts,
    ResolverConfig,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};

use crate::balancer::Found;
use files::Files;

pub use options::NameOptions;

/// Addresses of one name that are used; what a server says beyond that is not.
const MOST_ADDRESSES: usize = 256;
/// Names of SRV records that are asked for.
const MOST_RECORDS: usize = 64;

/// What a name stands for.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its addresses; none where the name has none.
    pub found: Arc<[Found]>,
    /// How long that holds.
    pub ttl: Duration,
}

/// No answer: nobody knows whether the name has addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoAnswer;

/// Asks on behalf of one thread, with no memory of its own.
#[derive(Debug)]
pub struct Names {
    options: NameOptions,
    /// Made when the first name is asked for: who uses addresses alone never reads the system's settings.
    resolver: RefCell<Option<(Rc<TokioResolver>, Files)>>,
}

impl Names {
    /// `options` say whom to ask.
    #[must_use]
    pub fn new(options: NameOptions) -> Self {
        Self {
            options,
            resolver: RefCell::default(),
        }
    }

    /// What it goes by.
    #[must_use]
    pub fn options(&self) -> &NameOptions {
        &self.options
    }

    /// The addresses of `name`; with `services` those that its SRV records lead to, if there are any.
    ///
    /// # Errors
    /// [`NoAnswer`], also after a time of its own.
    pub async fn ask(&self, name: &str, services: bool) -> Result<Answer, NoAnswer> {
        let resolver = self.resolver().map_err(|_| NoAnswer)?;
        let asking = async {
            if services {
                let answer = self.services(&resolver, name).await?;
                if !answer.found.is_empty() {
                    return Ok(answer);
                }
            }
            self.addresses(&resolver, name).await
        };
        let limit = Duration::from_millis(self.options.timeout_ms);
        // The resolver's futures are large, and asking is rare.
        tokio::time::timeout(limit, Box::pin(asking))
            .await
            .unwrap_or(Err(NoAnswer))
    }

    async fn addresses(&self, resolver: &TokioResolver, name: &str) -> Result<Answer, NoAnswer> {
        match resolver.lookup_ip(name).await {
            Ok(lookup) => {
                let addresses = lookup.iter().take(MOST_ADDRESSES);
                let mut found: Vec<_> = addresses.map(|ip| Found { ip, srv: None }).collect();
                // Servers turn the order round; the set is what matters, and whether it changed.
                found.sort_by_key(|found| found.ip);
                found.dedup();
                let records = lookup.as_lookup().answers().iter();
                let ttl = records.map(|record| record.ttl).min();
                Ok(self.answer(found, ttl))
            }
            Err(error) => self.nothing(&error),
        }
    }

    async fn services(&self, resolver: &TokioResolver, name: &str) -> Result<Answer, NoAnswer> {
        let lookup = match resolver.lookup(name, RecordType::SRV).await {
            Ok(lookup) => lookup,
            Err(error) => return self.nothing(&error),
        };
        let records = lookup
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::SRV(srv) => Some((srv, record.ttl)),
                _ => None,
            });
        let records: Vec<_> = records.take(MOST_RECORDS).collect();
        // Those of a higher number are for when the others are gone for good, which DNS then says.
        let first = records.iter().map(|(srv, _)| srv.priority).min();
        let mut ttl = records.iter().map(|(_, ttl)| *ttl).min();
        let mut found = Vec::new();
        for (srv, _) in records
            .iter()
            .filter(|(srv, _)| Some(srv.priority) == first)
        {
            let target = srv.target.to_ascii();
            let answer = self.addresses(resolver, &target).await?;
            ttl = ttl.min(Some(
                u32::try_from(answer.ttl.as_secs()).unwrap_or(u32::MAX),
            ));
            let own: Box<str> = target.trim_end_matches('.').to_ascii_lowercase().into();
            found.extend(answer.found.iter().map(|address| Found {
                ip: address.ip,
                srv: Some((srv.port, srv.weight, own.clone())),
            }));
        }
        found.truncate(MOST_ADDRESSES);
        found.sort_by(|one, other| (one.ip, &one.srv).cmp(&(other.ip, &other.srv)));
        Ok(self.answer(found, ttl))
    }

    fn answer(&self, found: Vec<Found>, ttl: Option<u32>) -> Answer {
        let NameOptions {
            min_ttl_ms,
            max_ttl_ms,
            ..
        } = self.options;
        let ttl = u64::from(ttl.unwrap_or_default()).saturating_mul(1000);
        Answer {
            found: found.into(),
            ttl: Duration::from_millis(ttl.max(min_ttl_ms).min(max_ttl_ms)),
        }
    }

    /// That there is nothing is an answer; that nobody says so is none.
    fn nothing(&self, error: &NetError) -> Result<Answer, NoAnswer> {
        if error.is_no_records_found() || error.is_nx_domain() {
            return Ok(Answer {
                found: Arc::default(),
                ttl: Duration::from_millis(self.options.negative_ttl_ms),
            });
        }
        Err(NoAnswer)
    }

    /// The resolver; a new one when the system's files have changed.
    fn resolver(&self) -> Result<Rc<TokioResolver>, NetError> {
        let mut known = self.resolver.borrow_mut();
        if let Some((resolver, files)) = &mut *known
            && !files.have_changed()
        {
            return Ok(Rc::clone(resolver));
        }
        let files = Files::now();
        let resolver = Rc::new(self.build()?);
        *known = Some((Rc::clone(&resolver), files));
        Ok(resolver)
    }

    fn build(&self) -> Result<TokioResolver, NetError> {
        let mut builder = if self.options.servers.is_empty() {
            TokioResolver::builder_tokio()?
        } else {
            let servers = self.options.servers.iter().copied().map(server).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        // What is remembered, and for how long, is decided above.
        options.cache_size = 0;
        options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
        options.use_hosts_file = ResolveHosts::Always;
        options.try_tcp_on_error = true;
        // Two tries fit into the whole time.
        options.timeout = Duration::from_millis((self.options.timeout_ms / 2).max(1));
        options.attempts = 2;
        builder.build()
    }
}

fn server(address: SocketAddr) -> NameServerConfig {
    let connections = [ProtocolConfig::Udp, ProtocolConfig::Tcp].map(|protocol| {
        let mut connection = ConnectionConfig::new(protocol);
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}
