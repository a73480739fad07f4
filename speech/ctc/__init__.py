"""Connectionist temporal classification (CTC): signs, and texts out of their probabilities.

A network gives probabilities of signs for each step of time. Output 0 is the blank, which
writes nothing and parts equal signs (A. Graves et al., "Connectionist Temporal
Classification", 2006).
"""
