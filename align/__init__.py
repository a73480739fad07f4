"""From a media file to aligned faces and speech.

Decoding, face detection, warping, quality and voice activity. The layer knows neither
encoders nor the gallery.
"""
