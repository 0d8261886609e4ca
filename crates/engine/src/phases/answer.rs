//! The answers that the gateway gives itself: Kong's statuses and words.

/// Why the gateway answers instead of an upstream. Each makes no usage event, only a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum AnswerKind {
    /// Not a request that can be understood.
    BadRequest,
    /// The request line is too long.
    UriTooLong,
    /// The head is too large, or has too many lines.
    HeadersTooLarge,
    /// The client took too long to send it.
    RequestTimeout,
    /// The body is longer than allowed.
    BodyTooLarge,
    /// The client expects what the gateway doesn't know.
    ExpectationFailed,
    /// A request without TLS, where TLS is spoken.
    PlainOnTls,
    /// No route matches.
    NoRoute,
    /// The route has no service.
    NoService,
    /// The route is for TLS alone.
    NeedsTls,
    /// The route is for TLS alone, and says where to go on (its status and a `Location`).
    RedirectToTls,
    /// The route is for gRPC, which is spoken in HTTP/2 alone.
    NeedsHttp2,
    /// The route is for gRPC, and this is something else.
    NotGrpc,
    /// key-auth: no key was shown.
    NoKey,
    /// key-auth: the key is nobody's.
    UnknownKey,
    /// key-auth: two keys were shown.
    DuplicateKey,
    /// acl: nobody in particular may not pass.
    AclUnauthenticated,
    /// acl: this consumer may not pass.
    AclForbidden,
    /// entitlement: nobody in particular may not pass.
    EntitlementUnauthenticated,
    /// entitlement: no subscription of this consumer is in force.
    NoSubscription,
    /// entitlement: the subscription doesn't grant the feature.
    FeatureNotInPlan,
    /// A quota of the billing period is used up.
    QuotaExceeded,
    /// rate-limiting: a window is full.
    RateLimited,
    /// A plugin can't do its work: the anonymous consumer is missing, the counters are full.
    PluginFault,
    /// No upstream could be reached, or it closed before a whole head came.
    UpstreamInvalid,
    /// The upstream took too long.
    UpstreamTimeout,
    /// No upstream address is known: the name doesn't resolve.
    UpstreamUnresolved,
    /// The gateway can't record the request, or has no configuration yet.
    Unavailable,
    /// No target of the upstream is in.
    NoTarget,
}

impl AnswerKind {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 29] = [
        Self::BadRequest,
        Self::UriTooLong,
        Self::HeadersTooLarge,
        Self::RequestTimeout,
        Self::BodyTooLarge,
        Self::ExpectationFailed,
        Self::PlainOnTls,
        Self::NoRoute,
        Self::NoService,
        Self::NeedsTls,
        Self::RedirectToTls,
        Self::NeedsHttp2,
        Self::NotGrpc,
        Self::NoKey,
        Self::UnknownKey,
        Self::DuplicateKey,
        Self::AclUnauthenticated,
        Self::AclForbidden,
        Self::EntitlementUnauthenticated,
        Self::NoSubscription,
        Self::FeatureNotInPlan,
        Self::QuotaExceeded,
        Self::RateLimited,
        Self::PluginFault,
        Self::UpstreamInvalid,
        Self::UpstreamTimeout,
        Self::UpstreamUnresolved,
        Self::Unavailable,
        Self::NoTarget,
    ];

    /// Its name in the metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::UriTooLong => "uri_too_long",
            Self::HeadersTooLarge => "headers_too_large",
            Self::RequestTimeout => "request_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::ExpectationFailed => "expectation_failed",
            Self::PlainOnTls => "plain_on_tls",
            Self::NoRoute => "no_route",
            Self::NoService => "no_service",
            Self::NeedsTls => "needs_tls",
            Self::RedirectToTls => "redirect_to_tls",
            Self::NeedsHttp2 => "needs_http2",
            Self::NotGrpc => "not_grpc",
            Self::NoKey => "no_key",
            Self::UnknownKey => "unknown_key",
            Self::DuplicateKey => "duplicate_key",
            Self::AclUnauthenticated => "acl_unauthenticated",
            Self::AclForbidden => "acl_forbidden",
            Self::EntitlementUnauthenticated => "entitlement_unauthenticated",
            Self::NoSubscription => "no_subscription",
            Self::FeatureNotInPlan => "feature_not_in_plan",
            Self::QuotaExceeded => "quota_exceeded",
            Self::RateLimited => "rate_limited",
            Self::PluginFault => "plugin_fault",
            Self::UpstreamInvalid => "upstream_invalid",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::UpstreamUnresolved => "upstream_unresolved",
            Self::Unavailable => "unavailable",
            Self::NoTarget => "no_target",
        }
    }

    /// The status, where the configuration doesn't say otherwise.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest | Self::PlainOnTls => 400,
            Self::UriTooLong => 414,
            Self::HeadersTooLarge => 431,
            Self::RequestTimeout => 408,
            Self::BodyTooLarge => 413,
            Self::ExpectationFailed => 417,
            Self::NoRoute => 404,
            Self::NeedsTls | Self::RedirectToTls | Self::NeedsHttp2 => 426,
            Self::NotGrpc => 415,
            Self::NoKey
            | Self::UnknownKey
            | Self::DuplicateKey
            | Self::AclUnauthenticated
            | Self::EntitlementUnauthenticated => 401,
            Self::AclForbidden | Self::NoSubscription | Self::FeatureNotInPlan => 403,
            Self::QuotaExceeded | Self::RateLimited => 429,
            Self::PluginFault => 500,
            Self::UpstreamInvalid => 502,
            Self::UpstreamTimeout => 504,
            Self::NoService | Self::UpstreamUnresolved | Self::Unavailable | Self::NoTarget => 503,
        }
    }

    /// The body's `message`, where the configuration doesn't say otherwise.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::BadRequest => "Bad request",
            Self::UriTooLong => "URI too long",
            Self::HeadersTooLarge => "Request header or cookie too large",
            Self::RequestTimeout => "Request timeout",
            Self::BodyTooLarge => "Payload too large",
            Self::ExpectationFailed => "Expectation failed",
            Self::PlainOnTls => "The plain HTTP request was sent to HTTPS port",
            Self::NoRoute => "no Route matched with those values",
            Self::NoService => "no Service found with those values",
            Self::NeedsTls | Self::RedirectToTls => "Please use HTTPS protocol",
            Self::NeedsHttp2 => "Please use HTTP2 protocol",
            Self::NotGrpc => "Non-gRPC request matched gRPC route",
            Self::NoKey => "No API key found in request",
            Self::UnknownKey | Self::AclUnauthenticated | Self::EntitlementUnauthenticated => {
                "Unauthorized"
            }
            Self::DuplicateKey => "Duplicate API key found",
            Self::AclForbidden => "You cannot consume this service",
            Self::NoSubscription => "No subscription is in force",
            Self::FeatureNotInPlan => "The plan does not include this feature",
            Self::QuotaExceeded => "The quota of this billing period is used up",
            Self::RateLimited => "API rate limit exceeded",
            Self::PluginFault => "An unexpected error occurred",
            Self::UpstreamInvalid => "An invalid response was received from the upstream server",
            Self::UpstreamTimeout => "The upstream server is timing out",
            Self::UpstreamUnresolved => "name resolution failed",
            Self::Unavailable => "Service unavailable",
            Self::NoTarget => "failure to get a peer from the ring-balancer",
        }
    }
}

/// An answer of the gateway's own: what kind, and its status. Headers and body come from the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Why.
    pub kind: AnswerKind,
    /// Usually the kind's, but rate-limiting and redirects choose theirs.
    pub status: u16,
}

impl From<AnswerKind> for Answer {
    fn from(kind: AnswerKind) -> Self {
        Self {
            kind,
            status: kind.status(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_numbered_by_their_place() {
        for (place, kind) in AnswerKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
            assert!((400..600).contains(&kind.status()));
        }
    }
}
