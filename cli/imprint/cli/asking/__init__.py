"""Commands that ask about code: definitions, uses, outlines, maps, the past; and the protocol for agents."""
