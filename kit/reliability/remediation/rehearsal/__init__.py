"""A rehearsal: the responder itself on virtual incidents, by a clock that does not wait."""
