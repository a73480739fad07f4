"""Settings of the service, one file a subject. `utils/config.py` puts them together."""
