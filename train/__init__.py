"""Training and measuring the networks: data sets, augmentation, the training loop,
calibration, evaluation.
"""
