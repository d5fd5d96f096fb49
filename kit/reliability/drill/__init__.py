"""An on-call drill: an unknown incident, a clock, a verdict, a post-mortem and a class board."""
