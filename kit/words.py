"""Wording that several screens share."""


def count_noun(count: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 event`` or ``1,200 events``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
