"""Roles: what a piece of code is for besides what it is, told from its syntax alone."""
