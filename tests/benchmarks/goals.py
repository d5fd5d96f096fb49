"""What a benchmark is held against."""


def goal(what: str, reached: bool) -> bool:
    """Print a goal and whether it was reached; return that."""
    print(f"  goal: {what}: {'reached' if reached else 'MISSED'}")
    return reached
