"""Questions about code as tools of the Model Context Protocol, for agents."""
