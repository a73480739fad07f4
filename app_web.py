"""The API service with Swagger UI at `/`.

Run `python app_web.py`, then open http://127.0.0.1:5000 in a browser.
"""

from __future__ import annotations

from utils.interrupts import end_at_once
from utils.leaving import leave_at_once

if __name__ == "__main__":
    end_at_once()  # until the service begins: its packages take a while to load
    leave_at_once()

from utils.python_version import check_python

check_python()  # before the packages, which other versions lack

from web.server.serve import command

main = command(
    "app_web.py", "Serve Duet ID with Swagger UI on http://127.0.0.1:5000.", swagger_ui=True
)

if __name__ == "__main__":
    main()
