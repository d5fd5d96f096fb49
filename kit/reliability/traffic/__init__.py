"""Background traffic: who spins when, and what came of it."""
