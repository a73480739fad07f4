"""Keras networks, their blocks and heads, and how trained ones are loaded and exported."""
