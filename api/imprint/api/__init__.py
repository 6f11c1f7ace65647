"""The server: Git over HTTP, REST and web pages over one store."""
