"""What can be predicted: when a resource runs out, and what such a prediction is worth.

A trend sees growth. It sees nothing before a step: a process death, a deploy or a flag can only be
detected.
"""
