"""How keys are replaced at their vendors: mostly data (`by_data`), with a module for those that no data describes."""

from __future__ import annotations

from keyvault.providers.schema import Provider
from keyvault.rotation.schemes.aws import Aws
from keyvault.rotation.schemes.base import Scheme
from keyvault.rotation.schemes.by_data import ByData

_OF_THEIR_OWN = {"aws": Aws}


def scheme_for(provider: Provider | None, value: str = "", *, by_hand: bool = False) -> Scheme:
    """The way to replace a key of this vendor and kind; `by_hand`: a person brings the new value in any case."""
    own: type[Aws] | None = _OF_THEIR_OWN.get(provider.rotation.scheme) if provider and not by_hand else None
    if own:
        return own()
    return ByData(provider, value, by_hand=by_hand)
