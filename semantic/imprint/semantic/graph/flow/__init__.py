"""What values reach a name: files lowered to scopes and expressions, and a machine that follows them."""
