"""What is known of a repository, on its way out in others' formats."""
