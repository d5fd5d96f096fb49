"""The two generations of the Python SDK in notebook 18: the same programs run with both.

``installation`` installs them side by side, ``run`` runs a program with one of them, ``catalogue``
lists what differs and ``renames`` what is spelled differently.
"""
