//! The configuration as requests meet it: immutable, compiled, everything looked up beforehand.

use std::collections::HashMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use regex::bytes::Regex;
use rustls::pki_types::ServerName;

use super::cow_map::{CowMap, Key};
use super::error::ConfigError;
use super::wire;
use crate::balancer::{Balancer, Policy};
use crate::entitlement::{Entitlement, Offer};
use crate::observe::redact::spellings;
use crate::plugins::acl::{Acl, check_group};
use crate::plugins::entitlement::FeatureGate;
use crate::plugins::key_auth::{Anonymous, KeyAuth};
use crate::plugins::precedence::Rank;
use crate::plugins::rate_limiting::RateLimiting;
use crate::plugins::{Instance, Plugin, is_header_value};
use crate::router::Router;
use crate::tls::certificates::Certificates;
use crate::tls::client::ClientTls;
use crate::usage_log::Mode;
use crate::uuid::Uuid;

pub use wire::KeyHash;

/// One version of everything. Cloning it is cheap: versions share what they have in common.
#[derive(Debug, Clone)]
pub struct Config {
    pub version: u64,
    pub base: Arc<Base>,
    pub consumers: CowMap<Uuid, Arc<Consumer>>,
    pub key_auth: CowMap<KeyHash, Credential>,
    /// By the places of [`Base::policies`]: what lives on from version to version.
    pub balancers: Arc<[Arc<Balancer>]>,
    /// The consumers that plugins name by username, where they exist: few, so found beforehand.
    pub(super) named: Arc<HashMap<Box<str>, Uuid>>,
}

/// The small, complete part: routing, plugins, groups.
#[derive(Debug)]
pub struct Base {
    pub routes: Vec<Route>,
    pub router: Router,
    pub(super) groups: HashMap<Uuid, Group>,
    /// Whether any plugin is set on a group: if none is, nobody's groups need looking at.
    has_group_plugins: bool,
    /// Usernames that plugins name.
    pub(super) names: Vec<Box<str>>,
    /// Where refused callers are sent.
    pub shop: Shop,
    /// What services are balanced by.
    pub policies: Box<[Arc<Policy>]>,
    /// What clients are shown in TLS handshakes.
    pub certificates: Certificates,
    /// The names under which API keys are shown, on any route: nobody is told a value of theirs.
    pub(crate) key_parameters: Box<[Box<[u8]>]>,
}

/// What there is to buy, as far as refusals speak of it.
#[derive(Debug, Default)]
pub struct Shop {
    /// Who has which feature.
    pub offers: Box<[Offer]>,
    /// The portal's origin, without a slash at its end.
    pub portal_url: Option<Box<str>>,
}

#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: Box<str>,
    pub(super) instances: Vec<Instance>,
}

/// A match rule, and what happens to what it matches.
#[derive(Debug)]
pub struct Route {
    pub id: Uuid,
    /// What people call it: its name, or its id where it has none.
    pub label: Box<str>,
    pub upstream: Option<Arc<Upstream>>,
    /// The plugins of this route for a consumer that has none of its own.
    pub plugins: RoutePlugins,
    /// A plain request is sent away.
    pub needs_tls: bool,
    /// Nothing but gRPC passes.
    pub needs_grpc: bool,
    /// 426, or the redirect that a plain request to a route for TLS gets.
    pub https_redirect_status: u16,
    pub strip_path: bool,
    pub preserve_host: bool,
    /// The patterns among its paths, where balancing goes by what they capture.
    pub patterns: Box<[Regex]>,
}

/// What runs on a route, but for instances on consumers and groups.
#[derive(Debug, Default)]
pub struct RoutePlugins {
    pub key_auth: Option<Arc<KeyAuth>>,
    pub acl: Option<Arc<Acl>>,
    pub entitlement: Option<Arc<FeatureGate>>,
    pub rate_limiting: Option<(Rank, Arc<RateLimiting>)>,
}

/// A service: the upstream API.
#[derive(Debug)]
pub struct Upstream {
    pub service: Uuid,
    /// What people call the service: its name, or its id where it has none.
    pub label: Box<str>,
    /// A name or an address; an IPv6 address without brackets.
    pub host: Box<str>,
    pub port: u16,
    /// The Unix socket that is called instead.
    pub socket: Option<Arc<Path>>,
    /// The host, as what the upstream has to prove over TLS.
    pub server_name: Option<Arc<ServerName<'static>>>,
    /// How it is called over TLS; none where it is called in plain text.
    pub tls: Option<Arc<ClientTls>>,
    /// What `Host` says towards it: the host, with the port where it isn't the protocol's own.
    pub authority: Box<str>,
    /// It is asked in HTTP/2.
    pub http2: bool,
    /// What comes before the request's path; starts with `/`.
    pub path: Box<str>,
    /// Milliseconds, as the next two.
    pub connect_timeout: u32,
    pub write_timeout: u32,
    pub read_timeout: u32,
    /// Further tries after the first.
    pub retries: u16,
    /// The place among [`Base::policies`] of the upstream that has the host for its name.
    pub balanced: Option<usize>,
}

/// A calling identity.
#[derive(Debug)]
pub struct Consumer {
    pub id: Uuid,
    pub username: Option<Box<str>>,
    pub custom_id: Option<Box<str>>,
    /// Consumer groups, by name.
    pub groups: Box<[Uuid]>,
    /// Groups in the sense of the acl plugin.
    pub acls: Box<[Box<str>]>,
    pub(crate) instances: Box<[Instance]>,
    /// Who pays.
    pub customer: Option<Uuid>,
    /// Which phase of which subscription.
    pub phase: Option<Uuid>,
    pub mode: Mode,
    /// What its subscription grants; none without one in force.
    pub entitlement: Option<Box<Entitlement>>,
}

/// What a key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credential {
    pub id: Uuid,
    pub consumer: Uuid,
    /// µs since 1970: from then on the key opens nothing. The greatest number where it lasts.
    pub expires_at: u64,
}

impl Key for Uuid {
    fn spread(&self) -> u64 {
        // Versions of UUIDs have constant bits and rising ones: a multiplication folds them all into the top.
        let [high, low] = [0, 8].map(|at| {
            let mut word = [0; 8];
            word.copy_from_slice(&self.0[at..at + 8]);
            u64::from_be_bytes(word)
        });
        (high ^ low.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl Key for KeyHash {
    fn spread(&self) -> u64 {
        let mut word = [0; 8];
        word.copy_from_slice(&self.0[..8]);
        u64::from_be_bytes(word)
    }
}

impl Upstream {
    /// The port, where it isn't the protocol's own: then `Host` says it.
    #[must_use]
    pub fn foreign_port(&self, port: u16) -> Option<u16> {
        let own = if self.tls.is_some() { 443 } else { 80 };
        (port != own).then_some(port)
    }
}

impl Base {
    /// `compiled` are the routes that `router` was made from, in the same order.
    pub(super) fn new(
        compiled: Vec<Route>,
        router: Router,
        groups: HashMap<Uuid, Group>,
        shop: Shop,
        policies: Box<[Arc<Policy>]>,
        certificates: Certificates,
    ) -> Self {
        let has_group_plugins = groups.values().any(|group| !group.instances.is_empty());
        let anonymous = compiled.iter().filter_map(|route| {
            route
                .plugins
                .key_auth
                .as_ref()?
                .anonymous
                .as_ref()?
                .username()
        });
        let mut names: Vec<Box<str>> = anonymous.map(Box::from).collect();
        names.sort_unstable();
        names.dedup();
        let key_auth = (compiled.iter()).filter_map(|route| route.plugins.key_auth.as_deref());
        let key_parameters = spellings(key_auth.flat_map(KeyAuth::names));
        Self {
            routes: compiled,
            router,
            groups,
            has_group_plugins,
            names,
            shop,
            policies,
            certificates,
            key_parameters,
        }
    }

    /// Every consumer group, by its id.
    pub fn group_names(&self) -> impl Iterator<Item = (Uuid, &str)> {
        self.groups.iter().map(|(id, group)| (*id, &*group.name))
    }

    /// The name of a consumer group.
    #[must_use]
    pub fn group_name(&self, id: Uuid) -> Option<&str> {
        self.groups.get(&id).map(|group| &*group.name)
    }

    /// The rate-limiting that runs for a request of `consumer` on `route`: the most specific.
    #[must_use]
    pub fn rate_limiting<'a>(
        &'a self,
        route: &'a Route,
        consumer: Option<&'a Consumer>,
    ) -> Option<&'a Arc<RateLimiting>> {
        let mut best = route
            .plugins
            .rate_limiting
            .as_ref()
            .map(|(rank, plugin)| (*rank, plugin));
        let service = route.upstream.as_ref().map(|upstream| upstream.service);
        let mut consider = |instances: &'a [Instance]| {
            for Instance { scope, plugin } in instances {
                if let Plugin::RateLimiting(plugin) = plugin
                    && scope.covers(route.id, service)
                    // Of several groups' equals the first stays: groups come in the order of their names.
                    && best.is_none_or(|(rank, _)| scope.rank() < rank)
                {
                    best = Some((scope.rank(), plugin));
                }
            }
        };
        if let Some(consumer) = consumer {
            consider(&consumer.instances);
            if self.has_group_plugins {
                let groups = consumer.groups.iter().filter_map(|id| self.groups.get(id));
                groups.for_each(|group| consider(&group.instances));
            }
        }
        best.map(|(_, plugin)| plugin)
    }
}

impl Consumer {
    /// Asks memory at once for all that a request will read of it. Among a hundred thousand consumers nothing of one
    /// is in a cache, and its parts would otherwise be waited for one after the other.
    #[inline]
    fn fetch(&self) {
        let name = self.username.as_ref().map(|name| name.as_bytes().first());
        black_box((self.mode, self.instances.len(), self.groups.len(), name));
    }

    pub(super) fn compile(row: wire::Consumer) -> Result<Self, ConfigError> {
        for (field, text) in [("username", &row.username), ("custom_id", &row.custom_id)] {
            if text
                .as_ref()
                .is_some_and(|text| !is_header_value(text.as_bytes()))
            {
                return Err(ConfigError::new(
                    field,
                    "a control character",
                    "use printable characters: upstreams get it in a header",
                ));
            }
        }
        for (place, group) in row.acls.iter().enumerate() {
            check_group(group).map_err(|error| error.within(&format!("acls[{place}]")))?;
        }
        let instances: Result<Vec<_>, _> = (row.plugins.iter())
            .filter_map(|plugin| Instance::compile(plugin, true).transpose())
            .collect();
        Ok(Self {
            id: row.id,
            username: row.username.map(String::into_boxed_str),
            custom_id: row.custom_id.map(String::into_boxed_str),
            groups: row.groups.into(),
            acls: row.acls.into_iter().map(String::into_boxed_str).collect(),
            instances: instances?.into(),
            customer: row.customer,
            phase: row.phase,
            mode: match row.mode {
                wire::Mode::Live => Mode::Live,
                wire::Mode::Test => Mode::Test,
            },
            entitlement: (row.entitlement.map(Entitlement::compile).transpose())
                .map(|entitlement| entitlement.map(Box::new))
                .map_err(|error| error.within("entitlement"))?,
        })
    }
}

impl Config {
    /// The consumer that a plugin takes callers without a good key for.
    #[must_use]
    pub fn anonymous(&self, name: &Anonymous) -> Option<&Arc<Consumer>> {
        let id = match name {
            Anonymous::Id(id) => id,
            Anonymous::Username(name) => self.named.get(name)?,
        };
        self.consumers.get(id)
    }

    /// The consumer that a key belongs to, and the credential; none where the key has ended by `wall`, µs since 1970.
    #[must_use]
    pub fn by_key(&self, hash: &KeyHash, wall: u64) -> Option<(&Arc<Consumer>, Credential)> {
        let credential = *self.key_auth.get(hash)?;
        if wall >= credential.expires_at {
            return None;
        }
        let consumer = self.consumers.get(&credential.consumer)?;
        consumer.fetch();
        Some((consumer, credential))
    }
}
