//! From the base as control writes it to the base that requests meet. The same code judges a candidate before control
//! commits it, so what a gateway would refuse is never stored.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::ServerName;

use super::error::{ConfigError, parse};
use super::model::{Base, Consumer, Credential, Group, Route, RoutePlugins, Shop, Upstream};
use super::wire;
use crate::balancer::Policy;
use crate::entitlement::{Offer, portal_url};
use crate::plugins::{Instance, Plugin};
use crate::router::Router;
use crate::tls::certificates::Certificates;
use crate::tls::client::{self, Authorities, ClientTls, Wish};
use crate::tls::server::{HTTP1, HTTP2};
use crate::uuid::Uuid;

/// What the kernel takes, with the NUL behind it.
const LONGEST_SOCKET_PATH: usize = 107;

/// Compiles a base.
pub(super) fn base(json: &str) -> Result<Base, ConfigError> {
    let mut wire: wire::Base = parse(json)?;
    let shop = Shop {
        offers: wire.offers.drain(..).map(Offer::compile).collect(),
        portal_url: portal_url(wire.portal_url.take())?,
    };
    let certificates = Certificates::compile(&wire.certificates)?;
    let trust = Trust {
        certificates: &certificates,
        authorities: client::authorities(&wire.ca_certificates)?,
    };
    let policies = policies(&wire, &certificates)?;
    let services = services(&wire, &policies, &trust)?;
    let mut groups = groups(&wire)?;
    let mut instances = Vec::new();
    let mut taken = HashSet::new();
    let routes_there: HashSet<Uuid> = wire.routes.iter().map(|route| route.id).collect();
    for (place, row) in wire.plugins.iter().enumerate() {
        let here = |field: &str| format!("plugins[{place}].{field}");
        if let Some(route) = row.route
            && !routes_there.contains(&route.id)
        {
            return Err(missing(here("route.id"), "route", route.id));
        }
        if let Some(service) = row.service
            && !services.contains_key(&service.id)
        {
            return Err(missing(here("service.id"), "service", service.id));
        }
        let group = match row.consumer_group {
            None => None,
            Some(group) => match groups.get_mut(&group.id) {
                None => {
                    return Err(missing(
                        here("consumer_group.id"),
                        "consumer group",
                        group.id,
                    ));
                }
                found => found,
            },
        };
        let Some(instance) = Instance::compile(row, false)? else {
            continue;
        };
        if !taken.insert((row.name.clone(), instance.scope)) {
            return Err(ConfigError::new(
                format!("plugin {}", row.name),
                "the plugin is set twice on the same thing",
                "keep one of the two",
            ));
        }
        match group {
            Some(group) => group.instances.push(instance),
            None => instances.push(instance),
        }
    }
    let mut compiled = Vec::with_capacity(wire.routes.len());
    let mut live = Vec::with_capacity(wire.routes.len());
    for (place, row) in wire.routes.iter().enumerate() {
        let upstream = match row.service {
            None => None,
            Some(service) => match services.get(&service.id) {
                None => {
                    return Err(missing(
                        format!("routes[{place}].service.id"),
                        "service",
                        service.id,
                    ));
                }
                Some(service) => Some(service),
            },
        };
        let mut checked = route(row, &instances, upstream.and_then(Option::as_ref))
            .map_err(|error| error.within(&format!("routes[{place}]")))?;
        let balanced = upstream
            .and_then(Option::as_ref)
            .and_then(|upstream| upstream.balanced);
        if balanced.is_some_and(|place| policies[place].goes_by_captures()) {
            checked.patterns = crate::router::patterns(row, place)?;
        }
        // A route of a service that is switched off doesn't match, as if it weren't there.
        if !matches!(upstream, Some(None)) {
            compiled.push(checked);
            live.push((place, row));
        }
    }
    let router = Router::compile(&live)?;
    // Rules of routes that don't match must be right all the same: they may be switched on by another change.
    let all: Vec<_> = wire.routes.iter().enumerate().collect();
    if all.len() != live.len() {
        Router::compile(&all)?;
    }
    Ok(Base::new(
        compiled,
        router,
        groups,
        shop,
        policies,
        certificates,
    ))
}

/// What services' fields about TLS refer to.
struct Trust<'a> {
    certificates: &'a Certificates,
    authorities: Authorities,
}

impl Trust<'_> {
    /// TLS towards a service's upstream, whatever its protocol: what doesn't hold yet must be right all the same.
    fn client(
        &self,
        row: &wire::Service,
        policy: Option<&Policy>,
    ) -> Result<ClientTls, ConfigError> {
        let own = row.client_certificate.map(|certificate| certificate.id);
        let wish = Wish {
            verify: row.tls_verify,
            depth: row.tls_verify_depth,
            authorities: row.ca_certificates.as_deref(),
            client_certificate: own.or(policy.and_then(|policy| policy.client_certificate)),
            protocols: match row.protocol {
                wire::Protocol::Grpc | wire::Protocol::Grpcs => &[HTTP2],
                wire::Protocol::Http | wire::Protocol::Https => &[HTTP1],
            },
        };
        ClientTls::compile(wish, self.certificates, &self.authorities)
    }
}

/// Services by id: none where one is switched off.
fn services(
    wire: &wire::Base,
    policies: &[Arc<Policy>],
    trust: &Trust<'_>,
) -> Result<HashMap<Uuid, Option<Arc<Upstream>>>, ConfigError> {
    let names = policies.iter().enumerate();
    let by_name: HashMap<&str, usize> = names
        .map(|(place, policy)| (&*policy.name, place))
        .collect();
    let mut services = HashMap::new();
    for (place, row) in wire.services.iter().enumerate() {
        let balanced = by_name.get(&*row.host).copied();
        let policy = balanced.map(|place| &*policies[place]);
        let tls = trust.client(row, policy);
        let upstream = tls
            .and_then(|tls| upstream(row, tls))
            .map_err(|error| error.within(&format!("services[{place}]")));
        let upstream = Upstream {
            balanced,
            ..upstream?
        };
        let upstream = row.enabled.then(|| Arc::new(upstream));
        if services.insert(row.id, upstream).is_some() {
            return Err(twice(format!("services[{place}].id")));
        }
    }
    Ok(services)
}

/// Upstreams, in their order.
fn policies(
    wire: &wire::Base,
    certificates: &Certificates,
) -> Result<Box<[Arc<Policy>]>, ConfigError> {
    let (mut ids, mut names) = (HashSet::new(), HashSet::new());
    let rows = wire.upstreams.iter().enumerate();
    rows.map(|(place, row)| {
        let here = format!("upstreams[{place}]");
        if !ids.insert(row.id) {
            return Err(twice(format!("{here}.id")));
        }
        if !names.insert(&row.name) {
            return Err(ConfigError::new(
                format!("{here}.name"),
                "the name is there twice",
                "give each upstream its own name",
            ));
        }
        Policy::compile(row, certificates)
            .map(Arc::new)
            .map_err(|error| error.within(&here))
    })
    .collect()
}

fn groups(wire: &wire::Base) -> Result<HashMap<Uuid, Group>, ConfigError> {
    let mut groups = HashMap::new();
    for (place, row) in wire.consumer_groups.iter().enumerate() {
        let group = Group {
            name: row.name.as_str().into(),
            instances: Vec::new(),
        };
        if groups.insert(row.id, group).is_some() {
            return Err(twice(format!("consumer_groups[{place}].id")));
        }
    }
    Ok(groups)
}

fn upstream(row: &wire::Service, tls: ClientTls) -> Result<Upstream, ConfigError> {
    let Callee {
        host,
        socket,
        server_name,
    } = Callee::read(row)?;
    if row.port == 0 {
        return Err(ConfigError::new("port", "0 is no port", "give 1 to 65535"));
    }
    for (field, timeout) in [
        ("connect_timeout", row.connect_timeout),
        ("write_timeout", row.write_timeout),
        ("read_timeout", row.read_timeout),
    ] {
        if timeout == 0 {
            return Err(ConfigError::new(
                field,
                "0 would end every request at once",
                "give milliseconds, at least 1",
            ));
        }
    }
    let path = row.path.as_deref().unwrap_or("/");
    if !path.starts_with('/')
        || !path.bytes().all(|byte| byte.is_ascii_graphic())
        || path.contains(['?', '#'])
    {
        return Err(ConfigError::new(
            "path",
            "not a path",
            "start it with /, and percent-encode what isn't printable ASCII",
        ));
    }
    let (tls, own_port) = match row.protocol {
        wire::Protocol::Http | wire::Protocol::Grpc => (None, 80),
        wire::Protocol::Https | wire::Protocol::Grpcs => (Some(Arc::new(tls)), 443),
    };
    let authority = match &socket {
        // What nginx says of a socket: there is no name that it could be called by.
        Some(_) => "localhost".into(),
        None if row.port == own_port => bracketed(host).into(),
        None => format!("{}:{}", bracketed(host), row.port).into(),
    };
    Ok(Upstream {
        service: row.id,
        label: label(row.name.as_deref(), row.id),
        host: host.into(),
        port: row.port,
        tls,
        socket,
        server_name,
        authority,
        http2: matches!(row.protocol, wire::Protocol::Grpc | wire::Protocol::Grpcs),
        path: path.into(),
        connect_timeout: row.connect_timeout,
        write_timeout: row.write_timeout,
        read_timeout: row.read_timeout,
        retries: row.retries,
        balanced: None,
    })
}

/// What a service's host says.
struct Callee<'a> {
    host: &'a str,
    socket: Option<Arc<Path>>,
    /// Where it is called over TLS.
    server_name: Option<Arc<ServerName<'static>>>,
}

impl<'a> Callee<'a> {
    fn read(row: &'a wire::Service) -> Result<Self, ConfigError> {
        let fault = |problem: &str, fix: &str| Err(ConfigError::new("host", problem, fix));
        let is_tls = matches!(row.protocol, wire::Protocol::Https | wire::Protocol::Grpcs);
        if let Some(path) = row.host.strip_prefix("unix:") {
            let is_path = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
            if !is_path || path.len() > LONGEST_SOCKET_PATH {
                return fault(
                    "not the path of a Unix socket",
                    "give unix: and an absolute path of at most 107 printable characters",
                );
            }
            if is_tls {
                return fault(
                    "TLS isn't spoken over a Unix socket",
                    "use the protocol http: nobody else hears what goes over it",
                );
            }
            return Ok(Self {
                host: &row.host,
                socket: Some(Path::new(path).into()),
                server_name: None,
            });
        }
        let host = row.host.trim_start_matches('[').trim_end_matches(']');
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
        if host.is_empty() || !host.bytes().all(is_host) {
            return fault(
                "not a host name or an address",
                "give a name such as api.example.com, or an address",
            );
        }
        let server_name = match ServerName::try_from(host.to_ascii_lowercase()) {
            _ if !is_tls => None,
            Ok(name) => Some(Arc::new(name)),
            Err(_) => {
                return fault(
                    "not a name that a certificate can have",
                    "give a DNS name or an address",
                );
            }
        };
        Ok(Self {
            host,
            socket: None,
            server_name,
        })
    }
}

/// As it is written in front of a port.
fn bracketed(host: &str) -> Cow<'_, str> {
    if host.contains(':') {
        format!("[{host}]").into()
    } else {
        host.into()
    }
}

fn route(
    row: &wire::Route,
    instances: &[Instance],
    upstream: Option<&Arc<Upstream>>,
) -> Result<Route, ConfigError> {
    if !matches!(row.https_redirect_status_code, 301 | 302 | 307 | 308 | 426) {
        return Err(ConfigError::new(
            "https_redirect_status_code",
            "neither 426 nor a redirect",
            "use 426, 301, 302, 307 or 308",
        ));
    }
    if row.protocols.is_empty() {
        return Err(ConfigError::new(
            "protocols",
            "the list is empty",
            "name http, https, grpc or grpcs",
        ));
    }
    Ok(Route {
        id: row.id,
        label: label(row.name.as_deref(), row.id),
        upstream: upstream.cloned(),
        plugins: route_plugins(row.id, upstream.map(|upstream| upstream.service), instances),
        needs_tls: !(row.protocols.iter())
            .any(|protocol| matches!(protocol, wire::Protocol::Http | wire::Protocol::Grpc)),
        needs_grpc: (row.protocols.iter())
            .all(|protocol| matches!(protocol, wire::Protocol::Grpc | wire::Protocol::Grpcs)),
        https_redirect_status: row.https_redirect_status_code,
        strip_path: row.strip_path,
        preserve_host: row.preserve_host,
        patterns: Box::default(),
    })
}

/// What people call something.
fn label(name: Option<&str>, id: Uuid) -> Box<str> {
    name.map_or_else(|| id.to_string().into_boxed_str(), Box::from)
}

/// Chooses for each plugin the instance that runs here for consumers without one of their own.
fn route_plugins(route: Uuid, service: Option<Uuid>, instances: &[Instance]) -> RoutePlugins {
    let mut chosen = RoutePlugins::default();
    let mut applying: Vec<_> = (instances.iter())
        .filter(|instance| instance.scope.covers(route, service))
        .collect();
    // The most specific comes last, and overwrites.
    applying.sort_by_key(|instance| std::cmp::Reverse(instance.scope.rank()));
    for Instance { scope, plugin } in applying {
        match plugin {
            Plugin::KeyAuth(plugin) => chosen.key_auth = Some(Arc::clone(plugin)),
            Plugin::Acl(plugin) => chosen.acl = Some(Arc::clone(plugin)),
            Plugin::Entitlement(plugin) => chosen.entitlement = Some(Arc::clone(plugin)),
            Plugin::RateLimiting(plugin) => {
                chosen.rate_limiting = Some((scope.rank(), Arc::clone(plugin)));
            }
        }
    }
    chosen
}

/// Compiles a consumer's row.
pub(super) fn consumer(json: &str) -> Result<Consumer, ConfigError> {
    Consumer::compile(parse(json)?)
}

/// Compiles a key's row.
pub(super) fn key_auth(json: &str) -> Result<(wire::KeyHash, Credential), ConfigError> {
    let row: wire::KeyAuth = parse(json)?;
    let credential = Credential {
        id: row.id,
        consumer: row.consumer,
        expires_at: row.expires_at.unwrap_or(u64::MAX),
    };
    Ok((row.hash, credential))
}

fn missing(location: String, what: &str, id: Uuid) -> ConfigError {
    ConfigError::new(
        location,
        format!("there is no {what} {id}"),
        format!("name a {what} of this configuration"),
    )
}

fn twice(location: String) -> ConfigError {
    ConfigError::new(location, "the id is there twice", "give each its own id")
}
