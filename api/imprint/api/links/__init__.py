"""Links between versions of commits over REST."""
