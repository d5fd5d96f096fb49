"""A service of the learner's own: the program that crashes, and the page that calls it."""
