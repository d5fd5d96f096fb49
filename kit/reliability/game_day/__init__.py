"""The game day: traffic, hidden faults, alerts, repair and an error budget on one screen.

It may import from every other room of reliability; none of them imports from it.
"""
