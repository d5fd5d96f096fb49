"""What a program sent while a block of code ran, and what a test or a reader expects of it.

May import ``outcome`` and below.
"""
