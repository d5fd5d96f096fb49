"""Background traffic: which players spin when, and how their requests end."""
