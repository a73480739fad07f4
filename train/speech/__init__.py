"""Training of networks that write what is said."""
