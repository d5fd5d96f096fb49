"""The learner's own service: the program that crashes, and the page that calls it."""

from pathlib import Path

# Declares the page's npm packages.
PAGE = Path(__file__).with_name("page")
