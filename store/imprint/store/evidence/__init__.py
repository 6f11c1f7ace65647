"""Claims: who says that whom made what, and the evidence; shared by everything that reads or makes them."""
