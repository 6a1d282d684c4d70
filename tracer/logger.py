"""The tracer's logger, `flightlog.tracer`. Payloads, keys and prompts never reach it."""

import logging

logger = logging.getLogger("flightlog.tracer")
