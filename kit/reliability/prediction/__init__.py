"""What can be predicted: when a resource is used up, and what such a prediction is worth.

A trend sees what grows. It sees nothing before a step: a death, a deploy or a flag is detected.
"""
