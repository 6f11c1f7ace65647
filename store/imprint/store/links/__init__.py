"""Links: which commit is another version of which, found again after amend, rebase, squash and the like."""
