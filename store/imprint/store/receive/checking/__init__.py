"""What git says of the packs that it checks."""
