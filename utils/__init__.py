"""Small shared parts: types, errors, settings, features, metrics. Imports nothing else
of the product.
"""
