"""Views: static HTML that outlives the kernel. Nothing here needs a live kernel.

May import ``reading``, ``provenance`` and below.
"""
