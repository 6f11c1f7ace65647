"""Git over SSH: stock clients come with a key that is a token's, and run git's two services."""
