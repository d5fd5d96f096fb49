"""A drill on call: an unknown incident against a clock, a verdict, a post-mortem, a class board."""
