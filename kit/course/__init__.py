"""The course: its notebooks, its exercises, and the learner's progress.

May import every package except ``commands``; ``kit.workshop`` provides it to notebooks.
"""
