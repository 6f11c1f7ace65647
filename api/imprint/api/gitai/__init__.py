"""Git AI's client served: its notes over HTTP."""
