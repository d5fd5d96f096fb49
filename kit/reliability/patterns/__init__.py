"""The error pattern library: a page for each crash type and fault, and a guide of practices.

All of it is generated from declarations and from recorded events.
"""
