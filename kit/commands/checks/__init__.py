"""The longer checks of ``workshop check``: of the chaos experiments, and of everything at once."""
