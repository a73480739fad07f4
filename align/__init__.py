"""From a media file to aligned faces and speech: decoding, face detection, warping,
quality, voice activity. No networks, no gallery.
"""
