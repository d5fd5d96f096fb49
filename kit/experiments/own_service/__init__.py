"""A service of the learner's own: the program that crashes, and the page that calls it."""

from pathlib import Path

# What npm installs for the page is declared there.
PAGE = Path(__file__).with_name("page")
