"""The commands of cli.py, one file a subject; each only reads arguments and prints."""
