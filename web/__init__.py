"""The HTTP service: one factory, the /v1 API, the compatible APIs, Swagger UI.

Importing the package itself imports nothing.
"""

from __future__ import annotations

VERSION = "1.0.0"
