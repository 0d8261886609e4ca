"""Tollway's own API, `/tollway/v1`: JSON, RFC 9457 problems, idempotency keys, opaque cursors.

Another part adds its resources with a router of its own, handed to `create_api_app`.
"""

from tollway.web.api.app import CUSTOMER_SECURITY, create_api_app
from tollway.web.api.idempotency import Once
from tollway.web.api.paging import CursorParam, LimitParam, Page, page
from tollway.web.api.problem import ApiProblem, FieldFault

__all__ = [
    "CUSTOMER_SECURITY",
    "ApiProblem",
    "CursorParam",
    "FieldFault",
    "LimitParam",
    "Once",
    "Page",
    "create_api_app",
    "page",
]
