"""Networks: backbones to train, front ends, and what serves the trained ones."""
