"""OpenTelemetry: our records as OTLP spans, and OTLP spans of ours or of other tools as records."""
