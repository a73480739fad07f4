"""Training and measuring the networks.

Data sets, augmentation, the training loop, calibration, evaluation.
"""
