"""The two generations of the Python SDK of notebook 18: the same programs fired with both.

``installation`` puts them side by side, ``run`` fires a program with one of them, ``catalogue`` has
what flips and ``renames`` what is spelled differently.
"""
