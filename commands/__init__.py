"""The commands of cli.py, one file a subject. Each only reads arguments and prints."""
