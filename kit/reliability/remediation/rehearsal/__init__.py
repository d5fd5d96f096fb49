"""A rehearsal: the real responder on virtual incidents, with a clock that does not wait."""
