"""Experiments that fire many failures and compare them: one package per notebook.

``blind_spots`` is notebook 16, ``context`` is 17, ``time_to_fix`` is 13. May import the display
packages (``views``, ``widgets``) and the running system; the course imports it.
"""
