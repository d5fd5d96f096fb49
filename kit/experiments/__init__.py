"""Many failures fired and compared: one package for each notebook that does so.

``blind_spots`` is notebook 16, ``context`` is 17, ``time_to_fix`` is 13. May import what shows
(``views``, ``widgets``) and what runs; the course imports it.
"""
