"""The course: its notebooks, its exercises, and which of them a learner has solved.

May import every room but ``commands``; ``kit.workshop`` hands it to notebooks.
"""
