"""How the catalogue's tables came to be, one file per revision. A published revision is never edited."""
