"""The error pattern library: a page for each crash type and fault, and a guide of practices.

Everything is generated from declarations and recorded events.
"""
