"""The reading edition: the course, run and printed as a static site."""
