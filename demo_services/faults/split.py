"""Which requests a fault hits: the same ones in every service, Python or Node.js."""

from hashlib import sha256


def is_hit(seed: int, flag: str, key: str, share: float) -> bool:
    """Return whether the request with this key is among the share that the flag hits.

    The keys are trace ids, so anyone who knows them can compute the set.
    payment/src/faults/split.js does the same.
    """
    # Not a CRC: that is linear, so the sets of two flags would depend on each other.
    digest = sha256(f"{seed}:{flag}:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < share
