"""
People and programs that an identity provider vouches for (OpenID Connect).

Signatures and claims are checked by joserfc, the browser's way through the provider is Authlib's.

| key                   | type   | content                                                     |
|-----------------------|--------|-------------------------------------------------------------|
| `assay:oidc:state:ID` | string | `SignIn` that a browser has begun, by its state; expires    |
"""

from ._claims import Reading
from ._provider import Provider, ProviderSettings
from ._signin import SignIn, SignIns

__all__ = ["Provider", "ProviderSettings", "Reading", "SignIn", "SignIns"]
