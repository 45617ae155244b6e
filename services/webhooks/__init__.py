"""
Webhooks: calls from outside that start runs, and calls to outside that tell of them.

In: a `Source` declares who calls and how a payload becomes a request; the `Gate` lets its signed
calls in, each once. Out: events in the outbox become `Deliveries` to `Endpoints`, which are sent
until they arrive or a day has gone by.
"""

from ._addresses import Resolver, check_url, is_public
from ._deliveries import Deliveries, Delivery, DeliveryStatus, TakenDelivery
from ._endpoints import Endpoint, Endpoints, new_endpoint_id
from ._gate import Admitted, Call, Gate
from ._mapping import RequestTemplate, Rule, Wanted
from ._payload import MAX_BODY, parse_body
from ._refusal import Refusal
from ._refused import RefusedCall, RefusedCalls
from ._replays import Claim, Claimed, Replays
from ._retrying import Persistence
from ._sending import Answer, HttpSender, Message, Sender
from ._signature import SignedHeaders, key_of, new_secret, sign, verify
from ._sources import OVERLAP, SealedSecret, Source, Sources, StoredSource
from ._vault import Vault

__all__ = [
    "MAX_BODY",
    "OVERLAP",
    "Admitted",
    "Answer",
    "Call",
    "Claim",
    "Claimed",
    "Deliveries",
    "Delivery",
    "DeliveryStatus",
    "Endpoint",
    "Endpoints",
    "Gate",
    "HttpSender",
    "Message",
    "Persistence",
    "Refusal",
    "RefusedCall",
    "RefusedCalls",
    "Replays",
    "RequestTemplate",
    "Resolver",
    "Rule",
    "SealedSecret",
    "Sender",
    "SignedHeaders",
    "Source",
    "Sources",
    "StoredSource",
    "TakenDelivery",
    "Vault",
    "Wanted",
    "check_url",
    "is_public",
    "key_of",
    "new_endpoint_id",
    "new_secret",
    "parse_body",
    "sign",
    "verify",
]
