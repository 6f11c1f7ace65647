"""Every question about code, once: REST, MCP and the command line ask these and give the same documents."""
