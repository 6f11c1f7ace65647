"""Git's wire protocol: bytes in, the store's verbs called, bytes out."""
