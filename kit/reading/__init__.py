"""Makes sense of payloads: values, spans, and the simulated grouping. Nothing here draws.

May import the ground and ``ingest.store``'s item.
"""
