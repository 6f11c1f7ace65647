"""Third-party agents: programs `entire-agent-<name>` that speak Entire's external-agent protocol."""
