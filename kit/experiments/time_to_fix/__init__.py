"""The experiment of notebook 13: three planted bugs, timed with log lines and with event cards."""
