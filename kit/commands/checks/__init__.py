"""What ``workshop check`` checks: crash types, faults, chaos experiments, and all at once."""
