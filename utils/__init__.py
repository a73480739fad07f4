"""What every layer shares: array types, values, errors, settings and small helpers.

Importing it keeps ONNX Runtime silent. Since version 1.29 it sends usage data and an
identifier of the machine to its maker, unless it is told not to before it is loaded.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
